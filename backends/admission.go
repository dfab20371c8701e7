package backends

import "time"

// Who is let in and who is taken out: what a circuit says when it is asked, and
// what an operator or a container's lifecycle tells it.

// alive takes bytes of an answer, where they make a probe needless.
func (c *circuit) alive() {
	c.mu.Lock()
	c.lastOK = c.now()
	c.mu.Unlock()
}

// needsProbe tells whether only a probe can change what is thought of it.
func (c *circuit) needsProbe() bool {
	if c.clean.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase != closed || c.probeFails > 0 || c.why != "" && c.requestFails == 0
}

// excluded tells whether it is not sent work, and so not known to serve its model.
func (c *circuit) excluded() bool {
	if c.clean.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == untested || c.phase == open
}

// start takes that its container is being started, or runs.
func (c *circuit) start(s State, since time.Time, why string) {
	c.do(func() {
		c.phase, c.out, c.why = open, s, why
		c.never, c.gone, c.housed, c.halted = true, false, s == Loading, ""
		c.probeFails, c.requestFails, c.oks = 0, 0, 0
		c.suspect, c.quiet, c.trial, c.byProgress = false, false, false, false
		c.backoff, c.openUntil, c.damp.heldUntil = minBackoff, time.Time{}, time.Time{}
		c.damp.back.Store(outside)
		c.show()
		c.since = since
	})
}

// halt takes that its container was stopped, and how it is now.
func (c *circuit) halt(how string) {
	c.do(func() {
		c.open(Down, "its container "+how, minBackoff)
		c.gone, c.housed, c.halted = true, false, how
	})
}

// contained takes how its container is. What it listens at tells whether it can
// be sent work; this says why it can't be.
func (c *circuit) contained(running bool, how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.housed, c.halted = running, how
	if running {
		c.halted = ""
	}
}

// ready tells whether a health check has succeeded since it was started.
func (c *circuit) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == closed || c.phase == half
}

// beneath is its state without an operator's drain, and the reason of that.
func (c *circuit) beneath() (State, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.below()
}

// retire takes it out on an operator's word, and takes it in again.
func (c *circuit) retire(drained bool, why string) {
	c.do(func() {
		switch {
		case drained:
			c.damp.back.Store(outside)
		case c.drained && c.phase == closed:
			c.damp.back.Store(c.now().UnixNano())
		case c.drained && c.phase == untested:
			c.damp.back.Store(0)
		}
		c.drained, c.drain = drained, why
	})
}

// choice ranks a replica for picking: 0 is not to be picked, more is better.
// take claims the one request of a trial.
func (c *circuit) choice() (rank int) {
	if c.clean.Load() {
		return 2
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.drained || c.phase == open:
		return 0
	case c.phase == closed:
		return 2
	case c.phase == untested:
		return 1
	case c.trial:
		return 0
	}
	return 3 // or it would not come back while others have room
}

// take notes that a request goes to the replica, and tells whether it may: of a
// trial, only one does at a time.
func (c *circuit) take() bool {
	if c.clean.Load() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drained || c.phase == open || c.phase == half && c.trial {
		return false
	}
	c.trial = c.phase == half
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
