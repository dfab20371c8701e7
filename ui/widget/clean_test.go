package widget

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

func TestClean(t *testing.T) {
	for _, tt := range []struct{ name, in, want, ascii string }{
		{"plain", "acme/etl-nightly", "acme/etl-nightly", ""},
		{"accents", "Müller", "Müller", `M\u00fcller`},
		{"accent of its own", "Mu\u0308ller", "Mu\u0308ller", `Mu\u0308ller`},
		{"wide", "東京", "東京", `\u6771\u4eac`},
		{"escape sequence", "\x1b[31mred", `\x1b[31mred`, `\x1b[31mred`},
		{"title", "\x1b]0;pwned\a", `\x1b]0;pwned\a`, `\x1b]0;pwned\a`},
		{"C1 control", "a\u009b31m", `a\u009b31m`, `a\u009b31m`},
		{"raw C1 byte", "a\x9b31m", `a\x9b31m`, `a\x9b31m`},
		{"lines", "a\r\n\tb", `a\r\n\tb`, `a\r\n\tb`},
		{"null and delete", "a\x00\x7f", `a\x00\x7f`, `a\x00\x7f`},
		{"right to left override", "abc\u202egnp", `abc\u202egnp`, `abc\u202egnp`},
		{"isolate", "\u2066x\u2069", `\u2066x\u2069`, `\u2066x\u2069`},
		{"zero width", "ad\u200bmin", `ad\u200bmin`, `ad\u200bmin`},
		{"byte order mark", "\ufeffx", `\ufeffx`, `\ufeffx`},
		{"no-break space", "a\u00a0b", `a\u00a0b`, `a\u00a0b`},
		{"line separator", "a\u2028b", `a\u2028b`, `a\u2028b`},
		{"tag", "a\U000e0041", `a\U000e0041`, `a\U000e0041`},
		{"joined emoji", "👩\u200d💻", `\U0001f469\u200d💻`, `\U0001f469\u200d\U0001f4bb`},
		{"emoji selector", "❤\ufe0f", `\u2764\ufe0f`, `\u2764\ufe0f`},
		{"leading mark", "\u0301a", `\u0301a`, `\u0301a`},
		{"filler", "a\u3164b", `a\u3164b`, `a\u3164b`},
		{"invalid", "a\xffb", `a\xffb`, `a\xffb`},
		{"pile of marks", "a" + strings.Repeat("\u0301", 40), "a" + strings.Repeat(`\u0301`, 40), "a" + strings.Repeat(`\u0301`, 40)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Clean(tt.in, false); got != tt.want {
				t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if tt.ascii == "" {
				tt.ascii = tt.want
			}
			if got := Clean(tt.in, true); got != tt.ascii {
				t.Errorf("Clean(%q) in ASCII = %q, want %q", tt.in, got, tt.ascii)
			}
		})
	}
}

// harmless fails the test where text could act on a terminal or put it out of
// step.
func harmless(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("invalid UTF-8 in %q", s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			t.Fatalf("%U in %q", r, s)
		}
	}
	if g, w := ansi.StringWidth(s), ansi.StringWidthWc(s); g != w {
		t.Fatalf("%q is %d cells to some terminals, %d to others", s, g, w)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[2J", "\u202e", "e\u0301", "東京", "👩\u200d💻", "🇩🇪🇫", "\xf0\x9f", "क्षि", "각", "a\u0903b"} {
		f.Add(s)
	}
	unicodeTheme := NewTheme(Look{})
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s, false)
		harmless(t, got)
		if again := Clean(got, false); again != got {
			t.Fatalf("cleaned twice: %q, then %q", got, again)
		}
		if n := unicodeTheme.Width(s); n != ansi.StringWidth(got) {
			t.Fatalf("Width(%q) = %d, drawn %d", s, n, ansi.StringWidth(got))
		}
		for _, r := range Clean(s, true) {
			if r < 0x20 || r > 0x7e {
				t.Fatalf("%U in ASCII", r)
			}
		}
	})
}

func FuzzCanvas(f *testing.F) {
	f.Add(10, 2, 3, 1, 5, "東京 abc", "x\x1b[0m")
	f.Add(1, 1, 0, 0, 1, "東", "")
	f.Add(7, 3, -1, 5, 900, "👩\u200d💻", "\u0301")
	f.Fuzz(func(t *testing.T, w, h, x, y, room int, a, b string) {
		w, h, room = abs(w)%200, abs(h)%20, abs(room)%400
		x, y = x%300, y%30
		c := NewCanvas(NewTheme(Look{}), w, h)
		c.Text(x, y, room, Bad, a)
		c.Text(x+1, y, room, Good, b) // over what is there
		c.Right(x, y, room, Plain, b+a)
		c.Mark(x, y, room, Selected)
		shape(t, c.String(), w, h)
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

// shape checks that a picture has h lines of w cells, to terminals of either
// kind, and nothing but text and colours.
func shape(t *testing.T, s string, w, h int) {
	t.Helper()
	if h == 0 {
		if s != "" {
			t.Fatalf("%q, want nothing", s)
		}
		return
	}
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines, want %d", len(lines), h)
	}
	for i, l := range lines {
		if g, wc := ansi.StringWidth(l), ansi.StringWidthWc(l); g != w || wc != w {
			t.Fatalf("line %d is %d or %d cells, want %d: %q", i, g, wc, w, l)
		}
		harmless(t, ansi.Strip(l))
	}
}
