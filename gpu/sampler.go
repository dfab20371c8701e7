package gpu

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	interval = time.Second  // between two rounds: drivers stall under more
	slowly   = 5            // rounds between two readings of the slow group
	visits   = 2            // and of the processes
	grace    = interval / 4 // what a round waits for answers before it is published without them
	late     = 2 * interval // a call that takes this long is reported as hung
	limit    = 5 * interval // the deadline that a call is given
	fresh    = 5 * interval // the oldest reading that still counts as this second's
	farewell = time.Second  // what Run waits for hung calls at its end
)

// Options are what a Sampler may be given.
type Options struct {
	Log       *slog.Logger // of states that change; nil: discarded
	KernelLog string       // where this host's kernel tells of XIDs: [KernelLog]; "": it isn't heard
	Proc      string       // where this host's processes are; "": /proc

	// Container names a container of this host by its id of 64 digits, and the
	// backend that runs in it; "" where they aren't known. Nil: none are. It is
	// called by many at once.
	Container func(id string) (name, backend string)
	// InFlight counts the requests that a backend works on. Nil: not known.
	InFlight func(backend string) int
}

// Host is a source and whose GPUs it reads.
type Host struct {
	Name   string // "": this host
	Source Source
}

// Sampler reads sources once a second. Snapshot may be called at any time by
// anybody; Run once.
type Sampler struct {
	o      Options
	log    *slog.Logger
	latest atomic.Pointer[Snapshot]
	names  *registry

	// What follows is Run's goroutine's alone, but for the channels.
	hosts    []*host
	timeline timeline
	began    time.Time
	round    int // seconds since it began, and 1
	asked    int // devices asked in this round that have not answered

	running  sync.WaitGroup
	results  chan result
	listings chan listing
	events   chan report
}

// New makes a sampler that reads nothing yet.
func New(o Options, hosts ...Host) *Sampler {
	s := &Sampler{o: o, log: o.Log, results: make(chan result), listings: make(chan listing), events: make(chan report)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.names = newRegistry(cmp.Or(o.Proc, "/proc"), o.Container)
	for _, h := range hosts {
		s.hosts = append(s.hosts, newHost(h))
	}
	s.publish(time.Now())
	return s
}

// Snapshot is the newest snapshot, never nil. Before the devices are listed it
// has none.
func (s *Sampler) Snapshot() *Snapshot { return s.latest.Load() }

// Run lists the devices and reads them until the context ends. It returns nil
// after its last goroutine, but for calls that hang in a driver: for those it
// waits a second and leaves them behind.
func (s *Sampler) Run(ctx context.Context) error {
	for _, h := range s.hosts {
		if w, ok := h.source.(Watcher); ok {
			s.running.Go(func() { s.watch(ctx, h.status.Name, h.status.Source, w) })
		}
	}
	if s.o.KernelLog != "" {
		s.running.Go(func() { s.watch(ctx, "", fromKernel, kernelLog(s.o.KernelLog)) })
	}
	s.loop(ctx)
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(farewell):
		s.log.Warn("left a gpu call that hangs")
	}
	return nil
}

// loop makes a round a second: every idle worker is asked, and when those have
// answered, or after a moment, a snapshot is published. Hung workers are not
// waited for.
func (s *Sampler) loop(ctx context.Context) {
	s.began = time.Now()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	patience := time.NewTimer(grace)
	defer patience.Stop()
	s.begin(ctx, s.began)
	for {
		select {
		case now := <-tick.C:
			s.begin(ctx, now)
			patience.Reset(grace)
		case now := <-patience.C:
			if s.asked > 0 {
				s.end(now)
			}
		case r := <-s.results:
			if s.take(r); r.card.asked == s.round {
				s.answered(time.Now())
			}
		case l := <-s.listings:
			s.listed(ctx, l, time.Now())
			s.ask(ctx)
			patience.Reset(grace)
		case e := <-s.events:
			s.happened(e)
		case <-ctx.Done():
			return
		}
	}
}

// begin begins a round.
func (s *Sampler) begin(ctx context.Context, now time.Time) {
	s.round = int((now.Sub(s.began)+interval/2)/interval) + 1
	s.asked = 0
	for _, h := range s.hosts {
		if h.due(now) {
			h.asking = true
			s.running.Go(func() { s.list(ctx, h) })
		}
		h.forget(now)
	}
	if s.ask(ctx); s.asked == 0 {
		s.end(now)
	}
}

// ask has every idle worker read what is due of its device, once a round.
func (s *Sampler) ask(ctx context.Context) {
	for _, h := range s.hosts {
		for _, c := range h.cards {
			if c.parked || !c.since.IsZero() || c.asked == s.round {
				continue
			}
			select {
			case c.kick <- c.order(s.round):
				c.since, c.asked = time.Now(), s.round
				s.asked++
			case <-ctx.Done():
				return
			}
		}
	}
}

// answered notes that one of those asked has answered.
func (s *Sampler) answered(now time.Time) {
	if s.asked--; s.asked == 0 {
		s.end(now)
	}
}

// end adds a point to every history, unless this round has one, and publishes.
func (s *Sampler) end(now time.Time) {
	for _, h := range s.hosts {
		for _, c := range h.cards {
			if !c.since.IsZero() && now.Sub(c.since) >= late && c.gpu.State != Gone {
				s.become(c, Hung, noAnswer, now)
			}
			c.history.add(s.round, c.gpu.point(now), now)
		}
	}
	s.publish(now)
}

func (s *Sampler) publish(now time.Time) {
	snap := &Snapshot{At: now, Events: s.timeline.view()}
	var sources, errs []string
	for _, h := range s.hosts {
		snap.Hosts = append(snap.Hosts, h.status)
		snap.Driver, snap.CUDA = cmp.Or(snap.Driver, h.status.Driver), cmp.Or(snap.CUDA, h.status.CUDA)
		snap.Simulated = snap.Simulated || h.status.Simulated
		if !slices.Contains(sources, h.status.Source) {
			sources = append(sources, h.status.Source)
		}
		if h.status.Err != "" {
			errs = append(errs, onHost(h.status.Name)+h.status.Err)
		}
		for _, c := range h.cards {
			g := c.gpu
			g.History, g.Long, g.LongAt = c.history.short.view(), c.history.long.view(), c.history.longAt
			snap.GPUs = append(snap.GPUs, g)
		}
	}
	snap.Source = strings.Join(sources, ", ")
	if len(snap.GPUs) == 0 {
		snap.Err = strings.Join(errs, "; ")
	}
	s.latest.Store(snap)
}

// onHost begins what is said of a host; "" for this one.
func onHost(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}
