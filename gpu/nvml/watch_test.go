//go:build linux && cgo

package nvml

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pilothouse/gpu"
)

// watching watches the devices until stop, which waits for Watch's end.
func watching(t *testing.T, f *fake) (events <-chan gpu.Event, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told, done := make(chan gpu.Event, 100), make(chan error, 1)
	go func() { done <- f.Watch(ctx, func(e gpu.Event) { told <- e }) }()
	return told, func() {
		t.Helper()
		cancel()
		began := time.Now()
		if err := <-done; err != nil || time.Since(began) > wait*9/10 {
			t.Errorf("Watch returned %v after %v", err, time.Since(began))
		}
	}
}

// next is the next event.
func next(t *testing.T, events <-chan gpu.Event) gpu.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(15 * time.Second):
		t.Fatal("no event is told")
		return gpu.Event{}
	}
}

func TestEvents(t *testing.T) {
	f := drive(t, "count 2\nwait 50")
	events, stop := watching(t, f) // before anything is listed
	defer stop()
	f.list()
	for i, tc := range []struct {
		event string
		want  gpu.Event
	}{
		{"0 8 79 -1", gpu.Event{PCI: "0000:01:00.0", UUID: "GPU-0", XID: 79}},
		{"1 8 31 3", gpu.Event{PCI: "0000:02:00.0", UUID: "GPU-1", XID: 31, Text: "on GPU instance 3"}},
		{"1 2 0 -1", gpu.Event{PCI: "0000:02:00.0", UUID: "GPU-1", Text: "an uncorrected memory error"}},
		{"0 1 0 -1", gpu.Event{PCI: "0000:01:00.0", UUID: "GPU-0", Text: "a corrected memory error"}},
	} {
		f.set(fmt.Sprintf("count 2\nwait 50\nevent %d %s", i+1, tc.event))
		e := next(t, events)
		if time.Since(e.At) > 10*time.Second || e.From != "nvml" {
			t.Errorf("told at %v by %q", e.At, e.From)
		}
		if e.At, e.From = (time.Time{}), ""; e != tc.want {
			t.Errorf("got %+v, want %+v", e, tc.want)
		}
	}
	if f.logged("wait 5000") == 0 {
		t.Error("events are not waited for during five seconds")
	}
}

// Asking for an event that a device doesn't have brings none. One that is lost
// isn't asked.
func TestEventsThatAreSupported(t *testing.T) {
	f := drive(t, "count 3\nwait 50\n0.eventtypes 8\n1.all 15\n2.nvmlDeviceGetSupportedEventTypes 3")
	f.list()
	events, stop := watching(t, f)
	defer stop()
	until(t, "events are waited for", func() bool { return f.logged("wait 5000") > 0 })
	f.set("wait 50\nevent 1 0 8 13 -1")
	if e := next(t, events); e.XID != 13 || e.UUID != "GPU-0" {
		t.Errorf("got %+v", e)
	}
}

func TestAWatchMakesRoom(t *testing.T) {
	f := drive(t, "count 2")
	f.list()
	events, stop := watching(t, f)
	defer stop()
	until(t, "events are waited for", func() bool { return f.logged("wait 5000") > 0 })
	f.list() // waits for the wait to end
	if f.logged("init") != 2 || f.logged("shutdown") != 1 || f.logged("free") != 1 {
		t.Errorf("%d starts and %d ends of the library, %d event sets freed", f.logged("init"), f.logged("shutdown"), f.logged("free"))
	}
	until(t, "events are waited for again", func() bool { return f.logged("create") > 1 })
	f.set("wait 50\nevent 1 1 8 43 -1")

	if e := next(t, events); e.XID != 43 {
		t.Errorf("got %+v", e)
	}
}

func TestAWatchThatFailsBacksOff(t *testing.T) {
	f := drive(t, "nvmlEventSetWait 999")
	f.list()
	_, stop := watching(t, f)
	until(t, "it is tried thrice", func() bool { return f.logged("wait 5000") >= 3 })
	stop()
	if n := f.logged("wait 5000"); n > 5 || f.logged("create") != n || f.logged("free") != n {
		t.Errorf("%d waits, %d event sets made, %d freed", n, f.logged("create"), f.logged("free"))
	}
}

func TestWatchEndsBeforeItsCallDoes(t *testing.T) {
	f := drive(t, "")
	f.list()
	_, stop := watching(t, f)
	until(t, "events are waited for", func() bool { return f.logged("wait 5000") > 0 })
	stop()
	f.Close()
	if f.logged("shutdown") != 0 {
		t.Error("the library was ended under a call")
	}
	until(t, "the library is ended", func() bool { return f.logged("shutdown") == 1 })
	if f.logged("free") != 1 {
		t.Error("the event set was not freed")
	}
}
