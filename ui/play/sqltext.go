package play

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// tabCells is how wide a tab is drawn.
const tabCells = 4

// longestCluster is more bytes than one character has that a Canvas draws as it is.
const longestCluster = 20

// stepCells is the first character of a line as a Canvas draws it: its bytes and
// its cells. s is not empty.
func stepCells(t *widget.Theme, s string) (size, cells int) {
	switch c := s[0]; {
	case c == '\t':
		return 1, tabCells
	case c < 0x20 || c == 0x7f:
		return 1, t.Width(s[:1])
	case c < 0x80 && (len(s) == 1 || s[1] < 0x80):
		return 1, 1
	}
	cluster, _ := ansi.FirstGraphemeCluster(headBytes(s, longestCluster), ansi.GraphemeWidth)
	if cluster == "" {
		cluster = s[:1]
	}
	return len(cluster), t.Width(cluster)
}

// fitCells is how many bytes of a line can be drawn in so many cells, and the cells
// that they take. No more of the line is read than that.
func fitCells(t *widget.Theme, s string, cells int) (n, used int) {
	for n < len(s) {
		size, w := stepCells(t, s[n:])
		if used+w > cells {
			break
		}
		n, used = n+size, used+w
	}
	return n, used
}

// lineCells is how many cells a line takes, or a few more than most where it takes
// more.
func lineCells(t *widget.Theme, s string, most int) int {
	n, used := fitCells(t, s, most)
	if n < len(s) {
		return most + 1
	}
	return used
}

// headBytes is at most n bytes of s, and no half character where that can be helped.
func headBytes(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for i := n; i > 0 && i > n-4; i-- {
		if s[i]&0xc0 != 0x80 {
			return s[:i]
		}
	}
	return s[:n]
}

// untabbed is text as it is drawn where tabs are kept.
func untabbed(s string) string {
	if strings.IndexByte(s, '\t') < 0 {
		return s
	}
	return strings.ReplaceAll(s, "\t", strings.Repeat(" ", tabCells))
}

// oneLine is text for a row: what ends lines and tabs are blanks, of which no two
// stand together. At most so many bytes of it are read.
func oneLine(s string, most int) string {
	return strings.Join(strings.Fields(headBytes(s, most)), " ")
}

// wrapRow is how many bytes of s the next row of w cells has, and where the one
// behind it begins: rows end at line feeds, or at a blank near the edge.
func wrapRow(t *widget.Theme, s string, w int) (n, next int) {
	part := headBytes(s, (w+1)*longestCluster)
	end := strings.IndexByte(part, '\n')
	if end >= 0 {
		part = part[:end]
	}
	n, _ = fitCells(t, part, w)
	if n == len(part) {
		switch {
		case end >= 0:
			return n, n + 1
		case n < len(s) && n == 0:
			return 1, 1
		}
		return n, n
	}
	if n == 0 { // not even one character has room: it is left out
		size, _ := stepCells(t, part)
		return 0, size
	}
	if part[n] == ' ' {
		return n, n + 1
	}
	if blank := strings.LastIndexByte(part[:n], ' '); blank >= n*3/4 {
		return blank, blank + 1
	}
	return n, n
}

// wrapped are at most so many rows of a text; more: it goes on behind them.
func wrapped(t *widget.Theme, s string, w, most int) (rows []string, more bool) {
	for s != "" {
		if len(rows) == most {
			return rows, true
		}
		n, next := wrapRow(t, s, w)
		rows = append(rows, s[:n])
		s = s[next:]
	}
	return rows, false
}

// sqlRun is text in one style.
type sqlRun struct {
	style widget.Style
	text  string
}

// drawRuns draws runs one behind the other in w cells, and returns the cells taken.
func drawRuns(c *widget.Canvas, x, y, w int, runs ...sqlRun) int {
	used := 0
	for _, r := range runs {
		if used >= w {
			break
		}
		used += c.Text(x+used, y, w-used, r.style, r.text)
	}
	return used
}

// heading draws the rule above a part, with its name, something about it and a note
// at the right, which is left out where it has no room.
func heading(c *widget.Canvas, x, y, w int, focused bool, name, about, note string) {
	t := c.Theme
	border := widget.Muted
	title := widget.Bold
	if focused {
		border, title = widget.Focused, widget.Focused|widget.Bold
	}
	if w <= 0 || y < 0 || y >= c.H {
		return
	}
	c.Text(x, y, w, border, strings.Repeat(t.Horizontal, w))
	if w < 8 {
		return
	}
	lead := " "
	if focused {
		lead = t.Pointer
	}
	end := x + w
	if n := t.Width(note); n > 0 && t.Width(name)+n+8 <= w {
		end -= n + 3
		c.Text(end, y, n+2, widget.Muted, " "+note+" ")
	}
	at := x + 1
	at += c.Text(at, y, end-at-1, border, lead)
	at += c.Text(at, y, end-at-1, title, name)
	if about != "" && end-at > 8 {
		at += drawRuns(c, at, y, end-at-2, sqlRun{widget.Muted, " " + t.Dot + " "}, sqlRun{widget.Plain, about})
	}
	c.Text(at, y, min(1, end-at), widget.Muted, " ")
}
