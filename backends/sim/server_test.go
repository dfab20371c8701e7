package sim_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// do asks and reads the whole answer.
func do(t *testing.T, method, url, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(text)
}

func TestRoutesAndKeys(t *testing.T) {
	s := start(t, sim.Config{APIKey: "backend-key"})
	for name, tc := range map[string]struct {
		method, path, key string
		status            int
		has               string
	}{
		"models without a key": {"GET", "/v1/models", "", 401, `{"error":"Unauthorized"}`},
		"models, another key":  {"GET", "/v1/models", "backend-keys", 401, `{"error":"Unauthorized"}`},
		"models":               {"GET", "/v1/models", "backend-key", 200, `"max_model_len":8192`},
		"key before route":     {"GET", "/v1/nothing", "", 401, "Unauthorized"},
		"health needs none":    {"GET", "/health", "", 200, ""},
		"health takes one":     {"GET", "/health", "backend-key", 200, ""},
		"ping":                 {"POST", "/ping", "", 200, ""},
		"version":              {"GET", "/version", "", 200, `{"version":"0.32.0-pilothouse-sim"}`},
		"metrics need none":    {"GET", "/metrics", "", 200, "vllm:num_requests_running"},
		"no such path":         {"GET", "/v1/nothing", "backend-key", 404, `{"detail":"Not Found"}`},
		"wrong method":         {"GET", "/v1/chat/completions", "backend-key", 405, `{"detail":"Method Not Allowed"}`},
		"no control":           {"GET", "/sim/faults", "", 404, "Not Found"},
		"no body":              {"POST", "/v1/chat/completions", "backend-key", 400, `"type":"BadRequestError"`},
	} {
		t.Run(name, func(t *testing.T) {
			if status, text := do(t, tc.method, s.url+tc.path, tc.key, ""); status != tc.status || !strings.Contains(text, tc.has) {
				t.Errorf("got %d %s, want %d with %s", status, text, tc.status, tc.has)
			}
		})
	}
	with, right := 0, 0
	for _, r := range s.Requests() {
		if r.Authorization {
			with++
		}
		if r.Authorized {
			right++
		}
	}
	if l := s.Load(); l.Requests != 13 || with != 6 || right != 5 {
		t.Errorf("%d requests seen, %d with a key, %d with the right one", l.Requests, with, right)
	}
}

// A client that closes its connection is noticed while the answer is being
// generated, streaming or not, before and after the first byte.
func TestDisconnectFreesTheCache(t *testing.T) {
	for name, tc := range map[string]struct {
		stream bool
		events int // read before it leaves
	}{
		"whole answer":             {false, 0},
		"stream, before any event": {true, 0},
		"stream, after 3 events":   {true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, sim.Config{Speed: 1})
			var took [3]time.Duration // the machine may have paused in one
			for i := range took {
				conn := raw(t, s, body(tc.stream, 4000)) // some 200 s of work
				eventually(t, "it runs", func() bool { return s.Load().Running == 1 })
				in := bufio.NewReader(conn)
				for seen := 0; seen < tc.events; {
					line, err := in.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					seen += events(line)
				}
				left := time.Now()
				_ = conn.Close()
				eventually(t, "its blocks are free", func() bool { l := s.Load(); return l.Running == 0 && l.KVUsed == 0 })
				took[i] = time.Since(left)
			}
			if slices.Min(took[:]) > 250*time.Millisecond {
				t.Errorf("freed after %v", took)
			}
			if l := s.Load(); int(l.Aborted) != len(took) {
				t.Errorf("%d aborted, want %d", l.Aborted, len(took))
			}
		})
	}
}

func TestStopAbortsWhatIsInFlight(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := start(t, sim.Config{Speed: 1})
		conn := raw(t, s, body(stream, 4000))
		eventually(t, "a token", func() bool { return s.Load().GeneratedTokens > 0 })
		s.stop()
		if err := <-s.done; err != nil {
			t.Errorf("Serve returned %v", err)
		}
		text, _ := io.ReadAll(conn) // ends by a close or a reset: both will do
		if strings.Contains(string(text), "[DONE]") || strings.HasSuffix(string(text), endChunk) || strings.HasSuffix(string(text), "}") {
			t.Errorf("an aborted answer looks complete: %q", text)
		}
		l := s.Load()
		if l.Running != 0 || l.KVUsed != 0 || l.Serving || l.Aborted != 1 {
			t.Errorf("after the stop: %+v", l)
		}
	}
}

// The handlers alone, on a server that stays: an answer that the engine's end
// cuts short is broken off, whoever closes the connection first.
func TestAnAbortedAnswerIsNotComplete(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := start(t, sim.Config{Speed: 1})
		front := httptest.NewServer(s)
		answers := make(chan error, 1)
		go func() {
			r, err := http.Post(front.URL+"/v1/chat/completions", "application/json", strings.NewReader(body(stream, 4000)))
			if err == nil {
				_, err = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
			answers <- err
		}()
		eventually(t, "a token", func() bool { return s.Load().GeneratedTokens > 0 })
		s.stop()
		if err := <-answers; err == nil {
			t.Errorf("stream %v: the answer looks complete", stream)
		}
		front.Close()
	}
}

func TestStopDrains(t *testing.T) {
	s := start(t, sim.Config{ShutdownTimeout: time.Minute})
	conn := raw(t, s, body(true, 400)) // 400 ms of work
	eventually(t, "a token", func() bool { return s.Load().GeneratedTokens > 0 })
	s.stop()
	text, err := io.ReadAll(conn)
	if err != nil || events(string(text)) != 402 || !strings.HasSuffix(string(text), endChunk) {
		t.Errorf("drained stream: %d events, %v", events(string(text)), err)
	}
	if err := <-s.done; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if l := s.Load(); l.Aborted != 0 {
		t.Errorf("%d aborted in a drain", l.Aborted)
	}
}

func TestDrainHasABound(t *testing.T) {
	s := start(t, sim.Config{Speed: 1, ShutdownTimeout: 50 * time.Millisecond, Faults: []sim.Fault{{Kind: sim.Hang}}})
	raw(t, s, body(false, 10))
	eventually(t, "it runs", func() bool { return s.Load().Running == 1 })
	began := time.Now()
	s.stop()
	<-s.done
	if took := time.Since(began); took < 50*time.Millisecond || took > 10*time.Second {
		t.Errorf("a hung request held the stop up for %v", took)
	}
}

func TestServeOnceAndLeaveNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	s := start(t, sim.Config{})
	do(t, "POST", s.url+"/v1/chat/completions", "", body(true, 5))
	idle := raw(t, s, body(false, 1)) // kept alive
	raw(t, s, body(true, 2000))       // in flight
	eventually(t, "both came", func() bool { return s.Load().Requests == 3 })
	s.stop()
	<-s.done
	_ = idle.Close()
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), l); !errors.Is(err, sim.ErrServed) {
		t.Errorf("a second Serve returned %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		config sim.Config
		field  string
	}{
		"no model":       {sim.Config{}, "Model"},
		"kind":           {sim.Config{Model: "m", Kind: "poetry"}, "Kind"},
		"small cache":    {sim.Config{Model: "m", KVTokens: 8000}, "KVTokens"},
		"negative speed": {sim.Config{Model: "m", Speed: -1}, "Speed"},
		"negative block": {sim.Config{Model: "m", BlockSize: -16}, "BlockSize"},
		"big block":      {sim.Config{Model: "m", KVTokens: 9000, BlockSize: 5000}, "BlockSize"},
		"half a timing":  {sim.Config{Model: "m", Timing: sim.Timing{Bandwidth: 1}}, "Timing"},
		"negative drain": {sim.Config{Model: "m", ShutdownTimeout: -1}, "ShutdownTimeout"},
	} {
		t.Run(name, func(t *testing.T) {
			var wrong *sim.ConfigError
			if _, err := sim.New(tc.config); !errors.As(err, &wrong) || wrong.Field != tc.field {
				t.Errorf("got %v, want an error about %s", err, tc.field)
			}
		})
	}
	if _, err := sim.New(sim.Config{Model: "m"}); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}
