package gpu

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script is a source that does as the test has it, and notes what it is asked.
type script struct {
	mu    sync.Mutex
	list  func() (Listing, error)
	read  func(ctx context.Context, index int, due Group) (Sample, error)
	lists []time.Time
	calls []call
}

type call struct {
	at    time.Time
	index int
	due   Group
}

func (s *script) Name() string    { return "script" }
func (s *script) Simulated() bool { return false }

func (s *script) Devices(context.Context) (Listing, error) {
	s.mu.Lock()
	s.lists = append(s.lists, time.Now())
	list := s.list
	s.mu.Unlock()
	return list()
}

func (s *script) Read(ctx context.Context, index int, due Group) (Sample, error) {
	s.mu.Lock()
	s.calls = append(s.calls, call{time.Now(), index, due})
	read := s.read
	s.mu.Unlock()
	return read(ctx, index, due)
}

func (s *script) do(list func() (Listing, error), read func(ctx context.Context, index int, due Group) (Sample, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list != nil {
		s.list = list
	}
	if read != nil {
		s.read = read
	}
}

// made are the calls of Read.
func (s *script) made() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// times are when a device was read, or with -1 when they were listed, in
// seconds since the given moment.
func (s *script) times(index int, since time.Time) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var at []int
	if index < 0 {
		for _, l := range s.lists {
			at = append(at, int(l.Sub(since)/time.Second))
		}
		return at
	}
	for _, c := range s.calls {
		if c.index == index {
			at = append(at, int(c.at.Sub(since)/time.Second))
		}
	}
	return at
}

// cards lists devices by their UUIDs, in the order of their indices.
func cards(uuids ...string) func() (Listing, error) {
	return func() (Listing, error) {
		l := Listing{Driver: "550.54.15", CUDA: "12.4"}
		for i, u := range uuids {
			l.Devices = append(l.Devices, Device{Index: i, Name: "card", UUID: u, PCI: fmt.Sprintf("00000000:%02X:00.0", i+1)})
		}
		return l, nil
	}
}

func well(ctx context.Context, _ int, _ Group) (Sample, error) { return steady(ctx) }

func failing(err error) func(context.Context, int, Group) (Sample, error) {
	return func(context.Context, int, Group) (Sample, error) { return Sample{}, fmt.Errorf("read: %w", err) }
}

// run runs a sampler over sources, and gives the test its log.
func run(t *testing.T, o Options, hosts []Host, test func(t *testing.T, s *Sampler, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		s := New(o, hosts...)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		test(t, s, log)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func seconds(from, to, step int) []int {
	var all []int
	for i := from; i <= to; i += step {
		all = append(all, i)
	}
	return all
}

const half = 500 * time.Millisecond
