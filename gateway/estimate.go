package gateway

import (
	"math"
	"sort"
	"sync"
	"sync/atomic"
)

// estimates tell how many tokens prompts have, by model. Nobody knows before
// the engine has read one: its tokens depend on the model's tokenizer and on
// what the prompt is written in. What is reserved for it is an upper estimate,
// learnt from what engines have reported.
type estimates struct {
	mu     sync.RWMutex
	models map[string]*estimate
}

func (e *estimates) of(model string) *estimate {
	e.mu.RLock()
	v := e.models[model]
	e.mu.RUnlock()
	if v != nil {
		return v
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if v = e.models[model]; v == nil {
		v = newEstimate()
		e.models[model] = v
	}
	return v
}

// all lists the models, each with how good its estimates were so far.
func (e *estimates) all() map[string]ratios {
	e.mu.RLock()
	defer e.mu.RUnlock()
	all := make(map[string]ratios, len(e.models))
	for model, v := range e.models {
		all[model] = v.errors()
	}
	return all
}

// estimate is a line through what one model's prompts had, tokens over bytes
// of JSON, with older prompts counting less and less: its slope is tokens per
// byte, its height what the chat template adds to each prompt.
type estimate struct {
	now atomic.Pointer[line] // what is in force

	mu           sync.Mutex
	n            float64 // weights of what was seen, and their weighted sums
	x, y, xx, xy float64
	square, seen float64 // of the line's errors, as shares of it, and their weight
	ratios       ratios
}

// line gives tokens = base + slope × bytes, and how far to go above it.
type line struct{ base, slope, margin float64 }

// What is assumed before anything was seen: three bytes to a token, as if this
// many prompts of each of two lengths had said so.
const (
	firstSlope  = 1.0 / 3
	firstWeight = 2
	firstShort  = 300
	firstLong   = 3000
)

// The slopes and heights that a tokenizer and a template can have. What lies
// beyond is no text: an image in base64 has thousands of bytes to a token.
const (
	leastSlope = 1.0 / 16
	mostSlope  = 2
	mostBase   = 2000
)

// How much of its weight a prompt keeps with each one after it, and its error:
// those of the first, before much was learnt, are soon forgotten.
const (
	keepWeight = 0.998
	keepError  = 0.99
)

// marginOf is how many standard deviations above the line the estimate lies:
// one prompt in forty has more, of errors that lie as a bell.
const (
	marginOf   = 2
	mostMargin = 2
)

func newEstimate() *estimate {
	e := &estimate{}
	for _, x := range []float64{firstShort, firstLong} {
		e.add(x, x*firstSlope, firstWeight)
	}
	e.fit()
	return e
}

// tokens are the upper estimate for a prompt, which is what is reserved for it,
// and the likely one, which is what it costs where nobody says more.
func (e *estimate) tokens(bytes int) (upper, likely int) {
	l := e.now.Load()
	n := l.base + l.slope*float64(bytes)
	return max(1, int(math.Ceil(n*(1+l.margin)))), max(1, int(math.Ceil(n)))
}

// learn takes what an engine said a prompt had.
func (e *estimate) learn(bytes, tokens int) {
	x, y := float64(bytes), float64(tokens)
	if bytes <= 0 || tokens <= 0 || y > mostBase+mostSlope*x || y < leastSlope*x {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	upper, _ := e.tokens(bytes)
	e.ratios.observe(float64(upper) / y)
	l := e.now.Load()
	miss := y/(l.base+l.slope*x) - 1
	e.square, e.seen = e.square*keepError+miss*miss, e.seen*keepError+1
	for _, v := range []*float64{&e.n, &e.x, &e.y, &e.xx, &e.xy} {
		*v *= keepWeight
	}
	e.add(x, y, 1)
	e.fit()
}

// add counts a prompt. Long ones would rule the line by their size alone, so
// each counts by its error's share of it.
func (e *estimate) add(x, y, weight float64) {
	weight /= max(y, 1)
	e.n += weight
	e.x += weight * x
	e.y += weight * y
	e.xx += weight * x * x
	e.xy += weight * x * y
}

// fit draws the line anew.
func (e *estimate) fit() {
	slope := firstSlope
	if spread := e.n*e.xx - e.x*e.x; spread > 1e-9*e.n*e.xx {
		slope = (e.n*e.xy - e.x*e.y) / spread
	}
	slope = min(max(slope, leastSlope), mostSlope)
	base := min(max((e.y-slope*e.x)/e.n, 0), mostBase)
	if base == 0 {
		slope = min(max(e.y/e.x, leastSlope), mostSlope)
	}
	margin := 0.0
	if e.seen > 0 {
		margin = min(marginOf*math.Sqrt(e.square/e.seen), mostMargin)
	}
	e.now.Store(&line{base, slope, margin})
}

// ratioBounds are the buckets' upper ends for the estimate over the truth: up
// to 1, an estimate was too low, and the quota could be overdrawn by the rest.
var ratioBounds = [...]float64{.25, .5, .75, .9, .95, 1, 1.05, 1.1, 1.25, 1.5, 2, 3, 5}

// ratios is a histogram of them.
type ratios struct {
	counts [len(ratioBounds) + 1]uint64
	sum    float64
}

func (r *ratios) observe(v float64) {
	r.counts[sort.SearchFloat64s(ratioBounds[:], v)]++
	r.sum += v
}

// errors is how good the estimates were so far.
func (e *estimate) errors() ratios {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ratios
}
