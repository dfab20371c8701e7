package backends

import (
	"sync"
	"sync/atomic"
	"time"
)

// circuit decides from probes and from traffic whether a replica may be sent
// work. Both count apart: a probe that succeeds says nothing about requests
// that fail, so it never forgives them.
//
//	unknown ──ok──▶ healthy ──failure──▶ degraded ──fall failures in a row──▶ down
//	   │               ▲  ▲────rise successes──┘                               │
//	   └─failure─▶ down│  └─────────request succeeds──── trial ◀──rise probes──┤ (requests had failed)
//	                   └───────────────────rise probes─────────────────────────┘ (only connections had)
//
// A circuit that opened stays open for a back-off that doubles with each trial
// that fails, up to maxBackoff.
type circuit struct {
	now     func() time.Time
	changed func() // called after each change of state, without the lock

	clean atomic.Bool // healthy with no failure counted: success has nothing to do

	mu           sync.Mutex
	fall, rise   int
	state        State
	reason       string
	since        time.Time
	lastOK       time.Time // of a probe
	probeFails   int       // in a row
	requestFails int       // in a row
	oks          int       // in a row, of either kind
	suspect      bool      // requests failed, so a probe alone does not close the circuit
	openUntil    time.Time
	backoff      time.Duration
	trial        bool // a request is deciding
}

const (
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

// Failure is a sign that a replica is not well.
type Failure uint8

const (
	ConnectFailed Failure = iota
	ProbeFailed
	Reset
	Protocol
	ServerError
	TimedOut
	KeyRefused
	failures // how many there are
)

var failureNames = [failures]struct{ kind, words string }{
	ConnectFailed: {"connect", "it can't be connected to"},
	ProbeFailed:   {"probe", "its health check fails"},
	Reset:         {"reset", "it broke off an answer"},
	Protocol:      {"protocol", "it does not speak HTTP as it should"},
	ServerError:   {"server_error", "it answers with a server error"},
	TimedOut:      {"timeout", "it did not answer in time"},
	KeyRefused:    {"key_refused", "it refuses the gateway's key"},
}

// String says what happened, in words.
func (f Failure) String() string { return failureNames[f].words }

// Kind is one word, for metrics.
func (f Failure) Kind() string { return failureNames[f].kind }

// Failures lists all there are.
func Failures() []Failure {
	all := make([]Failure, failures)
	for i := range all {
		all[i] = Failure(i)
	}
	return all
}

// aboutConnection tells whether a health check that succeeds disproves it.
func (f Failure) aboutConnection() bool { return f == ConnectFailed || f == ProbeFailed }

// tune changes the hysteresis, from the next sign on.
func (c *circuit) tune(fall, rise int) {
	c.mu.Lock()
	c.fall, c.rise = fall, rise
	c.mu.Unlock()
}

func (c *circuit) set(s State, reason string) {
	if s != c.state {
		c.state, c.since = s, c.now()
	}
	c.reason = reason
	c.clean.Store(s == Healthy && c.probeFails == 0 && c.requestFails == 0)
}

// fail takes a failure of a probe or a request.
func (c *circuit) fail(f Failure) {
	c.mu.Lock()
	before := c.state
	c.oks, c.trial = 0, false
	var fails int
	if f == ProbeFailed {
		c.probeFails++
		fails = c.probeFails
	} else {
		c.requestFails++
		fails = c.requestFails
	}
	c.suspect = c.suspect || !f.aboutConnection()
	switch c.state {
	case Unknown:
		c.open(f, minBackoff)
	case Healthy, Degraded:
		if fails >= c.fall {
			c.open(f, minBackoff)
		} else {
			c.set(Degraded, f.String())
		}
	case Trial:
		c.open(f, min(2*c.backoff, maxBackoff))
	case Down:
		c.set(Down, f.String())
	}
	after := c.state
	c.mu.Unlock()
	if before != after {
		c.changed()
	}
}

func (c *circuit) open(f Failure, backoff time.Duration) {
	c.backoff, c.openUntil = backoff, c.now().Add(backoff)
	c.set(Down, f.String())
}

// probed takes a probe that succeeded.
func (c *circuit) probed() {
	c.mu.Lock()
	before := c.state
	c.lastOK = c.now()
	c.probeFails = 0
	c.oks++
	switch {
	case c.state == Unknown:
		c.set(Healthy, "")
	case c.state == Degraded && c.requestFails == 0 && c.oks >= c.rise:
		c.heal()
	case c.state == Down && c.oks >= c.rise && !c.now().Before(c.openUntil):
		if c.suspect {
			c.set(Trial, "its health check succeeds again; the next request decides")
		} else {
			c.heal()
		}
	}
	after := c.state
	c.mu.Unlock()
	if before != after {
		c.changed()
	}
}

func (c *circuit) heal() {
	c.probeFails, c.requestFails, c.suspect, c.trial = 0, 0, false, false
	c.set(Healthy, "")
}

// answered takes a request that got an answer, a client error included.
func (c *circuit) answered() {
	if c.clean.Load() {
		return
	}
	c.mu.Lock()
	before := c.state
	c.requestFails = 0
	c.oks++
	switch {
	case c.state == Trial, c.state == Unknown:
		c.heal()
	case c.state == Degraded && c.probeFails == 0 && c.oks >= c.rise:
		c.heal()
	}
	after := c.state
	c.mu.Unlock()
	if before != after {
		c.changed()
	}
}

// choice ranks a replica for picking: 0 is not to be picked, more is better.
// take claims the one request of a trial.
func (c *circuit) choice() (rank int) {
	if c.clean.Load() {
		return 2
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case Healthy, Degraded:
		return 2
	case Trial:
		if !c.trial {
			return 3 // or it would not come back while others have room
		}
	case Unknown:
		return 1
	}
	return 0
}

// take notes that a request goes to the replica, and tells whether it may: of a
// trial, only one does at a time.
func (c *circuit) take() bool {
	if c.clean.Load() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case Down, Draining:
		return false
	case Trial:
		if c.trial {
			return false
		}
		c.trial = true
	}
	return true
}

// leave notes that a request has ended, whatever came of it.
func (c *circuit) leave() {
	if c.clean.Load() {
		return
	}
	c.mu.Lock()
	c.trial = false
	c.mu.Unlock()
}

func (c *circuit) status(s *ReplicaStatus) {
	c.mu.Lock()
	s.State, s.Reason, s.Since, s.LastOK = c.state, c.reason, c.since, c.lastOK
	c.mu.Unlock()
}
