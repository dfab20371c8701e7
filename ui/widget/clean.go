package widget

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// maxCluster bounds the bytes of one drawn character: letters with accents and
// simple emoji fit, piles of combining marks don't.
const maxCluster = 16

// Clean makes text that came from outside harmless to a terminal: what is
// printable and of a width that all terminals agree on stays, everything else
// is shown as its escape (\x1b, \u202e). With ascii set nothing above 0x7e stays.
// Clean text stays as it is when cleaned again.
func Clean(s string, ascii bool) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		p, n := next(s, ascii)
		b.WriteString(p.text)
		s = s[n:]
	}
	return b.String()
}

// plain tells whether s is printable ASCII only.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// piece is one drawn character, or the escape of one that isn't drawn.
type piece struct {
	text  string
	width int // cells
}

// next takes the first character off s: what to draw for it, and how many
// bytes of s it was.
func next(s string, ascii bool) (piece, int) {
	c := s[0]
	if c >= 0x20 && c <= 0x7e && (len(s) == 1 || s[1] < utf8.RuneSelf) {
		return piece{s[:1], 1}, 1
	}
	if c >= utf8.RuneSelf && !ascii {
		// Segmentation reads on until a cluster ends, which in hostile text is
		// never: show it no more than would be drawn.
		if cl, w := ansi.FirstGraphemeCluster(head(s), ansi.GraphemeWidth); steady(cl, w) {
			return piece{cl, w}, len(cl)
		}
	} else if c >= 0x20 && c <= 0x7e {
		// ASCII with something behind it that may join it, an accent say.
		if !ascii {
			if cl, w := ansi.FirstGraphemeCluster(head(s), ansi.GraphemeWidth); len(cl) > 1 && steady(cl, w) {
				return piece{cl, w}, len(cl)
			}
		}
		return piece{s[:1], 1}, 1
	}
	r, n := utf8.DecodeRuneInString(s)
	text := escape(r, s[:n])
	return piece{text, len(text)}, n
}

// head is as much of s as one cluster may take and a little more, so that a
// longer one is seen to be longer.
func head(s string) string {
	if len(s) <= maxCluster+utf8.UTFMax {
		return s
	}
	end := maxCluster + utf8.UTFMax
	for end > maxCluster && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// steady tells whether a cluster may be drawn as it is: all of it is
// printable, and terminals that count characters and terminals that count
// code points give it the same one or two cells.
func steady(cluster string, width int) bool {
	if len(cluster) > maxCluster || width < 1 || width > 2 || ansi.StringWidthWc(cluster) != width {
		return false
	}
	first := true
	for i, r := range cluster {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(cluster[i:]); n == 1 {
				return false
			}
		}
		if !unicode.IsPrint(r) || invisible(r) {
			return false
		}
		// No mark in front, where it would join what another piece drew. Behind
		// it only marks that take no room of their own: joiners, selectors and
		// modifiers are where terminals part.
		if first && unicode.Is(unicode.M, r) || !first && !unicode.Is(unicode.Mn, r) {
			return false
		}
		first = false
	}
	return true
}

// invisible are letters and marks by category that draw nothing, or that only
// choose how a neighbour is drawn.
func invisible(r rune) bool {
	return unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

func escape(r rune, raw string) string {
	if r == utf8.RuneError && len(raw) == 1 {
		const hex = "0123456789abcdef"
		return `\x` + string([]byte{hex[raw[0]>>4], hex[raw[0]&15]})
	}
	q := strconv.QuoteRuneToASCII(r)
	return q[1 : len(q)-1]
}
