package backends

import (
	"sync"
	"sync/atomic"
	"time"
)

// circuit decides from probes, from traffic and from progress whether a replica
// may be sent work. Probes and requests count apart: a probe that succeeds says
// nothing about requests that fail, so it never forgives them.
//
//	          ┌──────────── healthy ◀─rise successes─ degraded ◀─failure─ healthy
//	          │ no progress    ▲ ▲                        │
//	unknown ─ok────────────────┘ │                        └─fall failures in a row─▶ down
//	   │      ▼                  │                                                    │
//	   │     hung ─progress──────┤──────rise probes (only connections had failed)─────┤
//	   │      └─idle─▶ on trial ─┘                                                    │
//	   │                  ▲ └─────── one request decides, one at a time; degraded     │
//	   │                  └──────────rise probes (requests had failed)────────────────┤
//	   └─failure─▶ starting, loading or down ─────────────────────────────────────────┘
//
// Down, starting, loading and hung are one phase, in which the circuit is open.
// Which of them it is says what the last probe met. It stays open for a back-off
// that doubles with each trial that fails, up to maxBackoff, and longer where it
// flaps (see damping). Whoever comes back gets its share of work bit by bit (see
// share). An operator's drain lies above all of this and changes none of it.
type circuit struct {
	now     func() time.Time
	changed func()      // called after each change of state, without the lock
	alone   func() bool // whether no other replica can be picked, called without the lock; nil: others can

	clean atomic.Bool // healthy with no failure counted: success has nothing to do
	damp  damping

	mu           sync.Mutex
	fall, rise   int
	phase        phase
	out          State  // while open: Down, Hung, Starting or Loading
	why          string // of the phase; while closed: of its degradation, "" for none
	probeFails   int    // in a row
	requestFails int    // in a row
	oks          int    // in a row, of either kind
	suspect      bool   // requests failed, so a probe alone does not close the circuit
	quiet        bool   // what failed last was silence
	openUntil    time.Time
	backoff      time.Duration
	trial        bool // a request is deciding
	byProgress   bool // a trial needs bytes: a hung engine's front sends heads

	never  bool   // no probe has succeeded since the pool, or the engine's container, was started
	gone   bool   // when it was probed last, nothing listened
	housed bool   // its container is known to run
	halted string // its container is known not to run: how it is; "": it is not

	drained bool
	drain   string // why

	state  State // as it shows
	reason string
	since  time.Time
	lastOK time.Time // of a sign of life
}

// phase is the circuit's own, below what shows.
type phase uint8

const (
	untested phase = iota
	closed
	open
	half // one request at a time decides
)

const (
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

func newCircuit(now func() time.Time, changed func()) circuit {
	return circuit{now: now, changed: changed, since: now(), why: notYet, reason: notYet, never: true}
}

const notYet = "no health check has ended yet"

// tune changes the hysteresis, from the next sign on.
func (c *circuit) tune(h Health) {
	c.damp.ramp.Store(int64(h.Ramp))
	c.mu.Lock()
	c.fall, c.rise = h.Fall, h.Rise
	c.mu.Unlock()
}

// do takes a sign, and tells of the change that came of it.
func (c *circuit) do(sign func()) {
	c.mu.Lock()
	before := c.state
	sign()
	c.show()
	after := c.state
	c.mu.Unlock()
	if before != after {
		c.changed()
	}
}

// show makes the state of the phase and what lies above it.
func (c *circuit) show() {
	s, reason := c.below()
	if c.drained && c.phase != open {
		s, reason = Draining, c.drain
	} else if c.drained {
		reason += "; " + c.drain
	}
	if s != c.state {
		c.state, c.since = s, c.now()
	}
	c.reason = reason
	c.clean.Store(s == Healthy && c.probeFails == 0 && c.requestFails == 0)
}

// below is the state without an operator's drain.
func (c *circuit) below() (State, string) {
	switch {
	case c.phase == open:
		return c.out, c.why
	case c.phase == half, c.phase == closed && c.why != "":
		return Degraded, c.why
	case c.phase == closed:
		return Healthy, c.why
	}
	return Unknown, c.why
}

// fail takes a failure that a request met.
func (c *circuit) fail(f Failure) {
	c.do(func() {
		c.oks, c.trial, c.quiet = 0, false, f == TimedOut
		c.requestFails++
		c.suspect = c.suspect || !f.aboutConnection()
		c.failed(c.requestFails, f.String())
		if c.phase == open && c.out == Down {
			c.why = f.String() + c.damp.flaps()
		}
	})
}

// unwell takes a probe that failed.
func (c *circuit) unwell(o outcome) {
	c.do(func() {
		c.oks, c.trial, c.quiet = 0, false, o == silent
		c.probeFails++
		c.failed(c.probeFails, o.String())
		if c.phase == open {
			c.call(o)
		}
	})
}

// failed counts a failure: the n-th of its kind in a row.
func (c *circuit) failed(n int, why string) {
	switch c.phase {
	case untested:
		c.open(Down, why, minBackoff)
	case closed:
		if n >= c.fall {
			c.open(Down, why, minBackoff)
		} else {
			c.why = why
		}
	case half:
		c.open(Down, why, min(2*c.backoff, maxBackoff))
	}
}

// call names the state of an open circuit after what a probe met.
func (c *circuit) call(o outcome) {
	coming := c.never || c.gone // no engine that was well is behind the address
	switch {
	case c.out == Hung && !o.dead():
		return
	case o == lacking, coming && (o == brokeOff || o == unready):
		c.out = Loading
	case (o == refused || o == unnamed) && c.halted != "":
		c.out = Down
	case (o == refused || o == unnamed) && c.never && c.housed:
		c.out = Loading
	case (o == refused || o == unnamed) && c.never:
		c.out = Starting
	case c.never && !o.dead() && c.out != Down: // no news of a start under way
	default:
		c.out = Down
	}
	c.gone = c.gone || o == refused || o == unnamed
	c.why = o.String()
	if c.halted != "" && c.gone {
		c.why = "its container " + c.halted
	}
	switch c.out {
	case Starting:
		c.why += ", and never has"
	case Loading:
		c.why += ": it is loading"
	case Down:
		c.why += c.damp.flaps()
	}
}

func (c *circuit) open(s State, why string, backoff time.Duration) {
	if c.phase == closed {
		c.damp.count(c.now())
	}
	c.phase, c.out, c.why = open, s, why+c.damp.flaps()
	c.backoff, c.openUntil = backoff, c.now().Add(backoff)
	c.trial, c.byProgress = false, false
	c.damp.back.Store(outside)
}

// probed takes a probe that succeeded.
func (c *circuit) probed() {
	alone := c.isAlone()
	c.do(func() {
		c.lastOK = c.now()
		c.probeFails, c.quiet = 0, false
		c.never, c.gone, c.housed = false, false, false
		c.oks++
		switch {
		case c.phase == untested:
			c.heal()
		case c.phase == closed && c.requestFails == 0 && c.oks >= c.rise:
			c.heal()
		case c.phase == open && c.out != Hung && c.mayReturn(alone):
			if c.suspect {
				c.phase, c.why = half, "its health check succeeds again; the next request decides"
			} else {
				c.heal()
			}
		}
	})
}

// mayReturn tells whether an open circuit may let somebody through.
func (c *circuit) mayReturn(alone bool) bool {
	now := c.now()
	return c.oks >= c.rise && !now.Before(c.openUntil) && (alone || !now.Before(c.damp.heldUntil))
}

func (c *circuit) isAlone() bool { return !c.clean.Load() && c.alone != nil && c.alone() }

func (c *circuit) heal() {
	if c.phase == open || c.phase == half {
		c.damp.healed = c.now()
		c.damp.back.Store(c.damp.healed.UnixNano())
	}
	c.probeFails, c.requestFails, c.suspect, c.trial, c.byProgress = 0, 0, false, false, false
	c.phase, c.why = closed, ""
}

// answered takes a request that got an answer, a client error included.
func (c *circuit) answered() {
	if c.clean.Load() {
		return
	}
	c.do(func() {
		c.requestFails = 0
		c.oks++
		switch {
		case c.phase == half && !c.byProgress, c.phase == untested:
			c.heal()
		case c.phase == closed && c.probeFails == 0 && c.oks >= c.rise:
			c.heal()
		}
	})
}

// stuck takes the verdict that the engine hangs.
func (c *circuit) stuck(why string) {
	c.do(func() {
		switch {
		case c.phase == open && c.out == Down && c.quiet: // it was known by its silence alone
			c.out, c.why = Hung, why+c.damp.flaps()
		case c.phase == half:
			c.open(Hung, why, min(2*c.backoff, maxBackoff))
		case c.phase != open:
			c.open(Hung, why, minBackoff)
		default:
			return
		}
		c.oks = 0
	})
}

// moved takes the progress of an engine.
func (c *circuit) moved() {
	if c.clean.Load() {
		return
	}
	alone := c.isAlone()
	c.do(func() {
		now := c.now()
		if c.phase == half && c.byProgress || c.phase == open && c.out == Hung &&
			!now.Before(c.openUntil) && (alone || !now.Before(c.damp.heldUntil)) {
			c.heal()
		}
	})
}

// rested takes that nothing of ours is at the replica. From one that hangs no
// progress is to come then, so that the next request has to find out.
func (c *circuit) rested() {
	if c.clean.Load() {
		return
	}
	alone := c.isAlone()
	c.do(func() {
		if c.phase == open && c.out == Hung && c.mayReturn(alone) {
			c.phase, c.byProgress = half, true
			c.why = "it hung; its health check succeeds, and the next answer decides"
		}
	})
}
