package pane

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
)

// Whom we stopped did not leave.
func TestStoppedIsNotLeft(t *testing.T) {
	ended := func(id string, e gateway.EndState) gateway.Record {
		return gateway.Record{ID: id, Start: noon, Phase: gateway.PhaseEnded, Status: 200, End: e}
	}
	s := &gateway.Snapshot{At: noon, Recent: []gateway.Record{ended("a", gateway.EndClientLeft), ended("b", gateway.EndInterrupted), ended("c", gateway.EndInterrupted)}}
	head := ansi.Strip(strings.Split(showing(theme(), s).View(118, 10), "\n")[0])
	if !strings.Contains(head, "▲ left 1") || !strings.Contains(head, "▲ stopped 2") {
		t.Errorf("%q", head)
	}
	s.Recent = s.Recent[:1]
	if head := ansi.Strip(strings.Split(showing(theme(), s).View(118, 10), "\n")[0]); strings.Contains(head, "stopped") {
		t.Errorf("nobody was stopped: %q", head)
	}
}
