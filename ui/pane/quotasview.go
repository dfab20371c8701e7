package pane

import (
	"pilothouse/ui/widget"
)

// Where there is room the list and the details share it.
const (
	quotasDetailFrom = 14  // rows from which on there are details
	quotasBesideFrom = 160 // cells from which on they stand beside the list
	quotasListMost   = 116 // cells of the list then
)

// View implements Pane.
func (p *Quotas) View(w, h int) string {
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		y := p.notice(c)
		if p.past == nil || p.past.QuotasAt.IsZero() {
			if y == 0 {
				c.Text(1, 0, w-1, widget.Muted, "no quotas read yet")
			}
			return
		}
		h -= y
		switch {
		case h <= 0:
		case (w < quotaWide || h < quotasDetailFrom) && p.following():
			p.digest(c, y, h)
		case w < quotaWide || h < quotasDetailFrom || len(p.shown) == 0:
			p.list(c, y, w, h)
		case w >= quotasBesideFrom:
			left := min(quotasListMost, w*3/5)
			p.list(c, y, left, h)
			for i := range h {
				c.Text(left+1, y+i, 1, widget.Muted, c.Theme.Vertical)
			}
			p.detail(c, left+3, y, w-left-4, h)
		default:
			// The list gets what its rows need, but leaves the details half.
			n := min(len(p.shown)+1, h/2)
			p.list(c, y, w, n)
			p.detail(c, 1, y+n, w-2, h-n)
		}
	})
}

// notice says, in the first line, what keeps the figures from being those of now;
// it returns the lines that it took. In a box of few lines the border tells their
// age alone.
func (p *Quotas) notice(c *widget.Canvas) int {
	text := ""
	switch s := p.past; {
	case s == nil:
		return 0
	case s.Err != "" && s.QuotasAt.IsZero():
		text = "quotas can't be read: " + s.Err
	case s.Err != "" && p.stale():
		text = "these are " + widget.Age(p.age()) + " old: " + s.Err
	case s.Err != "":
		text = "the books could not be read: " + s.Err
	case s.QuotasAt.IsZero():
		return 0
	case p.fleet != "":
		text = p.fleet
	case p.stale():
		text = "these are " + widget.Age(p.age()) + " old"
	default:
		return 0
	}
	if c.H < 4 && !p.past.QuotasAt.IsZero() {
		return 0
	}
	c.Text(1, 0, c.W-2, widget.Warn, c.Theme.Warn+" "+text)
	return 1
}
