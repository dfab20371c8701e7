package queue

import (
	"iter"
	"math"
	"time"
)

// append puts a request at the end of its organisation's part of the line.
func (q *Queue) append(t *Ticket) {
	o := t.org
	if t.prev = o.last; t.prev != nil {
		t.prev.next = t
	} else {
		o.first = t
		q.turns.append(o)
	}
	o.last = t
	if o.waiting == 0 {
		q.parties++
	}
	o.waiting++
	o.backlog += t.tokens
	q.waiting++
	q.backlog += t.tokens
}

// unlink takes it out again. Who has nobody in line keeps no earnings.
func (q *Queue) unlink(t *Ticket) {
	o := t.org
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		o.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		o.last = t.prev
	}
	t.next, t.prev = nil, nil
	o.waiting--
	o.backlog -= t.tokens
	q.waiting--
	q.backlog -= t.tokens
	if o.waiting == 0 {
		q.parties--
		o.deficit, o.turn = 0, false
		q.turns.remove(o)
	}
}

// ring is the organisations with requests in line, in the order of their turns.
type ring struct{ first *org }

func (r *ring) append(o *org) {
	if r.first == nil {
		o.next, o.prev = o, o
		r.first = o
		return
	}
	o.next, o.prev = r.first, r.first.prev
	o.prev.next, o.next.prev = o, o
}

func (r *ring) remove(o *org) {
	if o.next == o {
		r.first = nil
	} else {
		o.prev.next, o.next.prev = o.next, o.prev
		if r.first == o {
			r.first = o.next
		}
	}
	o.next, o.prev = nil, nil
}

// rotate gives the turn to the next one.
func (r *ring) rotate() { r.first = r.first.next }

func (r *ring) all() iter.Seq[*org] {
	return func(yield func(*org) bool) {
		for o := r.first; o != nil; {
			if !yield(o) {
				return
			}
			if o = o.next; o == r.first {
				return
			}
		}
	}
}

// held takes how long a request was under way into the mean.
func (q *Queue) held(took time.Duration) {
	const weight = 1.0 / 32
	if q.mean == 0 {
		q.mean = took.Seconds()
	} else {
		q.mean += weight * (took.Seconds() - q.mean)
	}
}

// perSecond is how many tokens come to their end in a second, by Little's law; 0
// where nothing is known.
func (q *Queue) perSecond() float64 {
	if q.mean == 0 {
		return 0
	}
	return float64(q.under) / max(q.mean, 1e-3)
}

// What a client is told to wait, at least and at most.
const (
	leastRetry = time.Second
	mostRetry  = 2 * time.Minute
)

// Forecast is how long a request that comes now would wait, and of what that was
// computed.
type Forecast struct {
	RetryAfter time.Duration // until there may be room: the tokens over the pace, within bounds; above 0
	Tokens     int64         // that come before it, and its own
	PerSecond  float64       // of them that come to their end lately; 0: not known
}

// estimate forecasts by the organisation's backlog at its share of the pace, or
// all that is in line at the whole of it, whichever is sooner.
func (q *Queue) estimate(o *org, tokens int64) Forecast {
	rate := q.perSecond()
	if rate <= 0 {
		return Forecast{RetryAfter: leastRetry, Tokens: q.backlog + tokens}
	}
	weights := o.weight
	for other := range q.turns.all() {
		if other != o {
			weights += other.weight
		}
	}
	own := float64(o.backlog+tokens) * float64(weights) / float64(o.weight)
	work := min(own, float64(q.backlog+tokens))
	seconds := min(max(math.Ceil(work/rate), leastRetry.Seconds()), mostRetry.Seconds())
	return Forecast{time.Duration(seconds) * time.Second, int64(math.Ceil(work)), rate}
}

// Forecast tells a client that has waited in vain when to ask again.
func (q *Queue) Forecast(name string) Forecast {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.orgs[name]
	if o == nil {
		o = &org{weight: 1}
	}
	return q.estimate(o, 0)
}

// Line is what a request found when it came.
type Line struct {
	Ahead int // requests that stood in line
	Orgs  int // whose they were
}

// Line is how the line was when the request came. It is its own goroutine's, after
// Enter, as Served is.
func (t *Ticket) Line() Line { return Line{int(t.ahead), int(t.orgs)} }

// Served is how many requests have got their place out of the line since the
// request came, itself among them.
func (t *Ticket) Served() int {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	return int(t.q.served - t.served)
}

// Status is a line at one moment.
type Status struct {
	Waiting   int           // requests
	Tokens    int64         // that they weigh
	Oldest    time.Duration // how long the one has waited that came first
	UnderWay  int64         // tokens that have their place
	PerSecond float64       // tokens that come to their end; 0: not known
	Orgs      []OrgStatus   // those with requests in line, in the order of their turns
}

// OrgStatus is one organisation's part of it.
type OrgStatus struct {
	Org      string
	Waiting  int
	Tokens   int64 // in line
	UnderWay int64 // tokens
	Oldest   time.Duration
}

// Status tells how the line stands.
func (q *Queue) Status() Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.o.Clock()
	s := Status{Waiting: q.waiting, Tokens: q.backlog, UnderWay: q.under, PerSecond: q.perSecond()}
	for o := range q.turns.all() {
		oldest := now.Sub(o.first.since)
		s.Oldest = max(s.Oldest, oldest)
		s.Orgs = append(s.Orgs, OrgStatus{o.name, o.waiting, o.backlog, o.under, oldest})
	}
	return s
}
