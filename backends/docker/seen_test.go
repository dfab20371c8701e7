package docker

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// However a log is cut into readings, each piece of it is taken once: with equal
// times, times out of order, and readings that end anywhere.
func TestSeen(t *testing.T) {
	for round := range 3000 {
		random := rand.New(rand.NewPCG(1, uint64(round)))
		log := make([]int64, random.IntN(400))
		at := int64(1_800_000_000_000_000_000)
		for i := range log {
			at += random.Int64N(3) * random.Int64N(2) // often none
			log[i] = at - random.Int64N(2)*random.Int64N(4)
			if random.IntN(20) == 0 {
				log[i] -= random.Int64N(int64(2*i + 1)) // long behind
			}
		}
		var s seen
		taken := make([]int, len(log))
		for written := 0; ; {
			written = min(len(log), written+random.IntN(len(log)/4+2))
			since := s.again()
			stop := written - random.IntN(written/2+1) // where the connection breaks
			if written == len(log) {
				stop = written
			}
			for i := range stop {
				if when := time.Unix(0, log[i]); !when.Before(since) && s.take(when) {
					taken[i]++
				}
			}
			if stop == len(log) {
				break
			}
		}
		for i, n := range taken {
			if n != 1 {
				t.Fatalf("round %d: piece %d of %d was taken %d times", round, i, len(log), n)
			}
		}
	}
}

// A log that has lost its beginning meanwhile loses nothing more.
func TestSeenCut(t *testing.T) {
	var s seen
	at := func(i int) time.Time { return time.Unix(1_800_000_000, int64(i)) }
	for i := range 50 {
		if !s.take(at(i)) {
			t.Fatalf("piece %d was not taken", i)
		}
	}
	s.again()
	for i := 40; i < 60; i++ { // 0 to 39 are gone
		if got := s.take(at(i)); got != (i >= 50) {
			t.Errorf("piece %d: taken %v", i, got)
		}
	}
}

// recorded is a log as an engine keeps it: pieces in an order of their own.
type recorded struct {
	mu    sync.Mutex
	at    []time.Time
	ended chan struct{} // closed at the end of the container's run
}

// answer is an engine's, with this log for its only container.
func (r *recorded) answer(w http.ResponseWriter, req *http.Request) {
	switch q := req.URL.Query(); {
	case strings.HasSuffix(req.URL.Path, "/json"):
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"Id": strings.Repeat("a", 64), "Name": "/vllm", "State": map[string]any{}, "Config": map[string]any{}, "HostConfig": map[string]any{}})
	case strings.HasSuffix(req.URL.Path, "/events"):
		w.(http.Flusher).Flush()
		<-req.Context().Done()
	default:
		r.mu.Lock()
		at, ended := slices.Clone(r.at), r.ended
		r.mu.Unlock()
		first := 0
		if n, err := strconv.Atoi(q.Get("tail")); err == nil {
			first = max(0, len(at)-n)
		}
		var since time.Time
		if s, ns, ok := strings.Cut(q.Get("since"), "."); ok {
			sec, _ := strconv.ParseInt(s, 10, 64)
			nano, _ := strconv.ParseInt(ns, 10, 64)
			since = time.Unix(sec, nano)
		}
		for i := first; i < len(at); i++ {
			if !at[i].Before(since) {
				w.Write(asEngine(Stdout, at[i], fmt.Sprint(i), false))
			}
		}
		w.(http.Flusher).Flush()
		if q.Get("follow") == "1" {
			select {
			case <-ended:
			case <-req.Context().Done():
			}
		}
	}
}

// A stream that had to wait for the other is logged behind lines that are later
// than its own. Once they were told again: of 1007 new lines 1162 came.
func TestFollowOutOfOrder(t *testing.T) {
	quiet(t)
	r := &recorded{ended: make(chan struct{})}
	add := func(n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for range n {
			r.at = append(r.at, time.Unix(1_800_000_000, int64(len(r.at))*1000).UTC())
		}
		r.at[len(r.at)-1] = r.at[max(0, len(r.at)-155)].Add(1)
		close(r.ended)
		r.ended = make(chan struct{})
	}
	add(5000)
	e := fakeHTTP(t, patient, r.answer)
	for tail, first := range map[int]int{0: 0, -1: 5000, 7: 4993} {
		r.mu.Lock()
		r.at = r.at[:5000]
		for _, i := range []int{5000 - spareTail - 8, 5000 - spareTail - 1} { // the first that is given is one of them
			r.at[i] = r.at[i-155].Add(1)
		}
		r.mu.Unlock()
		f := follow(t, e, "vllm", LogOptions{Tail: tail})
		until(t, "the log to be followed", func() bool { return strings.Contains(stacks(), "docker.demux(") && len(f.texts()) == 5000-first })
		for range 3 {
			add(300)
			f.has(t, len(r.at)-first)
		}
		f.end()
		<-f.done
		var want []string
		for i := first; i < 5900; i++ {
			want = append(want, fmt.Sprint(i))
		}
		if got := f.texts(); !slices.Equal(got, want) {
			t.Errorf("tail %d: %d lines, want %d; they differ first at %d", tail, len(got), len(want), differ0(got, want))
		}
	}
}
