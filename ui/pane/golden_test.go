package pane

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noColour is the look of most goldens.
var noColour = widget.Look{Profile: colorprofile.ASCII}

// looks are all ways to draw, by the name of a golden's file.
var looks = map[string]widget.Look{
	"dark":         {Palette: widget.Dark, Profile: colorprofile.TrueColor},
	"light":        {Palette: widget.Light, Profile: colorprofile.TrueColor},
	"colour-blind": {Palette: widget.ColourBlind, Profile: colorprofile.TrueColor},
	"16":           {Palette: widget.Dark, Profile: colorprofile.ANSI},
	"none":         noColour,
	"ascii":        {Profile: colorprofile.ASCII, ASCII: true},
}

// goldens holds a pane's picture, as it is after prepare, to its files: at each
// size without colour, and at the first size in all looks.
func goldens(t *testing.T, name string, sizes [][2]int, prepare func(*widget.Theme) Pane) {
	t.Helper()
	for _, size := range sizes {
		p := prepare(widget.NewTheme(noColour))
		got := picked(t, p, size[0], size[1])
		golden(t, fmt.Sprintf("%s-%dx%d.txt", name, size[0], size[1]), trimmed(ansi.Strip(got))+"\n")
	}
	for look, l := range looks {
		p := prepare(widget.NewTheme(l))
		got := picked(t, p, sizes[0][0], sizes[0][1])
		if l.ASCII {
			for _, r := range got {
				if r > 0x7e {
					t.Errorf("%s: %q is not ASCII", name, r)
				}
			}
		}
		golden(t, fmt.Sprintf("%s-%s.ansi", name, look), got+"\n")
	}
}

// picked draws a pane, and sees that it fills its box.
func picked(t *testing.T, p Pane, w, h int) string {
	t.Helper()
	p.View(w, h) // a pane learns its size here
	got := p.View(w, h)
	lines := strings.Split(got, "\n")
	if len(lines) != h {
		t.Errorf("%d lines, want %d", len(lines), h)
	}
	for i, l := range lines {
		if n := ansi.StringWidth(l); n != w {
			t.Errorf("line %d has %d cells, want %d: %q", i, n, w, l)
		}
	}
	return got
}

// trimmed is text without the blanks at its lines' ends.
func trimmed(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
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
