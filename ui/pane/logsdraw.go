package pane

import (
	"fmt"
	"strings"
	"time"

	"pilothouse/ui/widget"
)

// Sizes from which on there is more to see.
const (
	logSideFrom   = 98  // cells: the sources have a column
	logDaysFrom   = 110 // the day is always told
	logMillisFrom = 150 // and parts of seconds
	logWideFrom   = 180 // the sources' column is wider
	logTabsFrom   = 3   // rows: the sources have a row, where they have no column
)

// stderrMark stands before what came over standard error.
const stderrMark = "e"

// logColumns is where the parts of a line are. What has no width isn't shown.
type logColumns struct {
	stamp        string // the form of the time
	stampX       int
	wordX, wordW int
	textX, textW int
}

// View implements Pane.
func (p *Logs) View(w, h int) string {
	if w != p.w || h != p.h {
		p.w, p.h = w, h
		p.pic.drop()
	}
	return p.pic.draw(w, h, p.paint)
}

func (p *Logs) paint(c *widget.Canvas) {
	x, y := 0, 0
	switch {
	case c.W >= logSideFrom:
		x = p.side(c) + 2
		for y := range c.H {
			c.Text(x-1, y, 1, widget.Muted, c.Theme.Vertical)
		}
	case c.H >= logTabsFrom:
		p.tabs(c)
		y++
	}
	y += p.trouble(c, x, y)
	cols := p.columns(x, c.W)
	p.linesH, p.textW = c.H-y, cols.textW
	p.arrange()
	if len(p.placed) == 0 && p.err == "" {
		c.Text(x+1, y, c.W-x-1, widget.Muted, p.nothing())
	}
	for i := range p.placed {
		p.drawLine(c, y, &p.placed[i], &cols)
	}
}

// nothing says why there are no lines.
func (p *Logs) nothing() string {
	switch {
	case p.source.kind == "":
		return "no data yet"
	case !p.answered:
		return "reading"
	case p.rewound && len(p.buf.all) > 0:
		return "nothing from before " + p.now.UTC().Format(time.TimeOnly) + " is kept"
	case p.filtered() && len(p.buf.all) > 0 && !p.hits.done(&p.buf):
		return "searching"
	case p.filtered() && len(p.buf.all) > 0:
		return "no line matches"
	case logRanges[p.part].span > 0 && !p.back:
		return "nothing in the last " + logRanges[p.part].name
	}
	return "nothing has been written"
}

// trouble draws what is wrong with the reading, and tells how many rows that took.
func (p *Logs) trouble(c *widget.Canvas, x, y int) int {
	const mark = 3 // cells, with the blanks around it
	w := c.W - x - mark
	if p.err == "" || c.H-y < 1 || w < 1 {
		return 0
	}
	again := ""
	if left := p.retry.Sub(p.now); !p.retry.IsZero() && left > 0 && !p.rewound {
		again = " " + c.Theme.Dot + " again in " + widget.Age(left)
	}
	most := max(1, min(2, (c.H-y)/3), (c.H-y)/4)
	// Which log it is everybody sees.
	err := strings.TrimPrefix(p.err, fmt.Sprintf("read the log of container %q: ", p.source.name))
	text, _ := firstCells(c.Theme, err+again, w*most)
	rows, _ := wrapCells(text, w, most)
	c.Text(x+1, y, 1, widget.Bad, c.Theme.Bad)
	for i, r := range rows {
		end := r[1]
		if i == len(rows)-1 {
			end = len(text) // what has no room ends in an ellipsis
		}
		c.Text(x+mark, y+i, w, widget.Bad, text[r[0]:end])
	}
	return len(rows)
}

// days tells whether lines need their day: some are not of the same as now.
func (p *Logs) days(now time.Time) bool {
	return len(p.buf.all) > 0 && p.buf.all[0].at.UTC().YearDay() != now.UTC().YearDay()
}

// columns lays a line out between x and w.
func (p *Logs) columns(x, w int) logColumns {
	cols := logColumns{stampX: x + 2, wordW: 5}
	if p.source.kind == LogPast {
		cols.wordW = 10
	}
	at := x + 2
	if p.stamps && w-x >= 24 {
		cols.stamp = time.TimeOnly
		if w-x >= logDaysFrom || p.days(p.now) {
			cols.stamp = "01-02 15:04:05"
		}
		if w-x >= logMillisFrom {
			cols.stamp += ".000"
		}
		at += len(cols.stamp) + 1
	}
	if w-at < 12 {
		cols.wordW = 0
	} else {
		cols.wordX = at
		at += cols.wordW + 1
	}
	cols.textX, cols.textW = at, w-at
	return cols
}

// drawLine draws the rows of a line that are to be seen.
func (p *Logs) drawLine(c *widget.Canvas, top int, l *placedLine, cols *logColumns) {
	e := p.line(l.at)
	y := top + l.y
	selected := p.sel != 0 && l.at == p.find(p.sel)
	if l.skip == 0 {
		p.drawHead(c, y, e, cols)
	}
	if p.wrap {
		p.drawWrapped(c, y, l, e, cols)
	} else {
		p.drawCut(c, y, e, cols)
	}
	if selected {
		c.Text(cols.stampX-2, y, 1, widget.Plain, c.Theme.Pointer)
		if p.focus {
			for i := range min(l.rows, c.H-y) {
				c.Mark(cols.stampX-2, y+i, c.W-cols.stampX+2, widget.Selected)
			}
		}
	}
}

// drawHead draws what stands before the text.
func (p *Logs) drawHead(c *widget.Canvas, y int, e *logEntry, cols *logColumns) {
	if e.stderr {
		c.Text(cols.stampX-2, y, 1, widget.Muted, stderrMark)
	}
	if cols.stamp != "" {
		stamp := c.Theme.None
		if !e.at.IsZero() {
			stamp = e.at.UTC().Format(cols.stamp)
		}
		c.Text(cols.stampX, y, len(cols.stamp), widget.Muted, stamp)
	}
	if cols.wordW == 0 {
		return
	}
	word, style := e.word, e.grade
	switch {
	case p.source.kind == LogPast:
		if style == widget.Plain {
			style = widget.Muted
		}
		word = c.Theme.Mark(style) + " " + word
	case word == "":
		word = strings.TrimSpace(c.Theme.Mark(style))
	case word == "WARNING", word == "CRITICAL":
		word = word[:4]
	case len(word) > cols.wordW:
		word = leadingWord(word)
		word = word[:min(len(word), cols.wordW)]
	}
	c.Text(cols.wordX, y, cols.wordW, style, word)
}

// drawCut draws as much of the text as a row has room for, and at the right edge,
// where there is room left, who wrote it.
func (p *Logs) drawCut(c *widget.Canvas, y int, e *logEntry, cols *logColumns) {
	text, more := firstCells(c.Theme, e.text(), p.pan+cols.textW)
	from, x := 0, cols.textX
	if p.pan > 0 && text != "" {
		// The first cell says that there is something before it.
		c.Text(x, y, 1, widget.Muted, c.Theme.Ellipsis)
		n, beyond := skipCells(text, p.pan+1)
		from, x = n, x+1+beyond
	}
	room := c.W - x
	n, used := cutCells(text[from:], room)
	if cut := from+n < len(text) || more; !cut {
		p.drawRun(c, x, y, e, text, from, from+n)
		p.drawPlace(c, y, x+used, e)
		return
	}
	n, used = cutCells(text[from:], room-1)
	p.drawRun(c, x, y, e, text, from, from+n)
	c.Text(x+used, y, 1, widget.Muted, c.Theme.Ellipsis)
}

// drawPlace draws which process wrote a line and where in its source, in what is
// left of a row from x on: all or only the latter, and nothing that would be cut.
func (p *Logs) drawPlace(c *widget.Canvas, y, x int, e *logEntry) {
	both := strings.TrimSpace(e.proc + " " + e.file)
	for _, place := range [...]string{both, e.file} {
		if n := c.Theme.Width(place); n > 0 && x+2+n <= c.W {
			c.Text(c.W-n, y, n, widget.Muted, place)
			return
		}
	}
}

// drawWrapped draws the rows of a line that is wrapped.
func (p *Logs) drawWrapped(c *widget.Canvas, y int, l *placedLine, e *logEntry, cols *logColumns) {
	line := &l.wrapped
	for i := range l.rows {
		at := line.at[l.skip+i]
		from, to := at[0], at[1]
		last := l.skip+i == len(line.at)-1
		if last && line.more {
			n, used := cutCells(line.text[from:to], cols.textW-1)
			p.drawRun(c, cols.textX, y+i, e, line.text, from, from+n)
			c.Text(cols.textX+used, y+i, 1, widget.Muted, c.Theme.Ellipsis)
			return
		}
		used := p.drawRun(c, cols.textX, y+i, e, line.text, from, to)
		if last {
			p.drawPlace(c, y+i, cols.textX+used, e)
		}
	}
}

// maxMarked is how many matches of a line are marked.
const maxMarked = 200

// drawRun draws a part of a clean text that has room, with what matches marked, and
// returns the cells that took.
func (p *Logs) drawRun(c *widget.Canvas, x, y int, e *logEntry, text string, from, to int) int {
	style := widget.Plain
	if e.lost {
		style = widget.Warn
	}
	start := x
	draw := func(from, to int, st widget.Style) {
		if from < to {
			x += c.Text(x, y, c.W-x, st, text[from:to])
		}
	}
	if p.filter.re != nil && !e.lost {
		for _, m := range p.filter.re.FindAllStringIndex(text[:to], maxMarked) {
			a, b := max(m[0], from), min(m[1], to)
			if a >= b {
				continue
			}
			draw(from, a, style)
			draw(a, b, widget.Focused|widget.Inverse)
			from = b
		}
	}
	draw(from, to, style)
	return x - start
}
