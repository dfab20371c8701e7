package quota

import (
	"sync"
	"time"
)

// Windows counts what organisations use. Make it with [NewWindows].
type Windows struct {
	now  func() time.Time
	mu   sync.RWMutex
	orgs map[string]*account
}

// NewWindows makes windows that nothing has been used of. A nil clock is
// time.Now.
func NewWindows(clock func() time.Time) *Windows {
	if clock == nil {
		clock = time.Now
	}
	return &Windows{now: clock, orgs: make(map[string]*account)}
}

// MaxTokens is the most that one reservation holds or settles: far above any
// request, and low enough for the sum of those in flight.
const MaxTokens = 1 << 40

// Reserve sets aside one request and so many tokens (less than 0 is 0, more than
// [MaxTokens] is that) in all windows of an organisation, or in none: then the
// error is an *[Exceeded].
// An organisation is known by its name, and is made when first heard of: pass
// only names that are configured.
//
// The reservation must be settled or released, or it holds its room until its
// windows end.
func (w *Windows) Reserve(org string, lim Limits, tokens int64) (Reservation, error) {
	return w.account(org).reserve(w.now(), lim, clamp(tokens))
}

// Query returns the windows of an organisation, always these and in this order:
// requests per day, tokens per day, tokens per month.
func (w *Windows) Query(org string, lim Limits) []Window {
	all := w.account(org).query(w.now(), lim)
	return all[:]
}

// Room returns what the tightest window of an organisation leaves of requests,
// and of tokens. Reservations in flight are taken off.
func (w *Windows) Room(org string, lim Limits) (requests, tokens Room) {
	if lim == (Limits{}) {
		return Room{}, Room{}
	}
	return w.account(org).room(w.now(), lim)
}

// tighter is the one with less room; where both have as little, the one that
// takes longer to begin anew. A Room without a limit is never tighter.
func tighter(a, b Room) Room {
	if a.Limit == 0 || b.Limit > 0 && (b.Remaining < a.Remaining || b.Remaining == a.Remaining && b.Reset > a.Reset) {
		return b
	}
	return a
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
		a = new(account)
		w.orgs[org] = a
	}
	return a
}
