package pane

import (
	"strconv"

	"pilothouse/ui/widget"
)

// gauges draws the four readings against what there is of each, and beside each
// its history, with one time axis below all.
func (s *gpuSheet) gauges(x, y, w int, n gpuPlan) int {
	if n.gauges == 0 {
		return y
	}
	c, g := s.c, s.d.g
	const value = 16
	side := w // of the gauges
	graph := 0
	if w >= 46 {
		side = min(max(w*2/5, 28), 44)
		graph = w - side - gpuScale - 3
	}
	t := newYoungGPUTime(s.p.reach(), graph, s.p.now, s.p.all)
	if graph > 0 {
		s.p.curves.fill(&t, g, s.p.snap.At)
	}
	tops := [4]float64{100, 100, max(1, g.PowerCap.Or(0)), gpuHottest(g)}
	series := [4]widget.Series{s.p.curves.util, s.p.curves.mem, s.p.curves.power, s.p.curves.temp}
	if !g.PowerCap.Known() && graph > 0 {
		tops[2] = widget.Scale(series[2], 100)
	}
	gx := x + side + 2 + gpuScale
	for i, r := range gpuGauges(c.Theme, s.d) {
		if i*n.each >= n.gauges {
			break
		}
		top := y + i*n.each
		c.Text(x+1, top, gpuLabel-1, widget.Muted, r.name)
		if bar := side - gpuLabel - value - 1; bar > 2 && r.text != gpuUnsupported {
			c.Bar(x+gpuLabel, top, bar, gauge(r.style), r.share)
		}
		gpuFigure(c, x+gpuLabel, top, side-gpuLabel, r.style, r.text)
		s.below(x+3, top+1, side-3, i+1, n.each)
		if graph > 0 {
			s.scale(gx-gpuScale, top, n.each, tops[i])
			if !gpuSeen(series[i]) {
				missing := "no data"
				if r.text == gpuUnsupported {
					missing = r.text
				}
				c.Text(gx+1, top+(n.each-1)/2, graph-1, widget.Muted, missing)
			}
			c.Graph(gx, top, graph, n.each, s.d.style, series[i], tops[i])
		}
	}
	y += n.gauges
	if graph <= 0 || n.axis == 0 {
		return y + n.marks + n.axis
	}
	since := s.p.now.Add(-t.span.length)
	s.p.happen = gpuMarks(s.p.happen, s.d, s.p.past, since)
	if n.marks > 0 {
		t.marks(c, gx, y, s.p.happen, true)
		y += n.marks
		t.axis(c, gx, y, s.p.now, nil)
	} else {
		t.axis(c, gx, y, s.p.now, s.p.happen)
		t.marks(c, gx, y, s.p.happen, false)
	}
	return y + n.axis
}

// below draws the facts that belong to a gauge in the rows that its graph has
// more.
func (s *gpuSheet) below(x, y, w, of, each int) {
	for i := range s.facts {
		if s.facts[i].of == of && gpuBelow(s.facts, i, each) {
			s.fact(x, y, w, &s.facts[i])
			y++
		}
	}
}

// scale draws the ends of a graph's scale.
func (s *gpuSheet) scale(x, y, rows int, top float64) {
	c := s.c
	for i := range rows {
		stroke := c.Theme.Vertical
		if i == 0 || i == rows-1 {
			stroke = c.Theme.AxisEnd
		}
		c.Text(x+gpuScale-1, y+i, 1, widget.Muted, stroke)
	}
	if rows > 1 {
		c.Right(x, y, gpuScale-1, widget.Muted, strconv.FormatFloat(min(top, 9999), 'f', 0, 64))
		c.Right(x, y+rows-1, gpuScale-1, widget.Muted, "0")
	}
}

// gpuSeen tells whether there is any sample.
func gpuSeen(s widget.Series) bool {
	for _, v := range s {
		if v == v {
			return true
		}
	}
	return false
}
