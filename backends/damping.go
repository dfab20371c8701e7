package backends

import (
	"fmt"
	"sync/atomic"
	"time"
)

// damping is what keeps a replica from being in and out all the time, and from
// being buried in work when it comes in. The circuit's lock guards it, but for
// the atomics.
type damping struct {
	ramp atomic.Int64 // how long coming back takes, in nanoseconds
	back atomic.Int64 // when it came back, in Unix nanoseconds; 0: it is wholly back; outside: it has not yet

	outs      []time.Time // when it went out, within flapWindow
	healed    time.Time   // when it came back last
	hold      time.Duration
	heldUntil time.Time
}

const (
	outside = -1

	leastShare = 0.1 // of work, right after it has come back

	flapWindow = 10 * time.Minute
	flapsMost  = 3 // times out within flapWindow that are no flapping
	minHold    = 10 * time.Second
	maxHold    = 5 * time.Minute
)

// count notes that it goes out. From the fourth time within ten minutes on it
// stays out for a while, longer each time, until it has been in for ten minutes.
func (d *damping) count(now time.Time) {
	n := 0
	for _, t := range d.outs {
		if now.Sub(t) < flapWindow {
			d.outs[n] = t
			n++
		}
	}
	d.outs = append(d.outs[:n], now)
	if now.Sub(d.healed) >= flapWindow {
		d.hold = 0
	}
	if len(d.outs) > flapsMost || d.hold > 0 {
		d.hold = max(minHold, min(2*d.hold, maxHold))
		d.heldUntil = now.Add(d.hold)
	}
}

// flaps says so, where it flaps.
func (d *damping) flaps() string {
	if d.hold == 0 {
		return ""
	}
	return fmt.Sprintf("; it flaps (out %d times within 10 minutes), so it stays out for %s while others serve", len(d.outs), span(d.hold))
}

// share is how much of the work that others get a replica may have: all, 1, or
// what it has come back to, which grows from leastShare over the ramp.
func (d *damping) share(now time.Time) float64 {
	began := d.back.Load()
	switch {
	case began == 0:
		return 1
	case began == outside:
		return leastShare
	}
	done := float64(now.UnixNano()-began) / float64(max(1, d.ramp.Load()))
	if done >= 1 {
		d.back.CompareAndSwap(began, 0)
		return 1
	}
	return leastShare + (1-leastShare)*max(0, done)
}
