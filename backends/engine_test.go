package backends

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backends/sim"
)

// engineOf waits until what is known of the one replica's engine is as wanted.
func engineOf(t *testing.T, p *Pool, what string, want func(*EngineStatus) bool) *EngineStatus {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		e := p.Snapshot().Backends[0].Replicas[0].Engine
		if e != nil && want(e) {
			return e
		}
		if time.Now().After(end) {
			t.Fatalf("never %s: %+v", what, e)
		}
	}
}

// runPool runs a pool of one backend until the test ends.
func runPool(t *testing.T, c Config) *Pool {
	t.Helper()
	p := newPool(t, c)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { p.Run(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return p
}

// A simulated engine's metrics are read, with what it has done; a new engine at
// the same address has counts of its own.
func TestStatusOfASimulatedEngine(t *testing.T) {
	addr := reserve(t)
	start := func() (stop func()) {
		s, err := sim.New(sim.Config{Model: "m", Speed: 200})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx, l) }()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	began := time.Now().Add(-time.Second)
	stop := start()
	resp, err := http.Post("http://"+addr+"/v1/completions", "application/json", strings.NewReader(`{"model":"m","prompt":[1,2,3,4,5],"max_tokens":7,"ignore_eos":true}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %s %v", resp.StatusCode, body, err)
	}
	http.DefaultClient.CloseIdleConnections()

	p := runPool(t, Config{Name: "b", Model: "m", URLs: []string{"http://" + addr}})
	first := *engineOf(t, p, "read", func(e *EngineStatus) bool { return !e.At.IsZero() })
	if first.Running != 0 || first.Waiting != 0 || first.Deferred != 0 || first.KVUsage != 0 || first.KVTokens != 96_768 || first.Preemptions != 0 ||
		first.Iterations != 7 || first.PrefixQueries != 5 || first.PrefixHits != 0 || first.Sleeping {
		t.Errorf("%+v", first)
	}
	if first.Prompt != 5 || first.Generation != 7 || first.Err != "" || first.Started.Before(began) || first.At.Before(first.Started) {
		t.Errorf("%+v, want 5 and 7 tokens", first)
	}
	stop()
	gone := engineOf(t, p, "gone", func(e *EngineStatus) bool { return e.Err != "" })
	if kept := *gone; kept.Err != "read metrics: connection refused" {
		t.Errorf("the error is %q", kept.Err)
	} else if kept.Err = ""; kept != first {
		t.Errorf("with the error: %+v, want what was read last, %+v", kept, first)
	}
	defer start()()
	second := engineOf(t, p, "read anew", func(e *EngineStatus) bool { return e.Err == "" })
	if second.Prompt != 0 || second.Generation != 0 || !second.Started.After(first.Started) || !second.At.After(first.At) {
		t.Errorf("the new engine: %+v, the old one %+v", second, first)
	}
}

// An engine whose metrics are slow, nonsense or endless says so in words; it is
// as healthy as before, and is not asked twice at once.
func TestReadingsNeverBurden(t *testing.T) {
	const key = "made-for-this-test"
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   string
	}{
		"broken":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "read metrics: status 500"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/else?"+key, http.StatusFound) }, "read metrics: status 302"},
		"nonsense":  {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a\nvllm:prompt_tokens_total "+key) }, "read metrics: what is there is not Prometheus' text format"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, strings.Repeat("# a comment that goes on\n", 1000))
			}
		}, "read metrics: more than 4 MiB"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(vllmText)+1))
			io.WriteString(w, vllmText)
		}, "read metrics: no answer that can be understood"},
		"no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			io.WriteString(conn, key+"\r\n\r\n")
			conn.Close()
		}, "read metrics: no answer that can be understood"},
	} {
		t.Run(name, func(t *testing.T) {
			h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/metrics" {
					c.answer(w, r)
				}
			}))
			defer h.Close()
			p := runPool(t, Config{Name: "b", Model: "m", URLs: []string{h.URL}, APIKey: key,
				Health: Health{Interval: Duration(5 * time.Millisecond), Rise: 1}})
			e := engineOf(t, p, "read", func(e *EngineStatus) bool { return e.Err != "" })
			if e.Err != c.want || !e.At.IsZero() {
				t.Errorf("%+v, want %q", e, c.want)
			}
			for end := time.Now().Add(patience); p.Snapshot().Backends[0].Replicas[0].State != Healthy; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the replica is %+v", p.Snapshot().Backends[0].Replicas[0])
				}
			}
		})
	}
}

// An engine that never answers is asked again when the last question is over,
// and not before.
func TestReadingsComeOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, out, most atomic.Int32
		p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{"http://one:1"}})
		r := p.All()[0].replicas[0]
		slow := http.Client{Transport: silentEngine(func(req *http.Request) {
			asked.Add(1)
			most.Store(max(most.Load(), out.Add(1)))
			<-req.Context().Done()
			out.Add(-1)
		})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.scrape(ctx, &slow, p.publish); close(ended) }()
		time.Sleep(time.Minute + time.Second)
		stop()
		<-ended
		if n := asked.Load(); n != 7 || most.Load() != 1 {
			t.Errorf("asked %d times in a minute, %d at once", n, most.Load())
		}
		if e := p.Snapshot().Backends[0].Replicas[0].Engine; e == nil || e.Err != "read metrics: not within 4s" {
			t.Errorf("%+v", e)
		}
	})
}

// silentEngine answers nothing.
type silentEngine func(*http.Request)

func (f silentEngine) RoundTrip(req *http.Request) (*http.Response, error) {
	f(req)
	return nil, req.Context().Err()
}
