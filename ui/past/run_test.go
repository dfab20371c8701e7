package past

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/gateway/ledger"
)

// Run looks once a second, whatever the books do, and ends when it is told.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPlant(1, 1, 2)
		f.o.Now = time.Now
		f.books.hang = make(chan struct{})
		if f.Snapshot() != nil {
			t.Error("something is known before Run")
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		f.gateway()
		go func() { ended <- f.Run(ctx) }()
		synctest.Wait()
		if f.Snapshot() == nil {
			t.Fatal("the first look takes a second")
		}
		time.Sleep(10*time.Second + time.Second/2)
		synctest.Wait()
		s := f.Snapshot()
		if age := time.Since(s.At); age >= time.Second {
			t.Errorf("the last look is %v ago: a ledger that hangs holds it up", age)
		}
		if n := len(f.frames.fine.blocks[0].times); n != 11 {
			t.Errorf("%d looks in 10.5 s, want 11", n)
		}
		if !strings.HasPrefix(s.Err, "the ledger has not answered for ") {
			t.Errorf("of a ledger that hangs it says %q", s.Err)
		}
		f.books.audit = []ledger.Event{{At: time.Now(), Author: "ana", Action: "attach"}}
		close(f.books.hang)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if s := f.Snapshot(); s.Err != "" || len(s.Audit) != 1 || s.Events[0].Object != "ana" {
			t.Errorf("after it came back: %q, %v, %v", s.Err, s.Audit, s.Events)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A source that is not there is no trouble.
func TestNoSources(t *testing.T) {
	r := New(Sources{}, Options{})
	r.step(night)
	m, ok := r.At(night)
	if !ok || m.Gateway != nil || m.Pool != nil || m.GPUs != nil || m.Past == nil {
		t.Errorf("%+v, %v", m, ok)
	}
}

// Any number may look back while it records.
func TestAtOnce(t *testing.T) {
	f := newPlant(2, 2, 3).run(60)
	var readers sync.WaitGroup
	done := make(chan struct{})
	for n := range 3 {
		readers.Go(func() {
			for i := n; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				s := f.Snapshot()
				when := s.At.Add(-time.Duration(i%50) * time.Second)
				if m, ok := f.At(when); !ok || !m.At.Equal(when) || !m.Gateway.At.Equal(when) || len(m.GPUs.GPUs) != 2 {
					t.Errorf("at %v: %v", when, m.At)
					return
				}
				if v := f.Series(Requests, "model-00", when, time.Second, 1)[0]; v != v {
					t.Errorf("at %v no requests are known", when)
					return
				}
			}
		})
	}
	f.run(200)
	close(done)
	readers.Wait()
}
