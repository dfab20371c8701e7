package ui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/gateway/quota"
	"pilothouse/ui/pane"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// A list of commands that is longer than its box says so.
func TestPaletteTellsThereIsMore(t *testing.T) {
	m := shown(t, "palette", 80, 24)
	all := len(m.dialogs[0].(*paletteDialog).all)
	if s := content(m); !strings.Contains(s, fmt.Sprintf("1-18 of %d ", all)) {
		t.Errorf("%s", s)
	}
	do(m, "pgdown", "down")
	if s := content(m); !strings.Contains(s, fmt.Sprintf("3-20 of %d ", all)) {
		t.Errorf("%s", s)
	}
}

// What is done to the selected thing is found first, what can't be done last.
func TestPaletteOrder(t *testing.T) {
	m := shown(t, "palette", 80, 24)
	d := m.dialogs[0].(*paletteDialog)
	for typed, want := range map[string]string{"rst": "restart chat", "restart": "restart chat", "restart te": "restart text2sql", "drtx": "drain text2sql"} {
		d.in = newInput(typed)
		d.find()
		if got := d.all[d.found[0]].name; got != want {
			t.Errorf("%s finds %s, want %s", typed, got, want)
		}
		can := true
		for _, i := range d.found {
			if d.all[i].why != "" {
				can = false
			} else if !can {
				t.Errorf("%s: %s can be done, and comes after what can't", typed, d.all[i].name)
			}
		}
	}
}

func TestBothKeys(t *testing.T) {
	for _, of := range [][3]string{
		{"page up", "page down", "page up, down"},
		{"next pane", "previous pane", "next, previous pane"},
		{"back in time", "forth in time", "back, forth in time"},
		{"drain", "end the drain", "drain, end the drain"},
		{"up", "down", "up, down"},
		{"up", "up", "up, up"},
	} {
		if got := both(of[0], of[1]); got != of[2] {
			t.Errorf("%q, want %q", got, of[2])
		}
	}
}

// At 80 by 24 all keys of a view without filters are in sight, two that belong
// together on a line.
func TestHelpFits(t *testing.T) {
	m := shown(t, "help", 80, 24)
	s := content(m)
	for _, want := range []string{"up/k down/j  up, down", "n N          next, previous match", "7 8          chat, sql", "ctrl-c       stop at once"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q:\n%s", want, s)
		}
	}
	m.Update(press("esc"))
	m.keys.Drain.SetHelp("shift-f11", "drain")
	m.keys.Undrain.SetHelp("shift-f12", "end the drain")
	m.keys.Earlier.SetHelp(",", "a moment and more back")
	do(m, "?")
	if s := content(m); strings.Contains(s, ", .") || !strings.Contains(s, "shift-f11    drain ") || !strings.Contains(s, "shift-f12    end the drain") {
		t.Errorf("a key with a long name is cut:\n%s", s)
	}
}

// A dialog has a blank cell on either side, and wide characters that it cuts leave
// one.
func TestOverlayStandsApart(t *testing.T) {
	th := widget.NewTheme(looks["none"])
	for _, of := range [][3]string{
		{"abcdefgh", "##", "ab ## gh"},
		{"abcdefgh", "######", " ###### "},
		{"abcdefgh", "########", "########"},
		{"東京都庁", "##", "東 ## 庁"},
		{"a東京都b", "##", "a  ##  b"},
	} {
		if got := ansi.Strip(overlay(th, of[0], of[1], 8, 1)); got != of[2] {
			t.Errorf("%s over %s: %q, want %q", of[1], of[0], got, of[2])
		}
	}
}

// A grant is measured by what its organisation has used of its own windows.
func TestUsedOf(t *testing.T) {
	window := func(key string, used, limit int64) quota.Window {
		return quota.Window{Name: quota.TokensPerDay, Key: key, Used: used, Limit: limit}
	}
	p := &past.Snapshot{Quotas: []gateway.OrgQuotas{
		{Org: "globex", Windows: []quota.Window{window("", 1, 2)}},
		{Org: "acme", Windows: []quota.Window{window("k1", 3, 4), window("", 9_140_000, 10_000_000), window("", 7, 0)}},
	}}
	want := pane.Fact{Label: "tokens a day", Text: "9,140,000 of 10,000,000 used, 91 %"}
	if got := usedOf(p, "acme"); len(got) != 1 || got[0] != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := append(usedOf(nil, "acme"), usedOf(p, "initech")...); got != nil {
		t.Errorf("%+v of nothing", got)
	}
}
