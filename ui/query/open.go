package query

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"
)

// Open gives the source that c describes, which must have passed Check. ledgerDir is the
// ledger's directory, for that kind. Nothing is opened yet, and nothing waited for: a
// database that can't be reached is an error of the methods.
func Open(c Config, ledgerDir string) (Source, error) {
	c.Fill()
	if err := c.Check(); err != nil {
		return nil, err
	}
	switch c.Kind {
	case Postgres:
		return &postgres{c: c, gate: newGate(), schema: fresh{clock: time.Now}}, nil
	case Ledger:
		s := &sqlite{c: c, path: filepath.Join(ledgerDir, "ledger.db"), gate: newGate(), schema: fresh{clock: time.Now}, about: ledgerAbout}
		for name := range ledgerAbout {
			s.only = append(s.only, name)
		}
		return s, nil
	}
	return &sqlite{c: c, path: c.Path, only: c.Tables, gate: newGate(), schema: fresh{clock: time.Now}}, nil
}

// gate lets four calls in at once, and ends them when the source is closed.
type gate struct {
	room   chan struct{}
	ctx    context.Context
	close  context.CancelCauseFunc
	mu     sync.Mutex
	closed bool
	in     sync.WaitGroup
}

var errClosed = errors.New("the source is closed")

func newGate() *gate {
	g := &gate{room: make(chan struct{}, 4)}
	g.ctx, g.close = context.WithCancelCause(context.Background())
	return g
}

// enter waits for room. The context that it gives has a deadline d from now, and ends with
// ctx and with the source; leave must be called.
func (g *gate) enter(ctx context.Context, d time.Duration) (_ context.Context, leave func(), err error) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil, nil, &Error{Unreachable, errClosed.Error(), -1}
	}
	g.in.Add(1)
	g.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(g.ctx, func() { cancel(errClosed) })
	out := func() { stop(); cancel(nil); g.in.Done() }
	select {
	case g.room <- struct{}{}:
	case <-ctx.Done():
		err := ended(ctx)
		out()
		return nil, nil, err
	}
	ctx, end := context.WithTimeout(ctx, d)
	return ctx, func() { end(); <-g.room; out() }, nil
}

// shut ends what runs, and returns when it has.
func (g *gate) shut() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.close(errClosed)
	g.in.Wait()
}

// ended is the error of a context that has.
func ended(ctx context.Context) *Error {
	switch {
	case context.Cause(ctx) == errClosed:
		return &Error{Unreachable, errClosed.Error(), -1}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{TimedOut, "the statement took longer than it may", -1}
	}
	return &Error{Cancelled, "the statement was cancelled", -1}
}

// fresh keeps a schema for a minute.
type fresh struct {
	clock func() time.Time
	mu    sync.Mutex
	at    time.Time
	is    *Schema
}

func (f *fresh) get() *Schema {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.is == nil || f.clock().Sub(f.at) > time.Minute {
		return nil
	}
	return f.is
}

func (f *fresh) set(s *Schema) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.is, f.at = s, f.clock()
}
