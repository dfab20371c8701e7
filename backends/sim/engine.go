package sim

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// errStopped is a job for an engine that runs no more.
var errStopped = errors.New("submit: the engine has stopped")

// engine is continuous batching. One goroutine, in run, makes steps: it picks
// what the step computes, waits as long as the GPU would take, and hands out
// the tokens. Everything else is short and under the lock, so that an abort
// frees its blocks at once, in the middle of a step too.
type engine struct {
	config Config
	wake   chan struct{} // holds one: there may be work
	dead   chan struct{} // closed when it stops

	mu      sync.Mutex
	pool    *pool
	waiting []*sequence // first come first; who was preempted goes to the front
	running []*sequence // in the order of admission
	meter   *meter
	window  window
	step    stepTime // in progress
	stopped bool
	thaw    chan struct{} // closed when it may step again; nil: it may
}

func newEngine(c Config) *engine {
	return &engine{
		config: c,
		wake:   make(chan struct{}, 1),
		dead:   make(chan struct{}),
		pool:   newPool(c.KVTokens / c.BlockSize),
		meter:  newMeter(),
	}
}

// run steps until the context ends, then aborts what is left.
func (e *engine) run(ctx context.Context) {
	defer e.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due time.Time // when the step before should have ended
	for e.moving(ctx) {
		b, took, idle := e.begin(time.Now())
		if idle {
			due = time.Time{}
			select {
			case <-e.wake:
			case <-ctx.Done():
			}
			continue
		}
		// Timers wake late. What a step overslept the next one makes up for,
		// unless it was so much that the process itself must have stood still.
		if now := time.Now(); due.IsZero() || now.Sub(due) > 100*time.Millisecond {
			due = now
		}
		due = due.Add(took)
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		if e.moving(ctx) {
			e.finish(b, time.Now())
		}
	}
}

// freeze stops the engine in its step, or lets it go on.
func (e *engine) freeze(frozen bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case frozen && e.thaw == nil:
		e.thaw = make(chan struct{})
	case !frozen && e.thaw != nil:
		close(e.thaw)
		e.thaw = nil
	}
}

// moving waits while it is frozen, and tells whether it is to go on.
func (e *engine) moving(ctx context.Context) bool {
	for {
		e.mu.Lock()
		thaw := e.thaw
		e.mu.Unlock()
		if thaw == nil {
			return ctx.Err() == nil
		}
		select {
		case <-thaw:
		case <-ctx.Done():
			return false
		}
	}
}

// begin picks the next step's work and tells how long it takes.
func (e *engine) begin(now time.Time) (b batch, took time.Duration, idle bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b = e.schedule(now)
	if len(b.shares) == 0 {
		return b, 0, true
	}
	total, prefill := e.config.Timing.step(b.prefill, b.decoding, b.cached)
	e.step = stepTime{start: now, prefill: float64(prefill) / float64(total), decodes: b.decoding > 0}
	return b, time.Duration(float64(total) / e.config.Speed), false
}

// finish ends a step: every sequence of it that is still there gets on, and
// those that are complete so far get a token.
func (e *engine) finish(b batch, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.meter.generated
	for _, sh := range b.shares {
		s := sh.sequence
		if s.ended || s.hung {
			continue
		}
		s.computed += sh.tokens
		for size := e.config.BlockSize; (s.filled+1)*size <= s.computed; s.filled++ {
			s.hash = prefixHash(s.hash, s.token, s.filled*size, (s.filled+1)*size)
			e.pool.fill(s.blocks[s.filled], s.hash)
		}
		if s.missing() == 0 {
			e.generate(s, now)
		}
	}
	e.meter.iterationTokens.observe(float64(b.tokens))
	e.window.add(e.step, now, int(e.meter.generated-before))
	e.step = stepTime{}
}

func (e *engine) generate(s *sequence, now time.Time) {
	o := s.next()
	if s.first.IsZero() {
		s.first = now
		e.meter.prompts += uint64(len(s.prompt))
	}
	if o.tokens > 0 {
		e.meter.token(s, o.tokens, now)
	}
	s.last = now
	if o.finish != "" {
		e.end(s, o.finish, now)
	}
	s.job.put(o)
}

// end takes a sequence out of the engine.
func (e *engine) end(s *sequence, reason string, now time.Time) {
	is := func(r *sequence) bool { return r == s }
	e.running = slices.DeleteFunc(e.running, is)
	e.waiting = slices.DeleteFunc(e.waiting, is)
	e.release(s)
	s.ended = true
	e.meter.end(s, reason, now)
	if e.config.Observe != nil {
		e.config.Observe(s.outcome(reason))
	}
	e.kick()
}

// kick tells run that there may be work.
func (e *engine) kick() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// submit queues a job.
func (e *engine) submit(j *job) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return errStopped
	}
	now := time.Now()
	for _, s := range j.sequences {
		s.arrived = now
		e.waiting = append(e.waiting, s)
	}
	e.kick()
	return nil
}

// abort ends what a job still has in the engine. It may be called at any time
// after submit, more than once, and for a job that is done.
func (e *engine) abort(j *job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, left := time.Now(), false
	for _, s := range j.sequences {
		if !s.ended {
			left = true
			e.end(s, finishAbort, now)
		}
	}
	if left {
		e.meter.aborted++
	}
}

// hang stops a job from getting on, with all that it holds.
func (e *engine) hang(j *job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range j.sequences {
		s.hung = true
	}
}

// stop ends everything. Who waits for outputs learns it from dead.
func (e *engine) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	now, jobs := time.Now(), make(map[*job]bool)
	for _, s := range slices.Concat(e.running, e.waiting) {
		e.end(s, finishAbort, now)
		jobs[s.job] = true
	}
	e.meter.aborted += uint64(len(jobs))
	close(e.dead)
}
