package pane

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/gateway/queue"
	"pilothouse/gpu"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// gpuHostile are names as an attacker would choose them.
var gpuHostile = []string{
	"", "acme", "\x1b[2J\x1b[H", "\x1b]0;title\a", "\u009b31m", "\x9b2J", "a\nb\r\nc\td", "\u202egnp.exe", "z\u200be\u200dr\ufeffo", "東京都庁舎第一本庁舎", "e\u0301\u0302",
	"\u0301", "👩\u200d👩\u200d👧", "🇩🇪🇫🇷", "❤\ufe0f", "\xff\xfe", "\x00", strings.Repeat("長", 300), strings.Repeat("x", 5000), strings.Repeat("word ", 2000), "ﷺ",
}

func gpuHostileData(r *rand.Rand) Data {
	name := func() string { return gpuHostile[r.IntN(len(gpuHostile))] + gpuHostile[r.IntN(len(gpuHostile))] }
	dur := func() time.Duration { return time.Duration(r.Int64N(1<<62) >> r.IntN(62)) }
	num := func() float64 {
		return [...]float64{0, 0.1, 99.97, 1e9, 1e18, 1e300, math.NaN(), -1, 72, 1}[r.IntN(10)]
	}
	read := func() gpu.Reading {
		if r.IntN(5) == 0 {
			return gpu.NotSupported()
		}
		return gpu.Read(num(), noon.Add(-dur()%time.Hour))
	}
	d := Data{Now: noon.Add(dur() % (30 * time.Hour)), Gateway: &gateway.Snapshot{Queues: map[string]queue.Status{"acme": {Waiting: 3}}}}
	if r.IntN(12) == 0 {
		return d
	}
	s := &gpu.Snapshot{At: noon, Source: name(), Driver: name(), Simulated: r.IntN(2) == 0}
	d.GPUs = s
	if r.IntN(10) == 0 {
		s.Err = name()
	}
	for range r.IntN(4) {
		s.Hosts = append(s.Hosts, gpu.HostStatus{Name: name(), Source: name(), Driver: name(), CUDA: name(), Err: name(), EventsErr: name(), Absent: r.IntN(4) == 0})
	}
	points := func(n int) (all []gpu.Point) {
		for range n {
			all = append(all, gpu.Point{Util: float32(num()), Mem: float32(num()), Power: float32(num()), Temp: float32(num())})
		}
		return all
	}
	for i := range r.IntN(10) {
		g := gpu.GPU{Index: i, Name: name(), UUID: name(), PCI: name(), Serves: name(), Err: name(), State: gpu.State(r.IntN(int(gpu.Gone) + 1)), Since: noon.Add(-dur()), NewUncorrected: read(),
			Sample: gpu.Sample{Util: read(), MemUtil: read(), MemUsed: read(), MemReserved: read(), MemTotal: read(), Temp: read(), Power: read(), Clock: read(), MemClock: read(), PerfState: read(), Throttle: gpu.Throttle(r.Uint32()),
				Encoder: read(), Decoder: read(), PowerCap: read(), Energy: read(), TempSlow: read(), TempLimit: read(), ClockMax: read(), MemClockMax: read(), Fan: read(),
				PCIe: gpu.PCIe{Gen: read(), GenMax: read(), Width: read(), WidthMax: read(), Rx: read(), Tx: read(), Replays: read()},
				ECC:  gpu.ECC{Enabled: read(), Corrected: read(), Uncorrected: read(), CorrectedAll: read(), UncorrectedAll: read(), Remapped: read(), RemappedBad: read(), RemapPending: read(), RemapFailed: read()}, Persistence: read(), Compute: read()}}
		if r.IntN(2) == 0 && len(s.Hosts) > 0 {
			g.Host = s.Hosts[r.IntN(len(s.Hosts))].Name
		}
		if r.IntN(3) > 0 {
			g.At = noon.Add(-dur() % time.Minute)
		}
		for range r.IntN(4) {
			g.NVLinks = append(g.NVLinks, gpu.NVLink{Active: read(), Rx: read(), Tx: read(), Errors: read()})
		}
		if r.IntN(2) == 0 {
			g.MIG = &gpu.MIG{Enabled: read()}
			for range r.IntN(4) {
				g.MIG.Parts = append(g.MIG.Parts, gpu.MIGPart{UUID: name(), Name: name(), MemUsed: read(), MemTotal: read()})
			}
		}
		for range r.IntN(5) {
			g.Processes = append(g.Processes, gpu.Owner{Process: gpu.Process{PID: r.IntN(1 << 30), Kind: gpu.Kind(name()), Name: name(), Mem: read(), Util: read(), MIG: name()},
				Started: noon.Add(-dur()), ID: name(), Container: name(), Unit: name(), Backend: name(), Why: name()})
		}
		g.History, g.Long, g.LongAt = points(r.IntN(900)), points(r.IntN(900)), noon.Add(-dur()%time.Hour)
		for range r.IntN(4) {
			s.Events = append(s.Events, gpu.XID{At: noon.Add(-dur() % time.Hour), Last: noon.Add(-dur() % time.Hour), Count: r.IntN(1 << 20), Host: g.Host, Index: i - r.IntN(2), UUID: g.UUID, PCI: name(),
				Code: r.IntN(200), Name: name(), Meaning: name(), Action: name(), Text: name(), Application: r.IntN(2) == 0, Owners: []string{name(), name()}, InFlight: r.IntN(9)})
		}
		s.GPUs = append(s.GPUs, g)
	}
	d.Past = &past.Snapshot{}
	for range r.IntN(9) {
		d.Past.Events = append(d.Past.Events, past.Event{At: noon.Add(-dur() % time.Hour), Kind: past.KindGPU, Object: fmt.Sprintf("gpu %d", r.IntN(9)), Text: name(), Grade: past.Grade(r.IntN(4))})
	}
	return d
}

// gpuShape checks that a picture has h lines of w cells, whichever way a terminal
// counts them, and holds nothing but text and colours.
func gpuShape(t *testing.T, s string, w, h int) {
	t.Helper()
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines at %dx%d", len(lines), w, h)
	}
	for i, l := range lines {
		bare := ansi.Strip(l)
		if g, wc := ansi.StringWidth(bare), ansi.StringWidthWc(bare); g != w || wc != w {
			t.Fatalf("line %d is %d or %d cells at %dx%d: %q", i, g, wc, w, h, l)
		}
		for _, r := range bare {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U in line %d at %dx%d: %q", r, i, w, h, l)
			}
		}
	}
}

// Whatever the size, whatever is measured and whatever things are called, both
// panes keep their shape.
func TestGPUPanesKeepTheirShape(t *testing.T) {
	keys := []string{"up", "down", "left", "right", "g", "G", "pgup", "pgdown", "t", "esc"}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 11))
		th := widget.NewTheme(widget.Look{Profile: colorprofile.TrueColor, ASCII: r.IntN(4) == 0})
		view, small := NewGPUView(th, NewScrolling()), NewGPUs(th, NewScrolling())
		for range 4 {
			d := gpuHostileData(r)
			view.Update(d)
			small.Update(d)
			w, h := 1+r.IntN(300), 1+r.IntN(100)
			if r.IntN(3) == 0 {
				w, h = 1+r.IntN(70), 1+r.IntN(20)
			}
			gpuShape(t, view.View(w, h), w, h)
			gpuShape(t, small.View(w, h), w, h)
			view.SetSort(r.IntN(6))
			if r.IntN(3) == 0 {
				view.SetFilter(gpuHostile[r.IntN(4)])
			}
			for range 3 {
				view.Update(press(keys[r.IntN(len(keys))]))
				gpuShape(t, view.View(w, h), w, h)
			}
			view.Title()
			view.Describe()
			small.Title()
		}
	}
}

// Every size there is, with everything that can be said.
func TestGPUViewAtEverySize(t *testing.T) {
	for _, d := range []Data{gpuTrouble(), gpuFleet(), gpuParted()} {
		p := gpuViewOf(d, "down")(theme())
		for w := 1; w <= 300; w += 1 + w/15 {
			for h := 1; h <= 100; h += 1 + h/6 {
				gpuShape(t, p.View(w, h), w, h)
			}
		}
	}
}
