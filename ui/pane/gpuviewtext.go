package pane

import (
	"math"
	"strconv"
	"strings"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// place is which device it is: "0", or "gpu2:0" of another host.
func place(g *gpu.GPU) string {
	if g.Host == "" {
		return strconv.Itoa(g.Index)
	}
	return gpuClip(g.Host, 3) + ":" + strconv.Itoa(g.Index)
}

// short leaves the maker's name out.
func short(name string) string { return gpuClip(strings.TrimPrefix(name, "NVIDIA "), 40) }

// gpuUnsupported is said of what a device can't measure.
const gpuUnsupported = "not supported"

// gpuWhole writes a value without decimals and its unit; "": there is none.
func gpuWhole(r gpu.Reading, unit string) string {
	v, ok := r.Value()
	switch {
	case ok:
		return strconv.FormatFloat(v, 'f', 0, 64) + unit
	case !r.Supported():
		return gpuUnsupported
	}
	return ""
}

// gpuDegrees writes a temperature.
func gpuDegrees(t *widget.Theme, r gpu.Reading) string {
	if t.ASCII() {
		return gpuWhole(r, " C")
	}
	return gpuWhole(r, " °C")
}

// gib writes a number of bytes without its unit.
func gib(r gpu.Reading) string {
	if !r.Supported() {
		return gpuUnsupported
	}
	return widget.GiB(r.Or(math.NaN()))
}

// pair writes "used/total unit", with a dash for what is not known; "": neither
// is.
func pair(t *widget.Theme, used, total, unit string) string {
	switch {
	case used == gpuUnsupported, used == "" && total == "":
		return used
	case total == "" || total == gpuUnsupported:
		return used + unit
	case used == "":
		used = t.None
	}
	return used + "/" + total + unit
}

// gpuShare is how much of a whole it is; NaN: not known.
func gpuShare(of, whole gpu.Reading) float64 { return of.Or(math.NaN()) / whole.Or(math.NaN()) }

// gpuMemory, gpuPower are those of a device against what there is.
func gpuMemory(t *widget.Theme, g *gpu.GPU) string {
	return pair(t, gib(g.MemUsed), gib(g.MemTotal), " GiB")
}

func gpuPower(t *widget.Theme, g *gpu.GPU) string {
	return pair(t, gpuWhole(g.Power, ""), gpuWhole(g.PowerCap, ""), " W")
}

// gpuOr is a text, or what stands for none.
func gpuOr(s, none string) string {
	if s == "" {
		return none
	}
	return s
}

func gpuDegree(t *widget.Theme) string {
	if t.ASCII() {
		return " C"
	}
	return " °C"
}

// gpuSum is the sum of those known.
func gpuSum(a, b gpu.Reading) gpu.Reading {
	switch {
	case !a.Known():
		return b
	case !b.Known():
		return a
	}
	at := a.At()
	if b.At().Before(at) {
		at = b.At()
	}
	return gpu.Read(a.Or(0)+b.Or(0), at)
}

// gpuTally writes a count.
func gpuTally(r gpu.Reading) string {
	v, ok := r.Value()
	switch {
	case ok && v >= 0 && v < 1<<53:
		return widget.Count(uint64(v))
	case !r.Supported():
		return gpuUnsupported
	}
	return ""
}

// gpuRate writes bytes a second: 3.1 GB/s.
func gpuRate(r gpu.Reading) string {
	v, ok := r.Value()
	switch {
	case !ok && !r.Supported():
		return gpuUnsupported
	case !ok || v < 0:
		return ""
	case v < 1e3:
		return strconv.FormatFloat(v, 'f', 0, 64) + " B/s"
	}
	s := widget.Figure(v)
	return s[:len(s)-1] + " " + s[len(s)-1:] + "B/s"
}

// gpuBytes writes an amount of memory.
func gpuBytes(r gpu.Reading) string {
	s := gib(r)
	if s == "" || s == gpuUnsupported {
		return s
	}
	return s + " GiB"
}

// gpuEnergy writes J as kWh.
func gpuEnergy(r gpu.Reading) string {
	const kWh = 3.6e6
	v, ok := r.Value()
	switch {
	case !ok && !r.Supported():
		return gpuUnsupported
	case !ok:
		return ""
	case v < kWh:
		return strconv.FormatFloat(v/kWh*1000, 'f', 0, 64) + " Wh"
	}
	return strconv.FormatFloat(v/kWh, 'f', 1, 64) + " kWh"
}

func gpuPerf(r gpu.Reading) string {
	if !r.Known() {
		return gpuWhole(r, "")
	}
	return "P" + gpuWhole(r, "")
}

func gpuOnOff(r gpu.Reading) string {
	v, ok := r.Value()
	switch {
	case ok && v != 0:
		return "on"
	case ok:
		return "off"
	case !r.Supported():
		return gpuUnsupported
	}
	return ""
}

func gpuCompute(r gpu.Reading) string {
	v, ok := r.Value()
	switch {
	case !ok:
		return gpuWhole(r, "")
	case v == 0:
		return "default"
	case v == 2:
		return "prohibited"
	case v == 3:
		return "one process"
	}
	return "mode " + strconv.Itoa(int(math.Min(v, 1e6)))
}

// gpuLink writes a device's way to its host against the best that it can.
func gpuLink(t *widget.Theme, p *gpu.PCIe) string {
	gen, width := pair(t, gpuWhole(p.Gen, ""), gpuWhole(p.GenMax, ""), ""), pair(t, gpuWhole(p.Width, ""), gpuWhole(p.WidthMax, ""), "")
	switch {
	case gen == "" && width == "" || gen == gpuUnsupported:
		return gen
	case width == "" || width == gpuUnsupported:
		return "gen " + gen
	case gen == "":
		return "x" + width
	}
	return "gen " + gen + " x" + width
}
