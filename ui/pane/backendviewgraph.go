package pane

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// The spans that graphs show.
const (
	quarter = 15 * time.Minute
	day     = 24 * time.Hour
)

// youngStep is the distance of samples, of at most so many units, with which a graph
// of so many columns shows all that is known so far: a history that has just begun
// fills it, and takes more time in by doubling. Of nothing it shows all the time.
func youngStep(known, columns, most int) int {
	for step := 1; step < most; step *= 2 {
		if known > 0 && known <= step*columns {
			return step
		}
	}
	return most
}

const graphScale = 6 // cells left of a curve: the upper value and the axis

// history is one graph of the detail.
type history struct {
	name   string
	series widget.Series
	top    float64
	scale  string // the upper edge, in words
	now    string
	style  widget.Style
}

// graphStep is the least distance of samples with which a span fits into so many
// columns of dots: whole seconds, or where it reaches back a day the ten seconds of
// which there are means.
func graphStep(span time.Duration, dots int) time.Duration {
	unit := time.Second
	if span > quarter {
		unit = 10 * time.Second
	}
	n := time.Duration(dots) * unit
	return (span + n - 1) / n * unit
}

// graphs draws the history of a backend in w by h cells, side by side in so many
// columns. Each column has an axis of its own; what has no room is left out.
func (p *BackendView) graphs(c *widget.Canvas, x, y, w, h int, v *backendRow, across int) {
	gw := (w-(across-1)*2)/across - graphScale
	if gw < 8 || h < 3 {
		return
	}
	if p.data.Trends == nil {
		c.Text(x, y, w, widget.Muted, "no history")
		return
	}
	span := reachOf(p.day).length
	const axis = 2
	step := graphStep(span, 2*gw)
	if g := p.data.Gateway; g != nil && !p.day {
		known := int(p.data.Now.Sub(g.Started) / time.Second)
		step = time.Duration(youngStep(known, 2*gw, int(step/time.Second))) * time.Second
	}
	end := p.data.Now.Truncate(step) // so that a picture moves on without changing its shape
	all := p.histories(wholeOf(p.all, v), end, step, 2*gw)
	down := (len(all) + across - 1) / across
	for down > 1 && (h-axis)/down < 3 {
		down--
	}
	each := min((h-axis)/down, 12)
	for i, g := range all[:min(len(all), down*across)] {
		gx, gy := x+i%across*(gw+graphScale+2), y+i/across*each
		g.draw(c, gx, gy, gw, each)
	}
	for i := range across {
		p.axis(c, x+i*(gw+graphScale+2)+graphScale, y+down*each, gw, v.b.Name, end, step)
	}
}

// histories are the graphs of a backend, the most important first. What stands beside
// their names is what the list has of it: a sample may be some seconds old.
func (p *BackendView) histories(v *backendRow, end time.Time, step time.Duration, n int) []history {
	get := func(m past.Metric) widget.Series { return p.data.Trends.Series(m, v.b.Name, end, step, n) }
	running, waiting, flight := get(past.Running), get(past.Waiting), get(past.InFlight)
	load := make(widget.Series, len(running))
	for i := range load {
		load[i] = running[i]
		if math.IsNaN(load[i]) && i < len(flight) {
			load[i] = flight[i] // an engine that doesn't tell
		}
		if i < len(waiting) && !math.IsNaN(waiting[i]) {
			load[i] += waiting[i]
		}
	}
	kv, tokens, first := get(past.KV), get(past.Tokens), get(past.FirstP95)
	loadTop, tokenTop, firstTop := widget.Scale(load, 4), widget.Scale(tokens, 20), widget.Scale(first, 0.5)
	wait, loadStyle := "?", widget.Plain
	if v.queued >= 0 || v.behind >= 0 {
		wait = strconv.Itoa(v.waiting())
	}
	if v.waiting() > 0 {
		loadStyle = widget.Warn
	}
	percent, rate, ttft := "", "", ""
	if !math.IsNaN(v.kv) {
		percent = fmt.Sprintf("%.0f%%", 100*min(v.kv, 9.99))
	}
	if v.seen {
		rate, ttft = v.rate("tok/s"), v.rate("ttft p95")
	}
	return []history{
		{"running + waiting", load, loadTop, graphFigure(loadTop), strconv.Itoa(v.running) + " + " + wait, loadStyle},
		{"kv cache", kv, 1, "100%", percent, widget.Plain},
		{"tokens/s", tokens, tokenTop, graphFigure(tokenTop), rate, widget.Plain},
		{"ttft p95", first, firstTop, graphFigure(firstTop) + "s", ttft, widget.Plain},
	}
}

// graphFigure writes the upper edge of a scale, which is round.
func graphFigure(v float64) string {
	if v == math.Trunc(v) && v < 1000 {
		return strconv.Itoa(int(v))
	}
	return widget.Figure(v)
}

// draw draws a graph of h rows, its name among them.
func (g *history) draw(c *widget.Canvas, x, y, w, h int) {
	n := c.Text(x+graphScale, y, w, widget.Muted, g.name)
	if g.now == "" {
		g.now, g.style = c.Theme.None, widget.Muted
	}
	c.Text(x+graphScale+n+2, y, w-n-2, g.style|widget.Bold, g.now)
	gh := h - 1
	for i := range gh {
		edge := c.Theme.Vertical
		if i == 0 || i == gh-1 {
			edge = c.Theme.AxisEnd
		}
		c.Text(x+graphScale-1, y+1+i, 1, widget.Muted, edge)
	}
	c.Right(x, y+1, graphScale-2, widget.Muted, g.scale)
	if gh > 1 {
		c.Right(x, y+gh, graphScale-2, widget.Muted, "0")
	}
	c.Graph(x+graphScale, y+1, w, gh, widget.Plain, g.series, g.top)
}

// axis draws the time below graphs, and on it what happened to the backend: of
// what happened in one cell the gravest.
func (p *BackendView) axis(c *widget.Canvas, x, y, w int, name string, end time.Time, step time.Duration) {
	for i := range w {
		c.Text(x+i, y, 1, widget.Muted, c.Theme.Horizontal)
	}
	worst := make([]past.Grade, w)
	seen := make([]bool, w)
	for _, e := range backendEvents(p.data.Past, name, 512) {
		age := end.Add(step - 1).Sub(e.At)
		if age < 0 {
			age = 0
		}
		at := w - 1 - int(age/(2*step))
		if at < 0 || e.At.After(p.data.Now) {
			continue
		}
		if !seen[at] || e.Grade > worst[at] {
			worst[at], seen[at] = e.Grade, true
		}
	}
	for i := range w {
		if seen[i] {
			mark, style := eventMark(c.Theme, worst[i])
			c.Text(x+i, y, 1, style|widget.Bold, mark)
		}
	}
	c.AgeAxis(x, y+1, w, int(step/time.Second), "now")
}
