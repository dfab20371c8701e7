package gpu

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

const (
	relist     = 5 * time.Second  // until the devices of a host with a failed one are listed again, at first
	relistMost = time.Minute      // and after some times
	listLimit  = 15 * time.Second // that a listing has: it may wait for a call that hangs
	remembered = time.Hour        // that a device is shown which is not listed any more
	mostCards  = 64               // of a host, gone ones included
)

// host is one source and the devices that it has listed.
type host struct {
	source Source
	local  bool // its processes are this host's
	status HostStatus
	cards  []*card // by index

	asking bool          // a call of Devices is outstanding
	listed bool          // one has succeeded
	most   int           // devices that one has listed
	short  bool          // the last one listed fewer
	never  bool          // it can't ever list any
	wait   time.Duration // between the last two attempts
	next   time.Time     // when to list again; zero: not decided
}

// listing is how a call of Devices ended.
type listing struct {
	host *host
	list Listing
	err  error
}

func newHost(h Host) *host {
	simulated := h.Source.Simulated()
	return &host{source: h.Source, local: h.Name == "" && !simulated,
		status: HostStatus{Name: h.Name, Source: h.Source.Name(), Simulated: simulated}}
}

// due tells whether the devices are to be listed now: at the start, and while
// one of them fails, with a back-off.
func (h *host) due(now time.Time) bool {
	switch {
	case h.asking, h.never:
		return false
	case !h.listed && h.wait == 0:
		h.wait = relist
		return true // for the first time
	case h.well():
		h.wait, h.next = 0, time.Time{}
		return false
	case h.next.IsZero():
		h.next, h.wait = now.Add(relist), 2*relist
	}
	return !now.Before(h.next)
}

// well tells whether all devices that there ever were can be read, or hang,
// which listing them does not help.
func (h *host) well() bool {
	for _, c := range h.cards {
		switch c.gpu.State {
		case Lost, NeedsReset, Mismatched, Failing, Gone:
			return false
		}
	}
	return h.listed && !h.short
}

// list asks for the devices.
func (s *Sampler) list(ctx context.Context, h *host) {
	bound, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	list, err := h.source.Devices(bound)
	select {
	case s.listings <- listing{h, list, err}:
	case <-ctx.Done():
	}
}

// listed notes what the devices are.
func (s *Sampler) listed(ctx context.Context, l listing, now time.Time) {
	h := l.host
	h.asking = false
	if l.err != nil {
		s.unlisted(h, l.err, now)
		return
	}
	h.next = now.Add(h.wait)
	h.wait = min(2*h.wait, relistMost)
	h.listed = true
	h.status.Err, h.status.Absent = "", false
	h.status.Driver, h.status.CUDA = l.list.Driver, l.list.CUDA
	here := make(map[*card]bool, len(l.list.Devices))
	for _, d := range l.list.Devices {
		c := h.find(d)
		if c == nil {
			if c = s.add(ctx, h, d); c == nil {
				h.status.Err = "more than " + strconv.Itoa(mostCards) + " gpus: the rest is left out"
				break
			}
		}
		c.set(d)
		c.parked = false
		here[c] = true
	}
	h.most = max(h.most, len(here))
	h.short = len(here) < h.most
	for _, c := range h.cards {
		if !here[c] && c.gpu.State != Gone {
			why := "it is not listed any more"
			if c.gpu.State != OK && c.gpu.Err != "" {
				why += "; before: " + c.gpu.Err
			}
			c.parked = true
			s.become(c, Gone, why, now)
		}
	}
	slices.SortStableFunc(h.cards, func(a, b *card) int {
		return cmp.Or(cmp.Compare(a.gpu.Index, b.gpu.Index), cmp.Compare(a.gpu.State, b.gpu.State))
	})
	s.timeline.place(s.device)
}

// unlisted notes that the devices could not be listed. That is told once.
func (s *Sampler) unlisted(h *host, err error, now time.Time) {
	h.status.Absent = errors.Is(err, ErrAbsent) || errors.Is(err, ErrNoCgo)
	h.never = errors.Is(err, ErrNoCgo)
	if h.status.Absent {
		h.wait = relistMost
	}
	h.next = now.Add(h.wait)
	h.wait = min(2*h.wait, relistMost)
	if h.status.Err != err.Error() {
		s.log.Warn("no gpus listed", "host", h.status.Name, "source", h.status.Source, "err", err)
	}
	h.status.Err = err.Error()
}

// find is the device that has been listed before, by what identifies it best.
func (h *host) find(d Device) *card {
	for _, c := range h.cards {
		g := &c.gpu
		if d.UUID != "" && g.UUID == d.UUID || d.UUID == "" && g.UUID == "" && g.Index == d.Index {
			return c
		}
	}
	return nil
}

// add adds a device and starts its worker; where there are too many, in the
// place of the one that has been gone the longest. Nil: there is none.
func (s *Sampler) add(ctx context.Context, h *host, d Device) *card {
	if len(h.cards) >= mostCards && !h.dropGone() {
		return nil
	}
	c := newCard(h, d)
	ctx, c.quit = context.WithCancel(ctx)
	h.cards = append(h.cards, c)
	s.running.Go(func() { s.work(ctx, c) })
	return c
}

// gone tells whether a device may be forgotten: not while a call of its hangs,
// since a second one would be made when it comes back.
func (c *card) gone() bool { return c.gpu.State == Gone && c.since.IsZero() }

func (h *host) dropGone() bool {
	oldest := -1
	for i, c := range h.cards {
		if c.gone() && (oldest < 0 || c.gpu.Since.Before(h.cards[oldest].gpu.Since)) {
			oldest = i
		}
	}
	if oldest < 0 {
		return false
	}
	h.cards[oldest].quit()
	h.cards = slices.Delete(h.cards, oldest, oldest+1)
	return true
}

// forget drops what has been gone for long.
func (h *host) forget(now time.Time) {
	h.cards = slices.DeleteFunc(h.cards, func(c *card) bool {
		old := c.gone() && now.Sub(c.gpu.Since) >= remembered
		if old {
			c.quit()
		}
		return old
	})
}
