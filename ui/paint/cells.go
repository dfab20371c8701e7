package paint

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// cell is what one place of a row shows.
type cell struct {
	text  string // one character of one code point or more; "": the one to the left takes this place too
	style string // the SGR sequences that its look takes, from a reset on; "": none
}

// blank is a place that nothing was written to.
var blank = cell{text: " "}

// cells takes a line apart into w cells: what has no room is left out, and what is
// missing is blank. They are put where to has room.
func cells(line string, w int, to []cell) []cell {
	to = to[:0]
	style := ""
	for i := 0; i < len(line) && len(to) < w; {
		if line[i] == '\x1b' {
			n := strings.IndexByte(line[i:], 'm') + 1
			if n == 0 {
				break // not a frame's
			}
			style, i = restyle(style, line[i:i+n]), i+n
			continue
		}
		n, width := character(line[i:])
		if width > 0 && len(to)+width <= w {
			to = append(to, cell{line[i : i+n], style})
			if width == 2 {
				to = append(to, cell{"", style})
			}
		}
		i += n
	}
	for len(to) < w {
		to = append(to, blank)
	}
	return to
}

// restyle is the style after one more sequence.
func restyle(style, seq string) string {
	switch {
	case seq == "\x1b[m" || seq == "\x1b[0m":
		return ""
	case style == "" || strings.HasPrefix(seq, "\x1b[0;"):
		return seq
	}
	return style + seq
}

// character is how many bytes the first character of a text has, and how many cells
// it takes.
func character(s string) (n, width int) {
	if n := simple(s); n > 0 && (n == len(s) || simple(s[n:]) > 0) {
		return n, 1
	}
	cluster, width := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	return max(1, len(cluster)), min(width, 2)
}

// simple is how many bytes the first code point has if it is one of those that
// nearly all of a frame is made of, which take one cell and join no other: ASCII,
// Latin, punctuation, and the blocks from box drawing to geometric shapes and of
// braille. Otherwise 0.
func simple(s string) int {
	if c := s[0]; c < utf8.RuneSelf {
		if c >= ' ' && c != 0x7f || c == '\x1b' {
			return 1
		}
		return 0
	}
	switch r, n := utf8.DecodeRuneInString(s); {
	case r >= 0x2500 && r < 0x2600, r >= 0x2800 && r < 0x2900, r >= 0x2010 && r < 0x2028, r >= 0xa1 && r < 0x100 && r != 0xad:
		return n
	}
	return 0
}
