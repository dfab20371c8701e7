package pane

import "pilothouse/ui/widget"

// Columns of the panel.
const (
	panelName = 11 // of a step
	panelTook = 7
	panelBar  = 18
)

// draw draws a line.
func (p *jobPanel) draw(c *widget.Canvas, x, y, w int, l *jobPanelLine) {
	end := x + w
	if l.deep {
		x, w = x+2, w-2
	}
	mark := l.style
	if l.style == widget.Muted || l.style == widget.Plain {
		mark = widget.Plain
	}
	c.Text(x, y, min(1, w), mark|widget.Bold, l.mark)
	at := x + 2
	text := l.style
	switch {
	case l.whole:
	case l.turn != "":
		n := c.Text(at, y, min(end-at, 22), widget.Bold, l.turn)
		at += max(n, panelName)
		c.Right(at, y, min(panelTook, end-at), widget.Plain, l.took)
		at += panelTook + 2
		if l.style == widget.Good {
			text = widget.Muted
		}
	default:
		name := widget.Plain
		if l.style == widget.Muted {
			name = widget.Muted
		}
		c.Text(at, y, min(panelName, end-at), name, l.name)
		at += panelName
		c.Right(at, y, min(panelTook, end-at), widget.Plain, l.took)
		at += panelTook + 2
		if l.style == widget.Good {
			text = widget.Plain
		}
	}
	if bar := min(panelBar, end-at-len(l.text)-2); l.share >= 0 && bar >= 6 {
		c.Bar(at, y, bar, gaugeNow(l.style), l.share)
		at += bar + 2
	}
	c.Text(at, y, end-at, text, l.text)
}

// gaugeNow is the style of a bar that is what there is to look at.
func gaugeNow(s widget.Style) widget.Style {
	if s == widget.Plain {
		return widget.Focused
	}
	return s
}
