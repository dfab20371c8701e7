package pane

import (
	"math"
	"strings"
	"time"

	"pilothouse/gpu"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// gpuSpan is how far back graphs reach.
type gpuSpan struct {
	name   string
	length time.Duration
	unit   time.Duration // of a sample
	ticks  []time.Duration
}

var (
	gpuMinutes = gpuSpan{"15 minutes", 15 * time.Minute, time.Second, []time.Duration{15 * time.Minute, 10 * time.Minute, 5 * time.Minute}}
	gpuYoung   = []time.Duration{10 * time.Minute, 5 * time.Minute, 2 * time.Minute, time.Minute, 30 * time.Second} // ticks of less than a whole span
	gpuHours   = gpuSpan{"24 hours", 24 * time.Hour, 10 * time.Second, []time.Duration{24 * time.Hour, 18 * time.Hour, 12 * time.Hour, 6 * time.Hour}}
)

// reachOf is how far back graphs go: a day, or not.
func reachOf(day bool) gpuSpan {
	if day {
		return gpuHours
	}
	return gpuMinutes
}

// gpuTime lays moments out on the dot columns of a graph of w cells. Columns are
// cut at whole multiples of their length, so that a picture moves on without
// changing its shape.
type gpuTime struct {
	span gpuSpan
	w    int
	step int64 // samples a column
	last int64 // which column the newest is, counted from 1970
}

func newGPUTime(span gpuSpan, w int, now time.Time) gpuTime {
	t := gpuTime{span: span, w: w, step: 1}
	if w > 0 {
		n := int64(span.length / span.unit)
		t.step = (n + int64(2*w) - 1) / int64(2*w)
	}
	t.last = gpuFloor(t.sample(now), t.step)
	return t
}

// newYoungGPUTime is the same, or for devices of which not so much is known yet what
// there is.
func newYoungGPUTime(span gpuSpan, w int, now time.Time, all []gpuDevice) gpuTime {
	t := newGPUTime(span, w, now)
	if span.unit > time.Second {
		return t
	}
	known := 0
	for i := range all {
		known = max(known, len(all[i].g.History))
	}
	if step := int64(youngStep(known, 2*w, int(t.step))); step < t.step {
		t.step, t.span.ticks = step, gpuYoung
		t.last = gpuFloor(t.sample(now), step)
	}
	return t
}

// sample is which sample a moment belongs to, counted from 1970.
func (t *gpuTime) sample(at time.Time) int64 {
	return gpuFloor(at.Unix(), int64(t.span.unit/time.Second))
}

// cell is where a moment is, from the left; below 0: before all that is shown.
func (t *gpuTime) cell(at time.Time) int {
	back := t.last - gpuFloor(t.sample(at), t.step)
	return t.w - 1 - int(min(max(back, 0)/2, int64(t.w)))
}

// gpuFloor divides, towards the smaller.
func gpuFloor(a, b int64) int64 {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}

// gpuCurves are the four series of a device, thinned to dot columns.
type gpuCurves struct {
	util, mem, power, temp widget.Series
}

// fill thins a device's history: means of what is known, NaN where nothing is.
func (v *gpuCurves) fill(t *gpuTime, g *gpu.GPU, taken time.Time) {
	points, newest := g.History, t.sample(taken)
	if t.span.unit > time.Second {
		points, newest = g.Long, t.sample(g.LongAt)
		if ago := t.sample(taken) - newest; ago == 1 {
			newest++ // the one that is being measured
		}
	}
	n := 2 * t.w
	for _, s := range []*widget.Series{&v.util, &v.mem, &v.power, &v.temp} {
		if cap(*s) < n {
			*s = make(widget.Series, n)
		}
		*s = (*s)[:n]
	}
	first := newest - int64(len(points)) + 1
	for col := range n {
		at := (t.last-int64(n-1-col))*t.step - first
		from, to := max(at, 0), min(at+t.step, int64(len(points)))
		if from >= to {
			nan := math.NaN()
			v.util[col], v.mem[col], v.power[col], v.temp[col] = nan, nan, nan, nan
			continue
		}
		v.util[col], v.mem[col], v.power[col], v.temp[col] = means(points[from:to])
	}
}

func means(points []gpu.Point) (util, mem, power, temp float64) {
	var n [4]float64
	for i := range points {
		p := &points[i]
		if gpu.Known(p.Util) {
			util, n[0] = util+float64(p.Util), n[0]+1
		}
		if gpu.Known(p.Mem) {
			mem, n[1] = mem+float64(p.Mem), n[1]+1
		}
		if gpu.Known(p.Power) {
			power, n[2] = power+float64(p.Power), n[2]+1
		}
		if gpu.Known(p.Temp) {
			temp, n[3] = temp+float64(p.Temp), n[3]+1
		}
	}
	return util / n[0], mem / n[1], power / n[2], temp / n[3] // 0/0 is NaN
}

// axis draws how long ago the graph's parts were, as far as no mark is to be drawn
// over that.
func (t *gpuTime) axis(c *widget.Canvas, x, y int, now time.Time, marks []gpuMark) {
	free := func(from, n int) bool {
		for i := range marks {
			if at := t.cell(marks[i].at); at >= from && at < from+n {
				return false
			}
		}
		return true
	}
	if free(t.w-3, 3) {
		c.Right(x, y, t.w, widget.Muted, "now")
	}
	end := 0
	for _, ago := range t.span.ticks {
		at := t.cell(now.Add(-ago))
		if ago == t.span.length {
			at = max(at, 0) // it may begin at the very edge
		}
		label := c.Theme.Tick + widget.Age(ago)
		if n := c.Theme.Width(label); at >= end && at+n+4 <= t.w && free(at, n) {
			c.Text(x+at, y, n, widget.Muted, label)
			end = at + n + 1
		}
	}
}

// gpuMark is something that happened to a device, or to what it serves.
type gpuMark struct {
	at    time.Time
	style widget.Style
	text  string
}

// gpuMarks are those of a device: its XIDs, and what became of it and of its
// backends as far as the past knows.
func gpuMarks(into []gpuMark, d *gpuDevice, s *past.Snapshot, since time.Time) []gpuMark {
	into = into[:0]
	for _, x := range d.xids {
		if x.At.Before(since) {
			continue
		}
		into = append(into, gpuMark{x.At, gpuXIDStyle(x), gpuXID(x)})
	}
	if g := d.g; g.State > gpu.OK && g.Since.After(since) {
		into = append(into, gpuMark{g.Since, d.state, g.State.String()})
	}
	if s == nil {
		return into
	}
	for i := range s.Events {
		e := &s.Events[i]
		if e.At.Before(since) {
			break
		}
		switch e.Kind {
		case past.KindGPU:
			if !gpuNamed(d.g, e.Object) || strings.HasPrefix(e.Text, "XID") {
				continue
			}
		case past.KindBackend, past.KindJob:
			if !d.works(e.Object) {
				continue
			}
		default:
			continue
		}
		into = append(into, gpuMark{e.At, eventStyle(e.Grade), e.Text})
	}
	return into
}

// works tells whether a backend is on the device.
func (d *gpuDevice) works(backend string) bool {
	for _, b := range d.serves {
		if b == backend {
			return true
		}
	}
	return false
}

// gpuNamed tells whether an event is of a device.
func gpuNamed(g *gpu.GPU, object string) bool {
	if g.UUID != "" && object == g.UUID || object == place(g) {
		return true
	}
	rest, ok := strings.CutPrefix(object, "gpu ")
	if !ok {
		return false
	}
	if g.Host != "" {
		if n, host, ok := strings.Cut(rest, " on "); ok {
			rest = host + ":" + n
		}
	}
	return rest == place(g)
}

// marks draws what happened at its place below a graph, the gravest of a cell,
// and beside it what it was where there is room: with the newest at first.
func (t *gpuTime) marks(c *widget.Canvas, x, y int, marks []gpuMark, words bool) {
	at := make([]int, t.w) // which mark is at a cell, and 1
	for i := range marks {
		m := &marks[i]
		cell := t.cell(m.at)
		if cell < 0 {
			continue
		}
		if k := at[cell]; k == 0 || gpuGravity(m.style) > gpuGravity(marks[k-1].style) {
			at[cell] = i + 1
		}
	}
	free := t.w // cells to the left of what is drawn
	for cell := t.w - 1; cell >= 0; cell-- {
		if at[cell] == 0 {
			continue
		}
		m := &marks[at[cell]-1]
		glyph := c.Theme.Mark(m.style)
		if glyph == " " {
			glyph = c.Theme.Dot
		}
		c.Text(x+cell, y, 1, m.style, glyph)
		if !words {
			continue
		}
		n := min(c.Theme.Width(gpuClip(m.text, 24)), 24)
		switch {
		case cell+2+n <= free:
			c.Text(x+cell+2, y, n, m.style, m.text)
		case free == t.w && cell-1-n >= 0 && gpuFree(at[cell-1-n:cell]): // at the right edge: on its left
			c.Text(x+cell-1-n, y, n, m.style, m.text)
			cell -= 1 + n
		}
		free = cell - 1
	}
}

// gpuFree tells whether no mark is at some cells.
func gpuFree(at []int) bool {
	for _, k := range at {
		if k != 0 {
			return false
		}
	}
	return true
}

// gpuClip is as much of a text as fits n cells, and a little more: what comes
// from outside may be of any length.
func gpuClip(s string, n int) string {
	if most := 16 * (n + 1); len(s) > most {
		return s[:most]
	}
	return s
}
