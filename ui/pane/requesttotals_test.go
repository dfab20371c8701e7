package pane

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
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

// As many organisations are named as fit; where none does it is told how many
// there are, and where that doesn't fit either nothing: a number alone says nothing.
func TestOrgsInLittleRoom(t *testing.T) {
	s := &gateway.Snapshot{At: noon}
	for _, org := range []string{"acme", "acme", "globex", "initech"} {
		s.Live = append(s.Live, gateway.Record{ID: "r", Org: org, Start: noon, Phase: gateway.PhaseDecode})
	}
	p := showing(theme(), s)
	p.View(118, 10)
	for w, want := range map[int]string{
		40: "· acme 2   globex 1   initech 1", 31: "· acme 2   globex 1   +1", 20: "· acme 2   +2", 12: "· 3 orgs", 9: "· 3 orgs", 8: "", 3: "",
	} {
		c := widget.NewCanvas(theme(), 50, 1)
		p.orgs(c, 0, w, (*request).inFlight)
		if got := strings.TrimSpace(ansi.Strip(c.String())); got != want {
			t.Errorf("%d cells: %q, want %q", w, got, want)
		}
	}
}
