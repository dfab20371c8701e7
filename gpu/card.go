package gpu

import (
	"context"
	"errors"
	"time"
)

// card is a device and its worker, which reads it one call at a time.
type card struct {
	host    *host
	gpu     GPU
	serves  string // that the source told
	history history

	kick  chan order         // unbuffered: it takes an order only when it is idle
	quit  context.CancelFunc // ends the worker, once its call has returned
	since time.Time          // of the call that is outstanding; zero: none
	asked int                // the round of the last call

	slow, visit int     // rounds from which on the slow group and the processes are due
	parked      bool    // not to be asked until it is listed again
	errors      float64 // uncorrected, as counted last; -1: not yet
}

// order is what a worker is to read.
type order struct {
	index  int
	serves string
	due    Group
}

// result is how a call of Read ended.
type result struct {
	card   *card
	sample Sample
	owners []Owner
	err    error
}

// noAnswer is what is wrong with a device that hangs.
const noAnswer = "the driver does not answer"

func newCard(h *host, d Device) *card {
	c := &card{host: h, history: newHistory(), kick: make(chan order), errors: -1}
	c.gpu.Host, c.gpu.Since = h.status.Name, time.Now()
	c.set(d)
	return c
}

// set notes what a device has been listed as.
func (c *card) set(d Device) {
	c.gpu.Index, c.gpu.Name, c.gpu.UUID, c.gpu.PCI, c.serves = d.Index, d.Name, d.UUID, d.PCI, d.Serves
	if d.Serves != "" {
		c.gpu.Serves = d.Serves
	}
}

// order is what is to be read in a round.
func (c *card) order(round int) order {
	o := order{c.gpu.Index, c.serves, Fast}
	if round >= c.slow {
		o.due |= Slow
		c.slow = round + slowly
	}
	if round >= c.visit {
		o.due |= Processes
		c.visit = round + visits
	}
	return o
}

// work makes a worker's calls.
func (s *Sampler) work(ctx context.Context, c *card) {
	for {
		var o order
		select {
		case o = <-c.kick:
		case <-ctx.Done():
			return
		}
		r := result{card: c}
		r.sample, r.err = read(ctx, c.host.source, o)
		if r.sample.Processes != nil {
			r.owners = s.names.owners(r.sample.Processes, c.host.local, o.serves)
		}
		select {
		case s.results <- r:
		case <-ctx.Done():
			return
		}
	}
}

func read(ctx context.Context, source Source, o order) (Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return source.Read(ctx, o.index, o.due)
}

// take notes what a call brought.
func (s *Sampler) take(r result) {
	c, now := r.card, time.Now()
	c.since = time.Time{}
	if c.gpu.State == Gone && c.parked {
		return // it was on its way when that was found
	}
	if r.err != nil {
		c.slow, c.visit = 0, 0 // whatever was due still is
		state := stateOf(r.err)
		c.parked = state == Lost || state == NeedsReset || state == Mismatched
		why := r.err.Error()
		if state == Hung {
			why = noAnswer
		}
		s.become(c, state, why, now)
		return
	}
	g := &c.gpu
	g.Sample.take(&r.sample)
	if r.owners != nil {
		g.Processes = r.owners
		if c.serves == "" {
			g.Serves = serves(r.owners)
		}
	}
	c.count(r.sample.ECC.Uncorrected)
	g.At = now
	s.become(c, OK, "", now)
}

// count adds up errors since the first reading. A count that falls has begun
// anew, with the driver.
func (c *card) count(total Reading) {
	n, ok := total.Value()
	if !ok {
		return
	}
	grown := n - c.errors
	switch {
	case c.errors < 0:
		grown = 0
	case grown < 0:
		grown = n
	}
	c.errors = n
	c.gpu.NewUncorrected = Read(c.gpu.NewUncorrected.Or(0)+grown, total.At())
}

// become notes a device's state, and tells the log of a new one.
func (s *Sampler) become(c *card, state State, why string, now time.Time) {
	g := &c.gpu
	g.Err = why
	if g.State == state {
		return
	}
	was := g.State
	g.State, g.Since = state, now
	switch {
	case state != OK:
		s.log.Warn("gpu not well", "host", g.Host, "gpu", g.Index, "uuid", g.UUID, "state", state.String(), "err", why)
	case was != Unread:
		s.log.Info("gpu well again", "host", g.Host, "gpu", g.Index, "uuid", g.UUID, "was", was.String())
	}
}

// stateOf is what an error says about a device.
func stateOf(err error) State {
	switch {
	case errors.Is(err, ErrLost):
		return Lost
	case errors.Is(err, ErrReset):
		return NeedsReset
	case errors.Is(err, ErrMismatch):
		return Mismatched
	case errors.Is(err, context.DeadlineExceeded):
		return Hung
	}
	return Failing
}
