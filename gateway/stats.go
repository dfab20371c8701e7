package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backends"
)

// stats counts what the gateway does: atomics on the request path, made into
// metrics when they are scraped and into a snapshot once a second.
type stats struct {
	inflight atomic.Int64

	mu       sync.RWMutex
	series   map[seriesKey]*series
	backends map[string]*backendSeries

	ring    sync.Mutex
	kept    [Kept]kept
	written int // into kept, ever

	tick ticker
}

const (
	maxRecent  = 200
	maxLive    = 200
	maxHistory = 15 * 60
)

// seriesKey is one series of pilothouse_requests_total. None of its parts is a
// client's choice: unknown models, paths and organisations have one name.
type seriesKey struct {
	route, model, org string
	status            int
}

type series struct{ requests, prompt, completion atomic.Uint64 }

// backendSeries is what is counted for one backend.
type backendSeries struct {
	inflight, ended, errors, tokens atomic.Uint64
	failures                        [8]atomic.Uint64 // by backends.Failure
	first                           [2]histogram     // to the first byte: of whole answers, of streams
	event                           histogram
	waited                          histogram // in line
}

// The indices of backendSeries.first.
const (
	whole = iota
	streamed
)

func (b *backendSeries) failed(f backends.Failure) { b.failures[f].Add(1) }

func newStats() *stats {
	return &stats{series: map[seriesKey]*series{}, backends: map[string]*backendSeries{}}
}

// lookup finds an entry that is seldom new.
func lookup[K comparable, V any](mu *sync.RWMutex, m map[K]*V, key K) *V {
	mu.RLock()
	v := m[key]
	mu.RUnlock()
	if v != nil {
		return v
	}
	mu.Lock()
	defer mu.Unlock()
	if v = m[key]; v == nil {
		v = new(V)
		m[key] = v
	}
	return v
}

func (s *stats) backend(name string) *backendSeries { return lookup(&s.mu, s.backends, name) }

// ended books a request that is over.
func (s *stats) ended(r *request) {
	rec := &r.rec
	n := lookup(&s.mu, s.series, seriesKey{rec.Route, rec.Model, rec.Org, rec.Status})
	n.requests.Add(1)
	n.prompt.Add(uint64(rec.Prompt))
	n.completion.Add(uint64(rec.Output))
	if b := r.series; b != nil {
		b.inflight.Add(^uint64(0))
		b.ended.Add(1)
		if rec.Status >= 500 || rec.End == EndBackendFailed {
			b.errors.Add(1)
		}
	}
	if !r.endpoint.open {
		s.tick.ended(rec)
	}
	s.keep(r)
}

// ticker keeps what a snapshot is made of.
type ticker struct {
	requests, prompt, completion, ok, client, limited, server, left, errors, refused atomic.Uint64

	history []Point // only the snapshot's goroutine uses the rest
	last    [4]uint64
	past    map[string][]moment
}

// moment is one backend's counts at the end of a second.
type moment struct {
	ended, errors, tokens uint64
	first, event          tally
}

func (t *ticker) ended(rec *record) {
	t.requests.Add(1)
	t.prompt.Add(uint64(rec.Prompt))
	t.completion.Add(uint64(rec.Output))
	switch s := rec.Status; {
	case rec.End == EndClientLeft:
		t.left.Add(1)
	case s == 429:
		t.limited.Add(1)
	case s >= 500:
		t.server.Add(1)
	case s >= 400:
		t.client.Add(1)
	default:
		t.ok.Add(1)
	}
	if rec.Status >= 500 || rec.End == EndBackendFailed {
		t.errors.Add(1)
	} else if rec.End == EndRefused {
		t.refused.Add(1)
	}
}

// ratesOver and quantilesOver are the seconds that Rates look back on.
const (
	ratesOver     = 5
	quantilesOver = 60
)

// snapshot makes the next one; called once a second by one goroutine.
func (s *stats) snapshot(at time.Time) *Snapshot {
	t := &s.tick
	snap := &Snapshot{At: at, Backends: map[string]Rates{}, InFlight: int(s.inflight.Load())}
	if t.past == nil {
		t.past = map[string][]moment{}
	}
	s.mu.RLock()
	all := make(map[string]*backendSeries, len(s.backends))
	for name, b := range s.backends {
		all[name] = b
	}
	s.mu.RUnlock()

	var tokens uint64
	var firstNow, firstOld, eventNow, eventOld tally
	for name, b := range all {
		m := moment{b.ended.Load(), b.errors.Load(), b.tokens.Load(), b.first[streamed].tally(), b.event.tally()}
		tokens += m.tokens
		past := append(t.past[name], m)
		past = past[max(0, len(past)-quantilesOver-1):]
		t.past[name] = past
		var start moment // before the backend was seen: nothing
		if len(past) > quantilesOver {
			start = past[0]
		}
		rates := Rates{
			InFlight: int(b.inflight.Load()),
			FirstP50: m.first.quantile(.5, start.first), FirstP95: m.first.quantile(.95, start.first),
			PerTokP50: m.event.quantile(.5, start.event),
		}
		for i := range m.first {
			firstNow[i] += m.first[i]
			firstOld[i] += start.first[i]
			eventNow[i] += m.event[i]
			eventOld[i] += start.event[i]
		}
		if len(past) > ratesOver {
			start = past[len(past)-1-ratesOver]
		} else {
			start = moment{}
		}
		rates.Requests = float64(m.ended-start.ended) / ratesOver
		rates.Errors = float64(m.errors-start.errors) / ratesOver
		rates.Tokens = float64(m.tokens-start.tokens) / ratesOver
		snap.Backends[name] = rates
	}
	now := [4]uint64{t.requests.Load(), tokens, t.errors.Load(), t.refused.Load()}
	p := Point{InFlight: snap.InFlight}
	for i, v := range []*int{&p.Requests, &p.Tokens, &p.Errors, &p.Refused} {
		*v = int(now[i] - t.last[i])
	}
	t.last = now
	t.history = append(t.history, p)
	if len(t.history) > 2*maxHistory {
		t.history = append([]Point(nil), t.history[len(t.history)-maxHistory:]...)
	}
	// The snapshot's slice is never written again: what is appended lies behind it.
	snap.History = t.history[max(0, len(t.history)-maxHistory):len(t.history):len(t.history)]
	snap.Now = Rates{InFlight: snap.InFlight,
		FirstP50: firstNow.quantile(.5, firstOld), FirstP95: firstNow.quantile(.95, firstOld), PerTokP50: eventNow.quantile(.5, eventOld)}
	for _, p := range snap.History[max(0, len(snap.History)-ratesOver):] {
		snap.Now.Requests += float64(p.Requests) / ratesOver
		snap.Now.Tokens += float64(p.Tokens) / ratesOver
		snap.Now.Errors += float64(p.Errors) / ratesOver
	}
	snap.Totals = Totals{
		Requests: now[0], PromptTokens: t.prompt.Load(), CompletionTokens: t.completion.Load(), Status2xx: t.ok.Load(),
		Status4xx: t.client.Load(), Status429: t.limited.Load(), Status5xx: t.server.Load(), ClientLeft: t.left.Load(),
	}
	snap.Recent = s.newest(maxRecent)
	return snap
}
