package pane

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// devices draws the GPUs, and how busy they are.
func (l *backendTable) devices(c *widget.Canvas, y int, s widget.Span, v *backendRow) {
	if len(v.gpus) == 0 {
		c.Text(s.X, y, s.W, widget.Muted, c.Theme.None)
		return
	}
	util, style, word := deviceUse(v.gpus, l.now, v.running > 0)
	const figure = 5
	names := deviceNames(v.gpus)
	n := c.Theme.Width(names)
	if word == "" && !math.IsNaN(util) {
		word = fmt.Sprintf("%.0f%%", util)
	}
	c.Text(s.X, y, s.W-figure, widget.Plain, names)
	if bar := s.W - n - 1 - figure; bar >= 4 {
		c.Bar(s.X+n+1, y, bar, gauge(style), util/100)
	}
	if word == "" {
		word = c.Theme.None
	}
	c.Right(s.X+max(0, s.W-figure), y, min(figure, s.W), style, word)
}

// deviceUse is the mean utilisation of devices, or what is wrong with one of
// them.
func deviceUse(gs []*gpu.GPU, now time.Time, work bool) (util float64, style widget.Style, word string) {
	sum, n := 0.0, 0
	for _, g := range gs {
		switch {
		case g.State == gpu.Lost, g.State == gpu.NeedsReset, g.State == gpu.Gone, g.State == gpu.Mismatched:
			return math.NaN(), widget.Bad, "lost"
		case g.At.IsZero():
			continue
		case g.Age(now) >= Stale:
			style = widget.Muted
		}
		if u, ok := g.Util.Value(); ok {
			sum, n = sum+u, n+1
		}
	}
	util = sum / float64(n) // 0/0: NaN
	if style == widget.Plain && work && idleLately(gs) {
		style = widget.Warn
	}
	return util, style, ""
}

// idleLately tells whether devices have done next to nothing for ten seconds.
func idleLately(gs []*gpu.GPU) bool {
	const seconds, little = 10, 5
	for _, g := range gs {
		if len(g.History) < seconds {
			return false
		}
		for _, h := range g.History[len(g.History)-seconds:] {
			if !(h.Util < little) {
				return false
			}
		}
	}
	return len(gs) > 0
}

// deviceNames are devices by their numbers, 0 or 0-3, or else how many they are.
func deviceNames(gs []*gpu.GPU) string {
	switch n := len(gs); {
	case n == 0:
		return ""
	case n == 1:
		return place(gs[0])
	}
	first, last := gs[0], gs[len(gs)-1]
	if first.Host == last.Host && last.Index-first.Index == len(gs)-1 {
		return place(first) + "-" + strconv.Itoa(last.Index)
	}
	return strconv.Itoa(len(gs)) + "x"
}
