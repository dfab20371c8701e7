package pane

import (
	"slices"
	"strings"

	"pilothouse/ui/widget"
)

// side draws the sources and the parts of the log in a column, and returns its
// width.
func (p *Logs) side(c *widget.Canvas) (w int) {
	w = 22
	if c.W >= logWideFrom {
		w = 30
	}
	at := slices.IndexFunc(p.sources, p.source.is)
	rows := len(p.sources)
	parts := 2 + len(logRanges)
	counts := 0
	if p.source.kind != LogPast {
		counts = 4
	}
	least := min(rows, 8)
	if c.H-least-counts < parts {
		parts = 0 // the keys are in the last row of the screen, too
	}
	if c.H-least-parts < counts {
		counts = 0
	}
	room := max(0, c.H-parts-counts)
	hidden := rows - room
	if hidden > 0 && room > 1 {
		room, hidden = room-1, hidden+1
	}
	off := max(0, min(at-room/2, rows-room))
	y := 0
	for i := off; i < rows && y < room; i++ {
		p.drawSource(c, 0, y, w, 3, p.sources[i], i == at)
		y++
	}
	if hidden > 0 {
		y += min(1, c.Text(3, y, w-3, widget.Muted, "+"+widget.Count(uint64(hidden))+" more"))
	}
	if counts > 0 {
		p.drawCounts(c, y+1, w)
		y += counts
	}
	if parts > 0 {
		p.drawParts(c, y+1, w)
	}
	return w
}

// drawSource draws the name of a source, indented, behind how its replica is.
func (p *Logs) drawSource(c *widget.Canvas, x, y, w, indent int, s logSource, chosen bool) {
	st := widget.Muted
	if chosen {
		c.Text(x, y, 1, widget.Plain, c.Theme.Pointer)
		st = widget.Bold
	}
	if s.kind == LogContainer {
		c.Text(x+1, y, 1, s.grade, c.Theme.Mark(s.grade))
	}
	c.Text(x+indent, y, w-indent, st, s.title())
}

// drawCounts draws how many warnings and errors there are, of which n and N find
// the latter.
func (p *Logs) drawCounts(c *widget.Canvas, y, w int) {
	count := func(y, n int, st widget.Style, what string) {
		if n == 0 {
			st = widget.Muted
		}
		text := c.Theme.None
		if p.answered {
			text = widget.Count(uint64(n))
		}
		c.Text(1, y, 1, st, c.Theme.Mark(st))
		c.Right(3, y, 6, st, text)
		if n == 1 {
			what = strings.Replace(what, "s", " ", 1)
		}
		c.Text(10, y, w-10, widget.Muted, what)
	}
	what := "errors"
	if p.filter.re == nil {
		what = "errors  n N"
	}
	count(y, p.buf.errors, widget.Bad, what)
	count(y+1, p.buf.warnings, widget.Warn, "warnings")
	if p.source.kind == LogContainer {
		c.Text(1, y+2, 1, widget.Muted, stderrMark)
		c.Text(3, y+2, w-3, widget.Muted, "on stderr")
	}
}

// drawParts draws the parts of a log with their keys.
func (p *Logs) drawParts(c *widget.Canvas, y, w int) {
	for i, r := range logRanges {
		st := widget.Muted
		if i == p.part {
			c.Text(0, y+i, 1, widget.Plain, c.Theme.Pointer)
			st = widget.Bold
		}
		c.Text(1, y+i, 1, widget.Focused, p.own.Ranges[i].Help().Key)
		c.Text(3, y+i, w-3, st, r.name)
	}
}

// tabs draws the sources in a row, as many as there is room for around the one
// chosen, and what part of it is shown.
func (p *Logs) tabs(c *widget.Canvas) {
	const longest = 20
	part := logRanges[p.part].name
	room := c.W
	if c.W >= 40 && p.source.kind != "" {
		room -= len(part) + 1
		c.Text(room+1, 0, len(part), widget.Muted, part)
	}
	if n := p.buf.errors; n > 0 && c.W >= 60 {
		text := c.Theme.Bad + " " + widget.Count(uint64(n))
		room -= c.Theme.Width(text) + 2
		c.Text(room+1, 0, c.W-room, widget.Bad, text)
	}
	indent := func(s logSource) int {
		if s.kind == LogContainer {
			return 3
		}
		return 1
	}
	width := func(s logSource) int { return indent(s) + min(longest, c.Theme.Width(s.title())) + 2 }
	at := slices.IndexFunc(p.sources, p.source.is)
	from, used := 0, 0
	for i := 0; i <= at; i++ {
		used += width(p.sources[i])
		for used-2 > room && from < i {
			used -= width(p.sources[from])
			from++
		}
	}
	x := 0
	for i := from; i < len(p.sources) && x < room; i++ {
		w := width(p.sources[i])
		if x+w-2 > room && i > from {
			break
		}
		p.drawSource(c, x, 0, min(w-2, room-x), indent(p.sources[i]), p.sources[i], i == at)
		x += w
	}
}
