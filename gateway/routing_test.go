package gateway_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
)

// brisk is a backend whose health is judged quickly.
func brisk(name, model string, urls ...string) backends.Config {
	b := testBackend(name, model, urls...)
	b.Health = backends.Health{Interval: backends.Duration(20 * time.Millisecond), Fall: 3, Rise: 2}
	return b
}

// Health is GET /health.
func (s *service) Health() (status int, h gateway.Health) {
	s.t.Helper()
	resp, body := s.Do("GET", "/health", "", "")
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		s.t.Fatalf("%s: %v", body, err)
	}
	return resp.StatusCode, h
}

// state is what the pool holds of a replica.
func (s *service) state(url string) backends.ReplicaStatus {
	s.t.Helper()
	for _, b := range s.Pool.Snapshot().Backends {
		for _, r := range b.Replicas {
			if r.URL == url {
				return r
			}
		}
	}
	s.t.Fatalf("no replica %s", url)
	return backends.ReplicaStatus{}
}

func TestReplicasShare(t *testing.T) {
	t.Parallel()
	a, b := newEngine(t), newEngine(t)
	s := serve(t, func(s *setup) { s.Backends = []backends.Config{testBackend("chat", testModel, a.URL, b.URL)} })
	for range 10 {
		s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi"))
	}
	if na, nb := len(a.Requests()), len(b.Requests()); na != 5 || nb != 5 {
		t.Fatalf("ten requests, one by one, went %d and %d", na, nb)
	}
	// One is held at a replica: what comes meanwhile goes to the other.
	held, free := make(chan *engineConn), make(chan bool)
	hold := func(c *engineConn, r *engineRequest) {
		if strings.Contains(r.Body, "hold") {
			held <- c
			<-free
		}
		plainAnswer(c, r)
	}
	a.Answer(hold)
	b.Answer(hold)
	c := s.Dial()
	c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hold")))
	busy, idle := a, b
	if at := (<-held).LocalAddr().String(); "http://"+at == b.URL {
		busy, idle = b, a
	}
	for range 4 {
		s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi"))
	}
	close(free)
	if a := c.Answer("POST"); a.StatusCode != 200 {
		t.Errorf("the one that was held: %d", a.StatusCode)
	}
	if n := len(busy.Requests()); n != 6 {
		t.Errorf("the busy replica got %d requests, want 6", n)
	}
	if n := len(idle.Requests()); n != 9 {
		t.Errorf("the idle replica got %d requests, want 9", n)
	}
}

// TestHealth follows GET /health while replicas come and go.
func TestHealth(t *testing.T) {
	t.Parallel()
	a, b, sql := newEngine(t), newEngine(t), newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{brisk("chat", testModel, a.URL, b.URL), brisk("sql", "sql-model", sql.URL)}
		s.Backends[0].Aliases = []string{"alias"}
	})
	if _, body := s.Do("GET", "/health", "", ""); strings.TrimSpace(body) != fmt.Sprintf(`{"status":"healthy","backends":{"chat":[%q,%q],"sql":[%q]}}`, a.URL, b.URL, sql.URL) {
		t.Errorf("healthy: %s", body)
	}
	for _, step := range []struct {
		name   string
		sick   []*engine
		status int
		word   string
		chat   []string
		answer int // to a request for chat
	}{
		{"one of two replicas", []*engine{a}, 200, "degraded", []string{b.URL}, 200},
		{"one of two models", []*engine{a, b}, 200, "degraded", []string{}, 503},
		{"all", []*engine{a, b, sql}, 503, "unhealthy", []string{}, 503},
		{"a model back", []*engine{a, b}, 200, "degraded", []string{}, 503},
		{"all back", nil, 200, "healthy", []string{a.URL, b.URL}, 200},
	} {
		for _, e := range []*engine{a, b, sql} {
			e.Sick(slices.Contains(step.sick, e))
		}
		eventually(t, step.name, func() bool {
			status, h := s.Health()
			return status == step.status && h.Status == step.word && slices.Equal(h.Backends["chat"], step.chat)
		})
		for _, model := range []string{testModel, "alias"} {
			resp, body := s.Do("POST", "/v1/chat/completions", "acme", strings.Replace(chat(true, "hi"), testModel, model, 1))
			if resp.StatusCode != step.answer {
				t.Errorf("%s: %d %s", step.name, resp.StatusCode, body)
			}
			if step.answer == 503 {
				wait, err := strconv.Atoi(resp.Header.Get("Retry-After"))
				if err != nil || wait < 1 || !strings.Contains(body, `"code":"no_healthy_backend"`) {
					t.Errorf("%s: Retry-After %q, %s", step.name, resp.Header.Get("Retry-After"), body)
				}
			}
		}
	}
	if resp, _ := s.Do("GET", "/health", "acme", ""); resp.StatusCode != 200 {
		t.Error("a key does harm to /health")
	}
	s.Idle("acme")
}

// TestOneBadProbe: a single sign is no reason to leave a replica out.
func TestOneBadProbe(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{brisk("chat", testModel, e.URL)}
		s.Backends[0].Health.Fall = 1000
	})
	e.Sick(true)
	eventually(t, "noticed", func() bool { return s.state(e.URL).State == backends.Degraded })
	if status, h := s.Health(); status != 200 || h.Status != "healthy" {
		t.Errorf("%d %v", status, h)
	}
	if resp, body := s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi")); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	e.Sick(false)
	eventually(t, "forgotten", func() bool { return s.state(e.URL).State == backends.Healthy })
}

// TestCircuit has requests fail at a replica whose health checks succeed.
func TestCircuit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		answer func(*engineConn, *engineRequest)
		opens  bool
	}{
		{"500", func(c *engineConn, _ *engineRequest) { c.Send(failing(500, secretText)) }, true},
		{"401", func(c *engineConn, _ *engineRequest) { c.Send(failing(401, secretText)) }, true},
		{"silence", func(c *engineConn, _ *engineRequest) { <-c.Gone }, true},
		{"cut", func(c *engineConn, _ *engineRequest) { c.Close() }, true},
		{"400", func(c *engineConn, _ *engineRequest) { c.Send(failing(400, `{"message":"no"}`)) }, false},
		{"404", func(c *engineConn, _ *engineRequest) { c.Send(failing(404, `{"message":"no"}`)) }, false},
		{"429", func(c *engineConn, _ *engineRequest) { c.Send(failing(429, `{"message":"no"}`)) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bad, good := newEngine(t), newEngine(t)
			s := serve(t, func(s *setup) {
				s.Backends = []backends.Config{brisk("chat", testModel, bad.URL, good.URL)}
				if test.name == "silence" {
					s.Backends[0].Timeouts.FirstByte = backends.Duration(time.Second)
				}
			})
			bad.Answer(test.answer)
			if !test.opens {
				for range 20 {
					s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi"))
				}
				if n, st := len(bad.Requests()), s.state(bad.URL); n != 10 || st.State != backends.Healthy || st.Failures != 0 {
					t.Errorf("after %d of 20 requests it is %v with %d failures", n, st.State, st.Failures)
				}
				return
			}
			failed := 0
			for i := 0; s.state(bad.URL).State != backends.Down; i++ {
				if resp, _ := s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi")); resp.StatusCode >= 500 {
					failed++
				}
				if i == 10 {
					t.Fatalf("it is %v after %d failures", s.state(bad.URL).State, failed)
				}
			}
			if failed != 3 {
				t.Errorf("it opened after %d failures", failed)
			}
			if st := s.state(bad.URL); st.Reason == "" || strings.Contains(st.Reason, secretText) {
				t.Errorf("reason %q", st.Reason)
			}
			// That much holds until it may be tried again, after a second.
			shut := func() bool { return time.Since(s.state(bad.URL).Since) < 900*time.Millisecond }
			for range 5 {
				if resp, body := s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi")); resp.StatusCode != 200 && shut() {
					t.Errorf("with one open circuit: %d %s", resp.StatusCode, body)
				}
			}
			if _, h := s.Health(); (h.Status != "degraded" || !slices.Equal(h.Backends["chat"], []string{good.URL})) && shut() {
				t.Errorf("health %v", h)
			}
			// It stays out although its checks succeed, until a request has.
			bad.Answer(plainAnswer)
			asked := len(bad.Requests())
			eventually(t, "half open", func() bool { return strings.Contains(s.state(bad.URL).Reason, "the next request decides") })
			if n := len(bad.Requests()); n != asked {
				t.Errorf("it got %d requests while its circuit was open", n-asked)
			}
			if resp, body := s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi")); resp.StatusCode != 200 {
				t.Errorf("the trial: %d %s", resp.StatusCode, body)
			}
			if n := len(bad.Requests()); n != asked+1 || s.state(bad.URL).State != backends.Healthy {
				t.Errorf("the trial took %d requests, and it is %v", n-asked, s.state(bad.URL).State)
			}
		})
	}
}

// TestLeavingIsNoFailure: clients that leave say nothing about a replica.
func TestLeavingIsNoFailure(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Engine.Answer(func(c *engineConn, r *engineRequest) {
		if strings.Contains(r.Body, "begin") {
			c.Send(streamHead + chunk(event("one")))
		}
		<-c.Gone
	})
	for _, begin := range []bool{false, true, false, true} {
		c := s.Dial()
		if begin {
			c.Send(s.post("/v1/chat/completions", "acme", chat(true, "begin")))
			c.stream().Next()
		} else {
			n := len(s.Engine.Requests())
			c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
			eventually(t, "at the engine", func() bool { return len(s.Engine.Requests()) > n })
		}
		c.Close()
	}
	s.Idle("acme")
	if st := s.state(s.Engine.URL); st.State != backends.Healthy || st.Failures != 0 {
		t.Errorf("it is %v with %d failures", st.State, st.Failures)
	}
	if got := s.Gateway.Snapshot().Totals.ClientLeft; got != 4 {
		t.Errorf("%d clients left, want 4", got)
	}
}
