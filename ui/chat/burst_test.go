package chat

import (
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// A burst sends what it says at once, and times every token.
func TestBurst(t *testing.T) {
	url := engine(t, sim.Config{Speed: 50})
	m := &direct{}
	_, r := enter(t, Config{}, m)
	ok(t, r.Burst(BurstSpec{Model: "m", Target: Target{Replica: url}, Requests: 8, Tokens: 40}))
	if b := r.Snapshot().Burst; b == nil || b.Requests != 8 {
		t.Fatalf("burst: %+v", b)
	}
	b := until(t, r, "it ended", func(s *Snapshot) bool { return !s.Burst.Running }).Burst
	if b.Done != 8 || b.Failed != 0 || b.Came != 8*40 || b.Cancelled || b.Took <= 0 {
		t.Errorf("burst: %+v", b)
	}
	// The engine may put two tokens into an event, so gaps are fewer than tokens.
	if b.First.Count != 8 || b.PerToken.Count < 8 || b.PerToken.Count > 8*39 || b.First.Most < b.First.Least || b.First.Least <= 0 {
		t.Errorf("times: %d %d", b.First.Count, b.PerToken.Count)
	}
	seen := map[string]bool{}
	for i := range m.sent[url] {
		seen[m.messages(t, url, i)[0].Content] = true
	}
	if len(seen) != 8 {
		t.Errorf("%d different prompts: the prefix cache would answer the rest", len(seen))
	}
}

// Cancel ends all of a burst, there is one at a time, and another room's is not
// ended by it.
func TestBurstCancelled(t *testing.T) {
	var under atomic.Int32
	m := answers(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		under.Add(1)
		defer under.Add(-1)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":"x"}}]}`+"\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	rs, r := enter(t, Config{}, m)
	spec := BurstSpec{Model: "m", Requests: MostRequests, Tokens: 10}
	ok(t, r.Burst(spec))
	until(t, r, "all are under way", func(s *Snapshot) bool { return s.Busy && s.Burst.First.Count == MostRequests })
	other := rs.Enter("bob", m)
	other.CancelBurst()
	if err := other.Burst(spec); err == nil || !strings.Contains(err.Error(), "one at a time") {
		t.Errorf("a second burst: %v", err)
	}
	r.CancelBurst()
	b := until(t, r, "it ended", func(s *Snapshot) bool { return !s.Burst.Running }).Burst
	if !b.Cancelled || b.Failed != 0 || b.Done != 0 {
		t.Errorf("burst: %+v", b)
	}
	for end := time.Now().Add(patience); under.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests go on", under.Load())
		}
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if other.Burst(spec) == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no other burst is taken")
		}
	}
	rs.Close()
}

func TestBurstBounds(t *testing.T) {
	_, r := enter(t, Config{}, &direct{})
	for _, s := range []BurstSpec{{}, {Model: "m", Tokens: 1}, {Model: "m", Requests: MostRequests + 1, Tokens: 1},
		{Model: "m", Requests: 1}, {Model: "m", Requests: 1, Tokens: MostTokens + 1}} {
		if err := r.Burst(s); err == nil {
			t.Errorf("taken: %+v", s)
		}
	}
	ok(t, r.Burst(BurstSpec{Model: "m", Requests: 3, Tokens: 1}))
	b := until(t, r, "it ended", func(s *Snapshot) bool { return !s.Burst.Running }).Burst
	if b.Failed != 3 || len(b.Errors) != 1 || b.Errors[0].Count != 3 || !strings.Contains(b.Errors[0].Text, "your role") {
		t.Errorf("burst: %+v", b)
	}
}

// The quantiles are within a step of those of the sorted times.
func TestSpread(t *testing.T) {
	var none Spread
	if none.Quantile(0.5) != 0 || none.Bars(5) != nil {
		t.Error("there are times in none")
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var s Spread
		var all []time.Duration
		for range 1 + random.IntN(500) {
			d := time.Duration(math.Exp(random.NormFloat64()*2) * float64(20*time.Millisecond))
			d = max(d, spreadFrom)
			all = append(all, d)
			s.add(d)
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.95, 1} {
			want := all[max(1, int(math.Ceil(q*float64(len(all)))))-1]
			if got := s.Quantile(q); got < want || float64(got) > float64(want)*1.023 {
				t.Errorf("%v of %d: %v, want %v", q, len(all), got, want)
			}
		}
		for n := 1; n < 20; n++ {
			sum := 0
			bars := s.Bars(n)
			for _, b := range bars {
				sum += b.Count
			}
			if len(bars) > n || sum != len(all) {
				t.Errorf("%d bars with %d of %d", len(bars), sum, len(all))
			}
		}
	}
	var s Spread
	for _, d := range []time.Duration{-1, 0, 1, time.Hour, 1 << 62} {
		s.add(d)
	}
	if s.Quantile(1) != 1<<62 || len(s.Bars(3)) > 3 {
		t.Errorf("at the ends: %v", s.Quantile(1))
	}
}
