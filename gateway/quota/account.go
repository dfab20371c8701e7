package quota

import (
	"sync"
	"time"
)

// account is what one organisation and its keys have used and reserved.
type account struct {
	org  string
	mu   sync.Mutex
	own  usage
	keys map[string]*usage
	now  [spans]period // the current ones
	ends [spans]time.Time
	gone bool // it is forgotten: whoever still has it looks for the one in its place

	grants []Grant

	// The reservations in flight. A slot is used again, under a new
	// generation, so that a reservation that has ended is known as such
	// wherever copies of it went, and none costs an allocation.
	slots []slot
	free  int32 // the first free slot, counted from 1; 0: none

	share *share // its part of a fleet's quotas; nil: it is alone
}

type slot struct {
	generation uint32
	next       int32 // of a free slot: the next one
	tokens     int64
	in         [spans]period
	key        *usage // nil: none
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
	a.own.end(s.in, s.tokens, requests, tokens)
	if s.key != nil {
		s.key.end(s.in, s.tokens, requests, tokens)
	}
	s.key = nil
	s.generation++
	s.next, a.free = a.free, r.slot+1
	a.share.changed(a)
	return true
}

// turn makes the periods that at lies in the current ones.
func (a *account) turn(at time.Time) {
	if today := dayOf(at); today != a.now[day] || a.ends[day].IsZero() {
		for s := range spans {
			a.now[s] = s.periodOf(at)
			a.ends[s] = s.end(a.now[s])
		}
	}
}

// usage returns the organisation's usage, or a key's, with the current periods
// turned to.
func (a *account) usage(key string) *usage {
	u := &a.own
	if key != "" {
		if u = a.keys[key]; u == nil {
			if a.keys == nil {
				a.keys = make(map[string]*usage)
			}
			u = new(usage)
			a.keys[key] = u
		}
	}
	u.turn(&a.now)
	return u
}

// refusalOrder is the order in which windows are held against a request: where
// several have no room, the one that begins anew last is named.
var refusalOrder = [...]int{3, 2, 1, 0}

// reserve sets aside one request and n tokens in all windows, or in none. In a
// fleet, short says whether only a lease is missing. A left that is not nil is told
// what there was.
func (a *account) reserve(who *Who, at, now time.Time, n int64, left *Tightest) (r Reservation, short bool, err error) {
	a.turn(at)
	own := a.usage("")
	var key *usage
	if who.Key != "" {
		key = a.usage(who.Key)
	}
	for _, i := range refusalOrder {
		asked := n
		if windows[i].unit == requests {
			asked = 1
		}
		if err := a.fits(own.at(i), i, "", a.limit(i, who.Limits.of(i), at), asked, now); err != nil {
			return Reservation{}, err == errShort, err
		}
		if key != nil {
			if err := a.fits(key.at(i), i, who.Key, who.KeyLimits.of(i), asked, now); err != nil {
				return Reservation{}, err == errShort, err
			}
		}
	}
	if left != nil {
		*left = Tightest{}
		for i := range windows {
			left.hold(i, own.at(i), false, a.limit(i, who.Limits.of(i), at))
			if key != nil {
				left.hold(i, key.at(i), true, who.KeyLimits.of(i))
			}
		}
	}
	own.reserve(n)
	if key != nil {
		key.reserve(n)
	}
	a.share.changed(a)

	if a.free == 0 {
		a.slots = append(a.slots, slot{})
		a.free = int32(len(a.slots))
	}
	i := a.free - 1
	s := &a.slots[i]
	a.free = s.next
	s.tokens, s.in, s.key = n, a.now, key
	return Reservation{account: a, slot: i, generation: s.generation}, false, nil
}

// fits holds n more against a limit.
func (a *account) fits(c *count, window int, key string, limit, n int64, now time.Time) error {
	switch {
	case limit <= 0:
		return nil
	case a.share != nil:
		return a.share.fits(a, c, window, key, limit, n, now)
	case lacks(limit, c.used, c.reserved, n):
		return a.exceeded(window, key, limit, c.used, c.reserved, n)
	}
	return nil
}

func (a *account) exceeded(window int, key string, limit, used, reserved, n int64) error {
	w := &windows[window]
	return &Exceeded{Window: w.name, Key: key, Limit: limit, Used: used, Reserved: reserved, Asked: n, ResetsAt: a.ends[w.span]}
}

// query returns the windows: the organisation's, of which requests per month
// is left out where it has no limit, and those of the key that have one.
func (a *account) query(who *Who, now time.Time, news bool) []Window {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(now)
	if news {
		a.share.wanted(a)
	}
	all := make([]Window, 0, len(windows))
	own := a.usage("")
	for i := range windows {
		if limit := a.limit(i, who.Limits.of(i), now); limit > 0 || windows[i].name != RequestsPerMonth {
			all = append(all, own.at(i).window(i, "", limit, a.ends[windows[i].span]))
		}
	}
	if who.Key == "" || who.KeyLimits == (Limits{}) {
		return all
	}
	key := a.usage(who.Key)
	for i := range windows {
		if limit := who.KeyLimits.of(i); limit > 0 {
			all = append(all, key.at(i).window(i, who.Key, limit, a.ends[windows[i].span]))
		}
	}
	return all
}

// room returns the tightest windows, of requests and of tokens.
func (a *account) room(who *Who, now time.Time) (tightest [units]Room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(now)
	own := a.usage("")
	var key *usage
	if who.KeyLimits != (Limits{}) && who.Key != "" {
		key = a.usage(who.Key)
	}
	for i := range windows {
		w := &windows[i]
		reset := a.ends[w.span].Sub(now)
		t := &tightest[w.unit]
		*t = tighter(*t, own.at(i).room(a.limit(i, who.Limits.of(i), now), reset))
		if key != nil {
			*t = tighter(*t, key.at(i).room(who.KeyLimits.of(i), reset))
		}
	}
	return tightest
}

// idle tells whether nothing of the account matters any more: it holds nothing,
// and its periods have passed.
func (a *account) idle(now time.Time) bool {
	if a.own.reserved() {
		return false
	}
	ring, p := &a.own.rings[month], month.periodOf(now)
	return ring.current.period < p && ring.before.period < p
}
