package pane

import (
	"math"
	"strings"
	"time"

	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// graph is one of the pane's.
type graph struct {
	unit   string
	now    float64
	of     int     // a curve
	least  float64 // that its scale shows
	marked bool    // with what failed and was refused
}

const (
	scaled    = 6  // cells of the scale
	unitCells = 6  // of the unit at the right, where there is room for it
	roomy     = 30 // cells from which on there is
)

// graph draws one history: the curve with its scale, its unit and what it is now
// beside it, and the time axis.
func (p *Traffic) graph(c *widget.Canvas, x, y, w, h int, axis bool, g graph) {
	gw, gh := w-scaled-1, h
	if axis {
		gh--
	}
	if w >= roomy {
		gw -= unitCells
	}
	if gw <= 0 || gh <= 0 {
		return
	}
	win := p.window(gw)
	gw = win.n / 2 // no room is left for what is older: it would look as if there had been nothing
	s := p.series(g.of, win)
	top := widget.Scale(s[max(0, len(s)-2*gw):], g.least)
	style := widget.Plain
	if p.stale {
		style = widget.Muted
	}
	p.scale(c, x, y, gh, top)
	c.Graph(x+scaled, y, gw, gh, style, s, top)
	p.beside(c, x, y, gw, gh, w >= roomy, g)
	if g.marked && !p.stale {
		p.trouble(c, x+scaled, y, gw, s, win)
	}
	if axis {
		last := "now"
		if p.stale || p.rewound {
			last = p.snap.At.UTC().Format("15:04:05Z")
		}
		c.AgeAxis(x+scaled, y+gh, gw, win.step, last)
		c.EventMarks(x+scaled, y+gh, gw, win.step, win.end, p.marks)
	}
}

// scale draws the scale at the left.
func (p *Traffic) scale(c *widget.Canvas, x, y, h int, top float64) {
	bar := x + scaled - 1
	for i := range h {
		c.Text(bar, y+i, 1, widget.Muted, c.Theme.Vertical)
	}
	label := func(y int, text string) {
		c.Right(x, y, scaled-2, widget.Muted, text)
		c.Text(bar, y, 1, widget.Muted, c.Theme.AxisEnd)
	}
	label(y, strings.Replace(widget.Figure(top), ".0", "", 1))
	if h >= 2 {
		label(y+h-1, "0")
	}
}

// beside draws the unit and the figure of now: at the right where there is room,
// else the unit over the scale.
func (p *Traffic) beside(c *widget.Canvas, x, y, gw, h int, room bool, g graph) {
	if !room {
		if h >= 3 {
			c.Text(x, y+h/2, scaled-1, widget.Muted, g.unit)
		}
		return
	}
	x += scaled + gw + 1
	c.Text(x, y+h-1, unitCells-1, widget.Muted, g.unit)
	if now := widget.Figure(g.now); h >= 2 && now != "" {
		style := widget.Bold
		if p.stale {
			style = widget.Muted
		}
		c.Right(x, y+h-2, unitCells-1, style, now)
	}
}

// window is a stretch of time in samples.
type window struct {
	step int // seconds a sample
	n    int
	end  time.Time // of the last
	day  bool
}

// window is the time that a graph of at most w cells shows: the quarter of an
// hour, or the day, in the shortest whole steps at which it fits; or less while
// less is known.
func (p *Traffic) window(w int) window {
	span, unit := int(quarter/time.Second), 1
	if p.longer() {
		span, unit = int(day/time.Second), 10 // seconds: what is kept for so long has no finer ones
	}
	per := 2 * w * unit
	most := max(1, (span+per-1)/per)
	step := unit * most
	if n := len(p.seconds[requestCurve]); n > 0 && !p.longer() {
		if step = youngStep(n, 2*w, most); step < most {
			span = 2 * w * step
		}
	}
	win := window{step: step, n: 2 * min(w, (span+2*step-1)/(2*step)), end: p.snap.At, day: p.longer()}
	p.reach = time.Duration(min(span, win.n*step)) * time.Second
	if win.day {
		// Whole steps, so that the curve moves on without changing its shape.
		win.end = win.end.Truncate(time.Duration(step) * time.Second)
	}
	return win
}

// metrics are the curves' in what is kept; "": it is not.
var metrics = [curves]past.Metric{requestCurve: past.Requests, tokenCurve: past.Tokens, errorCurve: past.Errors}

// series is a curve's samples in a window. A snapshot of long ago may have no
// history of its own.
func (p *Traffic) series(curve int, win window) widget.Series {
	all := p.seconds[curve]
	if win.day || len(all) == 0 {
		if p.trends == nil || metrics[curve] == "" {
			return nil
		}
		if win.day {
			return p.trends.Series(metrics[curve], "", win.end, time.Duration(win.step)*time.Second, win.n)
		}
		all = p.trends.Series(metrics[curve], "", win.end, time.Second, int(quarter/time.Second))
	}
	return widget.Bucket(all, win.end.Unix(), win.step)
}

// much is the share of answers from which on that they are refused is marked: a
// client over its limits is not yet trouble.
const much = 0.1

// trouble marks, over the curve, where answers failed, and where many were
// refused.
func (p *Traffic) trouble(c *widget.Canvas, x, y, w int, all widget.Series, win window) {
	errors, refused := p.series(errorCurve, win), p.series(refusedCurve, win)
	at := func(s widget.Series, back int) float64 {
		if back >= len(s) || math.IsNaN(s[len(s)-1-back]) {
			return 0
		}
		return s[len(s)-1-back]
	}
	for cx := range w {
		back := 2 * (w - 1 - cx)
		switch {
		case at(errors, back) > 0 || at(errors, back+1) > 0:
			c.Text(x+cx, y, 1, widget.Bad, c.Theme.Bad)
		case many(at(refused, back), at(all, back)) || many(at(refused, back+1), at(all, back+1)):
			c.Text(x+cx, y, 1, widget.Warn, c.Theme.Warn)
		}
	}
}

func many(refused, all float64) bool { return refused > 0 && refused >= much*all }
