package gateway

import (
	"math"
	"sync"
	"sync/atomic"
)

// expected tells how many tokens an answer is likely to have: what clients allow
// is far above that. It is learnt for each organisation and model, since
// organisations use a model for different things.
type expected struct {
	mu  sync.RWMutex
	all map[expectedKey]*expectation
}

type expectedKey struct{ model, org string }

func (e *expected) of(model, org string) *expectation {
	return lookup(&e.mu, e.all, expectedKey{model, org})
}

// expectation is a mean of answers' lengths, and of how far they are from it,
// in which older ones count less and less.
type expectation struct {
	likely atomic.Int64 // what is expected; 0: nothing is known yet

	mu           sync.Mutex
	n            float64
	mean, square float64
}

const (
	expectWeight  = 1.0 / 32
	expectAbove   = 0.5 // standard deviations: where few requests fill a replica, one in excess matters
	knownAfter    = 4   // answers
	firstExpected = 400 // tokens, of an answer, before that
)

// tokens is what is expected of an answer that may have most; 0 is no bound.
func (e *expectation) tokens(most int) int {
	likely := int(e.likely.Load())
	if likely == 0 {
		likely = firstExpected
	}
	if most > 0 {
		likely = min(likely, most)
	}
	return likely
}

// learn takes the length of an answer.
func (e *expectation) learn(tokens int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	weight := max(expectWeight, 1/e.n)
	off := float64(tokens) - e.mean
	e.mean += weight * off
	e.square += weight * (off*off - e.square)
	if e.n >= knownAfter {
		e.likely.Store(max(1, int64(math.Ceil(e.mean+expectAbove*math.Sqrt(e.square)))))
	}
}
