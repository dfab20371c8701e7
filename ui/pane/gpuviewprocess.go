package pane

import (
	"fmt"
	"strconv"
	"time"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// gpuProcessColumns of who is on a device.
var gpuProcessColumns = [...]widget.Column{
	{Head: "backend", Width: 8, Max: 8},
	{Head: "container", Width: 8, Max: 8, Worth: 3},
	{Head: "process", Width: 12, Max: 28, Worth: 2},
	{Head: "memory", Width: 9, Right: true, Worth: 5},
	{Head: "util", Width: 5, Right: true, Worth: 4},
	{Head: "up", Width: 6, Right: true, Worth: 1},
}

// gpuPeople is how many rows who is on a device takes: parts of it, and
// processes.
func gpuPeople(g *gpu.GPU) int {
	n := len(g.Processes)
	if g.MIG != nil {
		n += len(g.MIG.Parts)
	}
	return max(1, n)
}

// people draws who is on a device: its parts with theirs below them, and those
// on the whole of it.
func (d *gpuDevice) people(c *widget.Canvas, x, y, w, rows int, now time.Time) {
	g := d.g
	if gpuPeople(g) == 1 && len(g.Processes) == 0 && (g.MIG == nil || len(g.MIG.Parts) == 0) {
		text := "nobody is on it"
		if g.Processes == nil {
			text = c.Theme.None
		}
		c.Text(x+2, y, w-2, widget.Muted, text)
		return
	}
	if rows == 1 && gpuPeople(g) > 1 {
		d.names(c, x, y, w)
		return
	}
	cols := gpuProcessColumns
	for i := range g.Processes {
		o := &g.Processes[i]
		where, _ := gpuContainer(o)
		cols[0].Max = max(cols[0].Max, min(len(o.Backend), 18))
		cols[0].Width = min(cols[0].Max, 12)
		cols[1].Max = max(cols[1].Max, min(len(where), 24))
		cols[1].Width = min(cols[1].Max, 14)
	}
	spans := widget.Fit(cols[:], w-2)
	end, left := y+rows, gpuPeople(g)
	next := func() bool { // whether there is a row for the next
		if y < end-1 || y < end && left == 1 {
			left--
			return true
		}
		if y < end {
			c.Text(x+2, y, w-2, widget.Muted, fmt.Sprintf("and %d more", left))
			y = end
		}
		return false
	}
	if g.MIG != nil {
		for i := range g.MIG.Parts {
			m := &g.MIG.Parts[i]
			if !next() {
				return
			}
			d.part(c, x, y, w, m)
			y++
			for k := range g.Processes {
				if o := &g.Processes[k]; o.MIG != "" && o.MIG == m.UUID {
					if !next() {
						return
					}
					d.process(c, x, y, spans, o, now)
					y++
				}
			}
		}
	}
	for i := range g.Processes {
		o := &g.Processes[i]
		if gpuPlaced(g, o) {
			continue
		}
		if !next() {
			return
		}
		d.process(c, x, y, spans, o, now)
		y++
	}
}

// names draws who is on a device in a single line.
func (d *gpuDevice) names(c *widget.Canvas, x, y, w int) {
	style, text := d.style, ""
	for i := range d.g.Processes {
		o := &d.g.Processes[i]
		if o.Backend == "" {
			style = widget.Unknown
			c.Text(x, y, 1, style, c.Theme.Unknown)
		}
		if i < 8 {
			text = gpuJoined(text, gpuClip(o.String(), 16))
		}
	}
	if text == "" {
		text = "nobody on any of " + widget.Many(len(d.g.MIG.Parts), "part")
	}
	c.Text(x+2, y, w-2, style, text)
}

// gpuPlaced tells whether a process is on a part that is known.
func gpuPlaced(g *gpu.GPU, o *gpu.Owner) bool {
	if g.MIG == nil || o.MIG == "" {
		return false
	}
	for i := range g.MIG.Parts {
		if g.MIG.Parts[i].UUID == o.MIG {
			return true
		}
	}
	return false
}

// part draws a MIG device.
func (d *gpuDevice) part(c *widget.Canvas, x, y, w int, m *gpu.MIGPart) {
	const name, figure = 12, 15
	c.Text(x+2, y, min(name, w-2), d.style, m.Name)
	text := gpuMemory(c.Theme, &gpu.GPU{Sample: gpu.Sample{MemUsed: m.MemUsed, MemTotal: m.MemTotal}})
	bar := min(w-2-name-figure-2, 24)
	if bar < 4 {
		gpuFigure(c, x+2+name, y, w-2-name, d.style, text)
		return
	}
	c.Bar(x+2+name, y, bar, gauge(d.style), gpuShare(m.MemUsed, m.MemTotal))
	gpuFigure(c, x+2+name+bar, y, figure, d.style, text)
}

// process draws one process. One that is none of a backend's is marked, since
// it takes what those reckon with.
func (d *gpuDevice) process(c *widget.Canvas, x, y int, spans []widget.Span, o *gpu.Owner, now time.Time) {
	if o.Backend == "" {
		c.Text(x, y, 1, widget.Unknown, c.Theme.Unknown)
	}
	for _, s := range spans {
		s.X += x + 2
		text, style := "", d.style
		switch gpuProcessColumns[s.Col].Head {
		case "backend":
			text = o.Backend
			if text == "" {
				text, style = "unknown", widget.Unknown
				if o.Kind == gpu.Graphics {
					text = "graphics"
				}
			}
		case "container":
			if text, style = gpuContainer(o); style == widget.Plain {
				style = d.style
			}
		case "process":
			text, style = gpuProcessName(o), widget.Muted
		case "memory":
			text = gpuBytes(o.Mem)
		case "util":
			text = gpuWhole(o.Util, " %")
		case "up":
			if !o.Started.IsZero() {
				text, style = widget.Age(now.Sub(o.Started)), widget.Muted
			}
		}
		if text == gpuUnsupported {
			text, style = "n/a", widget.Muted
		}
		c.Cell(y, s, gpuProcessColumns[s.Col], style, text)
	}
}

// gpuContainer is what a process runs in, or why that is not known.
func gpuContainer(o *gpu.Owner) (string, widget.Style) {
	switch {
	case o.Container != "":
		return o.Container, widget.Plain
	case o.ID != "":
		return o.ID[:min(12, len(o.ID))], widget.Unknown
	case o.Unit != "":
		return o.Unit, widget.Plain
	case o.Why != "":
		return o.Why, widget.Unknown
	case o.Backend != "":
		return "", widget.Plain
	}
	return "no container", widget.Unknown
}

func gpuProcessName(o *gpu.Owner) string {
	if o.Name == "" {
		return "pid " + strconv.Itoa(o.PID)
	}
	return strconv.Itoa(o.PID) + " " + o.Name
}
