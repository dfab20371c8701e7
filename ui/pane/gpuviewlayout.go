package pane

import (
	"fmt"

	"pilothouse/ui/widget"
)

// From what size on a card is worth having.
const (
	gpuCardWidth  = 58
	gpuCardHeight = 17
	gpuCardGap    = 2
	gpuDetailRows = 5   // of the details below lines
	gpuBeside     = 170 // cells from which on details stand beside lines
)

// View implements Pane.
func (p *GPUView) View(w, h int) string {
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		p.grid = 0
		if p.empty(c) {
			return
		}
		hosts := gpuHostLines(c.Theme, gpuHostRows(p.snap, p.all), w-2)
		rows := 0
		if h >= 8 {
			rows = min(len(hosts), max(1, h/8))
		}
		gpuHosts(c, 0, rows, hosts)
		if across, down := gpuGrid(len(p.shown), w, h-rows); across > 0 {
			p.cards(c, rows, across, down)
			return
		}
		p.lines(c, rows)
	})
}

// empty says why there is nothing to show, if that is so.
func (p *GPUView) empty(c *widget.Canvas) bool {
	switch {
	case p.snap == nil:
		c.Text(1, 0, c.W-1, widget.Muted, "no data yet")
	case p.snap.Err != "":
		style := widget.Warn
		if len(p.snap.Hosts) > 0 && p.snap.Hosts[0].Absent {
			style = widget.Unknown
		}
		c.Text(1, 0, c.W-2, style, c.Theme.Mark(style)+" "+p.snap.Err)
	case len(p.all) == 0:
		c.Text(1, 0, c.W-1, widget.Muted, "no gpu is listed yet")
	case len(p.shown) == 0:
		c.Text(1, 0, c.W-1, widget.Muted, fmt.Sprintf("none of %s matches", gpuCount(len(p.all))))
	default:
		return false
	}
	return true
}

// gpuGrid is how cards for n devices lie in w by h cells: with as few places left
// over as possible, and rather side by side, where they compare best. 0: there is
// no room for all.
func gpuGrid(n, w, h int) (across, down int) {
	if n == 1 && h >= gpuDetailRows {
		return 1, 1
	}
	over := n
	for a := 1; a <= n && (w+gpuCardGap)/a-gpuCardGap >= gpuCardWidth; a++ {
		d := (n + a - 1) / a
		if h/d >= gpuCardHeight && a*d-n <= over {
			across, down, over = a, d, a*d-n
		}
	}
	return across, down
}

// cards draws all devices in full, the same parts of all at the same height.
func (p *GPUView) cards(c *widget.Canvas, y, across, down int) {
	p.grid = across
	p.window(len(p.shown))
	h := c.H - y
	sheets := make([]gpuSheet, len(p.shown))
	even := gpuPlan{each: gpuHighest}
	for i := range sheets {
		left, right := gpuShareOut(c.W+gpuCardGap, across, i%across)
		top := i / across * (h / down)
		s := &sheets[i]
		*s = gpuSheet{p: p, c: c, d: p.row(i), x: left, y: y + top, w: right - left - gpuCardGap, h: h / down}
		s.picked = !p.following() && i == p.index
		s.prepare()
		even.notes = max(even.notes, min(len(s.notes), 2))
	}
	for i := range sheets {
		even.each = min(even.each, sheets[i].plan(even).each)
	}
	for i := range sheets {
		sheets[i].draw(even)
	}
}

// gpuHighest is how many rows a graph has at most.
const gpuHighest = 9

// gpuShareOut is where the i-th of n parts of a length begins and ends.
func gpuShareOut(length, n, i int) (from, to int) { return length * i / n, length * (i + 1) / n }

// lines draws a line a device, and the details of one.
func (p *GPUView) lines(c *widget.Canvas, y int) {
	w, h, n := c.W, c.H-y, len(p.shown)
	heads := 1
	if h < 4 {
		heads = 0
	}
	told := p.teller()
	s := gpuSheet{p: p, c: c, d: p.row(told), x: 0, y: y, w: w, h: h}
	switch {
	case w >= gpuBeside && n+heads > h/3:
		w = min(w/2, 100)
		s.x, s.w = w+gpuCardGap, c.W-w-gpuCardGap
	default:
		rows := min(n+heads, max(3, h*2/5))
		if h-rows < gpuDetailRows {
			rows, s.h = h, 0
		}
		h = rows
		s.y, s.h = y+rows, s.h-rows
	}
	p.list(c, y, w, h, heads, told)
	if s.h > 0 {
		s.picked = !p.following()
		s.prepare()
		s.draw(gpuPlan{each: gpuHighest})
	}
}

// list draws the lines in w by h cells.
func (p *GPUView) list(c *widget.Canvas, y, w, h, heads, told int) {
	from, to := p.window(h - heads)
	if p.following() && told >= from+h-heads { // the one that is told of is one of them
		from, to = told-(h-heads)+1, told+1
	}
	table := newGPUTable(func(yield func(*gpuDevice) bool) { // of all, so that columns stay where they are
		for i := range p.shown {
			if !yield(p.row(i)) {
				return
			}
		}
	}, 2, w-3)
	if heads > 0 {
		table.heads(c, y)
	}
	for i := from; i < to; i++ {
		d := p.row(i)
		row := y + heads + i - from
		table.row(c, row, d, func(w int) widget.Series { return p.history(d, w) })
		if i != told {
			continue
		}
		if p.following() {
			c.Text(0, row, 1, widget.Muted, c.Theme.Pointer)
			continue
		}
		c.Text(0, row, 1, widget.Plain, c.Theme.Pointer)
		if p.focus {
			c.Mark(0, row, w, widget.Selected)
		}
	}
}

// history is a device's utilisation in w cells.
func (p *GPUView) history(d *gpuDevice, w int) widget.Series {
	if w <= 0 {
		return nil
	}
	t := newYoungGPUTime(p.reach(), w, p.now, p.all)
	p.curves.fill(&t, d.g, p.snap.At)
	return p.curves.util
}

// reach is how far back graphs go.
func (p *GPUView) reach() gpuSpan { return reachOf(p.hours) }
