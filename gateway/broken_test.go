package gateway_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backends"
)

// TestBrokenStream are the ways of a stream to break once it has begun: the
// client gets what came, one error event and [DONE], and its connection ends.
func TestBrokenStream(t *testing.T) {
	t.Parallel()
	const (
		chunked    = "Transfer-Encoding: chunked"
		length     = "Content-Length: 9999"
		untilClose = "X-Framing: none"
	)
	huge := chunk("data: " + strings.Repeat("x", 5<<20))
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{patient(e.URL)}
		for model, timeouts := range map[string]backends.Timeouts{"hasty": {NextByte: backends.Duration(500 * time.Millisecond)}, "short": {Total: backends.Duration(3 * time.Second)}} {
			b := patient(e.URL)
			b.Name, b.Model, b.Timeouts = model, model, timeouts
			s.Backends = append(s.Backends, b)
		}
		s.Config.Server.AdminListen = "127.0.0.1:0"
	})
	var failed map[string]float64
	for _, test := range []struct {
		name    string
		framing string
		model   string              // whose time-outs are those that it takes; all others' are long
		breaks  func(c *engineConn) // behind two events
		code    string
		why     string // its kind among the upstream errors; "": not held against the backend
	}{
		{"cut between chunks", chunked, testModel, func(c *engineConn) { c.Close() }, "backend_error", "reset"},
		{"reset", chunked, testModel, func(c *engineConn) { c.Reset() }, "backend_error", "reset"},
		{"cut inside a chunk", chunked, testModel, func(c *engineConn) { c.Send("99\r\ndata: {"); c.Close() }, "backend_error", "reset"},
		{"cut inside a size", chunked, testModel, func(c *engineConn) { c.Send("9"); c.Close() }, "backend_error", "reset"},
		{"cut inside the end", chunked, testModel, func(c *engineConn) { c.Send("0\r\n"); c.Close() }, "backend_error", "reset"},
		{"cut until close", untilClose, testModel, func(c *engineConn) { c.Close() }, "backend_error", "reset"},
		{"cut of a length", length, testModel, func(c *engineConn) { c.Close() }, "backend_error", "reset"},
		{"bad size", chunked, testModel, func(c *engineConn) { c.Send("xyz\r\n") }, "backend_error", "protocol"},
		{"huge size", chunked, testModel, func(c *engineConn) { c.Send("fffffffffffffffff\r\n") }, "backend_error", "protocol"},
		{"negative size", chunked, testModel, func(c *engineConn) { c.Send("-1\r\n") }, "backend_error", "protocol"},
		{"endless size line", chunked, testModel, func(c *engineConn) { c.Send(strings.Repeat("0", 80<<10)) }, "backend_error", "protocol"},
		{"chunk beyond its size", chunked, testModel, func(c *engineConn) { c.Send("3\r\n: x\n\n\r\n") }, "backend_error", "protocol"},
		{"event without end", chunked, testModel, func(c *engineConn) { c.Send(huge) }, "backend_error", ""},
		{"silence", chunked, "hasty", func(c *engineConn) { <-c.Gone }, "backend_timeout", "timeout"},
		{"silence inside an event", chunked, "hasty", func(c *engineConn) { c.Send(chunk("data: {")); <-c.Gone }, "backend_timeout", "timeout"},
		{"no end of it", chunked, "short", func(c *engineConn) {
			for keepSending(c, chunk(": on and on\n\n")) {
			}
		}, "backend_timeout", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, asked := s.Usage("acme"), len(e.Requests())
			seen := make(chan bool)
			e.Answer(func(c *engineConn, _ *engineRequest) {
				c.Send(strings.Replace(streamHead, chunked, test.framing, 1))
				for _, event := range []string{counted("a", 1), counted("b", 2)} {
					if test.framing == chunked {
						event = chunk(event)
					}
					c.Send(event)
				}
				if <-seen {
					test.breaks(c)
				}
			})
			defer close(seen)
			str := s.Stream(asking(test.model, true))
			if str.status != 200 {
				t.Fatalf("status %d", str.status)
			}
			body := str.Next()
			if body == bare("a") {
				body += str.Next()
			}
			seen <- true
			body += strings.Join(str.Rest(), "")
			comments := strings.Count(body, ": on and on\n\n")
			body = strings.ReplaceAll(body, ": on and on\n\n", "")
			rest, ok := strings.CutPrefix(body, bare("a")+bare("b"))
			if !ok || !strings.HasPrefix(rest, `data: {"error":{"message":"`) || !strings.HasSuffix(rest, "\n\n"+done) || strings.Count(rest, "\n\n") != 2 {
				t.Errorf("got %.300q", body)
			}
			if !strings.Contains(rest, `"type":"server_error","param":null,"code":"`+test.code+`"}}`) {
				t.Errorf("the error is %q, want code %s", rest, test.code)
			}
			if err := str.c.Ended(); err != nil {
				t.Errorf("the client's connection: %v", err)
			}
			if (comments > 0) != (test.name == "no end of it") {
				t.Errorf("%d comments", comments)
			}
			if a := s.access(str.header.Get("X-Request-Id")); a["status"] != 200.0 || a["end"] != "backend_failed" || a["code"] != test.code || a["completion_tokens"] != 2.0 {
				t.Errorf("logged %v", a)
			}
			for window, used := range map[string]int64{"tokens_per_day": 9, "requests_per_day": 1} { // 7 and 2 were seen
				if got := s.Usage("acme")[window]; got.Used-before[window].Used != used || got.Reserved != 0 {
					t.Errorf("%+v after %d, want %d more", got, before[window].Used, used)
				}
			}
			failed = s.wantFailure(t, failed, test.why)
			if n := len(e.Requests()) - asked; n != 1 {
				t.Errorf("the backend got %d requests", n)
			}
		})
	}
	s.Idle("acme")
}

// failures are the upstream errors of all backends so far, by kind.
func (s *service) failures() map[string]float64 {
	m := map[string]float64{}
	for series, v := range s.metrics() {
		if _, kind, ok := strings.Cut(series, `",kind="`); ok && strings.HasPrefix(series, "pilothouse_upstream_errors_total{") {
			m[strings.TrimSuffix(kind, `"}`)] += v
		}
	}
	return m
}

// wantFailure wants one more of a kind than before, and none of any other; ""
// for none at all. It returns those there are now.
func (s *service) wantFailure(t *testing.T, before map[string]float64, kind string) map[string]float64 {
	t.Helper()
	now := s.failures()
	for k, n := range now {
		want := before[k]
		if k == kind {
			want++
		}
		if n != want {
			t.Errorf("%v upstream errors of kind %s, want %v", n, k, want)
		}
	}
	return now
}

// keepSending writes unhurriedly; false once the other side has gone.
func keepSending(c *engineConn, s string) bool {
	select {
	case <-c.Gone:
		return false
	case <-time.After(20 * time.Millisecond):
	}
	_, err := io.WriteString(c.Conn, s)
	return err == nil
}

// metrics are the gateway's own series on the admin listener.
func (s *service) metrics() map[string]float64 {
	s.t.Helper()
	m := map[string]float64{}
	for line := range strings.Lines(s.scrape()) {
		if i := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, "pilothouse_") {
			v, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			m[line[:i]] = v
		}
	}
	return m
}

func (s *service) scrape() string {
	s.t.Helper()
	resp, err := http.Get(s.AdminURL() + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		s.t.Fatalf("%d %v %s", resp.StatusCode, err, b)
	}
	return string(b)
}

// TestSlowReaderIsNoTimeout lets a client take nothing for longer than the
// backend has for its next byte: the backend can't send on, and is not to blame.
func TestSlowReaderIsNoTimeout(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{testBackend("chat", testModel, e.URL)}
		s.Backends[0].Timeouts.NextByte = backends.Duration(time.Second)
	})
	const events = 300
	var sent atomic.Int64
	e.Answer(func(c *engineConn, _ *engineRequest) {
		large := chunk(event(strings.Repeat("x", 64<<10)))
		c.Send(streamHead)
		for range events {
			c.Send(large)
			sent.Store(time.Now().UnixNano())
		}
		c.Send(chunk(done) + "0\r\n\r\n")
	})
	c := s.Dial()
	c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
	str := c.stream()
	eventually(t, "the engine can't send on for twice the time", func() bool {
		return sent.Load() != 0 && time.Since(time.Unix(0, sent.Load())) > 2*time.Second
	})
	body := strings.Join(str.Rest(), "")
	if n := strings.Count(body, `"choices"`); n != events || !strings.HasSuffix(body, "\n\n"+done) || strings.Contains(body, "error") {
		t.Errorf("%d events, ending with %q", n, body[max(0, len(body)-200):])
	}
	if st := s.Pool.Snapshot().Backends[0].Replicas[0]; st.State != backends.Healthy || st.Failures != 0 {
		t.Errorf("the replica is %v after %d failures", st.State, st.Failures)
	}
}

// TestErrorEvent has the engine give up in its own words: they are passed on,
// and the request is booked as the failure that it is.
func TestErrorEvent(t *testing.T) {
	t.Parallel()
	s := serve(t)
	failure := `data: {"error":{"message":"out of blocks","type":"InternalServerError","param":null,"code":500}}` + "\n\n"
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead + chunk(counted("a", 1)) + chunk(failure) + chunk(done) + "0\r\n\r\n")
	})
	str := s.Stream(chat(true, "hi"))
	if got := strings.Join(str.Rest(), ""); got != bare("a")+failure+done {
		t.Errorf("got %q", got)
	}
	if l := s.access(str.header.Get("X-Request-Id")); l["end"] != "backend_failed" || l["code"] != "backend_error" || l["status"] != 200.0 {
		t.Errorf("logged %v", l)
	}
	if u := s.Usage("acme")["tokens_per_day"]; u.Used != 8 || u.Reserved != 0 {
		t.Errorf("charged %+v", u)
	}
}
