package quota

import (
	"math"
	"time"
)

// usage is what an organisation, or one key, has used and reserved.
type usage struct{ rings [spans]ring }

// turn makes these the current periods.
func (u *usage) turn(now *[spans]period) {
	for i := range u.rings {
		u.rings[i].turn(now[i])
	}
}

// at is the current count of a window.
func (u *usage) at(window int) *count {
	w := &windows[window]
	return &u.rings[w.span].current.n[w.unit]
}

func (u *usage) reserve(n int64) {
	for i := range u.rings {
		c := &u.rings[i].current
		c.n[requests].reserved++
		c.n[tokens].reserved += n
	}
}

func (u *usage) end(in [spans]period, reserved, used, usedTokens int64) {
	for i := range u.rings {
		if c := u.rings[i].of(in[i]); c != nil {
			c.n[requests].reserved--
			c.n[requests].used += used
			c.n[tokens].reserved -= reserved
			c.n[tokens].used = add(c.n[tokens].used, usedTokens)
		}
	}
}

// reserved tells whether any request in flight holds something.
func (u *usage) reserved() bool {
	for i := range u.rings {
		if u.rings[i].current.n[requests].reserved != 0 || u.rings[i].before.n[requests].reserved != 0 {
			return true
		}
	}
	return false
}

// ring is the current period and the one that was current before it. The latter
// is kept for the reservations that began in it, for requests that arrived in it
// and reserve only now, and for a clock that is set back over midnight: nothing
// is forgotten then.
type ring struct{ current, before counts }

func (r *ring) turn(p period) {
	switch {
	case r.current.period == p:
	case r.before.period == p:
		r.current, r.before = r.before, r.current
	default:
		if r.current.period > r.before.period {
			r.before = r.current
		}
		r.current = counts{period: p}
	}
}

// of returns the counts of a period, nil where they are forgotten.
func (r *ring) of(p period) *counts {
	switch p {
	case r.current.period:
		return &r.current
	case r.before.period:
		return &r.before
	}
	return nil
}

// counts is what was used and reserved in one period.
type counts struct {
	period period
	n      [units]count
}

type count struct {
	used, reserved int64
	lease          *lease // this gateway's, in a fleet; nil: it has none
}

// sum is what is taken of a limit.
func (c *count) sum() int64 { return c.used + c.reserved }

// elsewhere is what other gateways of the fleet have used, as far as is known.
func (c *count) elsewhere() int64 {
	if c.lease == nil {
		return 0
	}
	return c.lease.othersUsed
}

func (c *count) window(i int, key string, limit int64, resets time.Time) Window {
	return Window{Name: windows[i].name, Key: key, Used: add(c.used, c.elsewhere()), Reserved: c.reserved, Limit: limit, ResetsAt: resets}
}

func (c *count) room(limit int64, reset time.Duration) Room {
	if limit <= 0 {
		return Room{}
	}
	return Room{Limit: limit, Remaining: max(0, limit-add(c.used, c.elsewhere())-c.reserved), Reset: reset}
}

// lacks tells whether n more would pass the limit, or whether it is passed
// already. What is reserved is far from the largest number, see [MaxTokens], so
// the difference cannot overflow.
func lacks(limit, used, reserved, n int64) bool { return limit > 0 && used > limit-reserved-n }

// add adds two numbers of at least 0 and stops at the largest there is: however
// absurd the usage that a backend reports, no count turns around.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func clamp(n int64) int64 { return min(max(n, 0), MaxTokens) }
