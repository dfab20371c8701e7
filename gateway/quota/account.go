package quota

import (
	"math"
	"sync"
	"time"
)

// account is what one organisation has used and reserved.
type account struct {
	mu        sync.Mutex
	day       ring
	month     ring
	monthEnds time.Time // of the current one

	// The reservations in flight. A slot is used again, under a new
	// generation, so that a reservation that has ended is known as such
	// wherever copies of it went, and none costs an allocation.
	slots []slot
	free  int32 // the first free slot, counted from 1; 0: none
}

type slot struct {
	generation uint32
	next       int32 // of a free slot: the next one
	tokens     int64
	day, month period
}

// Reservation is room set aside for one request. It is a value: copies are the
// same reservation, and only the first Settle or Release of any of them counts.
// The zero value is a reservation that has ended.
type Reservation struct {
	account    *account
	slot       int32
	generation uint32
}

// Settle ends the reservation and counts its request, and tokens instead of
// those that were reserved; less than 0 is 0, and more than [MaxTokens] is that.
// It reports whether it was the first to end it: otherwise it has changed nothing.
func (r Reservation) Settle(tokens int64) bool {
	return r.end(1, clamp(tokens))
}

// Release ends the reservation as though it had never been made. It reports
// whether it was the first to end it: otherwise it has changed nothing.
func (r Reservation) Release() bool {
	return r.end(0, 0)
}

func (r Reservation) end(requests, tokens int64) bool {
	a := r.account
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.slots[r.slot]
	if s.generation != r.generation {
		return false
	}
	s.generation++
	s.next, a.free = a.free, r.slot+1
	a.day.end(s.day, s.tokens, requests, tokens)
	a.month.end(s.month, s.tokens, requests, tokens)
	return true
}

func (a *account) reserve(now time.Time, lim Limits, tokens int64) (Reservation, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(now)
	day, month := &a.day.current, &a.month.current
	switch {
	case lacks(lim.TokensPerMonth, month.tokens, tokens):
		return Reservation{}, exceeded(TokensPerMonth, lim.TokensPerMonth, month.tokens, tokens, monthEnd(month.period))
	case lacks(lim.TokensPerDay, day.tokens, tokens):
		return Reservation{}, exceeded(TokensPerDay, lim.TokensPerDay, day.tokens, tokens, dayEnd(day.period))
	case lacks(lim.RequestsPerDay, day.requests, 1):
		return Reservation{}, exceeded(RequestsPerDay, lim.RequestsPerDay, day.requests, 1, dayEnd(day.period))
	}
	day.reserve(tokens)
	month.reserve(tokens)

	if a.free == 0 {
		a.slots = append(a.slots, slot{})
		a.free = int32(len(a.slots))
	}
	i := a.free - 1
	s := &a.slots[i]
	a.free = s.next
	s.tokens, s.day, s.month = tokens, day.period, month.period
	return Reservation{account: a, slot: i, generation: s.generation}, nil
}

func (a *account) query(now time.Time, lim Limits) [3]Window {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(now)
	day, month := &a.day.current, &a.month.current
	return [3]Window{
		day.requests.window(RequestsPerDay, lim.RequestsPerDay, dayEnd(day.period)),
		day.tokens.window(TokensPerDay, lim.TokensPerDay, dayEnd(day.period)),
		month.tokens.window(TokensPerMonth, lim.TokensPerMonth, monthEnd(month.period)),
	}
}

func (a *account) room(now time.Time, lim Limits) (requests, tokens Room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(now)
	day, month := &a.day.current, &a.month.current
	untilDay := dayEnd(day.period).Sub(now)
	requests = day.requests.room(lim.RequestsPerDay, untilDay)
	tokens = tighter(day.tokens.room(lim.TokensPerDay, untilDay), month.tokens.room(lim.TokensPerMonth, a.monthEnds.Sub(now)))
	return requests, tokens
}

// turn makes the periods that now lies in the current ones.
func (a *account) turn(now time.Time) {
	if dayOf(now) == a.day.current.period && a.month.current.period != 0 {
		return
	}
	day, month := periods(now)
	a.day.turn(day)
	a.month.turn(month)
	a.monthEnds = monthEnd(month)
}

// ring is the current period and the one that was current before it. The latter
// is kept for the reservations that began in it, and for a clock that is set back
// over midnight: nothing is forgotten then.
type ring struct {
	current, before counts
}

func (r *ring) turn(p period) {
	if r.current.period == p {
		return
	}
	r.current, r.before = r.before, r.current
	if r.current.period != p {
		r.current = counts{period: p}
	}
}

func (r *ring) end(p period, reserved, requests, tokens int64) {
	switch p {
	case r.current.period:
		r.current.end(reserved, requests, tokens)
	case r.before.period:
		r.before.end(reserved, requests, tokens)
	}
}

// counts is what was used and reserved in one period.
type counts struct {
	period           period
	requests, tokens count
}

func (c *counts) reserve(tokens int64) {
	c.requests.reserved++
	c.tokens.reserved += tokens
}

func (c *counts) end(reserved, requests, tokens int64) {
	c.requests.reserved--
	c.requests.used += requests
	c.tokens.reserved -= reserved
	c.tokens.used = add(c.tokens.used, tokens)
}

type count struct{ used, reserved int64 }

func (c count) window(name string, limit int64, resets time.Time) Window {
	return Window{Name: name, Used: c.used, Reserved: c.reserved, Limit: limit, ResetsAt: resets}
}

func (c count) room(limit int64, reset time.Duration) Room {
	if limit <= 0 {
		return Room{}
	}
	return Room{Limit: limit, Remaining: max(0, limit-c.used-c.reserved), Reset: reset}
}

// lacks tells whether n more would pass the limit, or whether it is passed
// already. What is reserved is far from the largest number, see [MaxTokens], so
// the difference cannot overflow.
func lacks(limit int64, c count, n int64) bool {
	return limit > 0 && c.used > limit-c.reserved-n
}

func exceeded(window string, limit int64, c count, asked int64, resets time.Time) error {
	return &Exceeded{Window: window, Limit: limit, Used: c.used, Reserved: c.reserved, Asked: asked, ResetsAt: resets}
}

// add adds two numbers of at least 0 and stops at the largest there is: however
// absurd the usage that a backend reports, no count turns around.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func clamp(tokens int64) int64 { return min(max(tokens, 0), MaxTokens) }
