package sim

import (
	"slices"
	"time"
)

// share is what a step computes of one sequence.
type share struct {
	sequence *sequence
	tokens   int
}

// batch is one step's work.
type batch struct {
	shares   []share
	tokens   int
	prefill  float64 // tokens, weighed by slowness
	decoding int
	cached   int // tokens that decoding reads back
}

// schedule serves who runs already, in order, then admits who waits while
// there are tokens in the batch and blocks in the pool. Whoever runs and
// finds no block takes them from the youngest.
func (e *engine) schedule(now time.Time) batch {
	var b batch
	preempted := false
	for i := 0; i < len(e.running) && b.tokens < e.config.BatchTokens; i++ {
		s := e.running[i]
		if s.hung {
			continue
		}
		n := min(s.missing(), e.config.BatchTokens-b.tokens)
		for s.blocks != nil && !e.reserve(s, s.computed+n) {
			e.preempt(e.youngest())
			preempted = true
		}
		if s.blocks == nil { // it was itself the youngest
			break
		}
		b.add(s, n)
	}
	for !preempted && b.tokens < e.config.BatchTokens && len(e.waiting) > 0 && len(e.running) < e.config.MaxSequences {
		s := e.waiting[0]
		reused := e.reuse(s)
		n := min(s.missing(), e.config.BatchTokens-b.tokens)
		if s.hung {
			n = s.missing()
		}
		if !e.reserve(s, s.computed+n) {
			e.release(s)
			break
		}
		e.waiting = slices.Delete(e.waiting, 0, 1)
		e.running = append(e.running, s)
		if s.started.IsZero() {
			s.started = now
			e.meter.queries += uint64(len(s.prompt))
			e.meter.hits += uint64(reused)
			e.meter.queueTime.observe(now.Sub(s.arrived).Seconds())
		}
		if !s.hung {
			b.add(s, n)
		}
	}
	return b
}

func (b *batch) add(s *sequence, n int) {
	if s.decoding() {
		b.decoding++
		b.cached += s.computed
	} else {
		b.prefill += float64(n) * s.slow
	}
	b.shares = append(b.shares, share{s, n})
	b.tokens += n
}

// youngest is the last admitted sequence that isn't hung: one that is would
// come back to the head of the queue and hold up everybody.
func (e *engine) youngest() *sequence {
	for i := len(e.running) - 1; i > 0; i-- {
		if !e.running[i].hung {
			return e.running[i]
		}
	}
	return e.running[0]
}

// reserve gives a sequence the blocks for its first n tokens, or none.
func (e *engine) reserve(s *sequence, n int) bool {
	need := (n+e.config.BlockSize-1)/e.config.BlockSize - len(s.blocks)
	if need > e.pool.count {
		return false
	}
	for range need {
		s.blocks = append(s.blocks, e.pool.take())
	}
	return true
}

// reuse takes over the blocks that hold the beginning of a sequence's tokens,
// up to its last token, which must be computed for the next to come of it.
func (e *engine) reuse(s *sequence) int {
	size := e.config.BlockSize
	for (s.filled+1)*size < s.length() {
		hash := prefixHash(s.hash, s.token, s.filled*size, (s.filled+1)*size)
		b := e.pool.share(hash)
		if b == nil {
			break
		}
		s.blocks = append(s.blocks, b)
		s.filled++
		s.hash = hash
	}
	s.computed = s.filled * size
	return s.computed
}

// release gives up a sequence's blocks and with them what was computed.
func (e *engine) release(s *sequence) {
	e.pool.release(s.blocks)
	s.blocks, s.computed, s.filled, s.hash = nil, 0, 0, 0
}

// preempt sends a sequence back to the front of the queue, to be computed anew.
func (e *engine) preempt(s *sequence) {
	e.release(s)
	e.running = slices.DeleteFunc(e.running, func(r *sequence) bool { return r == s })
	e.waiting = slices.Insert(e.waiting, 0, s)
	e.meter.preemptions++
}
