package pane

import (
	"fmt"
	"time"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// gpuFact is a reading in words.
type gpuFact struct {
	label string
	text  string // "": no data
	style widget.Style
	at    time.Time // when it was measured; zero: that is not what it is
	of    int       // the gauge that it belongs to, from 1; 0: none
}

// gpuLate is the age from which on a single reading is dimmed and says how old
// it is: the slower ones come every five seconds.
const gpuLate = 20 * time.Second

// gpuFacts are what is known of a device beside its four gauges, the most wanted
// first. into is written over.
func gpuFacts(into []gpuFact, t *widget.Theme, d *gpuDevice) []gpuFact {
	g := d.g
	f := gpuFactList{into[:0]}
	f.pair(1, "sm clock", t, g.Clock, g.ClockMax, " MHz")
	f.one(2, "reserved", g.MemReserved, gpuBytes(g.MemReserved))
	f.one(3, "energy", g.Energy, gpuEnergy(g.Energy))
	f.two(4, "slow, off", g.TempSlow, g.TempLimit, gpuDegree(t), t)
	p := &g.PCIe
	f.one(0, "pcie", p.Gen, gpuLink(t, p))
	f.ecc(d)
	f.links(g)
	f.pair(1, "mem clock", t, g.MemClock, g.MemClockMax, " MHz")
	f.one(2, "mem busy", g.MemUtil, gpuWhole(g.MemUtil, " %"))
	f.one(3, "p-state", g.PerfState, gpuPerf(g.PerfState))
	f.one(4, "fan", g.Fan, gpuWhole(g.Fan, " %"))
	f.two(1, "enc, dec", g.Encoder, g.Decoder, " %", t)
	f.one(0, "pcie in", p.Rx, gpuRate(p.Rx))
	f.one(0, "pcie out", p.Tx, gpuRate(p.Tx))
	f.one(0, "replays", p.Replays, gpuTally(p.Replays))
	f.mig(g)
	f.one(0, "persist", g.Persistence, gpuOnOff(g.Persistence))
	f.one(0, "compute", g.Compute, gpuCompute(g.Compute))
	driver, cuda := "", ""
	if d.host != nil {
		driver, cuda = d.host.Driver, d.host.CUDA
	}
	f.all = append(f.all, gpuFact{label: "driver", text: driver}, gpuFact{label: "cuda", text: cuda},
		gpuFact{label: "pci", text: g.PCI}, gpuFact{label: "uuid", text: g.UUID})
	if d.has(gpu.Unkept) {
		f.mark("persist", widget.Warn)
	}
	return f.all
}

// gpuFactList gathers facts.
type gpuFactList struct{ all []gpuFact }

func (f *gpuFactList) one(of int, label string, r gpu.Reading, text string) {
	f.all = append(f.all, gpuFact{label: label, text: text, at: r.At(), of: of})
}

// pair adds a reading against its most.
func (f *gpuFactList) pair(of int, label string, t *widget.Theme, r, most gpu.Reading, unit string) {
	f.one(of, label, r, pair(t, gpuWhole(r, ""), gpuWhole(most, ""), unit))
}

// two adds two readings; "": neither is known.
func (f *gpuFactList) two(of int, label string, a, b gpu.Reading, unit string, t *widget.Theme) {
	x, y := gpuWhole(a, unit), gpuWhole(b, unit)
	text := x + ", " + y
	switch {
	case x == "" && y == "", x == gpuUnsupported && y == gpuUnsupported:
		text = x
	case x == "" || y == "" || x == gpuUnsupported || y == gpuUnsupported:
		text = gpuOr(x, t.None) + ", " + gpuOr(y, t.None)
	}
	f.one(of, label, a, text)
}

func (f *gpuFactList) mark(label string, style widget.Style) {
	for i := range f.all {
		if f.all[i].label == label {
			f.all[i].style = style
		}
	}
}

// ecc adds what the memory's error correction has seen.
func (f *gpuFactList) ecc(d *gpuDevice) {
	e := &d.g.ECC
	if v, ok := e.Enabled.Value(); ok && v == 0 {
		f.one(0, "ecc", e.Enabled, "off")
		return
	}
	if !e.Enabled.Known() && !e.Uncorrected.Known() {
		f.one(0, "ecc", e.Enabled, gpuOnOff(e.Enabled))
		return
	}
	f.one(0, "ecc now", e.Uncorrected, gpuErrors(e.Corrected, e.Uncorrected))
	if d.has(gpu.Uncorrected) {
		f.mark("ecc now", widget.Bad)
	}
	pending, style := "", widget.Plain
	switch v, ok := e.RemapPending.Value(); {
	case e.RemapFailed.Or(0) > 0:
		pending, style = "remap failed", widget.Bad
	case ok && v > 0:
		pending, style = "need a reset", widget.Warn
	case ok:
		pending = "none wait"
	case !e.RemapPending.Supported():
		pending = gpuUnsupported
	}
	f.one(0, "pending", e.RemapPending, pending)
	f.mark("pending", style)
	f.one(0, "ecc ever", e.UncorrectedAll, gpuErrors(e.CorrectedAll, e.UncorrectedAll))
	text := ""
	if e.Remapped.Known() || e.RemappedBad.Known() {
		text = gpuTally(gpuSum(e.Remapped, e.RemappedBad)) + " remapped"
	} else if !e.Remapped.Supported() {
		text = gpuUnsupported
	}
	f.one(0, "rows", e.Remapped, text)
}

// gpuErrors are counts of memory errors.
func gpuErrors(fixed, bad gpu.Reading) string {
	switch {
	case !fixed.Known() && !bad.Known():
		if !fixed.Supported() && !bad.Supported() {
			return gpuUnsupported
		}
		return ""
	case !bad.Known():
		return gpuTally(fixed) + " fixed"
	case !fixed.Known():
		return gpuTally(bad) + " uncorrected"
	}
	return gpuTally(fixed) + " fixed, " + gpuTally(bad) + " not"
}

func (f *gpuFactList) mig(g *gpu.GPU) {
	if g.MIG == nil {
		f.one(0, "mig", gpu.Reading{}, "")
		return
	}
	text := gpuOnOff(g.MIG.Enabled)
	if g.MIG.Enabled.Or(0) != 0 {
		text = "on, " + widget.Many(len(g.MIG.Parts), "part")
	}
	f.one(0, "mig", g.MIG.Enabled, text)
}

// links adds the sum of all NVLinks.
func (f *gpuFactList) links(g *gpu.GPU) {
	if len(g.NVLinks) == 0 {
		text := ""
		if g.NVLinks != nil {
			text = "none"
		}
		f.one(0, "nvlink", gpu.Reading{}, text)
		return
	}
	up, known := 0, 0
	var rx, tx, bad gpu.Reading
	for i := range g.NVLinks {
		l := &g.NVLinks[i]
		if v, ok := l.Active.Value(); ok {
			known++
			if v != 0 {
				up++
			}
		}
		rx, tx, bad = gpuSum(rx, l.Rx), gpuSum(tx, l.Tx), gpuSum(bad, l.Errors)
	}
	text := ""
	if known > 0 {
		text = fmt.Sprintf("%d/%d up", up, len(g.NVLinks))
	}
	f.one(0, "nvlink", g.NVLinks[0].Active, text)
	if known > 0 && up < known {
		f.mark("nvlink", widget.Warn)
	}
	f.one(0, "link in", rx, gpuRate(rx))
	f.one(0, "link out", tx, gpuRate(tx))
	f.one(0, "link errs", bad, gpuTally(bad))
}
