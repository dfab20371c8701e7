package quota

import "time"

// Tightest is what the tightest windows of each kind had left when a reservation
// was asked for, before it was made.
type Tightest struct{ Requests, Tokens Left }

// Left is one of those windows.
type Left struct {
	Window    string // its name; "": none of the kind has a limit
	OwnKey    bool   // it is the key's own, not the organisation's
	Limit     int64  // grants included
	Remaining int64  // never less than 0; in a fleet as far as this gateway knows
}

// ReserveWithin is Reserve, and tells what was left where a reservation is made.
func (w *Windows) ReserveWithin(who Who, at time.Time, tokens int64, left *Tightest) (Reservation, error) {
	tokens = clamp(tokens)
	if w.fleet != nil {
		return w.fleet.reserve(&who, at, tokens, left)
	}
	a := w.lock(who.Org)
	defer a.mu.Unlock()
	r, _, err := a.reserve(&who, at, time.Time{}, tokens, left)
	return r, err
}

// ResetsAt is when the window that a moment lies in begins anew; zero for a name
// that no window has.
func ResetsAt(window string, at time.Time) time.Time {
	for i := range windows {
		if windows[i].name == window {
			return windows[i].span.end(windows[i].span.periodOf(at))
		}
	}
	return time.Time{}
}

// hold holds one more window against what is the tightest so far.
func (t *Tightest) hold(i int, c *count, ownKey bool, limit int64) {
	if limit <= 0 {
		return
	}
	left := &t.Requests
	if windows[i].unit == tokens {
		left = &t.Tokens
	}
	if free := c.room(limit, 0).Remaining; left.Window == "" || free < left.Remaining {
		*left = Left{windows[i].name, ownKey, limit, free}
	}
}
