package pane

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

func replica(url string, s backends.State, reason string) backends.ReplicaStatus {
	return backends.ReplicaStatus{URL: url, State: s, Reason: reason, Since: noon.Add(-41 * time.Second), InFlight: 3}
}

func TestCondition(t *testing.T) {
	for _, tt := range []struct {
		name   string
		states []backends.State
		style  widget.Style
		word   string
	}{
		{"none", nil, widget.Bad, "none"},
		{"one", []backends.State{backends.Healthy}, widget.Good, "healthy"},
		{"one unknown", []backends.State{backends.Unknown}, widget.Unknown, "unknown"},
		{"one degraded", []backends.State{backends.Degraded}, widget.Warn, "degraded"},
		{"one starting", []backends.State{backends.Starting}, widget.Warn, "starting"},
		{"one loading", []backends.State{backends.Loading}, widget.Warn, "loading"},
		{"one hung", []backends.State{backends.Hung}, widget.Bad, "hung"},
		{"both hung", []backends.State{backends.Hung, backends.Hung}, widget.Bad, "hung"},
		{"hung and down", []backends.State{backends.Hung, backends.Down}, widget.Bad, "down"},
		{"one of two loading", []backends.State{backends.Loading, backends.Healthy}, widget.Warn, "1/2 up"},
		{"loading and starting", []backends.State{backends.Loading, backends.Starting}, widget.Bad, "down"},
		{"one draining", []backends.State{backends.Draining}, widget.Warn, "draining"},
		{"one down", []backends.State{backends.Down}, widget.Bad, "down"},
		{"all well", []backends.State{backends.Healthy, backends.Healthy}, widget.Good, "healthy"},
		{"one of two down", []backends.State{backends.Healthy, backends.Down}, widget.Warn, "1/2 up"},
		{"both down", []backends.State{backends.Down, backends.Down}, widget.Bad, "down"},
		{"down and draining", []backends.State{backends.Draining, backends.Down}, widget.Bad, "down"},
		{"both draining", []backends.State{backends.Draining, backends.Draining}, widget.Warn, "draining"},
		{"one shaky", []backends.State{backends.Healthy, backends.Degraded}, widget.Warn, "degraded"},
		{"one not known yet", []backends.State{backends.Healthy, backends.Unknown}, widget.Unknown, "1/2 known"},
		{"neither known", []backends.State{backends.Unknown, backends.Unknown}, widget.Unknown, "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := backends.BackendStatus{Name: "b"}
			for _, s := range tt.states {
				b.Replicas = append(b.Replicas, replica("http://x", s, ""))
			}
			style, word, _ := Condition(&b)
			if style != tt.style || word != tt.word {
				t.Errorf("%q in %d, want %q in %d", word, style, tt.word, tt.style)
			}
		})
	}
}

func pool(bs ...backends.BackendStatus) Data {
	return Data{Now: noon, Pool: &backends.Snapshot{At: noon, Backends: bs}}
}

func TestBackendsSayWhy(t *testing.T) {
	p := NewBackends(theme(), NewScrolling())
	p.Update(pool(
		backends.BackendStatus{Name: "solo", Replicas: []backends.ReplicaStatus{replica("http://solo:1", backends.Down, "connection refused")}},
		backends.BackendStatus{Name: "twin", Replicas: []backends.ReplicaStatus{replica("http://twin:1", backends.Healthy, "probes succeed"), replica("http://twin:2", backends.Down, "no first byte in 120 s")}},
	))
	least, full := p.Rows()
	if least != 2 || full != 6 {
		t.Errorf("Rows = %d, %d, want 2, 6", least, full)
	}
	lines := func(h int) []string { return strings.Split(ansi.Strip(p.View(100, h)), "\n") }
	has := func(l string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(l, w) {
				t.Errorf("no %q in %q", w, l)
			}
		}
	}
	all := lines(6)
	has(all[1], "■", "solo", "down", "41 s")
	has(all[2], "connection refused")
	has(all[3], "▲", "twin", "1/2 up")
	has(all[4], "twin:1", "healthy")
	has(all[5], "■", "twin:2", "down", "no first byte in 120 s")
	if strings.Contains(all[4], "probes succeed") {
		t.Error("a reason for being well")
	}
	// Where room is short the healthy replica goes first, then the reasons.
	less := lines(5)
	has(less[4], "twin:2")
	least2 := lines(2)
	has(least2[0], "solo")
	has(least2[1], "twin")
}

// No traffic seen is no data, not zeros; none in flight is a fact.
func TestBackendsNoDataIsNoZero(t *testing.T) {
	p := NewBackends(theme(), NewScrolling())
	d := pool(backends.BackendStatus{Name: "quiet", Replicas: []backends.ReplicaStatus{{URL: "http://q", State: backends.Healthy}}})
	d.Gateway = &gateway.Snapshot{At: noon}
	p.Update(d)
	line := strings.Split(ansi.Strip(p.View(78, 2)), "\n")[1]
	if got := strings.Count(line, "–"); got != 4 { // kv cache, ttft, tokens, errors
		t.Errorf("%d dashes in %q, want 4", got, line)
	}
	if got := strings.Count(line, "0"); got != 2 { // run, wait
		t.Errorf("%d zeros in %q, want 2", got, line)
	}
}

func device(change func(*gpu.GPU)) Data {
	read := func(v float64) gpu.Reading { return gpu.Read(v, noon) }
	g := gpu.GPU{Name: "NVIDIA L4", Serves: "chat", At: noon, Sample: gpu.Sample{Throttle: gpu.NotThrottled, Util: read(74), MemUsed: read(15.2 * (1 << 30)), MemTotal: read(22.5 * (1 << 30)),
		Temp: read(61), Power: read(68), PowerCap: read(72), Clock: read(2040)}, History: []gpu.Point{{Util: 40}, {Util: float32(math.NaN())}, {Util: 74}}}
	change(&g)
	return Data{Now: noon, GPUs: &gpu.Snapshot{At: noon, Source: "nvml", GPUs: []gpu.GPU{g}}}
}

func TestGPUStates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*gpu.GPU)
		has    []string
		hasNot []string
	}{
		{"well", func(*gpu.GPU) {}, []string{"●", "74 %", "15.2", "22.5", "61 °C", "68/72 W"}, []string{"old", "–"}},
		{"power capped is well", func(g *gpu.GPU) { g.Throttle = gpu.ThrottlePower }, []string{"●"}, []string{"▲"}},
		{"of another host", func(g *gpu.GPU) { g.Host = "gpu2" }, []string{"gpu2:0", "L4"}, nil},
		{"hot", func(g *gpu.GPU) { g.Throttle = gpu.ThrottleHeat }, []string{"▲", "heat"}, nil},
		{"hung", func(g *gpu.GPU) { g.At = noon.Add(-14 * time.Second) }, []string{"○", "14 s old", "74 %"}, []string{"●"}},
		{"lost", func(g *gpu.GPU) { g.State = gpu.Lost }, []string{"lost", "74 %"}, []string{"●"}},
		{"never read", func(g *gpu.GPU) { *g = gpu.GPU{Name: "NVIDIA L4"} }, []string{"○", "no read", "–"}, []string{"0 %", "0 W", "0 °C"}},
		{"full", func(g *gpu.GPU) { g.MemUsed = gpu.Read(22.4*(1<<30), noon) }, []string{"▲", "memory"}, nil},
		{"no power cap", func(g *gpu.GPU) { g.PowerCap = gpu.Reading{} }, []string{"68 W"}, nil},
	} {
		for _, size := range []struct {
			form string
			w, h int
		}{{"line", 78, 1}, {"card", 118, 4}} {
			t.Run(tt.name+" as a "+size.form, func(t *testing.T) {
				p := NewGPUs(theme(), NewScrolling())
				p.Update(device(tt.change))
				got := ansi.Strip(p.View(size.w, size.h))
				for _, w := range tt.has {
					if !strings.Contains(got, w) {
						t.Errorf("no %q in\n%s", w, got)
					}
				}
				for _, w := range tt.hasNot {
					if strings.Contains(got, w) {
						t.Errorf("%q in\n%s", w, got)
					}
				}
			})
		}
	}
}

func TestGPUTitle(t *testing.T) {
	p := NewGPUs(theme(), NewScrolling())
	d := device(func(*gpu.GPU) {})
	d.GPUs.Simulated = true
	p.Update(d)
	if name, note := p.Title(); name != "gpus" || note != "simulated" {
		t.Errorf("%q, %q", name, note)
	}
	d.Now = noon.Add(9 * time.Second)
	p.Update(d)
	if _, note := p.Title(); !strings.Contains(note, "9 s old") {
		t.Errorf("a sampler that stopped is not told: %q", note)
	}
}

func TestTrafficTotals(t *testing.T) {
	p := NewTraffic(theme())
	s := &gateway.Snapshot{At: noon, Started: noon.Add(-time.Minute), Totals: gateway.Totals{Status2xx: 34201, Status429: 12, Status4xx: 3, Status5xx: 4, ClientLeft: 41}}
	for range 30 {
		s.History = append(s.History, gateway.Point{Requests: 7, Tokens: 900})
	}
	s.History[29].Errors = 1
	p.Update(Data{Gateway: s, Now: noon})
	got := ansi.Strip(p.View(100, 7))
	for _, w := range []string{"ok 34,201", "429 12", "4xx 3", "5xx 4", "left 41", "req/s", "tok/s", "now", "■"} {
		if !strings.Contains(got, w) {
			t.Errorf("no %q in\n%s", w, got)
		}
	}
	if strings.Count(got, "■") != 1 {
		t.Errorf("one second had errors:\n%s", got)
	}
}

// Nothing is drawn twice: a pane keeps its picture until something changes.
func TestPanesKeepTheirPicture(t *testing.T) {
	d := device(func(*gpu.GPU) {})
	d.Gateway = served([]int{1}, []int{2})
	d.Pool = pool(backends.BackendStatus{Name: "b"}).Pool
	for name, p := range map[string]Pane{
		"gpus": NewGPUs(theme(), NewScrolling()), "backends": NewBackends(theme(), NewScrolling()),
		"traffic": NewTraffic(theme()), "requests": NewRequests(theme(), NewScrolling()),
	} {
		p.Update(d)
		first := p.View(100, 10)
		if n := testing.AllocsPerRun(10, func() { p.Update(Data(d)); _ = p.View(100, 10) }); n > 1 { // the message
			t.Errorf("%s: %v allocations with nothing new", name, n)
		}
		if p.View(90, 10) == first {
			t.Errorf("%s: another size, the same picture", name)
		}
		p.Update(Themed{widget.NewTheme(widget.Look{ASCII: true})})
		if p.View(100, 10) == first && name != "traffic" {
			t.Errorf("%s: another theme, the same picture", name)
		}
	}
}

// A list that doesn't fit scrolls.
func TestBackendsScroll(t *testing.T) {
	var bs []backends.BackendStatus
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		bs = append(bs, backends.BackendStatus{Name: name, Replicas: []backends.ReplicaStatus{replica("http://"+name, backends.Healthy, "")}})
	}
	p := NewBackends(theme(), NewScrolling())
	p.Update(pool(bs...))
	if p.View(60, 3); len(p.Keys()) == 0 {
		t.Error("doesn't offer to scroll")
	}
	p.Update(press("G"))
	if s := ansi.Strip(p.View(60, 3)); !strings.Contains(s, "five") || strings.Contains(s, "one") {
		t.Errorf("at the end:\n%s", s)
	}
	p.Update(press("g"))
	if s := ansi.Strip(p.View(60, 3)); !strings.Contains(s, "one") || strings.Contains(s, "five") {
		t.Errorf("at the beginning:\n%s", s)
	}
}
