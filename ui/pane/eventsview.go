package pane

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// eventFields is how an event's line is laid out; what has no room has no width.
type eventFields struct{ time, mark, object, kind, text widget.Span }

// The cells of an event's time.
const (
	eventClock    = 8  // 03:12:03, or 21 Nov
	eventDayClock = 12 // 21 Nov 03:12
)

// Where there are many rows and few cells in them, texts break into so many lines.
const (
	eventTallTo   = 72
	eventTallFrom = 12
	eventUnfolds  = 3
)

// fields lays a line out in w cells.
func (p *Events) fields(w int) eventFields {
	var f eventFields
	x := 1
	put := func(s *widget.Span, n, gap int) {
		*s = widget.Span{X: x, W: n}
		x += n + gap
	}
	if w >= 24 {
		n := eventClock
		if p.dated && w >= 100 {
			n = eventDayClock
		}
		put(&f.time, n, 1)
	}
	put(&f.mark, 1, 1)
	switch {
	case w >= 160:
		put(&f.object, 20, 2)
	case w >= 100:
		put(&f.object, 14, 2)
	case w >= 56:
		put(&f.object, 9, 2)
	}
	if w >= 100 {
		put(&f.kind, 8, 2)
	}
	f.text = widget.Span{X: x, W: max(0, w-x-1)}
	return f
}

// View implements Pane.
func (p *Events) View(w, h int) string {
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		switch {
		case p.past == nil:
			c.Text(1, 0, w-1, widget.Muted, "no data yet")
			return
		case len(p.shown) == 0 && p.filter != "":
			c.Text(1, 0, w-1, widget.Muted, "none matches /"+p.filter)
			return
		case len(p.shown) == 0:
			c.Text(1, 0, w-1, widget.Muted, "nothing has happened yet")
			return
		}
		f := p.fields(w)
		from, to := p.window(h)
		var open []string // the lines of the selected one
		if r := p.at(); r != nil {
			text := f.told(r)
			if !p.today(r.At) && f.time.W < eventDayClock {
				text = r.At.UTC().Format("15:04:05 ") + text
			}
			open = unfoldEvent(c.Theme, text, f.text.W, (h+1)/2)
			// All of them are to be seen: where there is no room below, what is
			// above makes some.
			from += max(0, p.index-from+len(open)-h)
		}
		tall := w < eventTallTo && h >= eventTallFrom
		y := 0
		for i := from; i < to && y < h; i++ {
			r := p.row(i)
			p.line(c, y, &f, r)
			if p.following() && tall {
				lines := unfoldEvent(c.Theme, f.told(r), f.text.W, min(eventUnfolds, h-y))
				for k, l := range lines {
					c.Text(f.text.X, y+k, f.text.W, widget.Plain, l)
				}
				y += max(1, len(lines))
				continue
			}
			if p.following() || i != p.index {
				text := f.told(r)
				text = text[:min(len(text), 8*max(f.text.W, 1))] // what is longer can't be seen
				c.Text(f.text.X, y, f.text.W, widget.Plain, c.Theme.Shorten(widget.Clean(text, c.Theme.ASCII()), f.text.W))
				y++
				continue
			}
			for k, l := range open {
				c.Text(f.text.X, y+k, f.text.W, widget.Plain, l)
				if p.focus {
					c.Mark(0, y+k, w, widget.Selected)
				}
			}
			c.Text(0, y, 1, widget.Plain, c.Theme.Pointer)
			y += max(1, len(open))
		}
	})
}

// line draws an event but for its text.
func (p *Events) line(c *widget.Canvas, y int, f *eventFields, r *eventRow) {
	at := r.At.UTC()
	stamp := at.Format("15:04:05")
	switch {
	case p.today(at):
	case f.time.W >= eventDayClock:
		stamp = at.Format("_2 Jan 15:04")
	default:
		stamp = at.Format("2 Jan")
	}
	c.Right(f.time.X, y, f.time.W, widget.Muted, stamp)
	st := eventStyle(r.Grade)
	c.Text(f.mark.X, y, 1, st, c.Theme.Mark(st))
	if st == widget.Plain || st == widget.Good {
		st = widget.Bold
	}
	c.Text(f.object.X, y, f.object.W, st, r.Object)
	c.Text(f.kind.X, y, f.kind.W, widget.Muted, string(r.Kind))
}

// told is the text of an event; it names its object where that has no field.
func (f *eventFields) told(r *eventRow) string {
	if f.object.W > 0 || r.Object == "" {
		return r.Text
	}
	return r.Object[:min(len(r.Object), eventHead)] + ": " + r.Text[:min(len(r.Text), eventHead)]
}

// unfoldEvent breaks a text into at most so many lines of w cells; what doesn't fit is
// behind the last line's end, where the canvas cuts it.
func unfoldEvent(t *widget.Theme, s string, w, most int) []string {
	if w <= 0 {
		return []string{""}
	}
	const widest = 16 // bytes of a cell, at most
	rest := ""
	if n := widest * (w*most + 1); len(s) > n {
		s, rest = s[:n], "."
	}
	lines := strings.Split(ansi.Wrap(widget.Clean(s, t.ASCII()), w, ""), "\n")
	if len(lines) > most {
		lines[most-1] += " " + strings.Join(lines[most:], " ")
		lines = lines[:most]
	} else {
		lines[len(lines)-1] += rest
	}
	return lines
}
