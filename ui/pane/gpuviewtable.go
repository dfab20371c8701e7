package pane

import (
	"iter"
	"math"
	"slices"
	"strings"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// gpuColumns of the one-line form.
var gpuColumns = [...]widget.Column{
	{Width: 1}, // mark
	{Head: "gpu", Width: 5, Max: 12},
	{Head: "serves", Width: 8, Max: 18, Worth: 8},
	{Width: 8, Max: 20, Worth: 5},                      // utilisation, as a bar
	{Head: "util", Width: 5, Right: true, Worth: 11},   //
	{Width: 8, Max: 24, Worth: 6},                      // its history; or what is wrong
	{Width: 8, Max: 16, Worth: 2},                      // memory, as a bar
	{Head: "memory", Width: 10, Right: true, Worth: 9}, //
	{Head: "temp", Width: 6, Right: true, Worth: 7},    //
	{Head: "power", Width: 9, Right: true, Worth: 4},   //
	{Head: "sm", Width: 8, Right: true, Worth: 3},      // its clock
	{Width: 17, Max: 30, Worth: 1},                     // what is wrong
}

// gpuTable is the devices a line each, laid out.
type gpuTable struct {
	spans []widget.Span
	noted bool // there is a column for what is wrong
}

// newGPUTable lays the columns out in w cells from x on.
func newGPUTable(all iter.Seq[*gpuDevice], x, w int) gpuTable {
	cols := gpuColumns
	name, serves, note := 0, 0, 0
	for d := range all {
		which := &cols[1]
		n := len(place(d.g)) + 1 + min(len(short(d.g.Name)), 24)
		which.Width = max(which.Width, min(len(place(d.g))+1+gpuModel(short(d.g.Name)), 10))
		if d.g.Host != "" { // the name of a host is needed to know which it is
			which.Width = min(max(which.Width, n), 18)
		}
		name, serves = max(name, n), max(serves, len(d.g.Serves))
		if d.g.MemTotal.Or(0) >= 100<<30 {
			cols[7].Width = 12
		}
		note = max(note, len(d.note))
	}
	cols[1].Max, cols[2].Max = max(cols[1].Width, min(name, 26)), max(cols[2].Width, min(serves, cols[2].Max))
	t := gpuTable{spans: widget.Fit(cols[:], w)}
	t.noted = t.spans[len(t.spans)-1].Col == len(gpuColumns)-1
	if !t.noted && note > cols[5].Width {
		// What is wrong has the place of the history, as much as it needs, and
		// before any figure.
		cols[5].Worth = 12
		for n := min(note, 20); n >= gpuColumns[5].Width; n -= 2 {
			cols[5].Width = n
			if t.spans = widget.Fit(cols[:], w); slices.ContainsFunc(t.spans, func(s widget.Span) bool { return s.Col == 5 }) {
				break
			}
		}
	}
	for i := range t.spans {
		t.spans[i].X += x
	}
	return t
}

// gpuModel is how much of a name tells one device from another, in bytes: up to the
// first word with a figure, "RTX 4090" or "H100".
func gpuModel(name string) int {
	if at := strings.IndexAny(name, "0123456789"); at >= 0 {
		if n := strings.IndexByte(name[at:], ' '); n >= 0 {
			return at + n
		}
	}
	return len(name)
}

// gpuTitle is a device's place and as many words of its name as have room in w cells.
func gpuTitle(g *gpu.GPU, w int) string {
	least := len(place(g)) + 1 + gpuModel(short(g.Name))
	text := place(g) + " " + short(g.Name)
	for len(text) > max(w, least) {
		text = text[:strings.LastIndexByte(text, ' ')]
	}
	return text
}

// heads draws the names of the columns.
func (t *gpuTable) heads(c *widget.Canvas, y int) { c.Heads(y, t.spans, gpuColumns[:]) }

// row draws a device; history gives that of its utilisation in so many cells.
func (t *gpuTable) row(c *widget.Canvas, y int, d *gpuDevice, history func(w int) widget.Series) {
	g := d.g
	for _, s := range t.spans {
		text, style := "", d.style
		switch s.Col {
		case 0:
			text, style = c.Theme.Mark(d.state), d.state
		case 1:
			text, style = gpuTitle(g, s.W), widget.Bold
		case 2:
			text, style = g.Serves, widget.Plain
		case 3:
			c.Bar(s.X, y, s.W, gauge(d.busy()), g.Util.Or(math.NaN())/100)
			continue
		case 4:
			text, style = gpuWhole(g.Util, " %"), d.busy()
		case 5:
			if d.state != widget.Good && !t.noted {
				c.Text(s.X, y, s.W, d.state, d.note)
			} else {
				c.Spark(s.X, y, s.W, d.style, history(s.W), 100)
			}
			continue
		case 6:
			c.Bar(s.X, y, s.W, gauge(d.full()), gpuShare(g.MemUsed, g.MemTotal))
			continue
		case 7:
			text, style = gpuMemory(c.Theme, g), d.full()
			if used, ok := strings.CutSuffix(text, " GiB"); ok {
				text = used + "G"
			}
		case 8:
			text, style = gpuDegrees(c.Theme, g.Temp), d.warm()
		case 9:
			text = gpuPower(c.Theme, g)
		case 10:
			text = gpuWhole(g.Clock, " MHz")
		case 11:
			d.badge(c, s.X, y, s.W)
			continue
		}
		if text == gpuUnsupported {
			text, style = "n/a", widget.Muted
		}
		c.Cell(y, s, gpuColumns[s.Col], style, text)
	}
}

// badge draws what is wrong with a device, or else what it does.
func (d *gpuDevice) badge(c *widget.Canvas, x, y, w int) {
	text, style := d.note, d.state
	if text == "" {
		text, style = strings.Join((d.g.Throttle&^gpuHeld).Reasons(), ", "), widget.Muted
	}
	c.Text(x, y, w, style, text)
}

// gauge is the style of a bar beside a figure: it says the same again, so it
// stands back unless something is wrong.
func gauge(s widget.Style) widget.Style {
	if s == widget.Plain || s == widget.Muted {
		return widget.Fill
	}
	return s
}

// gpuGauge is a reading against what there is of it.
type gpuGauge struct {
	name  string
	share float64
	text  string
	style widget.Style
}

// gpuGauges are the four of a device: utilisation, memory, power, temperature.
func gpuGauges(t *widget.Theme, d *gpuDevice) [4]gpuGauge {
	g := d.g
	return [4]gpuGauge{
		{"util", g.Util.Or(math.NaN()) / 100, gpuWhole(g.Util, " %"), d.busy()},
		{"mem", gpuShare(g.MemUsed, g.MemTotal), gpuMemory(t, g), d.full()},
		{"power", gpuShare(g.Power, g.PowerCap), gpuPower(t, g), d.style},
		{"temp", g.Temp.Or(math.NaN()) / gpuHottest(g), gpuDegrees(t, g.Temp), d.warm()},
	}
}

// gpuHottest is the upper end of a device's temperatures, °C.
func gpuHottest(g *gpu.GPU) float64 { return max(1, g.TempLimit.Or(g.TempSlow.Or(100))) }

// gpuFigure draws a figure at the right of w cells, no data as a dash.
func gpuFigure(c *widget.Canvas, x, y, w int, style widget.Style, text string) {
	switch text {
	case "":
		text, style = c.Theme.None, widget.Muted
	case gpuUnsupported:
		style = widget.Muted
	}
	c.Right(x, y, w, style, text)
}
