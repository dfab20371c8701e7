package pane

import (
	"testing"
	"time"

	"pilothouse/backends"
)

// What the engine before told is nothing that the one that loads has to do: its
// requests went with it.
func TestEngineThatLoads(t *testing.T) {
	for _, tt := range []struct {
		name    string
		state   backends.State
		told    time.Duration // ago; it has been so for 7 seconds
		running int64         // -1: not known
	}{
		{"healthy", backends.Healthy, 9 * time.Second, 2},
		{"loads, told before", backends.Loading, 9 * time.Second, -1},
		{"loads, told since", backends.Loading, time.Second, 2},
		{"hung, told before", backends.Hung, 9 * time.Second, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rs := []backends.ReplicaStatus{{URL: "http://sql:8000", State: tt.state, Since: night.Add(-7 * time.Second),
				Engine: &backends.EngineStatus{At: night.Add(-tt.told), Running: 2, Waiting: 1, KVUsage: 0.5}}}
			if got := sumEngines(rs, func(e *backends.EngineStatus) int64 { return int64(e.Running) }); got != tt.running {
				t.Errorf("%d run, want %d", got, tt.running)
			}
			v := backendRow{b: &backends.BackendStatus{Name: "sql", Replicas: rs}}
			v.engines(night)
			if int64(v.running) != max(tt.running, 0) || (v.behind >= 0) != (tt.running > 0) {
				t.Errorf("the row has %d running, %d waiting", v.running, v.behind)
			}
		})
	}
}
