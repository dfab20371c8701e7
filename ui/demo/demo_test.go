package demo

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/docker"
	"pilothouse/gpu"
)

// running serves a demo of two backends until the test ends.
func running(t *testing.T) *Demo {
	t.Helper()
	dir := t.TempDir()
	d, err := New(dir, filepath.Join(dir, "keys.toml"), []backends.Config{
		{Name: "text2sql", Model: "s", Routes: []string{"/text2sql"}, MaxContext: 8192, Container: container("vllm-text2sql")},
		{Name: "chat", Model: "c", MaxContext: 8192, Container: container("vllm-chat")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, d.Close(), d.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func container(name string) *backends.Container {
	return &backends.Container{Spec: docker.Spec{Name: name}}
}

// eventually waits for a condition, and fails where it doesn't come.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); time.Sleep(20 * time.Millisecond) { // between looks
		if time.Now().After(end) {
			t.Fatalf("it did not come: %s", what)
		}
	}
}

// looked is a pool that tells of its backends bit by bit, one step at each look.
type looked struct {
	steps []*backends.Snapshot
	last  func() // called when the last step is told
	n     int
}

func (l *looked) Snapshot() *backends.Snapshot {
	s := l.steps[l.n]
	if l.n++; l.n == len(l.steps) {
		l.n--
		l.last()
	}
	return s
}

// The first thing that is seen of the demo is no failure: its clients come when
// every backend is known to serve.
func TestClientsWaitForAllBackends(t *testing.T) {
	of := func(states ...backends.State) *backends.Snapshot {
		s := &backends.Snapshot{}
		for _, is := range states {
			s.Backends = append(s.Backends, backends.BackendStatus{Replicas: []backends.ReplicaStatus{{State: is}}})
		}
		return s
	}
	d := running(t)
	var served, early, came atomic.Bool
	gateway := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if !served.Load() {
			early.Store(true)
		}
		came.Store(true)
	}))
	defer gateway.Close()
	pool := &looked{last: func() { served.Store(true) }, steps: []*backends.Snapshot{
		nil, of(backends.Unknown, backends.Unknown), of(backends.Healthy, backends.Unknown), of(backends.Healthy, backends.Down),
		of(backends.Starting, backends.Healthy), of(backends.Loading, backends.Healthy), of(backends.Healthy, backends.Healthy)}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Clients(ctx, gateway.URL, pool) }()
	eventually(t, "a client", came.Load)
	stop()
	if err := <-ended; err != nil || early.Load() {
		t.Errorf("error %v; clients came before all backends served: %v", err, early.Load())
	}

	// One that is told to stop before does not wait on.
	if err := d.Clients(ctx, gateway.URL, &looked{steps: []*backends.Snapshot{nil}, last: func() {}}); err != nil {
		t.Error(err)
	}
}

// Whoever posts to an engine gives its GPU what the documentation says, and no other.
func TestTroubleOfGPUs(t *testing.T) {
	d := running(t)
	set := func(list string) {
		t.Helper()
		r, err := http.Post(d.Backends[1].URLs[0]+"/sim/faults", "application/json", strings.NewReader(`{"faults":`+list+`}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d", list, r.StatusCode)
		}
	}
	read := func(card int) (gpu.Sample, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // of one that hangs
		defer cancel()
		return d.GPUs.Read(ctx, card, gpu.Fast)
	}
	eventually(t, "the engine", func() bool {
		r, err := http.Get(d.Backends[1].URLs[0] + "/health")
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	})
	told := make(chan gpu.Event, 10)
	ctx, stop := context.WithCancel(t.Context())
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		_ = d.GPUs.(gpu.Watcher).Watch(ctx, func(e gpu.Event) { told <- e }) // nil, once told to end
	}()
	value := func(r gpu.Reading) float64 { v, _ := r.Value(); return v }
	well, err := read(1)
	if err != nil {
		t.Fatal(err)
	}
	var codes []int
	for _, trouble := range []struct {
		kind string
		xid  int
		is   func(s gpu.Sample, err error) bool
	}{
		{"gpu_xid", 94, func(_ gpu.Sample, err error) bool { return err == nil }},
		{"gpu_lost", 79, func(_ gpu.Sample, err error) bool { return errors.Is(err, gpu.ErrLost) }},
		{"gpu_hung", 0, func(_ gpu.Sample, err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{"gpu_hot", 0, func(s gpu.Sample, err error) bool { return err == nil && value(s.Temp) > value(well.Temp)+3 }},
		{"gpu_full", 0, func(s gpu.Sample, err error) bool {
			return err == nil && value(s.MemUsed) > 0.97*value(s.MemTotal)
		}},
	} {
		set(`[{"kind":"` + trouble.kind + `"}]`)
		eventually(t, trouble.kind, func() bool { return trouble.is(read(1)) })
		if trouble.xid != 0 {
			codes = append(codes, (<-told).XID)
		}
		if _, err := read(0); err != nil {
			t.Errorf("%s: the other GPU: %v", trouble.kind, err)
		}
		set(`[]`)
		eventually(t, "the end of "+trouble.kind, func() bool {
			s, err := read(1)
			return err == nil && value(s.MemUsed) < 0.97*value(s.MemTotal)
		})
	}
	if !slices.Equal(codes, []int{94, 79}) {
		t.Errorf("XIDs %v", codes)
	}
	stop()
	<-watching
}
