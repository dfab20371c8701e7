package quota

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// StoreLost is the refusal of a reservation while the fleet's store is away and
// the leases in hand are used up.
type StoreLost struct{ Err error }

func (e *StoreLost) Error() string {
	return "the store of the fleet's quotas is away: " + e.Err.Error()
}
func (e *StoreLost) Unwrap() error { return e.Err }

// FleetStatus tells how a gateway stands with its fleet's store. The zero value
// is that of a gateway on its own, or of one that all is well with.
type FleetStatus struct {
	Err      string    // why the store is away; "": it is not
	Since    time.Time // when it was lost
	Allowing bool      // this gateway counts for itself then; otherwise it refuses
	Calls    uint64    // that requests have waited for
}

// fleet is what windows have of other gateways. Room is leased ahead, so that
// a request seldom waits for the store: one goroutine asks for more in the
// background before a lease is used up, and tells once a second what was used.
type fleet struct {
	w      *Windows
	lessor Lessor
	allow  bool
	log    *slog.Logger
	wake   chan struct{} // a lease is nearly used up
	calls  atomic.Uint64

	mu     sync.Mutex
	active []*account // to be told of in the next round
	lost   *loss      // nil: the store answers
	epoch  uint64     // of the last round
}

type loss struct {
	err   error
	since time.Time
}

// share is an account's part in the fleet, guarded by the account's lock. A nil
// one belongs to a gateway on its own: its methods do nothing.
type share struct {
	fleet   *fleet
	call    sync.Mutex // the store is asked for one thing at a time for the account; before the account's lock
	listed  bool       // in fleet.active
	touched bool       // something has changed since it was told
	largest int64      // reservation, in tokens
	limits  Limits     // as they were last
	keys    map[string]Limits
}

// lease is how far this gateway may go in one count.
type lease struct {
	ceiling    int64 // of used and reserved
	until      time.Time
	ahead      int64     // what of it was leased in advance
	denied     time.Time // until then the store need not be asked for more than that
	others     int64     // what others have used, reserved and leased
	othersUsed int64
	told       int64 // what was told to be used
}

const (
	roundEvery  = time.Second
	hurryEvery  = 20 * time.Millisecond
	deniedFor   = time.Second
	asksAtOnce  = 200
	mostTries   = 4
	forgetEvery = time.Hour
)

// Leased in advance is the smaller of these shares: of the limit, and of what
// is left of it. So nothing is left over at one gateway that another lacks.
const (
	shareOfLimit = 64
	shareOfRest  = 8
)

// While more than this share of the limit is free, and room for so many of the
// largest requests, an account that nobody uses keeps what it has leased ahead
// until that runs out: so a request that comes every few seconds waits for
// nothing, either.
const (
	plentyShare    = 16
	plentyRequests = 16
)

// errShort is not told to anybody: the store has to be asked.
var errShort = errors.New("lease too short")

func newFleet(w *Windows, o Options) *fleet {
	return &fleet{w: w, lessor: o.Lessor, allow: o.AllowOnLoss, log: o.Log, wake: make(chan struct{}, 1)}
}

func (f *fleet) newShare() *share {
	if f == nil {
		return nil
	}
	return &share{fleet: f}
}

// changed notes that there is something to tell of an account.
func (s *share) changed(a *account) {
	if s != nil {
		s.touched = true
		s.wanted(a)
	}
}

// wanted notes that somebody wants to know how the account stands.
func (s *share) wanted(a *account) {
	if s != nil && !s.listed {
		s.listed = true
		s.fleet.mu.Lock()
		s.fleet.active = append(s.fleet.active, a)
		s.fleet.mu.Unlock()
	}
}

// plenty tells whether nobody needs what is leased ahead for nobody.
func (s *share) plenty(u unit, limit, free int64) bool {
	largest := int64(1)
	if u == tokens {
		largest = s.largest
	}
	return free > limit/plentyShare && free/plentyRequests > largest
}

// know keeps the limits for when the account is told of in the background, and
// how large its requests are.
func (s *share) know(who *Who, n int64) {
	s.largest = max(s.largest, n)
	s.limits = who.Limits
	if who.KeyLimits != (Limits{}) && s.keys[who.Key] != who.KeyLimits {
		if s.keys == nil {
			s.keys = make(map[string]Limits)
		}
		s.keys[who.Key] = who.KeyLimits
	}
}

// fits holds n more against the lease, or without one against what is known.
func (s *share) fits(a *account, c *count, window int, key string, limit, n int64, now time.Time) error {
	if c.lease == nil {
		c.lease = new(lease)
	}
	l := c.lease
	switch after := add(c.sum(), n); {
	case now.Before(l.until) && after <= l.ceiling:
		if l.ceiling-after < l.ahead/2 {
			s.fleet.hurry()
		}
		return nil
	case now.Before(l.denied):
		return a.exceeded(window, key, limit, add(c.used, l.othersUsed), c.reserved+l.others-l.othersUsed, n)
	}
	lost := s.fleet.away()
	switch {
	case lost == nil:
		return errShort
	case !s.fleet.allow:
		return &StoreLost{lost.err}
	case lacks(limit, add(c.used, l.othersUsed), c.reserved, n):
		return a.exceeded(window, key, limit, add(c.used, l.othersUsed), c.reserved, n)
	}
	return nil
}

func (f *fleet) hurry() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *fleet) away() *loss {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// reserve reserves within the leases, and asks the store for more where they
// don't do.
func (f *fleet) reserve(who *Who, at time.Time, n int64, left *Tightest) (Reservation, error) {
	a := f.w.lock(who.Org)
	a.share.know(who, n)
	r, short, err := a.reserve(who, at, f.w.now(), n, left)
	a.mu.Unlock()
	if !short {
		return r, err
	}
	f.calls.Add(1)
	s := a.share
	s.call.Lock()
	defer s.call.Unlock()
	for try := 0; ; try++ {
		a = f.w.lock(who.Org)
		r, short, err = a.reserve(who, at, f.w.now(), n, left)
		if !short {
			a.mu.Unlock()
			return r, err
		}
		asks := a.share.asks(nil, a, who, n)
		a.share.wanted(a) // what it gets and then has no use for goes back
		a.mu.Unlock()
		if try == mostTries { // others take what it gets, faster than it can
			return Reservation{}, &StoreLost{errors.New("too many requests ask at once")}
		}
		_ = f.lease(asks) // a loss shows at the next try
	}
}

// pending is an ask under way, and where its answer goes.
type pending struct {
	Ask
	account *account
	usage   *usage
	window  int
	period  period
}

// asks appends what there is to tell of an account, and to ask for: room for
// a request of who's, and for what may come after it. A nil who is nobody's
// request, with a negative n nothing more is leased ahead than is in hand, and
// where room is short that is given back, too.
func (s *share) asks(all []pending, a *account, who *Who, n int64) []pending {
	all = s.asksOf(all, a, &a.own, "", s.limits, n, who != nil)
	for key, limits := range s.keys {
		if u := a.keys[key]; u != nil && (who == nil || who.Key == key) {
			all = s.asksOf(all, a, u, key, limits, n, who != nil)
		}
	}
	return all
}

func (s *share) asksOf(all []pending, a *account, u *usage, key string, limits Limits, n int64, now bool) []pending {
	for i := range windows {
		w := &windows[i]
		ring := &u.rings[w.span]
		limit := limits.of(i)
		if key == "" {
			limit = a.limit(i, limit, w.span.begin(ring.current.period))
		}
		for _, counts := range [...]*counts{&ring.current, &ring.before} {
			c := &counts.n[w.unit]
			past := counts == &ring.before
			if c.lease == nil {
				c.lease = new(lease)
			}
			if counts.period == 0 || past && c.lease.told == c.used || key != "" && limit <= 0 || now && (past || limit <= 0) {
				continue
			}
			ask := Ask{Limit: limit, Used: c.used, Held: c.reserved}
			ask.Counter = Counter{Org: a.org, Key: key, Window: w.name, Begins: w.span.begin(counts.period), Ends: w.span.end(counts.period)}
			switch l := c.lease; {
			case limit <= 0 || past:
			case n >= 0:
				more := n
				if w.unit == requests {
					more = min(n, 1)
				}
				ask.Need = add(c.sum(), more)
				rest := limit - ask.Need - l.others
				ask.Want = ask.Need + max(0, min(limit/shareOfLimit, rest/shareOfRest))
			case s.plenty(w.unit, limit, limit-c.sum()-l.others) && s.fleet.w.now().Before(l.until):
				ask.Need, ask.Want = c.sum(), max(c.sum(), l.ceiling)
			}
			// What is not asked for, the store may give to others, so nothing may
			// use it while the answer is on its way.
			c.lease.ceiling = min(c.lease.ceiling, max(ask.Want, c.sum()))
			all = append(all, pending{ask, a, u, i, counts.period})
		}
	}
	return all
}

// lease asks the store, and takes its answers.
func (f *fleet) lease(asks []pending) error {
	plain := make([]Ask, len(asks))
	for i := range asks {
		plain[i] = asks[i].Ask
	}
	leases, err := f.lessor.Lease(plain)
	if err == nil && len(leases) != len(plain) {
		err = errors.New("it did not answer all that it was asked")
	}
	if err != nil {
		f.lose(err)
		return err
	}
	now := f.w.now()
	for i := range asks {
		p, l := &asks[i], &leases[i]
		p.account.mu.Lock()
		if counts := p.usage.rings[windows[p.window].span].of(p.period); counts != nil {
			counts.n[windows[p.window].unit].take(&p.Ask, l, now)
		}
		p.account.mu.Unlock()
	}
	if f.regain() {
		f.tellAll()
	}
	return nil
}

// take takes an answer.
func (c *count) take(asked *Ask, given *Lease, now time.Time) {
	if c.lease == nil {
		c.lease = new(lease)
	}
	l := c.lease
	l.others, l.othersUsed, l.told = given.Others, given.OthersUsed, asked.Used
	if asked.Limit <= 0 {
		return
	}
	l.ceiling, l.until = given.Ceiling, given.Until
	l.ahead = max(0, given.Ceiling-asked.Need)
	l.denied = time.Time{}
	if asked.Need == 0 {
		l.until = time.Time{} // given back
	} else if given.Ceiling < asked.Need {
		l.denied = now.Add(deniedFor)
	}
}

func (f *fleet) lose(err error) {
	f.mu.Lock()
	first := f.lost == nil
	if first {
		f.lost = &loss{err, f.w.now()}
	} else {
		f.lost = &loss{err, f.lost.since}
	}
	f.mu.Unlock()
	if first {
		f.log.Error("the quota store is away", "error", err, "then", map[bool]string{true: "allow", false: "refuse"}[f.allow])
	}
}

// regain notes that the store answers, and tells whether it was lost.
func (f *fleet) regain() bool {
	f.mu.Lock()
	lost := f.lost
	f.lost = nil
	f.mu.Unlock()
	if lost != nil {
		f.log.Info("the quota store is back", "after", f.w.now().Sub(lost.since))
	}
	return lost != nil
}

// tellAll has every account told again, whatever the store has of it.
func (f *fleet) tellAll() {
	f.w.mu.RLock()
	defer f.w.mu.RUnlock()
	for _, a := range f.w.orgs {
		a.mu.Lock()
		for _, u := range a.keys {
			u.untell()
		}
		a.own.untell()
		a.share.changed(a)
		a.mu.Unlock()
	}
}

func (u *usage) untell() {
	for s := range u.rings {
		for i := range u.rings[s].before.n {
			if l := u.rings[s].before.n[i].lease; l != nil {
				l.told = -1
			}
		}
	}
}

// round tells the store what has changed since the last one, and renews the
// leases of those who use them. An account that nobody uses any more gives
// back what it has leased ahead, if others may need it.
func (f *fleet) round() {
	if epoch := f.lessor.Epoch(); epoch != f.epoch {
		f.epoch = epoch
		f.tellAll()
	}
	f.mu.Lock()
	active := f.active
	f.active = nil
	f.mu.Unlock()
	var asks []pending
	var calls []*share
	for i, a := range active {
		s := a.share
		s.call.Lock()
		calls = append(calls, s)
		a.mu.Lock()
		s.listed = false
		ahead := int64(-1)
		if s.touched || a.own.reserved() {
			ahead = 0
			s.wanted(a) // for the next round, to give back what nobody needs by then
		}
		s.touched = false
		asks = s.asks(asks, a, nil, ahead)
		a.mu.Unlock()
		if len(asks) < asksAtOnce && i < len(active)-1 {
			continue
		}
		err := f.lease(asks)
		for _, s := range calls {
			s.call.Unlock()
		}
		if err != nil {
			f.again(active)
			return
		}
		asks, calls = asks[:0], calls[:0]
	}
}

// again has accounts told in the next round.
func (f *fleet) again(all []*account) {
	for _, a := range all {
		a.mu.Lock()
		a.share.changed(a)
		a.mu.Unlock()
	}
}

// Run renews leases and tells what was used until ctx ends, and once more then;
// and it forgets, now and then, accounts that nothing is known of any more.
func (w *Windows) Run(ctx context.Context) error {
	forget := time.NewTicker(forgetEvery)
	defer forget.Stop()
	var round <-chan time.Time
	var wake <-chan struct{}
	var last time.Time
	if w.fleet != nil {
		tick := time.NewTicker(roundEvery)
		defer tick.Stop()
		round, wake = tick.C, w.fleet.wake
		w.fleet.round()
	}
	for {
		select {
		case <-ctx.Done():
			if w.fleet != nil {
				w.fleet.round()
			}
			return nil
		case <-forget.C:
			w.forget()
		case <-wake:
			if now := time.Now(); now.Sub(last) >= hurryEvery {
				last = now
				w.fleet.round()
			}
		case <-round:
			w.fleet.round()
		}
	}
}

// Fleet tells how this gateway stands with its fleet's store.
func (w *Windows) Fleet() FleetStatus {
	f := w.fleet
	if f == nil {
		return FleetStatus{}
	}
	s := FleetStatus{Allowing: f.allow, Calls: f.calls.Load()}
	if lost := f.away(); lost != nil {
		s.Err, s.Since = lost.err.Error(), lost.since
	}
	return s
}
