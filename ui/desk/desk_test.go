package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"pilothouse/gateway/ledger"
)

// names are those of who is there, with what they do.
func names(all []Presence) (n []string) {
	for _, p := range all {
		n = append(n, p.Author()+" "+p.View+" "+p.Doing)
	}
	return n
}

// Who is there is told in the order of coming, to each without themselves, and
// who has two screens has two entries even if they came at once.
func TestPresence(t *testing.T) {
	s, now := &site{}, time.Unix(1000, 0)
	d := s.desk(Options{Now: func() time.Time { return now }})
	ana, ana2, ben := d.Seat(Operator{"ana", Admin, ""}), d.Seat(Operator{"ana", Admin, ""}), d.Seat(Operator{"ben", Viewer, "203.0.113.9"})
	ana.Show("lost", "nothing") // before it is there
	leaveAna, leaveAna2 := ana.Enter(t.Context()), ana2.Enter(t.Context())
	now = now.Add(-time.Second)
	leaveBen := ben.Enter(t.Context())
	ana.Show("backends", "restart chat")
	if got, want := names(ben.Others()), []string{"ana  ", "ana backends restart chat"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("ben sees %q", got)
	}
	if got, want := names(ana2.Others()), []string{"ben from 203.0.113.9  ", "ana backends restart chat"}; !slices.Equal(got, want) {
		t.Errorf("ana's second sees %q, want %q", got, want)
	}
	if got, want := names(ana.Others()), []string{"ben from 203.0.113.9  ", "ana  "}; !slices.Equal(got, want) {
		t.Errorf("ana's first sees %q, want %q", got, want)
	}
	leaveAna()
	leaveAna()
	ana.Show("lost", "nothing")
	if got := names(ana2.Others()); len(got) != 1 || len(d.Present()) != 2 || len(ana.Others()) != 2 {
		t.Errorf("after one has left: %q of %q", got, names(d.Present()))
	}
	// A seat that has come again is there once, whatever its first leave does now.
	again := ana.Enter(t.Context())
	leaveAna()
	if len(d.Present()) != 3 || len(ana.Others()) != 2 {
		t.Errorf("after it came again: %q", names(d.Present()))
	}
	again()
	leaveAna2()
	leaveBen()
	if got := d.Present(); len(got) != 0 {
		t.Errorf("left: %q", names(got))
	}
	want := []string{"ana: attach dashboard: as admin", "ana: attach dashboard: as admin", "ben from 203.0.113.9: attach dashboard: as viewer",
		"ana: detach dashboard: ", "ana: attach dashboard: as admin", "ana: detach dashboard: ", "ana: detach dashboard: ", "ben from 203.0.113.9: detach dashboard: "}
	if got := s.told(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// An audit that fails or hangs keeps nobody out for longer than it may, and is
// told of.
func TestAuditAway(t *testing.T) {
	var log bytes.Buffer
	s := &site{err: errors.New("disk full")}
	d := s.desk(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	leave := d.Seat(Operator{"ana", Viewer, ""}).Enter(t.Context())
	leave()
	if n := strings.Count(log.String(), "disk full"); n != 2 {
		t.Errorf("told %d times: %s", n, &log)
	}
	log.Reset()
	synctest.Test(t, func(t *testing.T) {
		var stuck atomic.Int64
		let := make(chan struct{})
		d := New(Platform{}, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Note: func(ctx context.Context, _ ledger.Event) error {
			stuck.Add(1)
			<-let
			return ctx.Err()
		}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // the client has gone: what it did is written all the same
		for range maxNotes {
			began := time.Now()
			d.Seat(Operator{"ana", Viewer, ""}).Enter(ctx)
			if took := time.Since(began); took != noteTime {
				t.Fatalf("one comes in after %v", took)
			}
		}
		began := time.Now()
		d.Seat(Operator{"ben", Viewer, ""}).Enter(ctx)
		if took := time.Since(began); took != 0 || stuck.Load() != maxNotes || strings.Count(log.String(), "operator=ben") != 1 {
			t.Errorf("one too many: after %v, %d stuck: %s", took, stuck.Load(), &log)
		}
		close(let)
		synctest.Wait()
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("written late: %s", &log)
		}
		d.Seat(Operator{"ben", Viewer, ""}).Enter(ctx)
		if stuck.Load() != maxNotes+1 {
			t.Error("none is written after that")
		}
	})
}

func TestKept(t *testing.T) {
	now := time.Unix(1000, 0)
	d := New(Platform{}, Options{Now: func() time.Time { now = now.Add(time.Second); return now }})
	ana := d.Seat(Operator{"ana", Viewer, ""})
	if _, _, ok := ana.Kept(); ok {
		t.Error("something was kept before")
	}
	long := strings.Repeat("é", maxUnsent) // twice as long in bytes, and cut in the middle of one
	st := State{View: "chat", Unsent: map[string]string{"a": "x" + long, "b": "short", "c": long}, Sorts: map[string]int{"p": 2}}
	ana.Keep(st)
	st.Sorts["p"], st.Unsent["b"] = 3, "changed"
	got, at, ok := d.Seat(Operator{"ana", Admin, "203.0.113.9"}).Kept() // by name: from anywhere
	if !ok || !at.Equal(now) || got.View != "chat" || got.Unsent["b"] != "short" || got.Sorts["p"] != 2 {
		t.Errorf("kept %+v, %v, %v", got.Sorts, at, ok)
	}
	for _, k := range []string{"a", "c"} {
		if text := got.Unsent[k]; len(text) > maxUnsent || len(text) < maxUnsent-2 || !utf8.ValidString(text) {
			t.Errorf("a text of %d bytes is kept", len(text))
		}
	}
	if len(st.Unsent["a"]) != 2*maxUnsent+1 {
		t.Error("the caller's text is cut")
	}
	for i := range maxKept {
		d.Seat(Operator{fmt.Sprint("o", i), Viewer, ""}).Keep(State{View: "x"})
		if i == maxKept/2 {
			ana.Keep(State{View: "sql"}) // not the oldest any more
		}
	}
	if got, _, ok := ana.Kept(); !ok || got.View != "sql" || len(d.kept) != maxKept {
		t.Errorf("%d are kept, ana's is %+v, %v", len(d.kept), got, ok)
	}
	if _, _, ok := d.Seat(Operator{"o0", Viewer, ""}).Kept(); ok {
		t.Error("the oldest is kept")
	}
}

// Everything at once, for the race detector.
func TestAtOnce(t *testing.T) {
	s := &site{}
	d := s.desk(Options{})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			seat := d.Seat(Operator{fmt.Sprint("o", i%3), Viewer, ""})
			for range 20 {
				leave := seat.Enter(t.Context())
				seat.Show("view", "doing")
				seat.Others()
				seat.Keep(State{Sorts: map[string]int{"p": i}})
				seat.Kept()
				_ = seat.Platform().Jobs.CancelJob(1, "")
				leave()
			}
		})
	}
	all.Wait()
	if len(d.Present()) != 0 || len(s.done) != 0 || len(s.told()) != 16*20*3 {
		t.Errorf("left %d, done %q", len(d.Present()), s.done)
	}
}
