package pane

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// stripColours takes the sequences that set colours (SGR: ESC [ digits m) out of a
// line. They are all that is taken out: whatever else a terminal would obey stays,
// to be drawn as its escape.
func stripColours(s string) string {
	i := strings.IndexByte(s, 0x1b)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i >= 0 {
		b.WriteString(s[:i])
		s = s[i:]
		n := colourLen(s)
		if n == 0 {
			b.WriteByte(s[0])
			n = 1
		}
		s = s[n:]
		i = strings.IndexByte(s, 0x1b)
	}
	b.WriteString(s)
	return b.String()
}

// colourLen is the length of the colour sequence that s begins with; 0: none.
func colourLen(s string) int {
	const longest = 64
	if len(s) < 3 || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s) && i < longest; i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}

// tabStop is where tabs go.
const tabStop = 8

// firstCells is clean text of at least the first cells of a line, as far as it
// goes, and whether there is more of the line. However long the line is, no more is
// read than that takes.
func firstCells(t *widget.Theme, s string, cells int) (text string, more bool) {
	// What is printable ASCII, as nearly all is, needs no more bytes than cells.
	if n := min(len(s), cells+1); asciiOnly(s[:n]) && (n == len(s) || s[n] < 0x80) {
		return s[:n], n < len(s)
	}
	// Otherwise a byte may take four cells or a cell sixteen bytes: more is read
	// until it is enough, and a little more, lest the last character be half.
	for n := cells + 32; ; n *= 2 {
		head := frontBytes(s, n)
		text = cleaned(t, head)
		if more = len(head) < len(s); !more || t.Width(text) > cells+2 {
			return text, more
		}
	}
}

// cleaned is text as a Canvas draws it, with blanks for tabs.
func cleaned(t *widget.Theme, s string) string {
	if !strings.Contains(s, "\t") {
		return widget.Clean(s, t.ASCII())
	}
	var b strings.Builder
	at := 0
	for i, part := range strings.Split(s, "\t") {
		if i > 0 {
			n := tabStop - at%tabStop
			b.WriteString("        "[:n])
			at += n
		}
		part = widget.Clean(part, t.ASCII())
		b.WriteString(part)
		at += t.Width(part)
	}
	return b.String()
}

// asciiOnly tells whether s is printable ASCII only.
func asciiOnly(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// frontBytes is at most n bytes of s, and no half character.
func frontBytes(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

// cutCells is how many bytes of clean text fit into so many cells, and the cells
// that they take.
func cutCells(s string, cells int) (n, used int) {
	for n < len(s) {
		size, w := 1, 1
		if s[n] >= 0x80 || n+1 < len(s) && s[n+1] >= 0x80 {
			const longest = 20 // more than one character that a Canvas draws has
			cluster, width := ansi.FirstGraphemeCluster(frontBytes(s[n:], longest), ansi.GraphemeWidth)
			size, w = len(cluster), width
		}
		if size == 0 || used+w > cells {
			break
		}
		n, used = n+size, used+w
	}
	return n, used
}

// skipCells is how many bytes of clean text take up at least so many cells, and how
// many cells those are beyond that: half a wide character.
func skipCells(s string, cells int) (n, beyond int) {
	n, used := cutCells(s, cells)
	if used < cells && n < len(s) {
		wide, w := cutCells(s[n:], 2)
		return n + wide, used + w - cells
	}
	return n, 0
}

// wrapCells breaks clean text into at most so many rows of so many cells, at
// blanks where there are some near the edge. A row is from where to where in it it
// goes; rest: there is more than the rows hold.
func wrapCells(s string, cells, most int) (rows [][2]int, rest bool) {
	for at := 0; at < len(s) || len(rows) == 0; {
		if len(rows) == most {
			return rows, true
		}
		n, _ := cutCells(s[at:], cells)
		end := at + n
		if end < len(s) {
			if n == 0 {
				return append(rows, [2]int{at, at}), true // not even one character has room
			}
			// A blank may carry an accent, which stays with it.
			if blank := strings.LastIndexByte(s[at:end], ' '); blank >= n*3/4 {
				size, _ := cutCells(s[at+blank:], 1)
				end = at + blank + size
			}
		}
		rows = append(rows, [2]int{at, end})
		at = end
	}
	return rows, false
}
