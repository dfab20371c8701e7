package ui

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// looks are all ways to draw, by the name of a golden's file.
var looks = map[string]widget.Look{
	"dark":         {Palette: widget.Dark, Profile: colorprofile.TrueColor},
	"light":        {Palette: widget.Light, Profile: colorprofile.TrueColor},
	"colour-blind": {Palette: widget.ColourBlind, Profile: colorprofile.TrueColor},
	"16":           {Palette: widget.Dark, Profile: colorprofile.ANSI},
	"none":         {Profile: colorprofile.ASCII},
	"ascii":        {Profile: colorprofile.ASCII, ASCII: true},
}

// tiers are the sizes that have an arrangement of their own.
var tiers = [][2]int{{80, 24}, {120, 40}, {200, 60}}

// panel is a dialog as an operator has come to it.
type panel struct {
	name string
	data func() pane.Data
	keys []string // that lead there; what begins with = is typed
	all  bool     // a golden for each tier, and one for next to no room
}

var panels = []panel{
	{"impact", func() pane.Data { return hung(3) }, []string{"3", "down", "down", "R"}, true},
	{"last", func() pane.Data { return hung(1) }, []string{"3", "down", "down", "R"}, true},
	{"named", func() pane.Data { return hung(1) }, []string{"3", "down", "down", "R", "tab", "tab", "tab", "=hung after 9 d", "tab", "=chat", "tab", "tab"}, false},
	{"unnamed", func() pane.Data { return hung(1) }, []string{"3", "down", "down", "R", "=cha", "tab", "tab", "enter"}, false},
	{"draining", func() pane.Data { return during(drainingJob(), 1) }, []string{"J"}, true},
	{"loading", func() pane.Data { return during(loadingJob(), 1) }, []string{"J"}, true},
	{"failed", func() pane.Data {
		return during(cameTo(loadingJob(), backends.Failed, `its container exited with code 1; its log's last line: "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.02 GiB"`), 1)
	}, []string{"J"}, true},
	{"rolling", func() pane.Data { return during(rollingJob(), 3) }, []string{"J"}, true},
	{"done", func() pane.Data {
		return during(cameTo(chatJob(stepsOf(114*time.Second, 0, 4, 5, 74, 2, 29)...), backends.Done, ""), 1)
	}, []string{"J"}, false},
	{"explained", func() pane.Data { return hung(1) }, []string{"4", "down", "down", "down", "down", "down", "down", "enter"}, true},
	{"drain", func() pane.Data { return hung(1) }, []string{"3", "down", "down", "D"}, false},
	{"cancel", func() pane.Data { return hung(1) }, []string{"4", "down", "X"}, false},
	{"cancel-org", func() pane.Data { return hung(1) }, []string{"4", "down", "O"}, false},
	{"cancel-job", func() pane.Data { return during(drainingJob(), 1) }, []string{"J", "C"}, false},
	{"grant", func() pane.Data { return hung(1) }, []string{"5", "down", "T", "tab", "tab", "tab"}, false},
	{"refused-grant", func() pane.Data { return hung(1) }, []string{"5", "down", "T", "tab", "enter"}, false},
	{"quit", func() pane.Data { return hung(1) }, []string{"q"}, false},
	{"help", func() pane.Data { return hung(1) }, []string{"3", "?"}, false},
	{"palette", func() pane.Data { return hung(1) }, []string{"3", "down", "down", ":"}, false},
	{"found", func() pane.Data { return hung(1) }, []string{"3", "down", "down", ":", "=rst", "down"}, false},
}

// come leads an operator to a panel.
func (p *panel) come(t *testing.T, l widget.Look, w, h int) *Model {
	t.Helper()
	d := p.data()
	hand := &hands{there: true, snap: d.Gateway, parts: asked(d)}
	o := with(d)
	o.Palette, o.Profile, o.ASCII = l.Palette, l.Profile, l.ASCII
	o.Detachable, o.Explainer = true, refused{}
	o.Seat = desk.New(desk.Platform{Jobs: hand, Drains: hand, Logs: hand, Gateway: hand}, desk.Options{Now: func() time.Time { return night }}).
		Seat(desk.Operator{Name: "ana", Role: desk.Admin, From: "203.0.113.9"})
	o.Command = func(_ context.Context, _ []string, _, errOut io.Writer) int {
		fmt.Fprintln(errOut, "pilothouse: say how much: --tokens or --requests")
		return 2
	}
	m := sized(o, w, h)
	t.Cleanup(m.close)
	for _, k := range p.keys {
		if text, ok := strings.CutPrefix(k, "="); ok {
			spell(m, text)
			continue
		}
		do(m, k)
	}
	if len(m.dialogs) == 0 {
		t.Fatalf("%s: nothing asks and nothing tells:\n%s", p.name, content(m))
	}
	return m
}

// alone is the topmost dialog on an empty screen, with the row of its keys: what
// stands behind it has goldens of its own.
func alone(t *testing.T, m *Model) string {
	t.Helper()
	screen := strings.Repeat(strings.Repeat(" ", m.w)+"\n", m.h-1)
	block := m.dialogs[len(m.dialogs)-1].view(m.theme, m.w, m.h-1)
	lines := strings.Split(block, "\n")
	if len(lines) >= m.h {
		t.Errorf("%d lines of a box in %d", len(lines), m.h-1)
	}
	for i, l := range lines {
		if n, want := ansi.StringWidth(l), ansi.StringWidth(lines[0]); n != want || n > m.w {
			t.Errorf("line %d has %d cells, and the box %d of %d: %q", i, n, want, m.w, l)
		}
	}
	return overlay(m.theme, screen+keysRow(m.theme, m.w, m.working(), m.helpKey()), block, m.w, m.h)
}

// Each panel, in each look: at every tier, or at the smallest with all in it.
func TestGoldenPanels(t *testing.T) {
	for i := range panels {
		p := &panels[i]
		for look, l := range looks {
			sizes := tiers
			if !p.all {
				sizes = tiers[:1]
			}
			if p.all && look == "dark" {
				sizes = append([][2]int{{40, 10}}, sizes...)
			}
			for _, size := range sizes {
				m := p.come(t, l, size[0], size[1])
				shape(t, m.View().Content, size[0], size[1])
				got := alone(t, m)
				shape(t, got, size[0], size[1])
				if l.ASCII {
					onlyASCII(t, ansi.Strip(got))
				}
				golden(t, fmt.Sprintf("panels/%s-%s-%dx%d.ansi", p.name, look, size[0], size[1]), got+"\n")
			}
		}
	}
}
