package pane

import (
	"slices"

	"pilothouse/ui/widget"
)

// quotaDetails are of the selected row's windows.
var quotaDetails = [...]widget.Column{
	{Width: 1}, // the one whose burn-down is drawn
	{Head: "window", Width: 12, Max: 16},
	{Head: "used", Width: 19, Max: 26, Right: true, Worth: 9},
	{Head: "bar", Width: 8, Max: 30, Worth: 4},
	{Head: "%", Width: 4, Right: true, Worth: 10},
	{Head: "pace", Width: 7, Right: true, Worth: 7},
	{Head: "fate", Width: 22, Max: 30, Worth: 8},
	{Head: "held", Width: 15, Max: 18, Right: true, Worth: 3},
}

// detail draws what is known of the row that is selected, or of the first, in a
// field of the canvas.
func (p *Quotas) detail(c *widget.Canvas, x, y, w, h int) {
	r := p.subject()
	if r == nil || w < 20 || h < 2 {
		return
	}
	org, graphed := p.orgOf(r), p.graphed(r)
	all := p.windowLines(r, org)
	// A graph needs more rows than a window is worth.
	lines := all[:min(len(all), max(1, h-6))]
	if h < 7 {
		lines = all[:min(len(all), h-1)]
	}
	rest := h - 1 - len(lines)
	if rest >= 9 {
		rest--
	}
	about := ""
	if graphed != nil && rest >= 3 && !severalBurnDowns(w, rest) {
		about = "burn-down of " + quotaLabel(graphed.name)
	}
	p.heading(c, x, y, w, r, about)
	cols := quotaDetails
	if w >= 100 {
		cols[len(cols)-2].Width = 27 // its longest sentence
	}
	spans := widget.Fit(cols[:], w)
	for i := range spans {
		spans[i].X += x
	}
	for i, l := range lines {
		p.windowLine(c, y+1+i, spans, l, l == graphed, r.ref.Kind == RefKey && l.key == "")
	}
	p.below(c, x, y+h-rest, w, rest, org.ref.Name, all, graphed)
}

// below draws the burn-down, who uses most and the grants; where there is more
// room than one graph needs, those of other windows too.
func (p *Quotas) below(c *widget.Canvas, x, y, w, h int, org string, all []*quotaWindow, graphed *quotaWindow) {
	const side = 30 // cells for those beside
	switch {
	case h < 3:
	case severalBurnDowns(w, h):
		p.burnDowns(c, x, y, w, h, org, all, graphed)
	case w < side*2:
		p.burnDown(c, x, y, w, h, org, graphed)
	default:
		beside := max(side, w/3)
		p.burnDown(c, x, y, w-beside-2, h, org, graphed)
		p.beside(c, x+w-beside, y, beside, h, org)
	}
}

// quotasTall is from how many rows on burn-downs stand one above the other.
const quotasTall = 22

// severalBurnDowns tells whether there is room for more than one.
func severalBurnDowns(w, h int) bool { return h >= quotasTall || w >= 110 && h >= 6 }

// burnDowns draws those of the windows that have a limit, in rows, and where the
// next would be who uses most and the grants. Where not all have room the chosen
// one is the first.
func (p *Quotas) burnDowns(c *widget.Canvas, x, y, w, h int, org string, all []*quotaWindow, graphed *quotaWindow) {
	const (
		least = 36 // cells of one
		low   = 6  // rows of one, its name included
		high  = 24
	)
	var limited []*quotaWindow
	for _, win := range all {
		if win.limit > 0 {
			limited = append(limited, win)
		}
	}
	across, down := min(len(limited)+1, max(1, (w+2)/(least+2))), 1
	if h >= quotasTall {
		across = min(across, 2)
		down = min((len(limited)+across)/across, (h+1)/(low+1))
	}
	if at := slices.Index(limited, graphed); at >= across*down-1 {
		limited[0], limited[at] = limited[at], limited[0]
	}
	limited = limited[:min(len(limited), across*down-1)]
	gw, gh := (w+2)/across-2, min(high, (h+1)/down-1)
	if down == 1 {
		gh = h
	}
	at := func(i int) (gx, gy int) { return x + i%across*(gw+2), y + i/across*(gh+1) }
	for i, win := range limited {
		gx, gy := at(i)
		p.named(c, gx, gy, gw, win)
		p.burnDown(c, gx, gy+1, gw, gh-1, org, win)
	}
	gx, gy := at(len(limited))
	p.beside(c, gx, gy, gw, y+h-gy, org)
}

// named is the line above a window's burn-down.
func (p *Quotas) named(c *widget.Canvas, x, y, w int, win *quotaWindow) {
	used := c.Text(x, y, w, p.tone(widget.Bold), quotaLabel(win.name))
	if win.key != "" {
		used += c.Text(x+used, y, w-used, widget.Muted, " of the key")
	}
	if left := quotaCount(max(0, win.limit-win.used-win.reserved)) + " left"; used+2+len(left) <= w {
		c.Right(x, y, w, p.tone(win.grade()), left)
	}
}

// heading is the rule above the details, with whose they are, and what the graph
// is about.
func (p *Quotas) heading(c *widget.Canvas, x, y, w int, r *quotaRow, about string) {
	for i := range w {
		c.Text(x+i, y, 1, widget.Muted, c.Theme.Horizontal)
	}
	end := x + w - 2
	if n := c.Theme.Width(about); n > 0 && n < w/2 {
		end -= n + 2
		c.Text(end, y, n+2, widget.Muted, " "+about+" ")
		end--
	}
	at := x + 2
	at += c.Text(at, y, 1, widget.Muted, " ")
	if r.ref.Kind == RefKey {
		at += c.Text(at, y, max(0, (end-at)/2), p.tone(widget.Bold), r.ref.Name)
		at += c.Text(at, y, 1, widget.Muted, "/")
		at += c.Text(at, y, max(0, end-at-1), p.tone(widget.Bold), r.ref.ID)
	} else {
		at += c.Text(at, y, max(0, end-at-1), p.tone(widget.Bold), r.ref.Name)
	}
	if at < end {
		c.Text(at, y, 1, widget.Muted, " ")
	}
}

// orgOf is the row of the organisation that a row belongs to.
func (p *Quotas) orgOf(r *quotaRow) *quotaRow {
	if r.ref.Kind == RefOrg {
		return r
	}
	for i := range p.all {
		if p.all[i].org == r.org && p.all[i].ref.Kind == RefOrg {
			return &p.all[i]
		}
	}
	return r
}

// windowLines are the windows to tell of: the row's own, and for a key its
// organisation's behind them, as both count.
func (p *Quotas) windowLines(r, org *quotaRow) []*quotaWindow {
	var all []*quotaWindow
	if r.ref.Kind == RefKey {
		for i := range r.windows {
			all = append(all, &r.windows[i])
		}
	}
	for i := range org.windows {
		all = append(all, &org.windows[i])
	}
	return all
}

// graphed is the window whose burn-down is drawn; nil: none has a limit.
func (p *Quotas) graphed(r *quotaRow) *quotaWindow {
	of := r
	if r.grant != nil {
		if of = p.orgOf(r); p.turned == 0 {
			if w := of.window(r.grant.Window); w != nil && w.limit > 0 {
				return w
			}
		}
	}
	best := of.tightest()
	if best < 0 {
		return nil
	}
	var limited []*quotaWindow
	at := 0
	for i := range of.windows {
		if i == best {
			at = len(limited)
		}
		if of.windows[i].limit > 0 {
			limited = append(limited, &of.windows[i])
		}
	}
	n := len(limited)
	return limited[((at+p.turned)%n+n)%n]
}

// windowLine draws one window with all its figures.
func (p *Quotas) windowLine(c *widget.Canvas, y int, spans []widget.Span, w *quotaWindow, graphed, ofOrg bool) {
	st := w.grade()
	for _, s := range spans {
		col, text, style := quotaDetails[s.Col], "", widget.Plain
		switch col.Head {
		case "":
			if text = " "; graphed {
				text = c.Theme.Pointer
			}
		case "window":
			if text = quotaLabel(w.name); ofOrg {
				text = "org " + quotaShort(w.name)
			}
		case "used":
			if text = quotaCount(w.used); w.limit > 0 {
				text += " of " + quotaAmount(w.limit)
			}
		case "bar":
			if w.limit > 0 {
				if st == widget.Plain {
					style = widget.Fill
				} else {
					style = st
				}
				c.Bar(s.X, y, s.W, p.tone(style), w.share())
			}
			continue
		case "%":
			if w.limit <= 0 {
				continue
			}
			text, style = quotaPercent(w.share()), st
		case "pace":
			if w.limit <= 0 {
				continue
			}
			text = w.perHour()
		case "held":
			if text = " "; w.reserved > 0 {
				text = widget.Amount(w.reserved) + " reserved"
			}
		case "fate":
			if style = st; st == widget.Plain {
				style = widget.Muted
			}
			text = c.Theme.Mark(st) + " " + w.fate(p.now, s.W-2)
		}
		c.Cell(y, s, col, p.tone(style), text)
	}
}
