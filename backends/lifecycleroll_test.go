package backends

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// A rolling restart under load takes one replica after the other, and there is
// always one that serves.
func TestLifecycleRolls(t *testing.T) {
	d := sharedDocker(t)
	quiet(t)
	p := start(t, d, housed(t, d, "chat", 3))
	p.up()
	backend := p.pool.All()[0]

	over := make(chan struct{})
	var working sync.WaitGroup
	for range 3 {
		working.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				place, v := backend.Take(Need{Prompt: 10, Output: 10})
				if v != Placed {
					t.Errorf("nobody serves: %v\n%s", v, p.describe())
					return
				}
				time.Sleep(time.Millisecond) // it takes that long
				place.Done()
			}
		})
	}
	id := p.begins(Order{Action: ActRestart, Names: []string{"chat"}, Author: "ana"})

	// Meanwhile nobody else gets them.
	var busy *OrderError
	for _, order := range []Order{{Action: ActRestart, Names: []string{backend.URLs[2]}}, {Action: ActDown}, {Action: ActStop, Names: []string{"chat"}, Last: true}} {
		if _, err := p.life.Begin(t.Context(), order); !errors.As(err, &busy) || !busy.Busy || busy.Last {
			t.Errorf("%+v: %v", order, err)
		}
	}
	contains(t, busy.Error(), "job 2 (restart, by ana) has it since ", "pilothouse cancel --job 2")
	for what, f := range map[string]func() error{
		"drain": func() error {
			_, err := p.life.Drain(t.Context(), Order{Names: []string{"chat"}, Last: true})
			return err
		},
		"undrain": func() error { _, err := p.life.Undrain(t.Context(), Order{Names: []string{"chat"}}); return err },
	} {
		if err := f(); !errors.As(err, &busy) || !busy.Busy {
			t.Errorf("%s: %v", what, err)
		}
	}
	j := p.ended(id)
	close(over)
	working.Wait()
	if j.State != Done {
		t.Errorf("%+v", j)
	}
	for i := range j.Parts[1:] {
		if one, next := j.Parts[i], j.Parts[i+1]; next.Past[0].Began.Before(one.Ended) {
			t.Errorf("two at once: %+v %+v", one, next)
		}
	}
	drainsLate(t, p)
}

// Requests that don't end in time are broken off, and counted.
func drainsLate(t *testing.T, p *platform) {
	done := p.request(0, 0)
	defer done()
	url := p.pool.All()[0].URLs[0]
	begun := time.Now()
	id := p.begins(Order{Action: ActStop, Names: []string{url}, Drain: 300 * time.Millisecond})
	j := p.ended(id)
	if drain := j.Parts[0].Past[0]; j.State != Done || drain.Note != "1 still in flight after 300ms: they are broken off" || time.Since(begun) < 300*time.Millisecond {
		t.Errorf("%+v", j)
	}
	s := p.status(0, 0)
	contains(t, s.Reason, "its container ", "; drained: stop") // it was stopped; or, once a probe has failed, how it exited

	// One that goes while others are stopped one by one is missed in the end.
	second := p.request(0, 1)
	id = p.begins(Order{Action: ActRestart, Names: []string{p.pool.All()[0].URLs[1]}})
	p.until("the drain", func() bool { return p.status(0, 1).State == Draining })
	var last *OrderError
	if _, err := p.life.Begin(t.Context(), Order{Action: ActRestart, Names: []string{p.pool.All()[0].URLs[2]}}); !errors.As(err, &last) || !last.Last {
		t.Errorf("the last one: %v", err)
	}
	for name, order := range map[string]Order{"nobody": {Names: nil}, "no such": {Names: []string{"nemo"}}, "empty": {Names: []string{""}}} {
		if _, err := p.life.Drain(t.Context(), order); !errors.As(err, &last) || last.Last || last.Busy {
			t.Errorf("drain %s: %v", name, err)
		}
	}
	second()
	if j := p.ended(id); j.State != Done {
		t.Errorf("%+v", j)
	}

	// Nor does one go that was not the last when its job was ordered.
	var other int
	p.before(StepDrain, func() {
		other = p.begins(Order{Action: ActStop, Names: []string{p.pool.All()[0].URLs[2]}})
		p.until("the other's end", func() bool { j, _ := p.life.Job(other); return !j.Ended.IsZero() })
	})
	j = p.ended(p.begins(Order{Action: ActRestart, Names: []string{p.pool.All()[0].URLs[1]}}))
	contains(t, j.Err, "no other replica of it can take its requests")
	if s := p.status(0, 1); j.State != Failed || stepsOf(j.Parts[0]) != "draining" || s.State != Healthy || s.Drained != nil {
		t.Errorf("%+v\n%s", j, p.describe())
	}
}
