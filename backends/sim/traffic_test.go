package sim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// tally is a gateway's stand-in that counts what comes.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

func (c *tally) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

func TestTrafficIsAMixture(t *testing.T) {
	got := &tally{counts: make(map[string]int)}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return // the traffic was stopped while it sent this
		}
		var b struct {
			Model       string
			Stream      bool
			Messages    []any
			Temperature float64
		}
		if err := json.Unmarshal(data, &b); err != nil {
			t.Errorf("a body that is no JSON: %v", err)
		}
		got.add("all")
		got.add(r.URL.Path)
		got.add(r.Header.Get("Authorization"))
		got.add("model " + b.Model)
		if b.Temperature > 2 || len(b.Messages) == 0 {
			got.add("bad")
		}
		if !b.Stream {
			got.add("whole")
			_, _ = io.WriteString(w, "{}")
			return
		}
		got.add("stream")
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, strings.Repeat("data: {}\n\n", 70)+"data: [DONE]\n\n")
	}))
	defer gateway.Close()
	traffic, err := sim.NewTraffic(sim.TrafficConfig{
		BaseURL: gateway.URL + "/", Rate: 1000, Seed: 7,
		Orgs:   []sim.TrafficOrg{{Key: "big", Weight: 3}, {Key: "small", Weight: 1}},
		Models: []sim.TrafficModel{{Name: "prose", Kind: sim.Chat}, {Name: "sql", Kind: sim.Text2SQL}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- traffic.Run(ctx) }()
	eventually(t, "800 requests have come", func() bool { return got.of("all") >= 800 })
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	all := float64(got.of("all"))
	for what, share := range map[string][2]float64{
		"stream":               {0.6, 0.8},
		"whole":                {0.2, 0.4},
		"/text2sql":            {0.17, 0.33},
		"/v1/chat/completions": {0.67, 0.83},
		"Bearer big":           {0.65, 0.85},
		"Bearer small":         {0.15, 0.35},
		"bad":                  {0.004, 0.05},
		"model gpt-4o":         {0.001, 0.02},
	} {
		if s := float64(got.of(what)) / all; s < share[0] || s > share[1] {
			t.Errorf("%s makes %.3f of the requests, want %v", what, s, share)
		}
	}
	st := traffic.Stats()
	if st.Left < 10 || st.Answered < 500 || st.Refused != 0 {
		t.Errorf("stats %+v", st)
	}
	if st.Sent != st.Answered+st.Refused+st.Left+st.Failed {
		t.Errorf("not every request has one end: %+v", st)
	}
}

// A stream that ends without its last event has broken off, even where its
// framing is whole.
func TestTrafficNoticesBrokenStreams(t *testing.T) {
	cut := start(t, sim.Config{Speed: 1000, Faults: []sim.Fault{{Kind: sim.Truncate, After: 1}}})
	short := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {}\n\n")
	}))
	defer short.Close()
	for name, url := range map[string]string{"cut": cut.url, "short": short.URL} {
		t.Run(name, func(t *testing.T) {
			traffic, err := sim.NewTraffic(sim.TrafficConfig{BaseURL: url, Rate: 200, Seed: 1,
				Orgs: []sim.TrafficOrg{{Key: "k", Weight: 1}}, Models: []sim.TrafficModel{{Name: testModel}}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- traffic.Run(ctx) }()
			eventually(t, "20 have failed", func() bool { return traffic.Stats().Failed >= 20 })
			stop()
			<-done
			if st := traffic.Stats(); st.Answered != 0 {
				t.Errorf("%d broken answers taken for whole ones", st.Answered)
			}
		})
	}
}

func TestTrafficErrors(t *testing.T) {
	org, model := []sim.TrafficOrg{{Key: "the-key", Weight: 1}}, []sim.TrafficModel{{Name: "m"}}
	for name, c := range map[string]sim.TrafficConfig{
		"no URL":    {BaseURL: "localhost", Orgs: org, Models: model, Rate: 1},
		"no org":    {BaseURL: "http://h", Models: model, Rate: 1},
		"no model":  {BaseURL: "http://h", Orgs: org, Rate: 1},
		"no rate":   {BaseURL: "http://h", Orgs: org, Models: model},
		"no weight": {BaseURL: "http://h", Orgs: []sim.TrafficOrg{{Key: "the-key"}}, Models: model, Rate: 1},
	} {
		if _, err := sim.NewTraffic(c); err == nil || strings.Contains(err.Error(), "the-key") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTideHasBurstsAndLulls(t *testing.T) {
	var sum, most, least float64 = 0, 0, 10
	levels := sim.Tide(3, 10*time.Hour, time.Second)
	for _, l := range levels {
		sum += l
		most, least = max(most, l), min(least, l)
	}
	if mean := sum / float64(len(levels)); mean < 0.85 || mean > 1.25 {
		t.Errorf("the mean level is %.2f, want about 1", mean)
	}
	if most < 4 || least > 0.15 || least <= 0 {
		t.Errorf("levels go from %.2f to %.2f", least, most)
	}
}
