//go:build linux && cgo

package nvml

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"golang.org/x/sync/semaphore"

	"pilothouse/gpu"
)

const (
	whole    = 1 << 20         // of the gate: more than there can be calls
	patience = 6 * time.Second // for calls to end before the library is started anew; longer than a wait for events
	poll     = 10 * time.Millisecond
	turn     = time.Second // what a call of a device waits for the former one
)

var (
	errClosed = errors.New("nvml: closed")
	errBusy   = errors.New("its former call has not returned")
)

// Source reads the GPUs of this host. It must be closed.
type Source struct {
	lib   nvml.Interface
	claim func() error // makes the library fit to be started; nil: it is

	// A call of the library holds a unit of the gate. Who starts or ends the
	// library holds all of it, and owns started.
	gate    *semaphore.Weighted
	started bool

	asked  atomic.Bool // Devices waits for calls to end: a watch makes room
	closed atomic.Bool

	listing sync.Mutex // held by Devices, which owns what follows
	has     map[string]bool
	works   map[int]*work // by index

	latest atomic.Pointer[listed]
}

// listed is what one call of Devices found. It is immutable.
type listed struct {
	err   error // why there are no cards
	cards []card
	has   map[string]bool
	next  chan struct{} // closed when this one is replaced
}

// card is one device.
type card struct {
	about  gpu.Device
	handle nvml.Device
	err    error // why it can't be read
	work   *work
}

// work is what stays of a device between its calls.
type work struct {
	turn   chan struct{} // holds an element while a call is outstanding, which owns what follows
	counts map[counter]count
	total  float64 // bytes of memory; 0: not known
}

var (
	_ gpu.Source  = (*Source)(nil)
	_ gpu.Watcher = (*Source)(nil)
)

// New makes a source that has loaded nothing yet. The library is a path or a
// name for the system to find; "" is libnvidia-ml.so.1.
func New(library string) *Source {
	if library == "" {
		library = "libnvidia-ml.so.1"
	}
	return over(nvml.New(nvml.WithLibraryPath(library)), func() error { return claim(library) })
}

// over makes a source over any library.
func over(lib nvml.Interface, claim func() error) *Source {
	s := &Source{lib: lib, claim: claim, gate: semaphore.NewWeighted(whole), works: make(map[int]*work)}
	s.latest.Store(&listed{err: errors.New("nvml: no devices are listed yet"), next: make(chan struct{})})
	return s
}

// Name is "nvml".
func (s *Source) Name() string { return "nvml" }

// Simulated is false.
func (s *Source) Simulated() bool { return false }

// Devices starts the library, or starts it anew, and lists what it finds. The
// error wraps [gpu.ErrAbsent] where there is no library or driver, and
// [gpu.ErrMismatch] where the two don't fit.
func (s *Source) Devices(ctx context.Context) (gpu.Listing, error) {
	if !s.listing.TryLock() {
		return gpu.Listing{}, errors.New("list gpus: the former call has not returned")
	}
	defer s.listing.Unlock()
	alone, err := s.alone(ctx)
	if err != nil {
		return gpu.Listing{}, err
	}
	if alone {
		defer s.leave(whole)
		if err := s.start(); err != nil {
			err = fmt.Errorf("start nvml: %w", err)
			s.publish(&listed{err: err})
			return gpu.Listing{}, err
		}
	} else {
		if err := s.enter(ctx); err != nil {
			return gpu.Listing{}, err
		}
		defer s.leave(1)
	}
	return s.list(s.latest.Load())
}

func (s *Source) publish(l *listed) {
	l.next = make(chan struct{})
	close(s.latest.Swap(l).next)
}

// Read measures a device. See the package's description for what its errors
// wrap.
func (s *Source) Read(ctx context.Context, index int, due gpu.Group) (gpu.Sample, error) {
	if err := s.enter(ctx); err != nil {
		return gpu.Sample{}, err
	}
	defer s.leave(1)
	now := s.latest.Load()
	if now.err != nil {
		return gpu.Sample{}, now.err
	}
	if index < 0 || index >= len(now.cards) {
		return gpu.Sample{}, fmt.Errorf("gpu %d: there is none", index)
	}
	c := now.cards[index]
	if c.err != nil {
		return gpu.Sample{}, fmt.Errorf("gpu %d: %w", index, c.err)
	}
	if err := c.work.take(ctx); err != nil {
		return gpu.Sample{}, fmt.Errorf("gpu %d: %w", index, err)
	}
	defer c.work.leave()
	r := &reader{ctx: ctx, has: now.has, device: c.handle, work: c.work}
	var sample gpu.Sample
	if due&gpu.Fast != 0 {
		r.fast(&sample)
	}
	if due&gpu.Slow != 0 {
		r.slow(&sample)
	}
	if due&gpu.Processes != 0 {
		sample.Processes = r.processes()
	}
	if err := r.verdict(); err != nil {
		return gpu.Sample{}, fmt.Errorf("gpu %d: %w", index, err)
	}
	return sample, nil
}

// Close ends the library, now or when the last call that is outstanding
// returns. It may be called twice; the source is of no use afterwards.
func (s *Source) Close() error {
	s.closed.Store(true)
	s.end()
	return nil
}

// enter begins a call of the library.
func (s *Source) enter(ctx context.Context) error {
	if err := s.gate.Acquire(ctx, 1); err != nil {
		return err
	}
	if s.closed.Load() {
		s.leave(1)
		return errClosed
	}
	return nil
}

// leave ends what entered. Either it sees that the source is closed, or Close
// sees that it has left.
func (s *Source) leave(units int64) {
	s.gate.Release(units)
	if s.closed.Load() {
		s.end()
	}
}

// end ends the library unless a call is outstanding, which will.
func (s *Source) end() {
	if !s.gate.TryAcquire(whole) {
		return
	}
	if s.started {
		s.lib.Shutdown()
		s.started = false
	}
	s.gate.Release(whole)
}

// alone waits until no call is outstanding, and takes the whole gate. It holds
// no call up; false is that one hangs.
func (s *Source) alone(ctx context.Context) (bool, error) {
	s.asked.Store(true)
	defer s.asked.Store(false)
	given := time.Now().Add(patience)
	for !s.gate.TryAcquire(whole) {
		if time.Now().After(given) {
			return false, nil
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}

// take waits for the device's former call, which may be a watch's.
func (w *work) take(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-time.After(turn):
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *work) leave() { <-w.turn }
