package queue

import (
	"errors"
	"sync"
	"time"
)

// Options are what a Queue is made with.
type Options struct {
	Length  int              // requests that may wait; 0: 1000
	Quantum int64            // tokens that the least weight earns in a turn; 0: 2048
	Clock   func() time.Time // nil: time.Now
}

// Taker finds out whether there is room for a request, and takes it.
type Taker interface {
	// Take is called when it is the request's turn, possibly many times until
	// it returns true: then the request has a place. over says that its
	// organisation is over its share. It must be quick, and must not call the
	// Queue.
	Take(over bool) bool
}

// Full is the refusal of a request that the line has no place for.
type Full struct{ Forecast }

func (e *Full) Error() string { return "the queue is full" }

// ErrLeft is what Wait returns after Abort.
var ErrLeft = errors.New("left the queue")

// activeFor is how long an organisation counts as active after its last request
// came or ended.
const activeFor = 10 * time.Second

// Queue is a line. Make it with [New].
type Queue struct {
	o Options

	mu        sync.Mutex
	orgs      map[string]*org // with anything in line or under way, or active lately
	turns     ring            // those with requests in line; the first one has the turn
	waiting   int             // requests in line
	parties   int             // organisations that have any there
	served    int32           // requests that got their place out of the line, ever; it may turn around
	backlog   int64           // their tokens
	under     int64           // tokens under way
	weights   int64           // of all in orgs
	room      int64           // tokens that there is room for; 0: not known
	unit      int64           // the least weight in orgs: what earns a quantum
	mean      float64         // seconds that a request is under way
	lastPrune time.Time
}

// org is one organisation at this backend.
type org struct {
	name    string
	weight  int64
	turn    bool  // it has had its earnings for this turn
	deficit int64 // tokens that it may spend
	backlog int64 // tokens in line
	under   int64 // tokens under way
	waiting int
	seen    time.Time

	first, last *Ticket // its part of the line
	next, prev  *org    // in the ring of turns; nil: not in it
}

// New makes an empty line.
func New(o Options) *Queue {
	if o.Length == 0 {
		o.Length = 1000
	}
	if o.Quantum == 0 {
		o.Quantum = 2048
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Queue{o: o, orgs: make(map[string]*org)}
}

// Ticket is one request's place in line, and then among those under way. The
// zero value is one that has not entered.
type Ticket struct {
	q      *Queue
	org    *org
	taker  Taker
	tokens int64
	state  state
	ahead  int32 // these are a Line
	orgs   int32
	served int32
	since  time.Time     // it stands in line
	placed time.Time     // it has its place
	err    error         // why it has left the line without a place
	ready  chan struct{} // closed when it has left the line; nil where it never waited

	next, prev *Ticket
}

type state uint8

const (
	outside state = iota
	inLine
	underWay
)

// Enter has a request of an organisation's stand in line, behind those that
// are there: placed says that it has its place already, otherwise Wait tells
// when. weight is the organisation's, 1 at least; tokens is what the request
// weighs. The error is a *[Full].
func (q *Queue) Enter(t *Ticket, name string, weight int, tokens int64, taker Taker) (placed bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.o.Clock()
	o := q.org(name, int64(max(weight, 1)), now)
	*t = Ticket{q: q, org: o, taker: taker, tokens: max(tokens, 1), since: now, ahead: int32(q.waiting), orgs: int32(q.parties), served: q.served}
	if q.waiting == 0 && taker.Take(q.over(o, t.tokens)) {
		q.place(t, now)
		return true, nil
	}
	if q.waiting >= q.o.Length && !q.pushOut(o) {
		return false, &Full{q.estimate(o, t.tokens)}
	}
	t.state = inLine
	t.ready = make(chan struct{})
	q.append(t)
	q.dispatch(now)
	return t.state == underWay, nil
}

// Wait returns once the request has its place, with nil; or after Abort, with
// ErrLeft; or when another took its place in line, with a *[Full].
func (t *Ticket) Wait() error {
	<-t.ready
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	return t.err
}

// Abort has the request leave the line. One that has its place keeps it, and one
// that never waited is left alone.
func (t *Ticket) Abort() {
	q := t.q
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.state == inLine {
		q.drop(t, ErrLeft)
		q.dispatch(q.o.Clock()) // it may have been what all others waited for
	}
}

// Done says that the request is over, and what it had is free. Only the first
// call after it got its place does anything.
func (t *Ticket) Done() {
	q := t.q
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.state != underWay {
		return
	}
	now := q.o.Clock()
	t.state = outside
	t.org.under -= t.tokens
	t.org.seen = now
	q.under -= t.tokens
	q.held(now.Sub(t.placed))
	q.dispatch(now)
}

// Wake looks whether there is room, after something else than Done has made
// some. room is how many tokens the backend can have under way in all; 0: nobody
// knows.
func (q *Queue) Wake(room int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.room = room
	now := q.o.Clock()
	q.prune(now)
	q.dispatch(now)
}

// dispatch gives places to those in line, as long as there is room.
func (q *Queue) dispatch(now time.Time) {
	for o := q.turns.first; o != nil; o = q.turns.first {
		if !o.turn {
			o.turn = true
			o.deficit += q.o.Quantum * o.weight / q.unit
		}
		if t := o.first; o.deficit < t.tokens {
			o.turn = false
			q.turns.rotate()
		} else if over := q.over(o, t.tokens); !q.try(t, over, now) {
			if over {
				q.passBy(o, now)
			}
			return
		}
	}
}

// passBy gives places to those who may have what one that has the turn, and is
// over its share, may not. What they get counts against their earnings.
func (q *Queue) passBy(turn *org, now time.Time) {
	for o := turn.next; o != turn; {
		next := o.next
		for o.waiting > 0 && !q.over(o, o.first.tokens) {
			if !q.try(o.first, false, now) {
				return // nor are others' requests to pass this one
			}
		}
		o = next
	}
}

// try gives a request its place, if there is room.
func (q *Queue) try(t *Ticket, over bool, now time.Time) bool {
	if !t.taker.Take(over) {
		return false
	}
	t.org.deficit -= t.tokens
	q.served++
	q.unlink(t)
	q.place(t, now)
	close(t.ready)
	return true
}

// over tells whether an organisation that has something under way would be over
// its share with so many tokens more.
func (q *Queue) over(o *org, tokens int64) bool {
	return o.under > 0 && (o.under+tokens)*q.weights > max(q.under+tokens, q.room)*o.weight
}

// place counts a request as under way.
func (q *Queue) place(t *Ticket, now time.Time) {
	t.state, t.placed = underWay, now
	t.org.under += t.tokens
	t.org.seen = now
	q.under += t.tokens
}

// drop takes a request out of the line, without a place.
func (q *Queue) drop(t *Ticket, why error) {
	q.unlink(t)
	t.state, t.err = outside, why
	close(t.ready)
}

// pushOut makes room in a full line for a request of an organisation, where
// another has more in it for its weight.
func (q *Queue) pushOut(newcomer *org) bool {
	most := newcomer
	for o := range q.turns.all() {
		if int64(o.waiting)*most.weight > int64(most.waiting)*o.weight {
			most = o
		}
	}
	// What the newcomer would have with this one counts, too.
	if most == newcomer || int64(most.waiting)*newcomer.weight <= int64(newcomer.waiting+1)*most.weight {
		return false
	}
	t := most.last
	q.drop(t, &Full{q.estimate(most, t.tokens)})
	return true
}

// org returns an organisation, made if need be.
func (q *Queue) org(name string, weight int64, now time.Time) *org {
	o := q.orgs[name]
	if o == nil {
		o = &org{name: name}
		q.orgs[name] = o
	}
	q.weights += weight - o.weight
	if q.unit == 0 || weight < q.unit {
		q.unit = weight
	}
	o.weight, o.seen = weight, now
	return o
}

// prune forgets organisations that are no longer active.
func (q *Queue) prune(now time.Time) {
	if now.Sub(q.lastPrune) < time.Second {
		return
	}
	q.lastPrune = now
	q.unit = 0
	for name, o := range q.orgs {
		if o.waiting == 0 && o.under == 0 && now.Sub(o.seen) > activeFor {
			delete(q.orgs, name)
			q.weights -= o.weight
		} else if q.unit == 0 || o.weight < q.unit {
			q.unit = o.weight
		}
	}
}
