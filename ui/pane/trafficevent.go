package pane

import (
	"time"

	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// mark makes the marks of what happened.
func (p *Traffic) mark() {
	p.marks = p.marks[:0]
	if p.past == nil {
		return
	}
	for i := range p.past.Events {
		e := &p.past.Events[i]
		p.marks = append(p.marks, trafficMark(p.pic.theme, e))
	}
}

// trafficMark is an event on a time axis: the shape of what is good or bad, the
// first letter of what it is about for what is neither.
func trafficMark(t *widget.Theme, e *past.Event) widget.Mark {
	glyph, style := eventMark(t, e.Grade)
	if style == widget.Plain && e.Kind != "" {
		glyph = string(e.Kind[:1])
	}
	return widget.Mark{At: e.At, Style: style, Glyph: glyph}
}

// Cells that the name of an event needs, and those that it may take.
const (
	eventLeast = 36
	eventMost  = 72
)

// newest names the last event that the graph shows, in w cells; "": there is
// none, or no room for it.
func (p *Traffic) newest(w int) string {
	if p.past == nil || len(p.past.Events) == 0 || w < eventLeast {
		return ""
	}
	e := &p.past.Events[0]
	if age := p.snap.At.Sub(e.At); age > p.span() || age < -time.Minute {
		return ""
	}
	t := p.pic.theme
	text := trafficMark(t, e).Glyph + " " + e.At.UTC().Format(time.TimeOnly) + " "
	if e.Object != "" {
		text += clip(t, e.Object, 16) + " "
	}
	return t.Shorten(widget.Clean(text+e.Text, t.ASCII()), min(w, eventMost))
}
