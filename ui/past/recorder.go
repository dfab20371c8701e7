package past

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gpu"
)

// Sources are what is recorded. Their snapshots never block; each source may be
// nil: there is none.
type Sources struct {
	Gateway interface{ Snapshot() *gateway.Snapshot }
	Pool    interface{ Snapshot() *backends.Snapshot }
	GPUs    interface{ Snapshot() *gpu.Snapshot }
	Books   Books
}

// Options are what a Recorder may be given.
type Options struct {
	Log *slog.Logger     // nil: discarded
	Now func() time.Time // nil: time.Now
}

const (
	tickEvery = time.Second
	// budget is how many bytes frames may take, at most. The oldest go first.
	budget = 64 << 20
)

// Recorder looks at the platform once a second and keeps what it saw. Run may be
// called once; all else at any time, by many at once.
//
// What it takes is bounded: 37 MiB for series, a quarter of that with eight GPUs,
// twenty backends and few limited windows; 64 MiB for frames; 1.7 MiB for the
// gateway's seconds; and 512 events.
type Recorder struct {
	sources Sources
	o       Options

	series  store
	points  points
	devices devices
	frames  *frames

	latest   atomic.Pointer[look]
	snapshot atomic.Pointer[Snapshot]
	books    atomic.Pointer[books]
	asking   atomic.Pointer[time.Time] // since when the books are asked; nil: they are not

	saving sync.Mutex // held while a bundle is saved

	// What follows is for Run's own goroutine.
	sampler sampler
	watch   *watch
}

var _ Trends = (*Recorder)(nil)

// New makes a recorder. It starts nothing.
func New(s Sources, o Options) *Recorder {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Recorder{
		sources: s, o: o,
		series:  store{all: map[name]*series{}},
		devices: devices{all: map[string]lines{}},
		frames:  newFrames(budget),
		sampler: sampler{preempts: map[replica]preempts{}},
		watch:   newWatch(),
	}
}

// Run records until ctx ends. It returns after its last goroutine has.
func (r *Recorder) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	if r.sources.Books != nil {
		wg.Go(func() { r.readBooks(ctx) })
	}
	defer wg.Wait()
	now := r.o.Now()
	r.step(now)
	// In the middle of seconds, a tick that comes late is still of its second.
	half := time.NewTimer(now.Truncate(tickEvery).Add(3 * tickEvery / 2).Sub(now))
	defer half.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-half.C:
	}
	r.step(r.o.Now())
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.step(r.o.Now())
		}
	}
}

// Snapshot is what happened and what is counted, as of the last second; nil before
// the first look. It never blocks.
func (r *Recorder) Snapshot() *Snapshot { return r.snapshot.Load() }

// step looks once.
func (r *Recorder) step(now time.Time) {
	now = now.Round(0).UTC()
	l := look{books: r.books.Load()} // first: a job is written down before it is seen
	if r.sources.Gateway != nil {
		l.gateway = r.sources.Gateway.Snapshot()
	}
	if r.sources.Pool != nil {
		l.pool = r.sources.Pool.Snapshot()
	}
	if r.sources.GPUs != nil {
		l.gpus = r.sources.GPUs.Snapshot()
	}
	r.series.add(now.Unix(), r.sampler.sample(now, l.gateway, l.pool, l.books))
	if l.gateway != nil {
		r.points.take(l.gateway)
	}
	if l.gpus != nil {
		r.devices.take(l.gpus)
	}
	r.frames.add(now, l)
	r.latest.Store(&l)
	events := r.watch.step(now, l, r)
	s := &Snapshot{At: now, Events: events, Err: r.trouble(now, l.books), Oldest: r.frames.oldest()}
	if b := l.books; b != nil {
		s.Quotas, s.QuotasAt, s.Grants, s.Audit = b.quotas, b.at, b.grants, b.audit
	}
	r.snapshot.Store(s)
}
