package ui

import (
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway/queue"
	"pilothouse/gpu"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// Work that is lost or wrong comes before requests that wait, and those before
// a device that is held back.
func TestGPUFindings(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(d *pane.Data)
		word   string
		grade  widget.Style
		texts  []string // in part and in order
	}{
		"well": {func(*pane.Data) {}, "healthy", widget.Good, nil},
		"lost": {func(d *pane.Data) {
			d.GPUs.GPUs[0].State, d.GPUs.GPUs[0].Since, d.GPUs.GPUs[0].Err = gpu.Lost, night.Add(-41*time.Second), "off the bus"
			d.GPUs.GPUs[1].Throttle = gpu.ThrottleHeat
			d.Gateway.Queues = map[string]queue.Status{"chat": {Waiting: 12, Oldest: 14 * time.Second}}
		}, "gpu fails", widget.Bad, []string{"gpu 0: lost for 41 s, off the bus", "chat: 12 requests wait", "gpu 1 runs slower: heat"}},
		"no driver is no finding": {func(d *pane.Data) {
			d.GPUs = &gpu.Snapshot{At: night, Err: "no driver", Hosts: []gpu.HostStatus{{Err: "no driver", Absent: true}}}
		}, "healthy", widget.Good, nil},
		"no list": {func(d *pane.Data) {
			d.GPUs = &gpu.Snapshot{At: night, Err: "refused", Hosts: []gpu.HostStatus{{Name: "gpu2", Err: "refused"}}}
		}, "check gpus", widget.Warn, []string{"gpus on gpu2: refused"}},
		"idle while requests wait at the gateway": {func(d *pane.Data) {
			rest(&d.GPUs.GPUs[1])
			d.Gateway.Queues = map[string]queue.Status{"chat": {Waiting: 2}}
		}, "check gpus", widget.Warn, []string{"gpu 1 is idle while chat has 2 requests waiting (0 running)"}},
		"idle while requests wait at the engine": {func(d *pane.Data) {
			rest(&d.GPUs.GPUs[1])
			d.Pool.Backends[1].Replicas[0].Engine = &backends.EngineStatus{At: night, Running: -1, Waiting: 3}
			d.Pool.Backends[0].Replicas[0].Engine = &backends.EngineStatus{At: night, Running: 1, Waiting: 9}
		}, "check gpus", widget.Warn, []string{"gpu 1 is idle while chat has 3 requests waiting (0 running)"}},
		"idle, and nothing waits": {func(d *pane.Data) { rest(&d.GPUs.GPUs[1]) }, "healthy", widget.Good, nil},
		"idle, and nobody knows":  {func(d *pane.Data) { rest(&d.GPUs.GPUs[1]); d.Gateway = nil; d.Pool = nil }, "no data yet", widget.Unknown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := calm()
			tc.change(&d)
			found := find(d)
			if word, grade := verdict(d, found); word != tc.word || grade != tc.grade {
				t.Errorf("verdict %q, %v", word, grade)
			}
			if len(found) != len(tc.texts) {
				t.Fatalf("%+v", found)
			}
			for i, want := range tc.texts {
				if !strings.HasPrefix(found[i].full(), want) {
					t.Errorf("%q, want %q", found[i].full(), want)
				}
			}
		})
	}
}

// rest has a device do nothing for its whole history.
func rest(g *gpu.GPU) {
	for i := range g.History {
		g.History[i].Util = 0
	}
}
