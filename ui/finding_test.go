package ui

import (
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/queue"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

func TestFindings(t *testing.T) {
	one := func(name string, states ...backends.State) backends.BackendStatus {
		b := backends.BackendStatus{Name: name}
		for i, s := range states {
			b.Replicas = append(b.Replicas, backends.ReplicaStatus{URL: "http://" + name + "-" + string(rune('0'+i)), State: s, Reason: "it says so", Since: night.Add(-41 * time.Second)})
		}
		return b
	}
	for _, tt := range []struct {
		name  string
		pool  []backends.BackendStatus
		gate  func(*gateway.Snapshot)
		word  string
		grade widget.Style
		texts []string // of the findings, in part and in order
	}{
		{name: "all well", pool: []backends.BackendStatus{one("a", backends.Healthy)}, word: "healthy", grade: widget.Good},
		{name: "not known yet", pool: []backends.BackendStatus{one("a", backends.Unknown)}, word: "starting", grade: widget.Unknown},
		{name: "one of one down", pool: []backends.BackendStatus{one("a", backends.Down)}, word: "unhealthy", grade: widget.Bad,
			texts: []string{"no healthy backend, every request gets 503: a down for 41 s, it says so"}},
		{name: "all down", pool: []backends.BackendStatus{one("a", backends.Down), one("b", backends.Down)}, word: "unhealthy", grade: widget.Bad,
			texts: []string{"no healthy backend, every request gets 503: a down"}},
		{name: "one of two backends down", pool: []backends.BackendStatus{one("a", backends.Healthy), one("b", backends.Down)}, word: "degraded", grade: widget.Bad,
			texts: []string{"b down for 41 s, it says so; its requests get 503"}},
		{name: "a replica down", pool: []backends.BackendStatus{one("a", backends.Healthy, backends.Down)}, word: "degraded", grade: widget.Warn,
			texts: []string{"a: 1 of 2 replicas out: a-1 down for 41 s"}},
		{name: "a shaky replica", pool: []backends.BackendStatus{one("a", backends.Degraded)}, word: "unsteady", grade: widget.Warn, texts: []string{"a: degraded for 41 s"}},
		{name: "a replica hangs", pool: []backends.BackendStatus{one("a", backends.Down, backends.Hung, backends.Healthy)}, word: "hung", grade: widget.Bad,
			texts: []string{"a: 2 of 3 replicas out: a-1 hung for 41 s, it says so"}},
		{name: "the only one hangs", pool: []backends.BackendStatus{one("a", backends.Hung), one("b", backends.Healthy)}, word: "degraded", grade: widget.Bad,
			texts: []string{"a hung for 41 s, it says so; its requests get 503"}},
		{name: "a replica loads", pool: []backends.BackendStatus{one("a", backends.Loading, backends.Healthy)}, word: "degraded", grade: widget.Warn,
			texts: []string{"a: 1 of 2 replicas out: a-0 loading"}},
		{name: "all start", pool: []backends.BackendStatus{one("a", backends.Starting)}, word: "unhealthy", grade: widget.Bad, texts: []string{"a starting for 41 s"}},
		{name: "drained by somebody", pool: []backends.BackendStatus{one("a", backends.Healthy), one("b", backends.Draining)}, word: "degraded", grade: widget.Bad, texts: []string{"b draining"}},
		{name: "no replica configured", pool: []backends.BackendStatus{one("a"), one("b", backends.Healthy)}, word: "degraded", grade: widget.Bad, texts: []string{"a has no replica"}},
		{name: "gateway drains", pool: []backends.BackendStatus{one("a", backends.Healthy)}, gate: func(g *gateway.Snapshot) { g.Draining, g.InFlight = true, 3 }, word: "draining", grade: widget.Warn, texts: []string{"draining: new requests get 503, 3 in flight may end"}},
		{name: "gateway is silent", pool: []backends.BackendStatus{one("a", backends.Healthy)}, gate: func(g *gateway.Snapshot) { g.At = night.Add(-9 * time.Second) }, word: "no news", grade: widget.Bad, texts: []string{"nothing for 9 s"}},
		{name: "many errors", pool: []backends.BackendStatus{one("a", backends.Healthy)},
			gate: func(g *gateway.Snapshot) { g.History = []gateway.Point{{Requests: 90}, {Requests: 10, Errors: 8}} }, word: "failing", grade: widget.Bad, texts: []string{"8.0% of answers failed in the last minute: 8 of 100"}},
		{name: "some errors", pool: []backends.BackendStatus{one("a", backends.Healthy)},
			gate: func(g *gateway.Snapshot) { g.History = []gateway.Point{{Requests: 100, Errors: 3}} }, word: "failing", grade: widget.Warn, texts: []string{"3.0%"}},
		{name: "a single error is no rate", pool: []backends.BackendStatus{one("a", backends.Healthy)},
			gate: func(g *gateway.Snapshot) { g.History = []gateway.Point{{Requests: 1, Errors: 1}} }, word: "healthy", grade: widget.Good},
		{name: "requests wait", pool: []backends.BackendStatus{one("a", backends.Healthy)},
			gate: func(g *gateway.Snapshot) {
				g.Queues = map[string]queue.Status{"a": {Waiting: 12, Oldest: 14 * time.Second}}
			}, word: "overloaded", grade: widget.Warn, texts: []string{"a: 12 requests wait for room, the first for 14 s"}},
		{name: "requests wait a little", pool: []backends.BackendStatus{one("a", backends.Healthy)},
			gate: func(g *gateway.Snapshot) {
				g.Queues = map[string]queue.Status{"a": {Waiting: 12, Oldest: 4 * time.Second}}
			}, word: "healthy", grade: widget.Good},
		{name: "errors of long ago", pool: []backends.BackendStatus{one("a", backends.Healthy)},
			gate: func(g *gateway.Snapshot) {
				g.History = append([]gateway.Point{{Requests: 90, Errors: 90}}, make([]gateway.Point, 60)...)
				g.History[60].Requests = 9
			}, word: "healthy", grade: widget.Good},
		{name: "the most urgent first", pool: []backends.BackendStatus{one("a", backends.Healthy, backends.Down), one("b", backends.Down), one("c", backends.Degraded)},
			gate: func(g *gateway.Snapshot) { g.History = []gateway.Point{{Requests: 10, Errors: 10}} }, word: "degraded", grade: widget.Bad,
			texts: []string{"b down", "100.0% of answers", "a: 1 of 2", "c: degraded"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := pane.Data{Now: night, Gateway: &gateway.Snapshot{At: night}, Pool: &backends.Snapshot{At: night, Backends: tt.pool}}
			if tt.gate != nil {
				tt.gate(d.Gateway)
			}
			fs := find(d)
			if word, grade := verdict(d, fs); word != tt.word || grade != tt.grade {
				t.Errorf("verdict %q in %d, want %q in %d", word, grade, tt.word, tt.grade)
			}
			if len(fs) != len(tt.texts) {
				t.Fatalf("findings %v, want %q", fs, tt.texts)
			}
			for i, f := range fs {
				if !strings.Contains(f.full(), tt.texts[i]) {
					t.Errorf("finding %d is %q, want %q", i, f.full(), tt.texts[i])
				}
			}
		})
	}
}

// What keeps containers from being as they should be comes up last: nobody is
// hurt by it yet.
func TestFindingsOfContainers(t *testing.T) {
	healthy := []backends.BackendStatus{{Name: "a", Replicas: []backends.ReplicaStatus{{URL: "http://a", State: backends.Healthy}}}}
	for _, tt := range []struct {
		name  string
		pool  backends.Snapshot
		word  string
		texts []string
	}{
		{"an engine is away", backends.Snapshot{Hosts: []backends.HostStatus{{Name: "gpu1", Err: "connection refused", Since: night.Add(-41 * time.Second)}, {Name: "gpu2"}}}, "no docker",
			[]string{"docker gpu1 can't be asked for 41 s: connection refused"}},
		{"a job failed", backends.Snapshot{Jobs: []backends.Job{
			{Action: backends.ActRestart, Names: []string{"chat"}, State: backends.Failed, Ended: night.Add(-time.Minute), Err: "vllm-chat: not ready"},
			{Action: backends.ActUp, State: backends.Failed, Ended: night.Add(-time.Minute), Err: "vllm-a: gone"},
			{Action: backends.ActUp, State: backends.Done, Ended: night.Add(-time.Minute)},
			{Action: backends.ActUp, State: backends.Failed, Ended: night.Add(-time.Hour)}}}, "check jobs",
			[]string{"restart of chat failed 60 s ago: vllm-chat: not ready", "up of all failed 60 s ago: vllm-a: gone"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.pool.Backends = healthy
			d := pane.Data{Now: night, Pool: &tt.pool, Gateway: &gateway.Snapshot{At: night}}
			fs := find(d)
			if word, grade := verdict(d, fs); word != tt.word || grade != widget.Warn {
				t.Errorf("verdict %q in %d", word, grade)
			}
			if len(fs) != len(tt.texts) {
				t.Fatalf("findings %v, want %q", fs, tt.texts)
			}
			for i, f := range fs {
				if f.full() != tt.texts[i] {
					t.Errorf("finding %d is %q, want %q", i, f.full(), tt.texts[i])
				}
			}
		})
	}
}
