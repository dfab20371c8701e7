package pane

import (
	"math"
	"strings"
	"time"

	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// burnDown draws what was left of a window from its beginning to now, filled, and
// what will be left until it begins anew, dotted. The stretch before the first
// sample that is known is dotted too, as it was not seen.
func (p *Quotas) burnDown(c *widget.Canvas, x, y, w, h int, org string, win *quotaWindow) {
	const scale = 5 // cells of the axis at the left
	if w < scale+8 || h < 1 {
		return
	}
	if win == nil {
		c.Text(x, y, w, widget.Muted, "no limit, nothing to burn down")
		return
	}
	gh := h
	if h >= 4 {
		gh--
	}
	gw := w - scale
	p.burnScale(c, x, y, gh, win)
	b := p.burn(org, win, gw)
	if b.span <= 0 {
		return
	}
	st := widget.Plain
	if win.spent() {
		st = widget.Bad
	}
	c.Graph(x+scale, y, gw, gh, p.tone(st), b.left, 1)
	b.draw(c, x+scale, y, gw, gh, p.tone(widget.Muted), p.tone(max(win.grade(), widget.Muted)))
	if gh < h {
		p.burnAxis(c, x+scale, y+gh, gw, &b, win)
	}
}

// burnScale draws the axis at the left.
func (p *Quotas) burnScale(c *widget.Canvas, x, y, h int, win *quotaWindow) {
	for i := range h {
		label, end := "", c.Theme.Vertical
		switch {
		case i == 0:
			label, end = "100%", c.Theme.AxisEnd
		case i == h-1:
			label, end = "0%", c.Theme.AxisEnd
		case h >= 7 && i == h/2:
			label = "left"
		}
		c.Right(x, y+i, 4, widget.Muted, label)
		c.Text(x+4, y+i, 1, widget.Muted, end)
	}
}

// burned is a burn-down by dot columns.
type burned struct {
	start time.Time
	span  time.Duration // of all columns
	left  widget.Series // NaN: not known, or not yet
	first int           // the first column that is known
	now   int           // the column of now
	fall  float64       // forecast: of what is left, per column; NaN: not known
}

// burn works it out for gw cells.
func (p *Quotas) burn(org string, win *quotaWindow, gw int) burned {
	b := burned{start: win.starts(), fall: math.NaN()}
	b.span = win.resets.Sub(b.start)
	n := 2 * gw
	step := b.span / time.Duration(n)
	if step <= 0 {
		return burned{}
	}
	b.left = make(widget.Series, n)
	for i := range b.left {
		b.left[i] = math.NaN()
	}
	b.now = min(max(int(p.now.Sub(b.start)/step), 0), n-1)
	if p.trends != nil {
		// Whole steps, so that the picture moves on without changing its shape.
		for i, v := range p.trends.Series(past.Spent, past.WindowName(org, win.key, win.name), b.start.Add(time.Duration(b.now)*step), step, b.now+1) {
			if i <= b.now && !math.IsNaN(v) {
				b.left[i] = min(max(1-v, 0), 1)
			}
		}
	}
	b.left[b.now] = win.left()
	for math.IsNaN(b.left[b.first]) {
		b.first++
	}
	if !math.IsNaN(win.pace) {
		b.fall = win.pace * step.Seconds()
	}
	return b
}

// starts is when a window began; zero: it is not known.
func (w *quotaWindow) starts() time.Time {
	if w.monthly() {
		return w.resets.UTC().AddDate(0, -1, 0)
	}
	return w.resets.Add(-quotaDay)
}

const quotaDay = 24 * time.Hour

// draw dots what was not seen, and the forecast.
func (b *burned) draw(c *widget.Canvas, x, y, w, h int, unseen, forecast widget.Style) {
	d := burnDots{cells: make([]uint8, w*h), w: w, h: h}
	// Up to the cell of the first sample: that one is filled.
	for i := 0; i < b.first/2*2; i += 2 {
		d.set(i, 1+(b.left[b.first]-1)*float64(i)/float64(b.first))
	}
	d.draw(c, x, y, unseen)
	clear(d.cells)
	// From the next cell on: this one is filled.
	for i := b.now/2*2 + 2; i < 2*w; i += 2 {
		left := b.left[b.now] - b.fall*float64(i-b.now)
		if !(left > 0) {
			break
		}
		d.set(i, left)
	}
	d.draw(c, x, y, forecast)
}

// burnDots is a curve of single dots, in cells of 2 by 4.
type burnDots struct {
	cells []uint8
	w, h  int
}

// set sets the dot of a column at a height of 0 to 1.
func (d *burnDots) set(col int, level float64) {
	row := 4*d.h - 1 - int(math.Round(level*float64(4*d.h-1)))
	bits := [4][2]uint8{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}
	d.cells[row/4*d.w+col/2] |= bits[row%4][col%2]
}

func (d *burnDots) draw(c *widget.Canvas, x, y int, st widget.Style) {
	for i, bits := range d.cells {
		if bits == 0 {
			continue
		}
		dot := string(rune(0x2800 + int(bits)))
		if c.Theme.ASCII() {
			dot = "."
			if bits&0x1b != 0 { // in its upper half
				dot = "'"
			}
		}
		c.Text(x+i%d.w, y+i/d.w, 1, st, dot)
	}
}

// burnAxis draws, below the graph, when the window began and when it begins anew,
// at its ends; between them when it runs out, and now, if only as a tick where
// there is no room for the word. Its beginning is told where there is room left.
func (p *Quotas) burnAxis(c *widget.Canvas, x, y, w int, b *burned, win *quotaWindow) {
	taken := make([]bool, w)
	put := func(at int, st widget.Style, label string) bool {
		n := c.Theme.Width(label)
		at = min(at, w-n)
		if at < 0 {
			return false
		}
		for i := max(0, at-1); i < min(w, at+n+1); i++ {
			if taken[i] {
				return false
			}
		}
		c.Text(x+at, y, n, st, label)
		for i := at; i < at+n; i++ {
			taken[i] = true
		}
		return true
	}
	column := func(t time.Time) int { return int(float64(w) * float64(t.Sub(b.start)) / float64(b.span)) }
	put(w, widget.Muted, quotaAxis(win, win.resets))
	if !win.out.IsZero() && !win.spent() {
		label := c.Theme.Warn + quotaClock(win.out, p.now)
		put(column(win.out), p.tone(widget.Warn), label)
	}
	if now := c.Theme.Tick + "now"; !put(b.now/2, widget.Muted, now) && !put(b.now/2-c.Theme.Width(now)+1, widget.Muted, "now"+c.Theme.Tick) {
		put(b.now/2, widget.Muted, c.Theme.Tick)
	}
	if from := c.Theme.Tick + quotaAxis(win, b.start); !put(0, widget.Muted, from) {
		from, _, _ = strings.Cut(from, " ") // the day alone, of a window of a day
		put(0, widget.Muted, from)
	}
}

// quotaAxis writes the beginning or the end of a window.
func quotaAxis(w *quotaWindow, t time.Time) string {
	if w.monthly() {
		return t.UTC().Format("2 Jan")
	}
	return t.UTC().Format("Mon 15:04Z")
}
