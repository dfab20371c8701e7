package pane

import "pilothouse/ui/widget"

// quotaColumns of the list. Those of windows come in the order of quotaNames.
var quotaColumns = [...]widget.Column{
	{Width: 1}, // the selected one
	{Head: "org/key", Width: 12, Max: 30},
	{Head: "tokens/day", Width: 13, Worth: 9},
	{Head: "requests/day", Width: 13, Worth: 7},
	{Head: "tokens/month", Width: 13, Worth: 8},
	{Head: "requests/month", Width: 14, Worth: 6},
	{Head: "runs out", Width: 8, Worth: 10},
	{Head: "tok/s", Width: 5, Right: true, Worth: 5},
}

const (
	quotaName   = 1 // indices of quotaColumns
	quotaFirst  = 2
	quotaFourth = 5

	quotaCell = 28 // cells that a window can use
)

// quotaLayout is the columns for a width, and where they lie. Windows share what
// room there is.
func quotaLayout(w int, fourth bool) ([]widget.Column, []widget.Span) {
	cols := append([]widget.Column(nil), quotaColumns[:]...)
	n := len(quotaNames)
	if !fourth {
		n--
		cols = append(cols[:quotaFourth], cols[quotaFourth+1:]...)
	}
	if w >= 100 {
		cols[quotaName].Width = 18
	}
	others := -2
	for i, col := range cols {
		if i < quotaFirst || i >= quotaFirst+n {
			others += col.Width + 2
		}
	}
	for i := range n {
		col := &cols[quotaFirst+i]
		col.Width = max(col.Width, min(quotaCell, (w-others)/n-2))
	}
	return cols, widget.Fit(cols, w)
}

// list draws the rows in the canvas' lines from y on, h of them, w cells wide.
func (p *Quotas) list(c *widget.Canvas, y, w, h int) {
	narrow, fields := w < quotaWide, layNarrow(w-1)
	cols, spans := quotaLayout(w-1, p.wide)
	if h > 1 && !narrow {
		c.Heads(y, spans, cols)
		y, h = y+1, h-1
	}
	if len(p.shown) == 0 {
		c.Text(2, y, w-2, widget.Muted, p.nothing())
		return
	}
	from, to := p.window(h)
	for i := from; i < to; i++ {
		r := p.row(i)
		// Whose a key or a grant is must be seen, if not from the row above.
		alone := i == from || p.row(i-1).org != r.org
		if narrow {
			p.narrowLine(c, y+i-from, &fields, r, alone)
		} else {
			p.line(c, y+i-from, w, spans, cols, r, alone)
		}
		if !p.following() && i == p.index {
			c.Text(0, y+i-from, 1, widget.Plain, c.Theme.Pointer)
			if p.focus {
				c.Mark(0, y+i-from, w, widget.Selected)
			}
		}
	}
}

// nothing says why there is no row.
func (p *Quotas) nothing() string {
	if p.filter != "" {
		return "none matches /" + p.filter
	}
	return "no organisations"
}

// name draws whose a row is, and returns the cells it took. An alone one has no
// row of its organisation above.
func (p *Quotas) name(c *widget.Canvas, x, y, w int, r *quotaRow, alone bool) int {
	if r.ref.Kind == RefOrg {
		return c.Text(x, y, w, p.tone(widget.Bold), r.ref.Name)
	}
	used := 0
	if alone {
		// Half for each, so that neither pushes the other out, or what the other leaves.
		key := 0
		if r.grant == nil {
			key = c.Theme.Width(r.ref.ID[:min(len(r.ref.ID), w)])
		}
		used += c.Text(x, y, max(3, w/2, w-1-key), p.tone(widget.Bold), r.ref.Name)
		if r.grant == nil {
			used += c.Text(x+used, y, w-used, widget.Muted, "/")
		} else {
			used++
		}
	} else {
		used += c.Text(x, y, w, widget.Muted, c.Theme.Branch+" ")
	}
	if r.grant == nil {
		used += c.Text(x+used, y, w-used, p.tone(widget.Plain), r.ref.ID)
	}
	return used
}

// line draws a row with its windows beside each other.
func (p *Quotas) line(c *widget.Canvas, y, w int, spans []widget.Span, cols []widget.Column, r *quotaRow, alone bool) {
	if r.grant != nil {
		x := spans[quotaName].X
		x += p.name(c, x, y, spans[quotaName].W, r, alone)
		c.Text(x, y, w-x-1, p.tone(widget.Plain), grantLine(r.grant, p.now))
		return
	}
	for _, s := range spans {
		switch head := cols[s.Col].Head; head {
		case "":
		case "org/key":
			p.name(c, s.X, y, s.W, r, alone)
		case "runs out":
			p.outlook(c, y, s, r)
		case "tok/s":
			if r.ref.Kind == RefOrg {
				c.Cell(y, s, cols[s.Col], p.tone(widget.Plain), p.users.figure(r.ref.Name))
			}
		default:
			p.share(c, y, s, r.window(quotaNames[s.Col-quotaFirst]))
		}
	}
}

// outlook draws what becomes of a row's tightest window.
func (p *Quotas) outlook(c *widget.Canvas, y int, s widget.Span, r *quotaRow) {
	i := r.tightest()
	if i < 0 {
		return
	}
	text, st := r.windows[i].outlook(c.Theme, p.now)
	c.Cell(y, s, widget.Column{}, p.tone(st), text)
}

// share draws a window in a column: a bar, the percentage, and the amounts where
// there is room.
func (p *Quotas) share(c *widget.Canvas, y int, s widget.Span, w *quotaWindow) {
	switch {
	case w == nil: // a key that has no such limit of its own, or one of the organisation's that nobody limits
		return
	case w.limit <= 0:
		c.Text(s.X, y, s.W, widget.Muted, "no limit")
		return
	}
	width := s.W
	if width >= 23 {
		const amounts = 12
		width -= amounts
		c.Right(s.X+width, y, amounts, widget.Muted, widget.Amount(w.used)+"/"+quotaAmount(w.limit))
	}
	p.gauge(c, s.X, y, width, w)
}

// gauge draws a bar and a percentage.
func (p *Quotas) gauge(c *widget.Canvas, x, y, w int, win *quotaWindow) {
	bar, text := widget.Fill, widget.Plain
	if st := win.grade(); st != widget.Plain {
		bar, text = st, st
	}
	share := win.share()
	c.Bar(x, y, w-5, p.tone(bar), share)
	c.Right(x+w-4, y, 4, p.tone(text), quotaPercent(share))
}
