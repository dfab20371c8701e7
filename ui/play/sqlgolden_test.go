package play

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/ask"
	"pilothouse/ui/widget"
)

var sqlLooks = map[string]widget.Look{
	"dark":         {Palette: widget.Dark, Profile: colorprofile.TrueColor},
	"light":        {Palette: widget.Light, Profile: colorprofile.TrueColor},
	"colour-blind": {Palette: widget.ColourBlind, Profile: colorprofile.TrueColor},
	"none":         {Profile: colorprofile.ASCII},
	"ascii":        {Profile: colorprofile.ASCII, ASCII: true},
}

// sqlScene is a pane after some keys.
type sqlScene struct {
	name  string
	sheet func() ask.Snapshot
	keys  []string
	main  bool // in all sizes and looks
}

// kept tells whether there is a golden of a look and a width. Every one is drawn.
func (s *sqlScene) kept(look string, w int) bool {
	switch {
	case w == 1:
		return false
	case look == "none":
		return true
	case look == "light", look == "colour-blind":
		return s.main && w == 118
	}
	return s.main || w == 118 && look == "dark"
}

var sqlScenes = []sqlScene{
	{"empty", emptySheet, nil, true},
	{"asked", askedSheet, []string{"tab", "esc"}, true},
	{"asking", askingSheet, nil, false},
	{"running", runningSheet, nil, true},
	{"error", errorSheet, []string{"w"}, true},
	{"result", resultSheet, []string{"tab", "tab", "down", "right"}, true},
	{"cut", cutSheet, []string{"tab", "tab", "z", "right", "right", "right", "right", "right", "right", "right", "right", "right", "pgdown"}, true},
	{"bars", barSheet, []string{"c"}, true},
	{"line", lineSheet, []string{"c"}, false},
	{"cell", cutSheet, []string{"tab", "tab", "right", "enter"}, true},
	{"schema", resultSheet, []string{"d", "down", "down", "down", "enter", "down"}, false},
	{"history", resultSheet, []string{"h", "down"}, false},
	{"plan", askedSheet, []string{"p"}, false},
	{"reasoning", askedSheet, []string{"r"}, false},
	{"offer", emptySheet, []string{"w", "s", "e", "l", "ctrl+space"}, false},
	{"save", resultSheet, []string{"s"}, false},
	{"hostile", hostileSheet, []string{"d", "down", "right", "tab", "tab", "right"}, true},
}

func TestSQLGoldens(t *testing.T) {
	for _, scene := range sqlScenes {
		for look, l := range sqlLooks {
			for _, size := range [][2]int{{78, 20}, {118, 36}, {198, 56}, {38, 7}, {1, 1}} {
				w, h := size[0], size[1]
				p, _ := newSQLPane(scene.sheet(), widget.NewTheme(l))
				p.View(w, h)
				keyed(p, scene.keys...)
				got := p.View(w, h)
				sqlShaped(t, got, w, h)
				if l.ASCII {
					sqlASCII(t, scene.name, got)
				}
				name := fmt.Sprintf("sql/%s-%s-%dx%d.ansi", scene.name, look, w, h)
				if look == "none" {
					name = fmt.Sprintf("sql/%s-%dx%d.txt", scene.name, w, h)
					got = sqlTrimmed(ansi.Strip(got))
				}
				if scene.kept(look, w) {
					sqlGolden(t, name, got+"\n")
				}
			}
		}
	}
}

// sqlShaped checks that a picture has h lines of w cells, whichever way a terminal
// counts them, and nothing but text and colours.
func sqlShaped(t *testing.T, s string, w, h int) {
	t.Helper()
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines at %dx%d:\n%s", len(lines), w, h, s)
	}
	for i, l := range lines {
		bare := ansi.Strip(l)
		if g, wc := ansi.StringWidth(bare), ansi.StringWidthWc(bare); g != w || wc != w {
			t.Fatalf("line %d has %d or %d cells at %dx%d: %q", i, g, wc, w, h, l)
		}
		for rest := l; ; { // nothing but SGR
			_, after, ok := strings.Cut(rest, "\x1b")
			if !ok {
				break
			}
			end := strings.IndexFunc(after, func(r rune) bool { return r != '[' && r != ';' && (r < '0' || r > '9') })
			if !strings.HasPrefix(after, "[") || end < 0 || after[end] != 'm' {
				t.Fatalf("a sequence that sets no colour in line %d: %q", i, l)
			}
			rest = after[end+1:]
		}
		for _, r := range bare {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U in line %d: %q", r, i, l)
			}
		}
	}
}

// sqlASCII checks that nothing else is drawn. What isn't hostile has no escapes but
// that of its own letters.
func sqlASCII(t *testing.T, name, s string) {
	t.Helper()
	for _, r := range s {
		if r > 0x7e {
			t.Fatalf("%s: %q is not ASCII", name, r)
		}
	}
	for _, glyph := range []string{`\u25`, `\u20`, `\u28`} {
		if name != "hostile" && strings.Contains(s, glyph) {
			t.Fatalf("%s: an escaped glyph:\n%s", name, s)
		}
	}
}

func sqlTrimmed(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func sqlGolden(t *testing.T, name, got string) {
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
