package gpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// watched is a script that tells of events.
type watched struct {
	*script
	events chan Event
	err    error
}

func (w *watched) Watch(ctx context.Context, tell func(Event)) error {
	if w.events == nil {
		w.events = make(chan Event) // here, in the bubble of synctest
	}
	for {
		select {
		case e, ok := <-w.events:
			if ok {
				tell(e)
			}
		case <-ctx.Done():
			return nil
		}
		if w.err != nil {
			return w.err
		}
	}
}

// telling runs a sampler of two cards, one of them with two backends on it.
func telling(t *testing.T, test func(t *testing.T, s *Sampler, tell func(Event))) {
	t.Helper()
	p := newProc(t)
	p.process(10, "python3", 500, "0::/docker/"+hex64+"\n")
	p.process(11, "jupyter", 500, "0::/docker/"+other+"\n")
	w := &watched{script: &script{list: cards("GPU-a", "GPU-b")}}
	w.read = func(_ context.Context, index int, _ Group) (Sample, error) {
		s, _ := steady(context.Background())
		if s.Processes = []Process{}; index == 1 {
			s.Processes = []Process{{PID: 10}, {PID: 11}}
		}
		return s, nil
	}
	o := Options{Proc: p.dir, Container: names, InFlight: func(backend string) int { return map[string]int{"chat": 7}[backend] }}
	run(t, o, []Host{{"", w}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		time.Sleep(half)
		test(t, s, func(e Event) { w.events <- e; time.Sleep(time.Second) })
	})
}

func TestEventsHaveMeaningAndVictims(t *testing.T) {
	telling(t, func(t *testing.T, s *Sampler, tell func(Event)) {
		at := time.Now()
		tell(Event{At: at, UUID: "GPU-b", XID: 79, Text: "off\xff"})
		tell(Event{At: at, PCI: "0000:01:00.0", XID: 31})
		tell(Event{At: at, PCI: "PCI:0000:7F:00", XID: 48})
		tell(Event{At: at, UUID: "GPU-b", XID: 1234})
		tell(Event{At: at, UUID: "GPU-b", Text: "double-bit ECC error"})
		tell(Event{At: at.Add(-time.Hour), UUID: "GPU-b", XID: 62, Old: true})
		all := s.Snapshot().Events
		if len(all) != 6 {
			t.Fatalf("%+v", all)
		}
		if x := all[0]; x.Index != 1 || x.UUID != "GPU-b" || x.PCI != "0000:02:00" || x.Code != 79 || x.Name != "GPU has fallen off the bus" || x.Meaning == "" || x.Action == "" ||
			x.Application || !x.At.Equal(at) || x.Count != 1 || x.Text != "off" || strings.Join(x.Owners, ",") != "chat,notebook" || x.InFlight != 7 || x.Old {
			t.Errorf("%+v", x)
		}
		if x := all[1]; x.Index != 0 || x.UUID != "GPU-a" || !x.Application || x.Owners != nil || x.InFlight != 0 {
			t.Errorf("%+v", x)
		}
		if x := all[2]; x.Index != -1 || x.PCI != "0000:7f:00" || x.Application {
			t.Errorf("%+v", x)
		}
		if x := all[3]; x.Name != "XID 1234" || !strings.Contains(x.Action, "docs.nvidia.com") {
			t.Errorf("%+v", x)
		}
		if x := all[4]; x.Code != 0 || x.Text != "double-bit ECC error" || x.Name == "" {
			t.Errorf("%+v", x)
		}
		if x := all[5]; !x.Old || x.Owners != nil || x.InFlight != 0 {
			t.Errorf("%+v", x)
		}
	})
}

func TestEventsAreToldOnce(t *testing.T) {
	telling(t, func(t *testing.T, s *Sampler, tell func(Event)) {
		at := time.Now()
		old := s.Snapshot()
		tell(Event{At: at, UUID: "GPU-b", XID: 79, From: "nvml"})
		first := s.Snapshot()
		tell(Event{At: at.Add(-2 * time.Second), PCI: "0000:02:00", XID: 79, Text: "off the bus", From: fromKernel})
		if x := s.Snapshot().Events; len(x) != 1 || x[0].Count != 1 || x[0].Text != "off the bus" {
			t.Errorf("by both ways: %+v", x)
		}
		for range 3 { // again and again, each within five seconds
			at = at.Add(4 * time.Second)
			tell(Event{At: at, UUID: "GPU-b", XID: 79, From: "nvml"})
		}
		if x := s.Snapshot().Events; len(x) != 1 || x[0].Count != 4 || !x[0].Last.Equal(at) {
			t.Errorf("four times: %+v", x)
		}
		tell(Event{At: at, UUID: "GPU-a", XID: 79})
		tell(Event{At: at, UUID: "GPU-b", XID: 48})
		tell(Event{At: at.Add(5001 * time.Millisecond), UUID: "GPU-b", XID: 79})
		if x := s.Snapshot().Events; len(x) != 4 {
			t.Errorf("of another device, number and time: %+v", x)
		}
		if len(old.Events) != 0 || len(first.Events) != 1 || first.Events[0].Count != 1 || first.Events[0].Text != "" {
			t.Errorf("old snapshots have changed: %+v %+v", old.Events, first.Events)
		}
	})
}

func TestEventsAreBounded(t *testing.T) {
	var tl timeline
	at := time.Now()
	for i := range 3 * mostXIDs {
		x := XID{At: at, Last: at, Count: 1, UUID: fmt.Sprint(i), Code: 31}
		if tl.again(&x, "nvml") {
			t.Fatal("another device's")
		}
		tl.add(&x, "nvml")
	}
	if v := tl.view(); len(v) != mostXIDs || v[mostXIDs-1].UUID != fmt.Sprint(3*mostXIDs-1) || cap(tl.entries) > 4*mostXIDs {
		t.Errorf("%d events of room for %d", len(v), cap(tl.entries))
	}
}

// The kernel tells of devices before they are listed, and of them by address.
func TestEventsFindTheirDevicesLater(t *testing.T) {
	w := &watched{script: &script{list: func() (Listing, error) { return Listing{}, errors.New("not yet") }, read: well}}
	run(t, Options{}, []Host{{"", w}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		time.Sleep(half)
		w.events <- Event{At: time.Now(), PCI: "0000:02:00", XID: 48, From: fromKernel, Old: true}
		time.Sleep(time.Second)
		if x := s.Snapshot().Events[0]; x.Index != -1 {
			t.Errorf("%+v", x)
		}
		w.do(cards("GPU-a", "GPU-b"), nil)
		time.Sleep(10 * time.Second)
		if x := s.Snapshot().Events[0]; x.Index != 1 || x.UUID != "GPU-b" {
			t.Errorf("%+v", x)
		}
	})
}

func TestAWatcherThatFails(t *testing.T) {
	w := &watched{script: &script{list: cards("a"), read: well}, err: errors.New("no event set")}
	run(t, Options{KernelLog: "/nonexistent/kmsg"}, []Host{{"far", w}, {"", &script{list: cards("b"), read: well}}}, func(t *testing.T, s *Sampler, log *bytes.Buffer) {
		time.Sleep(half)
		for range 4 {
			w.events <- Event{At: time.Now(), UUID: "a", XID: 13}
			time.Sleep(time.Second)
			if h := s.Snapshot().Hosts[0]; h.EventsErr != "script: no event set" {
				t.Errorf("%+v", h)
			}
			time.Sleep(2 * time.Minute)
			if h := s.Snapshot().Hosts[0]; h.EventsErr != "" {
				t.Errorf("it listens again: %+v", h)
			}
		}
		if h := s.Snapshot().Hosts[1]; !strings.HasPrefix(h.EventsErr, "kernel log: read the kernel log: open /nonexistent") {
			t.Errorf("%+v", h)
		}
		for _, from := range []string{"from=script", `from="kernel log"`} {
			if n := strings.Count(log.String(), from); n != 1 {
				t.Errorf("%s: said %d times:\n%s", from, n, log)
			}
		}
	})
}

// Without a driver there are no events either, which listing has told.
func TestAWatcherWithoutADriver(t *testing.T) {
	for _, err := range []error{ErrAbsent, ErrNoCgo} {
		w := &watched{script: &script{list: func() (Listing, error) { return Listing{}, err }}, events: make(chan Event), err: err}
		close(w.events)
		run(t, Options{}, []Host{{"", w}}, func(t *testing.T, s *Sampler, log *bytes.Buffer) {
			time.Sleep(time.Hour)
			if h := s.Snapshot().Hosts[0]; h.EventsErr != "" || h.Err != err.Error() || strings.Count(log.String(), err.Error()) != 1 {
				t.Errorf("%+v\n%s", h, log)
			}
		})
	}
}

func TestApplicationsXIDs(t *testing.T) {
	for code, k := range xids {
		want := code == 13 || code == 31 || code == 43 || code == 45 || code == 68 || code == 109
		if k.mild != (code == 63 || code == 92 || code == 121) || k.application != want || k.name == "" || k.meaning == "" || k.action == "" {
			t.Errorf("%d: %+v", code, k)
		}
	}
}
