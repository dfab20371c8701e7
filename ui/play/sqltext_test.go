package play

import (
	"strings"
	"testing"

	"pilothouse/ui/widget"
)

// What fits is what a Canvas draws in as many cells.
func TestFitCells(t *testing.T) {
	for _, look := range []string{"none", "ascii"} {
		th := widget.NewTheme(sqlLooks[look])
		for _, s := range append([]string{"plain", "a\tb", "e\u0301x"}, hostileTexts...) {
			for cells := range 30 {
				n, used := fitCells(th, s, cells)
				if used > cells || used != th.Width(untabbed(s[:n])) {
					t.Errorf("%s: %d bytes of %q take %d of %d cells, and are %d wide", look, n, s, used, cells, th.Width(untabbed(s[:n])))
				}
				if n < len(s) {
					if _, next := stepCells(th, s[n:]); used+next <= cells {
						t.Errorf("%s: %q would have had more room in %d cells", look, s, cells)
					}
				}
			}
		}
	}
}

// Rows of a wrapped text have all of it but for the blanks and line feeds at which it
// breaks, in order.
func TestWrapRow(t *testing.T) {
	th := widget.NewTheme(sqlLooks["none"])
	for _, s := range append([]string{fixtureSQL, fixtureReasoning, "", "\n\n", "a \n b"}, hostileTexts...) {
		for _, w := range []int{1, 2, 7, 40} {
			rest := s
			var b strings.Builder
			for rest != "" {
				n, next := wrapRow(th, rest, w)
				if next <= 0 || n > next {
					t.Fatalf("a row of %d bytes, and then %d, of %q", n, next, rest)
				}
				if cells := lineCells(th, rest[:n], 1000); cells > w {
					t.Fatalf("%q has %d cells of %d", rest[:n], cells, w)
				}
				if left := strings.Trim(rest[n:next], " \n"); left != "" && w > 10 {
					t.Fatalf("%q is left out of %q", left, s)
				}
				b.WriteString(rest[:n])
				rest = rest[next:]
			}
			if w > 10 && strings.Join(strings.Fields(b.String()), "") != strings.Join(strings.Fields(s), "") {
				t.Errorf("%q became %q", s, b.String())
			}
		}
	}
}
