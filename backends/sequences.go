package backends

import "sync/atomic"

// sequences is how many sequences an engine has, and computes at once: vLLM takes
// no more than --max-num-seqs however much of its cache is free, and keeps the rest
// in a queue of its own. No metric tells that number, so it is learnt. A request
// is a sequence for each answer to each prompt.
type sequences struct {
	held   atomic.Int64 // of requests in flight
	others atomic.Int64 // that the engine has beyond those
	bound  atomic.Int64 // that it computes at once; 0: not known

	high int64 // most that it computed in the present row of readings with some waiting; this and the next under the books' lock
	flat int   // readings since that grew last
}

const (
	roomy     = 0.8 // of the cache in use, at most, for requests that wait to wait for something else
	flatAfter = 2   // readings in which no more run: while prompts are read, more do each time
)

// slack is how many more than it computes an engine has waiting, so that it always
// has one to take.
func slack(bound int64) int64 { return 1 + bound/8 }

// full tells whether the engine would only have a request wait. Of the slack, those
// over their share leave half to others.
func (s *sequences) full(over bool) bool {
	bound := s.bound.Load()
	if bound == 0 {
		return false
	}
	more := slack(bound)
	if over {
		more -= more / 2
	}
	return s.held.Load()+s.others.Load() >= bound+more
}

// read learns from a reading. Requests that wait while much of the cache is free,
// with no more running from reading to reading, show the bound; one that was
// learnt too low is raised as soon as more run, and by a quarter beyond that where
// none wait, since then nobody knows how many more could. It falls by a quarter of
// what it is above those that run while others wait: an engine that has just ended
// some tells too few.
func (s *sequences) read(prev, next *EngineStatus) {
	if prev != nil && !next.Started.Equal(prev.Started) { // another engine
		s.bound.Store(0)
		s.high, s.flat = 0, 0
	}
	if next.Running < 0 || next.Waiting < 0 {
		return
	}
	running, bound := int64(next.Running), s.bound.Load()
	off := running + int64(next.Waiting) - s.held.Load()
	if off <= slack(bound) { // what has come or gone since the reading
		off = 0
	}
	s.others.Store((s.others.Load() + off) / 2)

	if waiting := next.Waiting - max(0, next.Deferred); waiting == 0 || running == 0 || next.KVUsage < 0 || next.KVUsage > roomy {
		s.high, s.flat = 0, 0
		if waiting == 0 && bound > 0 && running > bound {
			s.bound.Store(running + 1 + running/4)
		}
		return
	}
	if running > s.high {
		s.high, s.flat = running, 0
	} else {
		s.flat++
	}
	switch {
	case bound > 0 && running > bound, bound == 0 && s.flat >= flatAfter:
		s.bound.Store(max(running, s.high))
	case s.flat >= flatAfter:
		s.bound.Store(bound - (bound-s.high+3)/4)
	}
}
