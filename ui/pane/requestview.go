package pane

import "pilothouse/ui/widget"

// totalled is the height from which on the totals are worth a row.
const totalled = 10

// View implements Pane.
func (p *Requests) View(w, h int) string {
	heads := 1
	if h >= totalled {
		heads = 2
	}
	at := p.window(max(0, h-heads))
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		if p.snap == nil {
			c.Text(1, 0, w-1, widget.Muted, "no data yet")
			return
		}
		if heads == 2 {
			p.totals(c)
		}
		cols := p.columns()
		spans := p.spans(cols, w-2)
		c.Heads(heads-1, spans, cols)
		if len(at) == 0 {
			c.Text(1, heads, w-1, widget.Muted, p.nothing())
		}
		for i, k := range at {
			p.row(c, heads+i, cols, spans, p.list.row(k))
			if p.Selecting() && k == p.list.index {
				c.Text(0, heads+i, 1, widget.Plain, c.Theme.Pointer)
				if p.focus {
					c.Mark(0, heads+i, w, widget.Selected)
				}
			}
		}
	})
}

// nothing says why there are no rows.
func (p *Requests) nothing() string {
	switch {
	case len(p.all) == 0:
		return "none yet"
	case p.query.text != "":
		return "none of " + widget.Count(uint64(len(p.all))) + " matches /" + clip(p.pic.theme, p.query.text, 60)
	case p.scope == failedOnly:
		return "none of the last " + widget.Count(uint64(len(p.snap.Recent))) + " failed"
	}
	return "none in flight"
}

// window is the rows to draw in h lines.
func (p *Requests) window(h int) []int {
	from, to := p.list.window(h)
	p.top = p.top[:0]
	if p.list.following() && p.list.sort == 0 {
		live, recent := p.live, len(p.list.shown)-p.live
		if live+recent > h {
			live = min(live, max(h/2, h-recent))
		}
		for i := range min(h, live) {
			p.top = append(p.top, i)
		}
		from, to = p.live, len(p.list.shown)
	}
	for i := from; i < to && len(p.top) < h; i++ {
		p.top = append(p.top, i)
	}
	return p.top
}
