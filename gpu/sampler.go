package gpu

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	interval = time.Second                      // between two readings of a device: drivers stall under more
	late     = 2 * interval                     // a call that takes this long is reported as hung
	fresh    = 5 * interval                     // the oldest reading that still counts as this second's
	relist   = 5 * time.Second                  // between attempts to list the devices
	farewell = time.Second                      // what Run waits for hung calls at its end
	kept     = int(15 * time.Minute / interval) // points of history
)

// Options are what a Sampler may be given.
type Options struct {
	Log *slog.Logger // of devices that begin and cease to fail; nil: discarded
}

// Sampler reads a source once a second. Snapshot may be called at any time by
// anybody; Run once.
type Sampler struct {
	source Source
	log    *slog.Logger
	latest atomic.Pointer[Snapshot]
}

// New makes a sampler that reads nothing yet.
func New(source Source, o Options) *Sampler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sampler{source: source, log: o.Log}
	s.publish(&Snapshot{})
	return s
}

// Snapshot is the newest snapshot, never nil. Before the devices are listed it
// has none.
func (s *Sampler) Snapshot() *Snapshot { return s.latest.Load() }

func (s *Sampler) publish(snap *Snapshot) {
	snap.At, snap.Source, snap.Simulated = time.Now(), s.source.Name(), s.source.Simulated()
	s.latest.Store(snap)
}

// result is how one call of Read ended.
type result struct {
	worker *worker
	sample Sample
	err    error
}

// worker reads one device, one call at a time.
type worker struct {
	gpu   GPU
	kick  chan struct{} // unbuffered: it takes a kick only when it is idle
	since time.Time     // of the call that is outstanding; zero: none
	round int           // in which that call was made
}

// Run lists the devices and reads them until the context ends. It returns nil
// after its last goroutine, but for calls that hang in a driver: for those it
// waits a second and leaves them behind.
func (s *Sampler) Run(ctx context.Context) error {
	devices := s.list(ctx)
	results := make(chan result)
	workers := make([]*worker, len(devices))
	var running sync.WaitGroup
	for i, d := range devices {
		w := &worker{kick: make(chan struct{}), gpu: GPU{Index: d.Index, Name: d.Name, UUID: d.UUID, Serves: d.Serves}}
		workers[i] = w
		running.Go(func() { s.work(ctx, w, results) })
	}
	if len(workers) > 0 {
		s.loop(ctx, workers, results)
	}
	<-ctx.Done()
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(farewell):
		s.log.Warn("left a gpu call that hangs", "source", s.source.Name())
	}
	return nil
}

// list asks for the devices until it gets them; nil at the context's end.
func (s *Sampler) list(ctx context.Context) []Device {
	for {
		devices, err := s.source.Devices(ctx)
		if err == nil {
			return devices
		}
		if ctx.Err() != nil {
			return nil
		}
		if s.Snapshot().Err != err.Error() {
			s.log.Warn("no gpus listed", "source", s.source.Name(), "err", err)
		}
		s.publish(&Snapshot{Err: err.Error()})
		select {
		case <-time.After(relist):
		case <-ctx.Done():
			return nil
		}
	}
}

// work makes a worker's calls.
func (s *Sampler) work(ctx context.Context, w *worker, results chan<- result) {
	index := w.gpu.Index
	for {
		select {
		case <-w.kick:
		case <-ctx.Done():
			return
		}
		sample, err := s.source.Read(ctx, index)
		select {
		case results <- result{w, sample, err}:
		case <-ctx.Done():
			return
		}
	}
}

// loop makes a round a second: every idle worker is kicked, and when those
// have answered, or the next round begins, a snapshot is published. Hung
// workers are not waited for.
func (s *Sampler) loop(ctx context.Context, workers []*worker, results <-chan result) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	asked := 0 // of this round, not answered yet
	for round := 1; ; round++ {
		if asked > 0 {
			s.round(workers)
		}
		asked = 0
		for _, w := range workers {
			if !w.since.IsZero() {
				continue
			}
			select {
			case w.kick <- struct{}{}:
				w.since, w.round = time.Now(), round
				asked++
			case <-ctx.Done():
				return
			}
		}
		if asked == 0 {
			s.round(workers)
		}
		for waiting := true; waiting; {
			select {
			case r := <-results:
				s.take(r)
				if r.worker.round == round {
					if asked--; asked == 0 {
						s.round(workers)
					}
				}
			case <-tick.C:
				waiting = false
			case <-ctx.Done():
				return
			}
		}
	}
}

// take notes what a call brought. A reading that it did not bring stays, with
// its age.
func (s *Sampler) take(r result) {
	r.worker.since = time.Time{}
	g := &r.worker.gpu
	if r.err != nil {
		if g.Err != r.err.Error() {
			s.log.Warn("gpu not read", "gpu", g.Index, "err", r.err)
		}
		g.Err = r.err.Error()
		return
	}
	if g.Err != "" {
		s.log.Info("gpu read again", "gpu", g.Index)
	}
	g.Err, g.At = "", time.Now()
	for _, f := range [...]struct {
		to   *Reading
		from Reading
	}{
		{&g.Util, r.sample.Util}, {&g.MemUsed, r.sample.MemUsed}, {&g.MemTotal, r.sample.MemTotal},
		{&g.Temp, r.sample.Temp}, {&g.Power, r.sample.Power}, {&g.PowerCap, r.sample.PowerCap}, {&g.Clock, r.sample.Clock},
	} {
		if f.from.Known() {
			*f.to = f.from
		}
	}
	if r.sample.Throttle.Known() {
		g.Throttle = r.sample.Throttle
	}
}

// round adds a point to every history and publishes.
func (s *Sampler) round(workers []*worker) {
	now := time.Now()
	snap := &Snapshot{GPUs: make([]GPU, len(workers))}
	for i, w := range workers {
		g := &w.gpu
		if !w.since.IsZero() && now.Sub(w.since) >= late && g.Err == "" {
			g.Err = "the driver does not answer"
			s.log.Warn("gpu call hangs", "gpu", g.Index)
		}
		// Snapshots share the points' array: what they can see of it is never
		// written again, since append writes behind it.
		if g.History = append(g.History, g.point(now)); len(g.History) > kept {
			g.History = g.History[1:]
		}
		snap.GPUs[i] = *g
		snap.GPUs[i].History = g.History[:len(g.History):len(g.History)]
	}
	s.publish(snap)
}

// point is what is known of this second.
func (g *GPU) point(now time.Time) Point {
	value := func(r Reading) float32 {
		if v, ok := r.Value(); ok && r.Age(now) <= fresh {
			return float32(v)
		}
		return float32(math.NaN())
	}
	p := Point{Util: value(g.Util), Mem: value(g.MemUsed), Power: value(g.Power), Temp: value(g.Temp)}
	if total := g.MemTotal.Or(0); total > 0 {
		p.Mem *= float32(100 / total)
	} else {
		p.Mem = float32(math.NaN())
	}
	return p
}
