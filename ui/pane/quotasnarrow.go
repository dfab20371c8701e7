package pane

import "pilothouse/ui/widget"

// narrowFields is how the fields of a window that has a line are laid out; one that
// has no room has no width.
type narrowFields struct {
	name, label, bar, percent, amount, outlook widget.Span
}

// layNarrow lays them out in w cells behind the first column. It is closer than a
// table's columns would be.
func layNarrow(w int) narrowFields {
	name, label, bar, percent, amount, outlook := min(7, w-5), 0, 0, 4, 0, 0
	free := w - name - 1 - percent
	// In the order of their worth: take is how many more cells one gets.
	take := func(field *int, to int) {
		need := to - *field
		if *field == 0 {
			need++ // the gap before it
		}
		if need <= free {
			*field, free = to, free-need
		}
	}
	take(&outlook, 6)
	take(&label, 7)
	take(&bar, 6)
	take(&outlook, 8)
	take(&name, 10)
	take(&bar, 10)
	take(&label, 14)
	take(&name, 16)
	take(&bar, 16)
	take(&amount, 10)
	take(&name, 24)
	take(&bar, 24)
	var n narrowFields
	x := 1
	put := func(s *widget.Span, w int) {
		if w > 0 {
			*s = widget.Span{X: x, W: w}
			x += w + 1
		}
	}
	put(&n.name, name)
	put(&n.label, label)
	put(&n.bar, bar)
	put(&n.percent, percent)
	put(&n.amount, amount)
	put(&n.outlook, outlook)
	return n
}

// narrowLine draws a row with its tightest window.
func (p *Quotas) narrowLine(c *widget.Canvas, y int, f *narrowFields, r *quotaRow, alone bool) {
	if r.grant != nil {
		x := f.name.X
		x += p.name(c, x, y, f.name.W, r, alone)
		c.Text(x, y, c.W-x, p.tone(widget.Plain), grantLine(r.grant, p.now))
		return
	}
	p.name(c, f.name.X, y, f.name.W, r, alone)
	if best := r.tightest(); best >= 0 {
		p.narrowWindow(c, y, f, &r.windows[best])
		return
	}
	c.Text(f.name.X+f.name.W+1, y, c.W-f.name.W-2, widget.Muted, "no limit")
}

// narrowWindow draws the fields of a window.
func (p *Quotas) narrowWindow(c *widget.Canvas, y int, f *narrowFields, w *quotaWindow) {
	bar, text := widget.Fill, widget.Plain
	if st := w.grade(); st != widget.Plain {
		bar, text = st, st
	}
	label := quotaShort(w.name)
	if long := quotaLabel(w.name); c.Theme.Width(long) <= f.label.W {
		label = long
	}
	c.Text(f.label.X, y, f.label.W, p.tone(widget.Plain), label)
	c.Bar(f.bar.X, y, f.bar.W, p.tone(bar), w.share())
	c.Right(f.percent.X, y, f.percent.W, p.tone(text), quotaPercent(w.share()))
	c.Right(f.amount.X, y, f.amount.W, widget.Muted, widget.Amount(w.used)+"/"+quotaAmount(w.limit))
	outlook, st := w.outlook(c.Theme, p.now)
	if outlook == "" {
		outlook = c.Theme.None
	}
	if f.outlook.W > 0 && f.outlook.W < 8 && !w.spent() && !w.out.IsZero() {
		outlook = c.Theme.Warn + w.out.UTC().Format("15:04") // as much as there is room for
		if w.out.Sub(p.now) > quotaDay {
			outlook = c.Theme.Warn + w.out.UTC().Format("2Jan")
		}
	}
	if f.outlook.W < 8 && w.spent() {
		outlook = c.Theme.Bad + "spent"
	}
	c.Text(f.outlook.X, y, f.outlook.W, p.tone(st), outlook)
}
