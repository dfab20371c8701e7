package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// The most that a burst may be.
const (
	MostRequests = 64
	MostTokens   = 2048
	mostErrors   = 5 // different ones that are told
)

// BurstSpec is a small load: requests that are sent at once, each for an answer of
// so many tokens.
type BurstSpec struct {
	Model    string
	Target   Target
	Requests int
	Tokens   int
}

// Check returns an error unless the burst may be sent.
func (s *BurstSpec) Check() error {
	switch {
	case s.Model == "":
		return errors.New("choose a model first: /model NAME")
	case s.Requests < 1 || s.Requests > MostRequests:
		return fmt.Errorf("burst of %d requests: want 1 to %d", s.Requests, MostRequests)
	case s.Tokens < 1 || s.Tokens > MostTokens:
		return fmt.Errorf("burst of %d tokens each: want 1 to %d", s.Tokens, MostTokens)
	}
	return nil
}

// Burst is one as it was at a moment. It is immutable.
type Burst struct {
	BurstSpec
	Running   bool
	Cancelled bool
	Start     time.Time
	Took      time.Duration // so far, or in all
	Done      int           // requests that ended as they should
	Failed    int           // requests that didn't
	Came      int           // tokens, all together; events, where an engine doesn't say
	First     Spread        // times to the first token, one a request
	PerToken  Spread        // times between two tokens
	Errors    []BurstError  // most first, at most 5 different ones
}

// BurstError is what was said of requests that failed. Text comes from outside.
type BurstError struct {
	Text  string
	Count int
}

// load is a burst under way, or the newest that was.
type load struct {
	room *room
	stop context.CancelFunc

	mu      sync.Mutex
	burst   Burst
	errors  map[string]int
	version uint64 // of what frozen is to be of
	frozen  *Burst
	made    uint64
}

// Burst sends a burst. There is one at a time, whoever sends it.
func (h *Room) Burst(s BurstSpec) error {
	if err := s.Check(); err != nil {
		return err
	}
	r, rs := h.room, h.room.rooms
	ctx, stop := context.WithTimeout(rs.ctx, rs.config.Longest)
	l := &load{room: r, stop: stop, errors: map[string]int{},
		burst: Burst{BurstSpec: s, Running: true, Start: rs.config.Now()}}
	if err := rs.take(l); err != nil {
		stop()
		return err
	}
	r.mu.Lock()
	r.load = l
	r.mu.Unlock()
	r.now.Add(1)
	err := rs.begin(func() {
		defer stop()
		l.run(ctx, h.models)
		rs.release(l)
	})
	if err != nil {
		stop()
		l.change(func(b *Burst) { b.Running, b.Cancelled = false, true })
		rs.release(l)
	}
	return err
}

// take makes a burst the one there is.
func (rs *Rooms) take(l *load) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.load != nil {
		return errors.New("a burst is under way, and there is one at a time")
	}
	rs.load = l
	return nil
}

func (rs *Rooms) release(l *load) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.load == l {
		rs.load = nil
	}
}

// CancelBurst ends the burst that is under way in this room, all of its requests.
func (h *Room) CancelBurst() {
	h.room.mu.Lock()
	l := h.room.load
	h.room.mu.Unlock()
	if l == nil {
		return
	}
	l.change(func(b *Burst) { b.Cancelled = b.Cancelled || b.Running })
	l.stop()
}

// run sends all, and returns when the last has ended.
func (l *load) run(ctx context.Context, m Models) {
	var all sync.WaitGroup
	for i := range l.burst.Requests {
		all.Go(func() { l.one(ctx, m, i) })
	}
	all.Wait()
	l.change(func(b *Burst) {
		b.Running = false
		b.Took = l.room.rooms.config.Now().Sub(b.Start)
	})
}

// one sends one request and takes its times.
func (l *load) one(ctx context.Context, m Models, i int) {
	now := l.room.rooms.config.Now
	s := Settings{Model: l.burst.Model, MaxTokens: &l.burst.Tokens}
	// A beginning of its own keeps it out of the others' prefix.
	req := s.request(nil, fmt.Sprintf("%d of %d: write down all numbers from 1 on, in words.", i+1, l.burst.Requests))
	req.IgnoreEOS = true
	start, last, events := now(), time.Time{}, 0
	err := ask(ctx, m, l.burst.Target, req.encode(), func(n news) {
		if n.usage != nil {
			l.change(func(b *Burst) { b.Came += n.usage.completion - events })
			events = n.usage.completion
		}
		if n.text == "" && n.thought == "" {
			return
		}
		at := now()
		events++
		l.change(func(b *Burst) {
			b.Came++
			if last.IsZero() {
				b.First.add(at.Sub(start))
			} else {
				b.PerToken.add(at.Sub(last))
			}
		})
		last = at
	})
	l.change(func(b *Burst) {
		switch {
		case err == nil:
			b.Done++
		case ctx.Err() != nil && b.Cancelled:
		default:
			b.Failed++
			if len(l.errors) < 4*mostErrors || l.errors[err.Error()] > 0 {
				l.errors[err.Error()]++
			}
		}
	})
}

// change does something to the burst.
func (l *load) change(do func(*Burst)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(&l.burst)
	l.version++
	l.room.now.Add(1)
}

// freeze gives the burst as it is.
func (l *load) freeze() *Burst {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen != nil && l.made == l.version {
		return l.frozen
	}
	b := l.burst
	b.First, b.PerToken = b.First.clone(), b.PerToken.clone()
	if b.Running {
		b.Took = l.room.rooms.config.Now().Sub(b.Start)
	}
	for text, n := range l.errors {
		b.Errors = append(b.Errors, BurstError{text, n})
	}
	slices.SortFunc(b.Errors, func(x, y BurstError) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Text, y.Text))
	})
	b.Errors = b.Errors[:min(len(b.Errors), mostErrors)]
	l.frozen, l.made = &b, l.version
	return l.frozen
}
