package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/sim"
)

// An engine that computes eight sequences at once, with a cache for many more, has
// no line of its own once the gateway has learnt that, and no less to do: but for
// the moments in which a busy machine has the next request wait.
func TestLineIsNotAtTheEngine(t *testing.T) {
	t.Parallel()
	const most, clients = 8, 30
	engine := simulate(t, sim.Config{MaxSequences: most, Speed: 5})
	s := serve(t, func(s *setup) {
		b := testBackend("chat", chatModel, engine.URL)
		b.Health.Interval = backends.Duration(30 * time.Millisecond)
		s.Backends = []backends.Config{b}
		s.Config.Limits.RequestsPerSecond = 0
	})
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	for range clients {
		asking.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, "POST", s.URL()+chatPath,
					strings.NewReader(`{"model":"`+chatModel+`","max_tokens":60,"min_tokens":60,"messages":[{"role":"user","content":"hi"}]}`))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header = http.Header{"Authorization": {"Bearer " + s.Key("acme")}, "Content-Type": {"application/json"}}
				if resp, err := client.Do(req); err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode != 200 {
						t.Errorf("status %d", resp.StatusCode)
						return
					}
				}
			}
		})
	}
	status := func() backends.ReplicaStatus { return s.Pool.Snapshot().Backends[0].Replicas[0] }
	in := func() int { l := engine.Load(); return l.Running + l.Waiting }
	eventually(t, "the bound is learnt", func() bool { return status().Bound == most })
	eventually(t, "what waited in the engine is done", func() bool { return in() <= most+2 })
	began := *status().Engine
	var ended backends.EngineStatus
	worst := 0
	eventually(t, "300 steps", func() bool {
		worst = max(worst, in())
		ended = *status().Engine
		return ended.Iterations > began.Iterations+300
	})
	if worst > most+2 {
		t.Errorf("the engine had %d at once", worst)
	}
	if n := s.Snapshot().Queues["chat"].Waiting; n < clients-most-4 {
		t.Errorf("in line at the gateway: %d", n)
	}
	if each := float64(ended.Generation-began.Generation) / float64(ended.Iterations-began.Iterations); each < 0.8*most {
		t.Errorf("%.1f tokens a step, and it can make %d", each, most)
	} else {
		t.Logf("%.2f tokens a step", each)
	}
	stop()
	asking.Wait()
	s.Idle("acme")
}

// A request is a sequence for each answer that it asks for.
func TestSequencesOfAnswers(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t, func(b *backends.Config) { b.MaxN = 4 })
	c := n.Dial()
	c.Send(n.post(chatPath, "acme", strings.Replace(n.body("hi"), "{", `{"n":3,`, 1)))
	up := <-n.asked
	if r := n.Pool.All()[0].Now()[0]; r.Sequences != 3 || r.InFlight != 1 || r.Reading == 0 || r.Live <= r.Reading || r.Booked <= r.Live {
		t.Errorf("%+v", r)
	}
	answerAndClose(up)
	c.Answer("POST")
	n.empty()
}
