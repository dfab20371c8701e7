package pane

import "pilothouse/ui/widget"

// beside lists who uses most, and the grants.
func (p *Quotas) beside(c *widget.Canvas, x, y, w, h int, org string) {
	n := 0
	for i := range p.all {
		if g := p.all[i].grant; g != nil && p.all[i].ref.Name == org {
			n++
		}
	}
	room := h
	if n > 0 {
		room = max(h-1-3*n, h/2)
	}
	used := min(p.usersOf(org)+1, room)
	p.topUsers(c, x, y, w, used, org)
	if n > 0 {
		p.grants(c, x, y+used+1, w, h-used-1, org)
	}
}

// usersOf counts the keys of an organisation that are in use now; at least 1, for
// the line that says that none is.
func (p *Quotas) usersOf(org string) int {
	n := 0
	for i := range p.users.all {
		if p.users.all[i].org == org && p.users.all[i].tokens > 0 {
			n++
		}
	}
	return max(1, n)
}

// grants lists those of an organisation that are in force.
func (p *Quotas) grants(c *widget.Canvas, x, y, w, h int, org string) {
	if h < 2 {
		return
	}
	c.Text(x, y, w, widget.Muted, "grants in force")
	line := 1
	for i := range p.all {
		g := p.all[i].grant
		if g == nil || p.all[i].ref.Name != org {
			continue
		}
		if line == h {
			return
		}
		c.Text(x, y+line, w, p.tone(widget.Plain), "+"+quotaAmount(g.Amount)+" "+quotaLabel(g.Window)+" until "+quotaClock(g.Until, p.now))
		if line++; line < h {
			why := g.Author
			if g.Reason != "" {
				why += ": " + g.Reason
			}
			c.Text(x+2, y+line, w-2, widget.Muted, why)
			line++
		}
	}
	if line == 1 {
		c.Text(x, y+1, w, widget.Muted, "none")
	}
}

// topUsers lists the keys for which most is generated now; of one organisation
// with their part of its tokens, of all ("") with that of all.
func (p *Quotas) topUsers(c *widget.Canvas, x, y, w, h int, org string) {
	if h < 2 || w < 12 {
		return
	}
	c.Text(x, y, w, widget.Muted, "top keys now")
	total, line := p.users.total, 1
	if org != "" {
		total = p.users.of(org)
	}
	for i := range p.users.all {
		u := &p.users.all[i]
		if org != "" && u.org != org || u.tokens <= 0 {
			continue
		}
		if line == h {
			return
		}
		p.user(c, x, y+line, w, u, org == "", u.tokens/total)
		line++
	}
	switch {
	case line > 1:
	case p.users.known:
		c.Text(x, y+1, w, widget.Muted, "none")
	default:
		c.Text(x, y+1, w, widget.Muted, c.Theme.None)
	}
}

// user draws one of them.
func (p *Quotas) user(c *widget.Canvas, x, y, w int, u *quotaUser, whose bool, part float64) {
	const figures = 16 // "1.2k tok/s  57%"
	name := w - figures
	if name < 8 {
		name = w
	}
	used := 0
	if whose {
		used += c.Text(x, y, max(1, min(name/2, name-4)), widget.Plain, u.org)
		used += c.Text(x+used, y, name-used, widget.Muted, "/")
	}
	c.Text(x+used, y, name-used, widget.Plain, u.name)
	if name < w {
		c.Right(x+name, y, 5, widget.Plain, widget.Figure(u.tokens))
		c.Text(x+name+6, y, 5, widget.Muted, "tok/s")
		c.Right(x+name+12, y, 4, widget.Plain, quotaPercent(part))
	}
}
