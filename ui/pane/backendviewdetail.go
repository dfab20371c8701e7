package pane

import (
	"math"
	"strings"
	"time"

	"pilothouse/ui/widget"
)

// The graphs stand beside the facts from this width on, and below them else.
const (
	besideFacts = 100
	factLabel   = 10
	factBar     = 10
)

// detail draws what is known of a row in h rows from y on: below a line with its
// name the facts, and beside or below them its job and its history.
func (p *BackendView) detail(c *widget.Canvas, y, h int, v *backendRow) {
	p.rule(c, y, v)
	y, h = y+1, h-1
	facts := newBackendFacts(c.Theme, v, p.data)
	if c.W >= besideFacts {
		left := c.W / 2
		p.facts(c, y, left, h, v, facts)
		p.right(c, left+1, y, c.W-left-2, h, v)
		return
	}
	// Below: two graphs side by side, where the facts leave room.
	const graphs, least = 5, 6
	if h < graphs+least {
		p.facts(c, y, c.W, h, v, facts)
		return
	}
	if p.job(v) != nil {
		n := p.panel(c, 1, y, c.W-2, h-graphs, v)
		y, h = y+n, h-n
	}
	p.facts(c, y, c.W, h-graphs, v, facts)
	p.graphs(c, 1, y+h-graphs, c.W-2, graphs, v, 2)
}

// rule draws the line above the detail.
func (p *BackendView) rule(c *widget.Canvas, y int, v *backendRow) {
	c.Text(0, y, c.W, widget.Muted, strings.Repeat(c.Theme.Horizontal, c.W))
	name := v.b.Name
	if v.r != nil {
		name = replicaName(v.r)
	}
	x := 1
	x += c.Text(x, y, c.W-x, v.grade, " "+v.shape(c.Theme)+" ")
	x += c.Text(x, y, c.W-x-1, widget.Bold, name)
	if v.r != nil {
		x += c.Text(x, y, c.W-x-1, widget.Muted, " of "+v.b.Name)
	}
	if room := c.W - 3 - x; room > 12 && v.b.Model != "" {
		n := c.Text(x, y, room, widget.Muted, " "+c.Theme.Dot+" "+v.b.Model)
		c.Text(x+n, y, 1, widget.Muted, " ")
	}
}

// right draws the job under way and the history.
func (p *BackendView) right(c *widget.Canvas, x, y, w, h int, v *backendRow) {
	if p.job(v) != nil {
		n := p.panel(c, x, y, w, h*2/3, v)
		if n > 0 && n < h {
			n++ // a blank line
		}
		y, h = y+n, h-n
	}
	across := 1
	if w >= 80 && h < 30 {
		across = 2
	}
	p.graphs(c, x, y, w, h, v, across)
}

// panel draws the job under way, and returns the rows that took.
func (p *BackendView) panel(c *widget.Canvas, x, y, w, h int, v *backendRow) int {
	j := p.job(v)
	if j == nil || h < 2 {
		return 0
	}
	c.Text(x, y, w, widget.Bold, JobTitle(j, p.data.Now))
	return 1 + DrawJob(c, x, y+1, w, h-1, j, p.data.Now, p.data.Pool.Jobs...)
}

// facts draws facts in w by h cells, the most important where not all have room,
// and below them the last events.
func (p *BackendView) facts(c *widget.Canvas, y, w, h int, v *backendRow, facts []backendFact) {
	end := y + h
	for i := range facts {
		if y >= end {
			return
		}
		f := &facts[i]
		if f.Label == "job" && p.job(v) != nil {
			continue // its panel is there
		}
		c.Text(1, y, factLabel-1, widget.Muted, f.Label)
		x, room := 1+factLabel, w-factLabel-2
		if !math.IsNaN(f.share) && room > 2*factBar {
			c.Bar(x, y, factBar, gauge(f.style), f.share)
			x, room = x+factBar+1, room-factBar-1
		}
		most := 2
		if f.style == widget.Bad || f.style == widget.Warn {
			most = 3
		}
		y += drawWrapped(c, x, y, room, min(most, end-y), f.style, f.Text)
	}
	for i, e := range backendEvents(p.data.Past, v.b.Name, max(0, end-y-1)) {
		if i == 0 {
			y++
		}
		if y >= end {
			return
		}
		const clock = len(time.TimeOnly)
		c.Text(1, y, clock, widget.Muted, e.At.UTC().Format(time.TimeOnly))
		mark, style := eventMark(c.Theme, e.Grade)
		c.Text(clock+2, y, 1, style, mark)
		y += drawWrapped(c, clock+4, y, w-clock-5, min(2, end-y), style, e.Text)
	}
}

// drawWrapped draws text in at most n lines of w cells, broken between words
// where it can be, and returns the lines that took.
func drawWrapped(c *widget.Canvas, x, y, w, n int, st widget.Style, text string) int {
	if w <= 0 || n <= 0 {
		return max(0, min(n, 1))
	}
	for i := range n {
		line, rest := firstLine(c.Theme, text, w)
		if rest == "" || i == n-1 {
			c.Text(x, y+i, w, st, text)
			return i + 1
		}
		c.Text(x, y+i, w, st, line)
		text = rest
	}
	return n
}

// firstLine cuts as many words off a text as w cells hold; rest is "" where all
// of it does. A number stays with what it counts. Only as much of the text is looked
// at as fits.
func firstLine(t *widget.Theme, text string, w int) (line, rest string) {
	part := text[:min(len(text), 8*max(w, 1))]
	if len(part) == len(text) && t.Width(text) <= w {
		return text, ""
	}
	most := 0
	for at := len(part); ; {
		at = strings.LastIndexByte(part[:at], ' ')
		switch {
		case at <= 0 && most == 0:
			return text, "" // one long word: it is cut where it is drawn
		case at <= 0:
			return part[:most], text[most+1:]
		case t.Width(part[:at]) > w:
			continue
		}
		most = max(most, at)
		if last := part[strings.LastIndexByte(part[:at], ' ')+1 : at]; last == "" || last[0] < '0' || last[0] > '9' {
			return part[:at], text[at+1:]
		}
	}
}
