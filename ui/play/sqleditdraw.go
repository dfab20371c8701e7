package play

import (
	"strconv"

	"pilothouse/ui/widget"
)

// span is a part of a line in one style.
type span struct {
	from, to int // bytes of the line
	style    widget.Style
}

// editorLook is how an editor is drawn.
type editorLook struct {
	focused bool             // the cursor is shown
	numbers bool             // lines have their numbers before them
	spans   func(int) []span // of a line, one behind the other; nil: all is plain
	wrong   int              // the byte of the text that is marked; -1: none
	ground  widget.Style     // of text without spans
}

// follow keeps the cursor in a window of w by h cells.
func (e *editor) follow(w, h int) {
	e.row = min(e.row, len(e.lines)-1)
	e.top = max(e.top, e.row-h+1)
	e.top = max(0, min(e.top, e.row, len(e.lines)-h))
	at := lineCells(e.theme, e.lines[e.row][:e.col], e.most*8)
	if at < e.left {
		e.left = max(0, at-w/3)
	}
	if at > e.left+w-1 {
		e.left = at - w + 1 + w/3
	}
	if at < w {
		e.left = 0
	}
}

// draw draws the editor in a field, and returns where the cursor is.
func (e *editor) draw(c *widget.Canvas, x, y, w, h int, look editorLook) (cx, cy int) {
	if w <= 0 || h <= 0 {
		return x, y
	}
	gutter := 0
	if look.numbers {
		gutter = max(2, len(strconv.Itoa(len(e.lines)))) + 1
		if w < gutter+20 {
			gutter = 0
		}
	}
	e.follow(w-gutter, h)
	if e.single && !look.focused {
		e.left = 0 // it is read from its beginning
	}
	from := 0 // the byte of the text at which the line begins
	for _, l := range e.lines[:e.top] {
		from += len(l) + 1
	}
	for i := range min(h, len(e.lines)-e.top) {
		row := e.top + i
		line := e.lines[row]
		if gutter > 0 {
			c.Right(x, y+i, gutter-1, widget.Muted, strconv.Itoa(row+1))
		}
		spans := []span{{0, len(line), look.ground}}
		if look.spans != nil {
			spans = look.spans(row)
		}
		e.drawLine(c, x+gutter, y+i, w-gutter, line, spans)
		if at := look.wrong - from; look.wrong >= 0 && at >= 0 && at <= len(line) {
			e.markAt(c, x+gutter, y+i, w-gutter, line, at, spanOf(line[at:], func(r rune) bool { return r == '.' || wordRune(r) }), widget.Bad|widget.Inverse)
		}
		from += len(line) + 1
	}
	cx = x + gutter + lineCells(e.theme, e.lines[e.row][:e.col], e.most*8) - e.left
	cy = y + e.row - e.top
	if look.focused {
		e.markAt(c, x+gutter, cy, w-gutter, e.lines[e.row], e.col, 0, widget.Inverse)
	}
	return cx, cy
}

// markAt marks so many bytes of a line, or else the character there, or the cell
// behind the line's end.
func (e *editor) markAt(c *widget.Canvas, x, y, w int, line string, at, size int, attr widget.Style) {
	cell := lineCells(e.theme, line[:at], e.most*8) - e.left
	if cell < 0 || cell >= w {
		return
	}
	cells := 1
	switch {
	case size > 0:
		cells = lineCells(e.theme, line[at:at+size], w)
	case at < len(line):
		_, cells = stepCells(e.theme, line[at:])
	default:
		c.Text(x+cell, y, 1, widget.Plain, " ")
	}
	c.Mark(x+cell, y, min(max(1, cells), w-cell), attr)
}

// drawLine draws the part of a line that is in the window.
func (e *editor) drawLine(c *widget.Canvas, x, y, w int, line string, spans []span) {
	first, used := fitCells(e.theme, line, e.left)
	if used < e.left && first < len(line) { // half a wide character is left out
		size, cells := stepCells(e.theme, line[first:])
		first, used = first+size, used+cells
	}
	at := used - e.left
	for _, s := range spans {
		if s.to <= first || at >= w {
			continue
		}
		part := line[max(first, s.from):s.to]
		n, _ := fitCells(e.theme, part, w-at)
		at += c.Text(x+at, y, w-at, s.style, untabbed(part[:n]))
		if n < len(part) {
			break
		}
	}
	if rest, _ := fitCells(e.theme, line[first:], w); first+rest < len(line) && w > 0 {
		c.Text(x+w-1, y, 1, widget.Muted, c.Theme.Ellipsis)
	}
	if e.left > 0 && line != "" {
		c.Text(x, y, 1, widget.Muted, c.Theme.Ellipsis)
	}
}
