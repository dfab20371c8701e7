package pane

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// gpuValues are a device's readings as text, and how to draw them.
type gpuValues struct {
	state  widget.Style // of the device
	style  widget.Style // of its figures: dimmed when they are old
	mem    widget.Style
	util   string
	memory string
	temp   string
	power  string
	clock  string
	note   string // what is wrong, or what the mark says
}

// memoryFull is the share from which on memory is said to be nearly full.
// Engines fill nine tenths by design, so that alone is no warning.
const memoryFull = 0.97

func (p *GPUs) values(t *widget.Theme, g *gpu.GPU) gpuValues {
	v := gpuValues{
		state:  widget.Good,
		util:   reading(g.Util, "%.0f %%"),
		temp:   reading(g.Temp, "%.0f °C"),
		clock:  reading(g.Clock, "%.0f MHz"),
		power:  pair(t, reading(g.Power, "%.0f"), reading(g.PowerCap, "%.0f"), "W"),
		memory: pair(t, widget.GiB(g.MemUsed.Or(math.NaN())), widget.GiB(g.MemTotal.Or(math.NaN())), "GiB"),
	}
	if t.ASCII() {
		v.temp = reading(g.Temp, "%.0f C")
	}
	age := g.Age(p.now)
	switch {
	case g.State == gpu.Lost, g.State == gpu.NeedsReset, g.State == gpu.Mismatched, g.State == gpu.Gone:
		v.state, v.style, v.note = widget.Bad, widget.Muted, g.State.String()
	case g.At.IsZero():
		v.state, v.note = widget.Unknown, "no reading"
	case age >= Stale:
		v.state, v.style, v.note = widget.Unknown, widget.Muted, widget.Age(age)+" old"
	case g.Throttle.Active():
		v.state, v.note = throttled(g.Throttle), strings.Join(g.Throttle.Reasons(), ", ")
	}
	v.mem = v.style
	if used, ok := g.MemUsed.Value(); ok && v.style == widget.Plain && used > memoryFull*g.MemTotal.Or(math.Inf(1)) {
		v.mem, v.state = widget.Warn, widget.Warn
		if v.note == "" {
			v.note = "memory full"
		}
	}
	return v
}

// place is which device it is: "0", or "gpu2:0" of another host.
func place(g *gpu.GPU) string {
	if g.Host == "" {
		return strconv.Itoa(g.Index)
	}
	return g.Host + ":" + strconv.Itoa(g.Index)
}

// throttled grades the reasons: at its power cap, or as somebody set it, is how
// a busy device runs; held back by heat or by hardware is not.
func throttled(t gpu.Throttle) widget.Style {
	if t&(gpu.ThrottleHeat|gpu.ThrottleBrake|gpu.ThrottleSlow) != 0 {
		return widget.Warn
	}
	return widget.Good
}

func reading(r gpu.Reading, format string) string {
	v, ok := r.Value()
	if !ok {
		return ""
	}
	return fmt.Sprintf(format, v)
}

// pair writes "used / total unit", with a dash for what is not known.
func pair(t *widget.Theme, used, total, unit string) string {
	if used == "" && total == "" {
		return ""
	}
	if used == "" {
		used = t.None
	}
	if total == "" {
		return used + " " + unit
	}
	return used + "/" + total + " " + unit
}

// short leaves the maker's name out.
func short(name string) string { return strings.TrimPrefix(name, "NVIDIA ") }
