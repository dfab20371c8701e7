package backends

import (
	"testing"
	"time"
)

// look is one reading of an engine that has room in its cache, but where usage
// says otherwise.
type look struct {
	running, waiting int
	usage            float64
	want             int64 // the bound after it
}

// What is learnt of how many sequences an engine computes at once.
func TestSequencesLearn(t *testing.T) {
	for _, test := range []struct {
		name  string
		looks []look
	}{
		{"idle", []look{{0, 0, 0, 0}, {0, 0, 0, 0}}},
		{"busy, none wait", []look{{8, 0, 0.1, 0}, {8, 0, 0.1, 0}, {8, 0, 0.1, 0}, {8, 0, 0.1, 0}}},
		{"bounded", []look{{8, 3, 0.1, 0}, {8, 5, 0.1, 0}, {8, 9, 0.1, 8}, {8, 9, 0.1, 8}}},
		{"waits once in a while", []look{{8, 1, 0.1, 0}, {8, 0, 0.1, 0}, {8, 1, 0.1, 0}, {8, 0, 0.1, 0}, {8, 1, 0.1, 0}}},
		{"for room in its cache", []look{{8, 3, 0.9, 0}, {8, 5, 0.95, 0}, {8, 9, 1, 0}, {8, 9, 0.85, 0}}},
		{"for room in between", []look{{8, 3, 0.1, 0}, {8, 3, 0.1, 0}, {8, 3, 0.9, 0}, {8, 3, 0.1, 0}, {8, 3, 0.1, 0}, {8, 3, 0.1, 8}}},
		{"no usage told", []look{{8, 3, -1, 0}, {8, 3, -1, 0}, {8, 3, -1, 0}}},
		{"nothing told", []look{{-1, -1, 0.1, 0}, {-1, -1, 0.1, 0}, {-1, -1, 0.1, 0}}},
		{"none run", []look{{0, 3, 0.1, 0}, {0, 3, 0.1, 0}, {0, 3, 0.1, 0}}},
		{"prompts are being read", []look{{5, 95, 0.1, 0}, {10, 90, 0.2, 0}, {16, 84, 0.3, 0}, {20, 80, 0.4, 0}, {24, 76, 0.5, 0}}},
		{"some have just ended", []look{{7, 3, 0.1, 0}, {8, 3, 0.1, 0}, {6, 3, 0.1, 0}, {7, 3, 0.1, 8}, {7, 3, 0.1, 8}, {6, 3, 0.1, 8}}},
		{"learnt too low", []look{{4, 3, 0.1, 0}, {4, 3, 0.1, 0}, {4, 3, 0.1, 4}, {6, 3, 0.1, 6}, {7, 0, 0.1, 9}, {9, 0, 0.1, 9}, {10, 0, 0.1, 13}, {13, 0, 0.1, 13}}},
		{"learnt too high", []look{{8, 3, 0.1, 0}, {8, 3, 0.1, 0}, {8, 3, 0.1, 8}, {0, 0, 0, 8}, {4, 3, 0.1, 8}, {4, 3, 0.1, 8}, {4, 3, 0.1, 7}, {4, 3, 0.1, 6}, {4, 3, 0.1, 5}, {4, 3, 0.1, 4}, {4, 3, 0.1, 4}}},
		{"one", []look{{1, 3, 0.1, 0}, {1, 3, 0.1, 0}, {1, 3, 0.1, 1}, {1, 3, 0.1, 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s sequences
			var prev *EngineStatus
			for i, l := range test.looks {
				next := &EngineStatus{Running: l.running, Waiting: l.waiting, Deferred: -1, KVUsage: l.usage}
				s.read(prev, next)
				if prev = next; s.bound.Load() != l.want {
					t.Fatalf("reading %d: bound %d, want %d", i+1, s.bound.Load(), l.want)
				}
			}
		})
	}
}

// Another engine has a bound of its own; and who waits for something else than
// its turn tells nothing.
func TestSequencesForget(t *testing.T) {
	var s sequences
	started := time.Now()
	reading := func(running, waiting, deferred int) *EngineStatus {
		return &EngineStatus{Started: started, Running: running, Waiting: waiting, Deferred: deferred, KVUsage: 0.1}
	}
	e := reading(8, 3, 3)
	for range 5 {
		s.read(e, e)
	}
	if n := s.bound.Load(); n != 0 {
		t.Errorf("bound %d where those that wait are deferred", n)
	}
	e = reading(8, 4, 1)
	for range 5 {
		s.read(e, e)
	}
	if n := s.bound.Load(); n != 8 {
		t.Errorf("bound %d", n)
	}
	started = started.Add(time.Hour)
	s.read(e, reading(8, 4, 1))
	if n := s.bound.Load(); n != 0 {
		t.Errorf("bound %d of an engine that was started anew", n)
	}
}

// What is given out is the bound and a little more, of which those over their
// share leave some; others' sequences take their part of it.
func TestTakeSequences(t *testing.T) {
	b := holding(t, 1<<40, 1)
	r := b.replicas[0]
	s := &r.books.sequences
	s.bound.Store(16) // and 3 more
	var held []Place
	take := func(n Need) bool {
		p, v := b.Take(n)
		if v == Placed {
			held = append(held, p)
		}
		return v == Placed
	}
	count := func(n Need) (got int) {
		for take(n) {
			got++
		}
		return got
	}
	if got := count(Need{Prompt: 1, Over: true, Output: 1}); got != 18 {
		t.Errorf("those over their share got %d", got)
	}
	if got := count(Need{Prompt: 1}); got != 1 {
		t.Errorf("others got %d more", got)
	}
	if !take(Need{Prompt: 1, Force: true}) {
		t.Error("one that goes ahead had no room")
	}
	for i := range held {
		held[i].Done()
	}
	if n := s.held.Load(); n != 0 {
		t.Fatalf("%d sequences left", n)
	}
	if got := count(Need{Prompt: 1, Sequences: 5}); got != 4 {
		t.Errorf("%d requests of five", got)
	}
	for range 20 { // the engine has 12 more than ours
		e := &EngineStatus{Running: 16, Waiting: 16, Deferred: -1, KVUsage: 0.1}
		s.read(e, e)
	}
	for i := range held {
		held[i].Done()
	}
	held = nil
	if got := count(Need{Prompt: 1}); got != 19-int(s.others.Load()) || s.others.Load() < 11 || s.others.Load() > 12 {
		t.Errorf("beside %d of others, %d", s.others.Load(), got)
	}
	for i := range held {
		held[i].Done()
	}
	for range 10 {
		e := &EngineStatus{Running: 16, Waiting: 40, Deferred: -1, KVUsage: 0.1}
		s.read(e, e)
	}
	if !take(Need{Prompt: 1}) || take(Need{Prompt: 1}) {
		t.Error("where others have it all, there is room for one")
	}
	if st := r.status(); st.Bound != 16 {
		t.Errorf("the status says %d", st.Bound)
	}
}
