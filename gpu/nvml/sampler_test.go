//go:build linux && cgo

package nvml

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pilothouse/gpu"
)

// sampled is the sampler over the fake driver, in one of the ways in which drivers
// are or go wrong.
type sampled struct {
	name     string
	flags    []string // that the driver is built with
	script   string
	trouble  string                    // the script from when all has been read; "": that is all
	victim   int                       // the device that it befalls
	is       gpu.State                 // that it comes to
	settled  string                    // the script after that, with which the device comes back
	readings func(g *gpu.GPU) []string // what is not as it should be on every device, before the trouble
}

var samplings = []sampled{
	{name: "two-l4", script: "count 2\n" + l4, readings: known},
	{name: "eight", script: "count 8\n" + l4, readings: known},
	{name: "old-driver", flags: []string{"-DOLD"}, script: "count 2\n" + l4, readings: func(g *gpu.GPU) []string {
		if g.Energy.Supported() || g.Encoder.Supported() || g.Util.Or(0) != 87 {
			return []string{fmt.Sprintf("energy %+v, encoder %+v, utilisation %+v", g.Energy, g.Encoder, g.Util)}
		}
		return nil
	}},
	{name: "hangs", script: "count 4\n" + l4, trouble: "count 4\n1.hang.nvmlDeviceGetPowerUsage 30\n" + l4, victim: 1, is: gpu.Hung, settled: "count 4\n" + l4},
	{name: "lost", script: "count 3\n" + l4, trouble: "count 3\n1.all 15\n" + l4, victim: 1, is: gpu.Lost, settled: "count 3\n" + l4},
	{name: "reset", script: "count 3\n" + l4, trouble: "count 3\n0.all 16\n" + l4, is: gpu.NeedsReset, settled: "count 3\n" + l4},
	{name: "mismatch", script: "count 2\n" + l4, trouble: "count 2\n1.all 18\n" + l4, victim: 1, is: gpu.Mismatched, settled: "count 2\n" + l4},
	{name: "garbage", script: "count 2\nutil 4000000000\ntemp 65535\npower 4294967295\ntotal 1000\nused 1001\nfan 4294967295\nfans 1", readings: func(g *gpu.GPU) []string {
		for what, r := range map[string]gpu.Reading{"utilisation": g.Util, "temperature": g.Temp, "power": g.Power, "memory": g.MemUsed, "fan": g.Fan} {
			if v, ok := r.Value(); ok {
				return []string{fmt.Sprintf("%s of %v", what, v)}
			}
		}
		return nil
	}},
	{name: "200-processes", script: "count 2\nprocs" + processes(200) + "\n" + l4, readings: func(g *gpu.GPU) []string {
		if n := len(g.Processes); n != 200 {
			return []string{fmt.Sprintf("%d processes", n)}
		}
		return nil
	}},
	{name: "mig", script: "count 2\nmig 1\nparts 2\npart.name NVIDIA A100-SXM4-40GB MIG 1g.5gb\npart.used 1000\nnvmlDeviceGetUtilizationRates 3\n", readings: func(g *gpu.GPU) []string {
		if g.Util.Supported() || g.MIG == nil || len(g.MIG.Parts) != 2 {
			return []string{fmt.Sprintf("utilisation %+v, parts %+v", g.Util, g.MIG)}
		}
		return nil
	}},
}

func processes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " %d:c:%d:%d", 1000+i, 1<<20+i, i%3)
	}
	return b.String()
}

func known(g *gpu.GPU) (wrong []string) {
	for what, r := range map[string]gpu.Reading{"utilisation": g.Util, "memory": g.MemUsed, "temperature": g.Temp, "power": g.Power, "its cap": g.PowerCap, "clock": g.Clock} {
		if !r.Known() {
			wrong = append(wrong, "no "+what)
		}
	}
	return wrong
}

// TestSampler holds the sampler's promises with the real binding, each case in a
// process of its own: nobody who is well is read late because another is not, no
// device gets two calls at a time (the fake driver ends the process then), and the
// library is not started for each reading.
func TestSampler(t *testing.T) {
	for _, c := range samplings {
		t.Run(c.name, func(t *testing.T) {
			if os.Getenv(childVar) == "" {
				t.Parallel()
			}
			if inChild(t) {
				c.run(t)
			}
		})
	}
}

func (c *sampled) run(t *testing.T) {
	f := drive(t, c.script, c.flags...)
	s := gpu.New(gpu.Options{}, gpu.Host{Source: f})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() { stop(); <-ended }()

	all := func(is func(g *gpu.GPU) bool) bool {
		snap := s.Snapshot()
		for i := range snap.GPUs {
			if !is(&snap.GPUs[i]) {
				return false
			}
		}
		return len(snap.GPUs) > 0
	}
	until(t, "all are read", func() bool {
		return all(func(g *gpu.GPU) bool { return g.State == gpu.OK && g.MIG != nil && g.Processes != nil })
	})
	watch(t, s, 2500*time.Millisecond, -1)
	for _, g := range s.Snapshot().GPUs {
		if c.readings != nil {
			for _, wrong := range c.readings(&g) {
				t.Errorf("gpu %d: %s", g.Index, wrong)
			}
		}
	}
	starts := 1
	if c.trouble != "" {
		f.set(c.trouble)
		at := func(i int) *gpu.GPU { g := s.Snapshot().GPUs[i]; return &g }
		until(t, "the trouble is told", func() bool { return at(c.victim).State == c.is })
		if g := at(c.victim); g.Err == "" || g.Since.IsZero() || !g.Util.Known() {
			t.Errorf("the victim: %s since %v, %q", g.State, g.Since, g.Err)
		}
		watch(t, s, 2500*time.Millisecond, c.victim)
		f.set(c.settled)
		until(t, "it is back", func() bool { g := at(c.victim); return g.State == gpu.OK && g.Err == "" })
		starts = 4 // each time that it is listed again
	}
	if n := f.logged("init"); n > starts {
		t.Errorf("the library was started %d times", n)
	}
}

// watch checks for a while that those who are well are read every second. It
// counts looks that find nothing new, as no look is taken either while the
// machine stands still.
func watch(t *testing.T, s *gpu.Sampler, d time.Duration, but int) {
	t.Helper()
	const every, most = 20 * time.Millisecond, 75 // looks: a second and a half at least
	read, stale := map[int]time.Time{}, map[int]int{}
	for range d / every {
		for _, g := range s.Snapshot().GPUs {
			if stale[g.Index]++; !g.At.Equal(read[g.Index]) {
				read[g.Index], stale[g.Index] = g.At, 0
			}
			if g.Index != but && (g.State != gpu.OK || stale[g.Index] > most) {
				t.Fatalf("gpu %d is %s (%s), and was read %v ago", g.Index, g.State, g.Err, g.Age(time.Now()))
			}
		}
		time.Sleep(every)
	}
}
