package sim

import (
	"context"
	"fmt"
	"time"

	"pilothouse/gpu"
)

// Fault is something that a card can have.
type Fault string

// The faults. A card has one at a time, until it gets another.
const (
	Well     Fault = ""          // none: it is read again as before
	FallsOff Fault = "falls off" // XID 79 is told, and it is lost
	Lost     Fault = "lost"      // the same without a word
	Hangs    Fault = "hangs"     // calls don't return before their deadline
	Hot      Fault = "hot"       // within a minute it slows down by heat
	Full     Fault = "full"      // its memory is all but full, whatever its backend holds
	Spoiled  Fault = "spoiled"   // XID 94 is told, and an uncorrected error of memory counted; it stays counted
)

// mostUntold is how many events are kept for when somebody watches; of more the
// oldest are forgotten.
const mostUntold = 64

// Fault gives a card a fault. It fails for an index that there is no card of.
func (s *Source) Fault(index int, f Fault) error {
	if index < 0 || index >= len(s.states) {
		return fmt.Errorf("give simulated gpu %d the fault %q: there are %d", index, f, len(s.states))
	}
	c := s.states[index]
	c.mu.Lock()
	c.fault = f
	close(c.changed)
	c.changed = make(chan struct{})
	if f == Spoiled {
		c.spoiled++
	}
	c.mu.Unlock()
	switch f {
	case FallsOff:
		s.tell(index, 79, "GPU has fallen off the bus.")
	case Spoiled:
		s.tell(index, 94, "Contained: DRAM")
	}
	return nil
}

func (s *Source) tell(index, xid int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.untold) == mostUntold {
		s.untold = s.untold[1:]
	}
	s.untold = append(s.untold, gpu.Event{At: time.Now(), UUID: uuid(index), XID: xid, Text: text, From: s.Name()})
	select {
	case s.told <- struct{}{}:
	default: // it holds one
	}
}

// Watch implements gpu.Watcher.
func (s *Source) Watch(ctx context.Context, tell func(gpu.Event)) error {
	for {
		select {
		case <-s.told:
		case <-ctx.Done():
			return nil
		}
		s.mu.Lock()
		events := s.untold
		s.untold = nil
		s.mu.Unlock()
		for _, e := range events {
			tell(e)
		}
	}
}

// reached returns when the card can be read, or why it can't.
func (c *state) reached(ctx context.Context) error {
	for {
		c.mu.Lock()
		fault, changed := c.fault, c.changed
		c.mu.Unlock()
		switch fault {
		case FallsOff, Lost:
			return fmt.Errorf("read simulated gpu: %w", gpu.ErrLost)
		case Hangs:
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		default:
			return nil
		}
	}
}
