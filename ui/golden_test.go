package ui

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

var update = flag.Bool("update", false, "write the golden files anew")

// screen is what a dashboard of a size shows after some keys.
func screen(o Options, w, h int, keys ...string) string {
	m := New(context.Background(), o)
	defer m.close()
	m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	m.View() // as the program does after every message
	for _, k := range keys {
		m.Update(press(k))
		m.View()
	}
	return m.View().Content
}

// press makes a key's message from its name.
func press(name string) tea.KeyPressMsg {
	named := map[string]tea.KeyPressMsg{
		"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight},
		"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "esc": {Code: tea.KeyEscape}, "enter": {Code: tea.KeyEnter},
		"tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "space": {Code: tea.KeySpace, Text: " "},
		"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+l": {Code: 'l', Mod: tea.ModCtrl}, "ctrl+r": {Code: 'r', Mod: tea.ModCtrl},
	}
	if k, ok := named[name]; ok {
		return k
	}
	return tea.KeyPressMsg{Code: rune(name[0]), Text: name}
}

func TestGoldens(t *testing.T) {
	sizes := [][2]int{{40, 10}, {80, 24}, {120, 40}, {200, 60}}
	mid := [][2]int{{80, 24}}
	demo := func() Options {
		o := with(calm())
		o.Demo, o.DemoKey = true, "demo-key-of-this-run"
		o.Seat = nil
		o.GPUs.(*fixedGPUs).s.Simulated = true
		return o
	}
	empty := func() Options { return with(pane.Data{Now: night}) }
	looks := func(o Options, l widget.Look) Options {
		o.Palette, o.Profile, o.ASCII = l.Palette, l.Profile, l.ASCII
		return o
	}
	mono := widget.Look{Profile: colorprofile.ASCII}
	dark := widget.Look{Palette: widget.Dark, Profile: colorprofile.TrueColor}
	for _, tt := range []struct {
		name   string
		opts   Options
		look   widget.Look
		sizes  [][2]int
		keys   []string
		colour bool // keep the escape sequences
	}{
		{"calm", with(calm()), mono, sizes, nil, false},
		{"calm-dark", with(calm()), dark, sizes, nil, true},
		{"trouble", with(trouble()), mono, sizes, nil, false},
		{"trouble-dark", with(trouble()), dark, sizes, nil, true},
		{"trouble-light", with(trouble()), widget.Look{Palette: widget.Light, Profile: colorprofile.TrueColor}, mid, nil, true},
		{"trouble-colour-blind", with(trouble()), widget.Look{Palette: widget.ColourBlind, Profile: colorprofile.TrueColor}, mid, nil, true},
		{"trouble-16", with(trouble()), widget.Look{Palette: widget.Dark, Profile: colorprofile.ANSI}, mid, nil, true},
		{"trouble-none", with(trouble()), mono, mid, nil, true},
		{"trouble-ascii", with(trouble()), widget.Look{Profile: colorprofile.ASCII, ASCII: true}, sizes, nil, false},
		{"demo", demo(), mono, sizes, nil, false},
		{"demo-curl", demo(), mono, mid, []string{"c"}, false},
		{"empty", empty(), mono, mid, nil, false},
		{"help", with(calm()), mono, mid, []string{"?"}, false},
		{"quit", with(calm()), mono, mid, []string{"q"}, false},
		{"findings", with(trouble()), mono, mid, []string{"!"}, false},
		{"requests-full", with(calm()), mono, mid, []string{"f", "down", "down"}, false},
		{"paused", with(calm()), mono, mid, []string{"space"}, false},
	} {
		for _, size := range tt.sizes {
			w, h := size[0], size[1]
			t.Run(fmt.Sprintf("%s-%dx%d", tt.name, w, h), func(t *testing.T) {
				got := screen(looks(tt.opts, tt.look), w, h, tt.keys...)
				shape(t, got, w, h)
				ext := ".ansi"
				if !tt.colour {
					got, ext = trimmed(ansi.Strip(got)), ".txt"
				}
				if tt.look.ASCII {
					onlyASCII(t, got)
				}
				golden(t, filepath.Base(t.Name())+ext, got+"\n")
			})
		}
	}
}

// Each view, in each tier, in each look, on the bad night of a platform that tells all.
// Of the playgrounds ui/play has more.
func TestGoldenViews(t *testing.T) {
	now := trouble().Now
	room := talked(t, now)
	for name, look := range map[string]widget.Look{
		"dark": {Palette: widget.Dark, Profile: colorprofile.TrueColor}, "light": {Palette: widget.Light, Profile: colorprofile.TrueColor},
		"colour-blind": {Palette: widget.ColourBlind, Profile: colorprofile.TrueColor}, "16": {Palette: widget.Dark, Profile: colorprofile.ANSI},
		"none": {Profile: colorprofile.ASCII}, "ascii": {Profile: colorprofile.ASCII, ASCII: true},
	} {
		for i, view := range viewNames {
			for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
				o := with(wired())
				o.Palette, o.Profile, o.ASCII = look.Palette, look.Profile, look.ASCII
				o.Chat, o.Sheet = room, worked(now)
				got := logged(t, o, size[0], size[1], fmt.Sprint(i+1))
				shape(t, got, size[0], size[1])
				if look.ASCII {
					onlyASCII(t, withoutLogged(ansi.Strip(got)))
				}
				golden(t, fmt.Sprintf("views/%s-%s-%dx%d.ansi", view, name, size[0], size[1]), got+"\n")
			}
		}
	}
}

// trimmed is text without the blanks at its lines' ends.
func trimmed(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func onlyASCII(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if r > 0x7e {
			t.Fatalf("%q on a screen of ASCII", r)
		}
	}
	// The theme has an ASCII form of all it draws: an escape means one is missing.
	if strings.Contains(s, `\u`) {
		t.Fatalf("an escaped glyph:\n%s", s)
	}
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was (-update writes it anew). Now:\n%s", path, got)
	}
}
