package sim_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends/docker"
	"pilothouse/backends/sim"
)

// docked runs a simulated engine with one container, and connects to it as to a
// real one.
func docked(t *testing.T, load time.Duration) (*sim.Docker, *docker.Engine, string) {
	t.Helper()
	return dockedWith(t, sim.Config{Model: "m", Speed: 100}, load)
}

func dockedWith(t *testing.T, c sim.Config, load time.Duration) (*sim.Docker, *docker.Engine, string) {
	t.Helper()
	d, err := sim.NewDocker(sim.Program{Container: "vllm-chat", Image: "vllm/vllm-openai:v0.32.0", GPU: "1", Server: c, Load: load})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, l) }()
	e, err := docker.Open(docker.Host{Name: "sim", Host: "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		stop()
		if err := errors.Join(<-ended, d.Close(), d.Close()); err != nil {
			t.Error(err)
		}
	})
	return d, e, d.Address("vllm-chat")
}

func serving(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		c.Close()
	}
	return err == nil
}

func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// What a real engine is asked for, a simulated one can be, by the same client.
func TestDockerLife(t *testing.T) {
	ctx := t.Context()
	d, e, addr := docked(t, 200*time.Millisecond)
	wait(t, "it serves from the start", func() bool { return serving(addr) })
	c, err := e.Inspect(ctx, "vllm-chat")
	if err != nil || c.State != "running" || c.Image != "vllm/vllm-openai:v0.32.0" || !slices.Equal(c.GPUs, []string{"1"}) || c.Ours {
		t.Fatalf("%+v, %v", c, err)
	}
	if all, err := e.List(ctx); err != nil || len(all) != 1 || all[0].ID != c.ID {
		t.Errorf("%v, %v", all, err)
	}
	var mu sync.Mutex
	var told []string
	events, stop := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		e.Events(events, func(ev docker.Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, ev.Container+" "+ev.Action)
		})
	}()
	work := d.Work("vllm-chat")
	before := work.Memory()
	if err := e.Stop(ctx, "vllm-chat"); err != nil {
		t.Fatal(err)
	}
	if c, err := e.Inspect(ctx, c.ID); err != nil || c.Words() != "exited with code 0" || serving(addr) || work.Memory() != 0 || before == 0 {
		t.Errorf("stopped: %s, %v, memory %v before and %v now", c.Words(), err, before, work.Memory())
	}
	if err := e.Start(ctx, "vllm-chat"); err != nil {
		t.Fatal(err)
	}
	if serving(addr) {
		t.Error("it serves before it has loaded")
	}
	wait(t, "it serves again", func() bool { return serving(addr) })
	// How the stream of events begins is a race with the stop; of the start it is not.
	wait(t, "events", func() bool {
		mu.Lock()
		defer mu.Unlock()
		if !slices.Contains(told, "vllm-chat start") {
			_ = e.Restart(ctx, "vllm-chat")
		}
		return slices.Contains(told, "vllm-chat start")
	})
	stop()
	<-watching
	if _, err := e.Inspect(ctx, "vllm-none"); err == nil || !strings.Contains(err.Error(), "vllm-none") {
		t.Errorf("one that isn't there: %v", err)
	}
	if err := e.Remove(ctx, "vllm-chat"); err == nil {
		t.Error("it was removed")
	}
}

func TestDockerLogs(t *testing.T) {
	_, e, _ := docked(t, 100*time.Millisecond)
	if err := e.Restart(t.Context(), "vllm-chat"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	var lines []string
	err := e.Logs(ctx, "vllm-chat", docker.LogOptions{Follow: true}, func(l docker.Line) {
		if lines = append(lines, l.Text); strings.Contains(l.Text, "startup complete") && len(lines) > 5 {
			stop()
		}
	})
	all := strings.Join(lines, "\n")
	if !strings.Contains(all, "Loading safetensors checkpoint shards:  50% Completed | 2/4") || !strings.Contains(all, "Application startup complete") {
		t.Errorf("%v\n%s", err, all)
	}
	last := 0
	if err := e.Logs(t.Context(), "vllm-chat", docker.LogOptions{Tail: 2}, func(docker.Line) { last++ }); err != nil || last != 2 {
		t.Errorf("%d of the last 2 lines, %v", last, err)
	}
}
