package backends

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// answers answers in the engine's place, without a network.
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// Which models an engine lists decides whether it is let in; only vLLM's kind
// lists all the names that it answers to.
func TestModelIsLoaded(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   State
	}{
		{"it is there", 200, `{"object":"list","data":[{"id":"other","owned_by":"vllm"},{"id":"m","owned_by":"vllm"}]}`, Healthy},
		{"vLLM serves another", 200, `{"object":"list","data":[{"id":"secret words","owned_by":"vllm"}]}`, Loading},
		{"SGLang serves another", 200, `{"object":"list","data":[{"id":"secret words","owned_by":"sglang"}]}`, Loading},
		{"none yet", 200, `{"object":"list","data":[]}`, Loading},
		{"llama.cpp names a file", 200, `{"object":"list","data":[{"id":"/models/m.gguf","owned_by":"llamacpp"}]}`, Healthy},
		{"Ollama names a tag", 200, `{"object":"list","data":[{"id":"m:latest","owned_by":"library"}]}`, Healthy},
		{"no list", 200, `{}`, Healthy},
		{"no JSON", 200, `secret words`, Healthy},
		{"not there", 404, `{"object":"list","data":[]}`, Healthy},
		{"not for this key", 401, ``, Healthy},
	} {
		t.Run(c.name, func(t *testing.T) {
			var listed atomic.Int32
			p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{"http://one:1"}})
			r := p.All()[0].replicas[0]
			client := &http.Client{Transport: answers(func(req *http.Request) (*http.Response, error) {
				if req.URL.Path == "/v1/models" {
					listed.Add(1)
					return answer(c.status, c.body)
				}
				return answer(200, "")
			})}
			for range 5 {
				r.probed(r.probe(t.Context(), client, r.settings.Load().health))
			}
			st := r.status()
			if st.State != c.want || strings.Contains(st.Reason, "secret") {
				t.Errorf("it is %s (%s), want %s", st.State, st.Reason, c.want)
			}
			if n := listed.Load(); c.want == Healthy && n != 1 {
				t.Errorf("asked %d times for its models, and needed to be once", n)
			}
		})
	}
}

// What a probe meets has its name.
func TestProbeOutcomes(t *testing.T) {
	p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{"http://one:1"}, Health: Health{Timeout: Duration(20 * time.Millisecond)}})
	r := p.All()[0].replicas[0]
	for _, c := range []struct {
		name string
		do   answers
		want outcome
	}{
		{"well", func(*http.Request) (*http.Response, error) { return answer(204, "") }, succeeded},
		{"503", func(*http.Request) (*http.Response, error) { return answer(503, "") }, unready},
		{"404", func(*http.Request) (*http.Response, error) { return answer(404, "") }, errored},
		{"refused", func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}, refused},
		{"no name", func(*http.Request) (*http.Response, error) { return nil, &net.DNSError{IsNotFound: true} }, unnamed},
		{"reset", func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET }, brokeOff},
		{"closed", func(*http.Request) (*http.Response, error) { return nil, io.EOF }, brokeOff},
		{"silence", func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}, silent},
		{"anything else", func(*http.Request) (*http.Response, error) { return nil, errors.New("secret words") }, unclear},
	} {
		synctest.Test(t, func(t *testing.T) { // whose time no machine can run out of
			got := r.probe(t.Context(), &http.Client{Transport: c.do}, r.settings.Load().health)
			if got != c.want {
				t.Errorf("%s: %d, want %d (%s)", c.name, got, c.want, c.want)
			}
		})
	}
	// And so on a real socket, with the client that is really used.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	p = newPool(t, Config{Name: "b", Model: "m", URLs: []string{"http://" + l.Addr().String()}})
	r = p.All()[0].replicas[0]
	for range 200 { // it may end before, while or after the request is written
		if got := r.probe(t.Context(), r.client(), r.settings.Load().health); got != brokeOff {
			t.Fatalf("accepted and closed: %s", got)
		}
	}
	l.Close()
	if got := r.probe(t.Context(), r.client(), r.settings.Load().health); got != refused {
		t.Errorf("nothing there: %s", got)
	}
}

// While bytes come from an engine it is not probed, and known to be alive; once
// they stop, or where only a probe can bring it back, it is.
func TestProbesLeaveABusyEngineAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probes atomic.Int32
		status := atomic.Int32{}
		status.Store(200)
		p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{"http://one:1"}})
		r := p.All()[0].replicas[0]
		client := &http.Client{Transport: answers(func(req *http.Request) (*http.Response, error) {
			if req.URL.Path == "/health" {
				probes.Add(1)
			}
			return answer(int(status.Load()), "")
		})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.watch(ctx, client); close(ended) }()
		pass := func(d time.Duration, bytes bool) int32 {
			synctest.Wait()
			before := probes.Load()
			for end := time.Now().Add(d); time.Now().Before(end); {
				r.look()
				if bytes {
					r.Progressed()
				}
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
			return probes.Load() - before
		}
		if n := pass(time.Minute, false); n != 30 {
			t.Errorf("%d probes of an idle engine in a minute", n)
		}
		if n := pass(time.Minute, true); n > 1 {
			t.Errorf("%d probes in a minute of bytes", n)
		}
		if age := time.Since(r.status().LastOK); age > 3*time.Second {
			t.Errorf("its last sign of life is %v old", age)
		}
		if n := pass(time.Minute, false); n < 28 {
			t.Errorf("%d probes in the minute after that", n)
		}
		status.Store(503)
		if n := pass(4*time.Second, false); n != 2 || r.status().State != Degraded {
			t.Errorf("%d probes, and it is %s", n, r.status().State)
		}
		status.Store(200)
		if n := pass(6*time.Second, true); n < 2 || r.status().State != Healthy {
			t.Errorf("%d probes among bytes while a probe has failed, and it is %s", n, r.status().State)
		}
		stop()
		<-ended
	})
}

// An engine that has work is read in the interval of its health, another one
// less often, and one without metrics seldom. None of that is an error.
func TestReadingsFollowTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var status atomic.Int32
		status.Store(200)
		p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{"http://one:1"}})
		r := p.All()[0].replicas[0]
		if r.Engine() != nil {
			t.Error("something is known before the first reading")
		}
		client := &http.Client{Transport: answers(func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			return answer(int(status.Load()), vllmText)
		})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.scrape(ctx, client, func() {}); close(ended) }()
		minute := func() int32 {
			synctest.Wait()
			before := asked.Load()
			time.Sleep(time.Minute)
			synctest.Wait()
			return asked.Load() - before
		}
		if n := minute(); n != 12 {
			t.Errorf("read %d times in a minute without work", n)
		}
		r.inflight.Add(1)
		if n := minute(); n < 29 || n > 30 {
			t.Errorf("read %d times in a minute of work", n)
		}
		if e := r.Engine(); e.Err != "" || e.Running != 7 || time.Since(e.At) > 2*time.Second {
			t.Errorf("%+v", e)
		}
		for _, none := range []int32{404, 405, 501} {
			status.Store(none)
			minute()
			if n := minute(); n != 1 {
				t.Errorf("read %d times in a minute with %d for metrics", n, none)
			}
			want := noData()
			want.At = r.Engine().At
			if e := r.Engine(); e.Err != "" || *e != want || e.At.IsZero() {
				t.Errorf("%d: %+v", none, e)
			}
		}
		status.Store(200)
		minute()
		minute()
		status.Store(500)
		minute()
		if e := r.Engine(); e.Err != "read metrics: status 500" || e.Running != 7 {
			t.Errorf("%+v", e)
		}
		stop()
		<-ended
	})
}

// A drain holds through probes and a reload, and shows; undrained it is what its
// circuit says. What its container does shows as well.
func TestDrainAndStart(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer h.Close()
	c := Config{Name: "b", Model: "m", URLs: []string{h.URL}, Health: Health{Interval: Duration(5 * time.Millisecond)}}
	p := runPool(t, c)
	r := p.All()[0].replicas[0]
	shown := func(want State, reason string) {
		t.Helper()
		until(t, patience, want.String(), func() bool {
			st := p.Snapshot().Backends[0].Replicas[0]
			return st.State == want && strings.Contains(st.Reason, reason)
		})
	}
	shown(Healthy, "")
	held := picks{}
	if held.take(p.All()[0]) != r {
		t.Fatal("not picked")
	}
	r.Drain("ana: a new driver")
	shown(Draining, "ana: a new driver")
	last := r.status().LastOK
	until(t, patience, "probed again and again", func() bool { return r.status().LastOK.Sub(last) > 50*time.Millisecond })
	c.Health.Rise = 1
	c.URLs = append(c.URLs, "http://127.0.0.1:1")
	if err := p.Apply([]Config{c}); err != nil {
		t.Fatal(err)
	}
	if held.take(p.All()[0]) == r {
		t.Error("picked while it drains")
	}
	shown(Draining, "ana: a new driver")
	if n := r.status().InFlight; n != 1 {
		t.Errorf("%d in flight: what is there goes on", n)
	}
	held.done(r)
	r.Undrain()
	shown(Healthy, "")

	since := time.Now().Add(-time.Minute)
	h.Close()
	r.Starting(since, "its container is started")
	shown(Starting, "nothing listens at its address")
	if st := r.status(); !st.Since.Equal(since) {
		t.Errorf("starting since %v, want %v", st.Since, since)
	}
	r.Loading(since, "its container runs")
	shown(Loading, "nothing listens at its address: it is loading")
}
