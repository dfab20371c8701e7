package quota

import (
	"log/slog"
	"sync"
	"time"
)

// Options are what Windows are made of.
type Options struct {
	Clock       func() time.Time // nil: time.Now
	Lessor      Lessor           // what the limits are shared through; nil: this gateway has them for itself
	AllowOnLoss bool             // once the lessor is away and the leases are used up, each gateway counts for itself; otherwise it refuses
	Log         *slog.Logger     // nil: none
}

// Windows counts what organisations and keys use. Make it with [NewWindows].
type Windows struct {
	now    func() time.Time
	fleet  *fleet // nil: this gateway alone
	mu     sync.RWMutex
	orgs   map[string]*account
	grants map[string][]Grant // by organisation
}

// NewWindows makes windows that nothing has been used of.
func NewWindows(o Options) *Windows {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Windows{now: o.Clock, orgs: make(map[string]*account)}
	if o.Lessor != nil {
		w.fleet = newFleet(w, o)
	}
	return w
}

// MaxTokens is the most that one reservation holds or settles: far above any
// request, and low enough for the sum of those in flight.
const MaxTokens = 1 << 40

// Reserve sets aside one request and so many tokens (less than 0 is 0, more than
// [MaxTokens] is that) in all windows of an organisation and a key, or in none:
// then the error is an *[Exceeded], or a *[StoreLost] in a fleet. They count in
// the day and the month of at, the request's arrival.
// An organisation is known by its name and a key by its id; both are made when
// first heard of: pass only what is configured.
//
// The reservation must be settled or released, or it holds its room until its
// windows end.
func (w *Windows) Reserve(who Who, at time.Time, tokens int64) (Reservation, error) {
	return w.ReserveWithin(who, at, tokens, nil)
}

// Query returns the windows of an organisation, always these and in this order:
// requests per day, tokens per day, requests per month where that is limited,
// tokens per month; then those of the key that have limits of their own.
// In a fleet, the store is asked for news of them, which the next Query has.
func (w *Windows) Query(who Who) []Window { return w.account(who.Org).query(&who, w.now(), true) }

// Glance is Query without asking for news: for looking at all organisations
// every few seconds.
func (w *Windows) Glance(who Who) []Window { return w.account(who.Org).query(&who, w.now(), false) }

// Room returns what the tightest window of an organisation and a key leaves of
// requests, and of tokens. Reservations in flight are taken off.
func (w *Windows) Room(who Who) (ofRequests, ofTokens Room) {
	if who.Limits == (Limits{}) && who.KeyLimits == (Limits{}) {
		return Room{}, Room{}
	}
	room := w.account(who.Org).room(&who, w.now())
	return room[requests], room[tokens]
}

// tighter is the one with less room; where both have as little, the one that
// takes longer to begin anew. A Room without a limit is never tighter.
func tighter(a, b Room) Room {
	if a.Limit == 0 || b.Limit > 0 && (b.Remaining < a.Remaining || b.Remaining == a.Remaining && b.Reset > a.Reset) {
		return b
	}
	return a
}

// Count is what one key has used in the day and the month of some moment.
type Count struct {
	Org, Key                   string
	DayRequests, DayTokens     int64
	MonthRequests, MonthTokens int64
}

// Restore adds what was used before this process began, in the day and the
// month of at. Call it before the first Reserve.
func (w *Windows) Restore(at time.Time, counts []Count) {
	for i := range counts {
		c := &counts[i]
		a := w.lock(c.Org)
		a.turn(at)
		for _, u := range [...]*usage{a.usage(""), a.usage(c.Key)} {
			for i, n := range [...]int64{c.DayRequests, c.DayTokens, c.MonthRequests, c.MonthTokens} {
				u.at(i).used = add(u.at(i).used, max(n, 0))
			}
			if c.Key == "" {
				break
			}
		}
		a.share.changed(a)
		a.mu.Unlock()
	}
}

// lock returns the account of an organisation, locked; made if need be.
func (w *Windows) lock(org string) *account {
	for {
		a := w.account(org)
		a.mu.Lock()
		if !a.gone {
			return a
		}
		a.mu.Unlock()
	}
}

// account returns the account of an organisation, made if need be.
func (w *Windows) account(org string) *account {
	w.mu.RLock()
	a := w.orgs[org]
	w.mu.RUnlock()
	if a != nil {
		return a
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if a = w.orgs[org]; a == nil {
		a = &account{org: org, grants: w.grants[org], share: w.fleet.newShare()}
		w.orgs[org] = a
	}
	return a
}

// forget drops the accounts of which nothing matters any more.
func (w *Windows) forget() {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for org, a := range w.orgs {
		a.mu.Lock()
		if a.idle(now) {
			a.gone = true
			delete(w.orgs, org)
		}
		a.mu.Unlock()
	}
}
