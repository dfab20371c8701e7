package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends/dockertest"
)

// watched are events that are read.
type watched struct {
	mu  sync.Mutex
	all []Event
}

// watch reads events until the test ends.
func watch(t *testing.T, e *Engine) *watched {
	t.Helper()
	w := &watched{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Events(ctx, func(ev Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.all = append(w.all, ev)
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// of are the actions that were told of a container, and of the connection.
func (w *watched) of(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, ev := range w.all {
		if ev.Container == name || ev.Container == "" {
			out = append(out, ev.Action)
		}
	}
	return out
}

func (w *watched) find(action string) (Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.all, func(ev Event) bool { return ev.Action == action })
	if i < 0 {
		return Event{}, false
	}
	return w.all[i], true
}

// reading waits until the engine serves events.
func reading(t *testing.T) {
	t.Helper()
	until(t, "the engine to serve events", func() bool { return strings.Contains(stacks(), "docker.(*Engine).watch(") })
}

func TestEvents(t *testing.T) {
	e, d := local(t)
	w := watch(t, e)
	reading(t)
	s := talker(t, d, "", "out:up", "wait", "exit:7")
	run(t, e, s)
	says(t, e, s.Name, "up", 1)
	if err := e.Stop(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	want := []string{"create", "start", "kill", "die", "stop", "destroy"}
	until(t, "all events", func() bool { return len(w.of(s.Name)) >= len(want) })
	if got := w.of(s.Name); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	died, _ := w.find("die")
	if died.ExitCode != 7 || died.Backend != "chat" || died.Image != s.Image || died.ID == "" || time.Since(died.At).Abs() > time.Minute {
		t.Errorf("%+v", died)
	}
}

// front is a socket before an engine's, which can be cut.
type front struct {
	host string
	mu   sync.Mutex
	off  bool
	open map[net.Conn]bool
}

func newFront(t *testing.T, socket string) *front {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{host: "unix://" + file, open: make(map[net.Conn]bool)}
	t.Cleanup(func() { l.Close(); f.cut(true) })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(in, socket)
		}
	}()
	return f
}

func (f *front) serve(in net.Conn, socket string) {
	defer in.Close()
	out, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer out.Close()
	f.mu.Lock()
	off := f.off
	f.open[in], f.open[out] = true, true
	f.mu.Unlock()
	if off {
		return
	}
	go func() { io.Copy(out, in); out.Close() }()
	io.Copy(in, out)
}

// cut ends all connections, and has no more off is true.
func (f *front) cut(off bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = off
	if off {
		for c := range f.open {
			c.Close()
		}
		clear(f.open)
	}
}

// What happens while the connection is cut is told afterwards, once, between what
// says that it was.
func TestEventsCut(t *testing.T) {
	d := sharedEngine(t)
	d.Talker(t)
	quiet(t)
	f := newFront(t, d.Socket)
	e, direct := open(t, Host{Host: f.host}), open(t, Host{Host: d.Host()})
	w := watch(t, e)
	reading(t)
	s := talker(t, d, "", "wait")
	create(t, direct, s)
	until(t, "the first event", func() bool { return slices.Equal(w.of(s.Name), []string{"create"}) })
	f.cut(true)
	until(t, "the loss to be told", func() bool { _, is := w.find(Lost); return is })
	if err := direct.Remove(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	create(t, direct, s)
	f.cut(false)
	until(t, "the events in between", func() bool { return len(w.of(s.Name)) >= 5 })
	if err := direct.Remove(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	until(t, "the last event", func() bool { return len(w.of(s.Name)) >= 6 })
	if got, want := w.of(s.Name), []string{"create", Lost, Back, "destroy", "create", "destroy"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	lost, _ := w.find(Lost)
	if is[*EngineError](t, lost.Err).Kind != Away {
		t.Errorf("%+v", lost)
	}
	back, _ := w.find(Back)
	first, _ := w.find("create")
	if back.Since.Before(first.At) || back.Since.After(lost.At) || back.At.Before(lost.At) {
		t.Errorf("back at %v, since %v; lost at %v", back.At, back.Since, lost.At)
	}
}

// An engine that is killed, stopped as it is, and started again: each call says
// so and none hangs, and what goes on over it goes on.
func TestEngineFails(t *testing.T) {
	d := dockertest.Start(t, "--live-restore")
	d.Talker(t)
	quiet(t)
	e := open(t, Host{Name: "gpu1", Host: d.Host(), Timeout: Duration(4 * time.Second)})
	e.heavy = 4 * time.Second
	w := watch(t, e)
	reading(t)
	s := talker(t, d, "", "lines:10", "wait")
	run(t, e, s)

	trouble := func(kind Trouble, logs *following) {
		t.Helper()
		all(t, e, kind, "events")
		select {
		case err := <-logs.done:
			if is[*EngineError](t, err).Kind != kind {
				t.Errorf("the log: %v", err)
			}
		case <-time.After(60 * time.Second):
			t.Error("the log is still followed")
		}
		until(t, "the loss to be told", func() bool { return slices.Contains(w.of(s.Name), Lost) })
		if lost, _ := w.find(Lost); is[*EngineError](t, lost.Err).Kind != kind {
			t.Errorf("events: %v", lost.Err)
		}
	}
	works := func(logs *following) {
		t.Helper()
		until(t, "events again", func() bool { got := w.of(s.Name); return got[len(got)-1] == Back })
		if c := inspect(t, e, s.Name); c.State != "running" {
			t.Errorf("%+v", c)
		}
		if got := len(read(t, e, s.Name, LogOptions{})); got != 10 {
			t.Errorf("%d lines", got)
		}
		w.mu.Lock()
		w.all = nil
		w.mu.Unlock()
	}

	logs := follow(t, e, s.Name, LogOptions{})
	logs.has(t, 10)
	d.Pause(t)
	hasty := open(t, Host{Host: d.Host(), Timeout: Duration(brief)})
	until(t, "the engine to stand still", func() bool { return hasty.Ping(t.Context()) != nil })
	hasty.Close()
	trouble(Slow, logs)
	d.Resume(t)
	works(logs)

	logs = follow(t, e, s.Name, LogOptions{})
	logs.has(t, 10)
	d.Kill()
	trouble(Away, logs)
	d.Start(t)
	works(logs)
	if got := fmt.Sprint(logs.texts()[0]); got != "line 1" {
		t.Error(got)
	}
}
