package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
)

// A client that writes all of its request before it reads gets to know why it
// was refused: what it sent in vain does not reset the connection under the
// answer.
func TestRefusedWhileSending(t *testing.T) {
	t.Parallel()
	s := serve(t, func(set *setup) { set.Config.Server.MaxBody = 256 << 10 })
	large := strings.Repeat("x", 8<<20)
	chunks := strings.Repeat(chunk(large[:64<<10]), 128)
	fill := words(s)
	for _, c := range []struct {
		name, head, body string
		status           int
	}{
		{"no key", strings.Replace(head, "KEY", "bad", 1) + "Content-Length: 8388608\r\n\r\n", large, 401},
		{"no key, chunked", strings.Replace(head, "KEY", "bad", 1) + "Transfer-Encoding: chunked\r\n\r\n", chunks, 401},
		{"too large", head + "Content-Length: 8388608\r\n\r\n", large, 413},
		{"too large, chunked", head + "Transfer-Encoding: chunked\r\n\r\n", chunks, 413},
		{"expectation not waited for", strings.Replace(head, "KEY", "bad", 1) + "Expect: 100-continue\r\nContent-Length: 8388608\r\n\r\n", large, 401},
		{"malformed", head + "X : y\r\nContent-Length: 8388608\r\n\r\n", large, 400},
		{"headers too large", head + "X: " + large + "\r\n\r\n", "", 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 3 {
				client := s.Dial()
				client.t = t
				if _, err := io.WriteString(client, fill.Replace(c.head)+c.body); err != nil {
					t.Fatalf("the connection was reset while it was written to: %v", err)
				}
				a := client.Answer("POST")
				if a.StatusCode != c.status {
					t.Fatalf("%d %q, want %d", a.StatusCode, a.Body, c.status)
				}
				checkError(t, a)
				if err := client.Ended(); err != nil {
					t.Error(err)
				}
				client.Close()
			}
		})
	}
	if got := s.Engine.Requests(); len(got) != 0 {
		t.Errorf("the engine got %d requests", len(got))
	}
}

// No peer holds a connection by being slow: in its header, its body, or between
// two requests.
func TestSlowClientsAreCut(t *testing.T) {
	const limit, most = 1500 * time.Millisecond, 8 * time.Second // a byte every 100 ms would take longer than that
	s := serve(t, func(set *setup) {
		set.Config.Server.ReadTimeout = backends.Duration(limit)
		set.Config.Server.IdleTimeout = backends.Duration(limit)
	})
	fill := words(s)
	for _, c := range []struct {
		name, at, slow string
		status         int // 0: closed without a word
	}{
		{"header", "", head, 408},
		{"header's value", head + "X: ", strings.Repeat("y", 100), 408},
		{"one header after the other", head, strings.Repeat("X: y\r\n", 100), 408},
		{"body", head + "Content-Length: 91\r\n\r\n", hello, 408},
		{"large body", head + "Content-Length: 9000000\r\n\r\n", hello, 408},
		{"chunk size", head + "Transfer-Encoding: chunked\r\n\r\n", "0000000", 408},
		{"chunk extension", head + "Transfer-Encoding: chunked\r\n\r\n5b", ";" + strings.Repeat("a", 100), 408},
		{"chunk", head + "Transfer-Encoding: chunked\r\n\r\n5b\r\n", hello, 408},
		{"trailer", head + "Transfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n", strings.Repeat("X: y\r\n", 100), 408},
		{"body after 100", head + "Expect: 100-continue\r\nContent-Length: 91\r\n\r\n", hello, 408},
		{"nothing sent", "", "", 408},
		{"nothing after a request", get + "\r\n", "", 0},
		{"second header", get + "\r\n", head, 408},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := s.Dial()
			client.t = t
			start := time.Now()
			client.Send(fill.Replace(c.at))
			if strings.HasPrefix(c.at, "GET") {
				if a := client.Answer("GET"); a.StatusCode != 200 {
					t.Fatalf("%d %q", a.StatusCode, a.Body)
				}
			}
			stop := make(chan struct{})
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				tick := time.NewTicker(100 * time.Millisecond)
				defer tick.Stop()
				for _, b := range []byte(c.slow) {
					select {
					case <-stop:
						return
					case <-tick.C:
						client.Write([]byte{b})
					}
				}
			}()
			if strings.Contains(c.at, "Expect") {
				client.Answer("POST")
			}
			if c.status != 0 {
				a := client.Answer("POST")
				if a.StatusCode != c.status {
					t.Errorf("%d %q, want %d", a.StatusCode, a.Body, c.status)
				}
				checkError(t, a)
			}
			if err := client.Ended(); err != nil {
				t.Error(err)
			}
			close(stop)
			<-stopped
			if took := time.Since(start); took < limit*9/10 || took > most {
				t.Errorf("cut after %v, want %v", took, limit)
			}
		})
	}
	t.Cleanup(func() {
		if got := s.Engine.Requests(); len(got) != 0 {
			t.Errorf("the engine got %d requests", len(got))
		}
	})
}

// A client that takes nothing is cut, and its backend spared the rest.
func TestSlowReaderIsCut(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream, tls %v", tls), func(t *testing.T) {
			s := serve(t, func(set *setup) {
				set.Config.Server.WriteTimeout = backends.Duration(300 * time.Millisecond)
				if tls {
					set.withTLS(t)
				}
			})
			gone := make(chan struct{})
			s.Engine.Answer(func(c *engineConn, r *engineRequest) {
				defer close(gone)
				c.Send(streamHead)
				for {
					if _, err := io.WriteString(c, chunk(event(strings.Repeat("word ", 1000)))); err != nil {
						return
					}
				}
			})
			c := s.Connect()
			c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
			select {
			case <-gone:
			case <-time.After(patience):
				t.Fatal("the backend is still kept at work")
			}
			s.Idle("acme")
			if last := s.Accesses(); last[0]["end"] != "client_left" {
				t.Errorf("booked as %v", last[0]["end"])
			}
		})
	}
}

// inStack tells whether a goroutine is in a function.
func inStack(function string) bool {
	buf := make([]byte, 1<<20)
	return bytes.Contains(buf[:runtime.Stack(buf, true)], []byte(function))
}

const longAnswer = 16 << 20

// longUnary makes the engine answer with longAnswer bytes.
func longUnary(c *engineConn, _ *engineRequest) {
	c.Send(unary(`"` + strings.Repeat("x", longAnswer-2) + `"`))
}

func TestSlowReaderOfLongAnswerIsCut(t *testing.T) {
	s := serve(t, func(set *setup) { set.Config.Server.WriteTimeout = backends.Duration(300 * time.Millisecond) })
	s.Engine.Answer(longUnary)
	c := s.Dial()
	c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi")))
	writing := func() bool { return inStack("gateway.(*conn).Write") }
	eventually(t, "the answer is being written", writing)
	eventually(t, "the write has ended", func() bool { return !writing() })
	if n, err := io.Copy(io.Discard, c.br); n >= longAnswer {
		t.Errorf("%d bytes came, %v", n, err)
	}
}

// A client that is slow but takes something all the time gets all of its answer,
// however long that takes.
func TestSteadyReaderIsNotCut(t *testing.T) {
	const limit = 1500 * time.Millisecond
	s := serve(t, func(set *setup) { set.Config.Server.WriteTimeout = backends.Duration(limit) })
	s.Engine.Answer(longUnary)
	c := s.Dial()
	c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi")))
	start, n := time.Now(), 0
	for tick := time.NewTicker(100 * time.Millisecond); n < longAnswer; <-tick.C {
		took, err := io.CopyN(io.Discard, c.br, 512<<10)
		if n += int(took); err != nil && n < longAnswer {
			t.Fatalf("cut off after %d bytes and %v: %v", n, time.Since(start), err)
		}
	}
	if took := time.Since(start); took < 2*limit {
		t.Fatalf("read within %v, too fast to show anything", took)
	}
}

func TestRefusals(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		method, path, key, body string
		status                  int
		code                    string
	}{
		{"POST", "/v1/chat/completions", "embedder", chat(false, "hi"), 403, "not_allowed"},
		{"POST", "/v1/completions", "embedder", `{"model":"test-model","prompt":"x"}`, 403, "not_allowed"},
		{"POST", "/v1/chat/completions", "acme", `{"model":"other","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found"},
		{"GET", "/v1/models/other", "acme", "", 404, "model_not_found"},
		{"DELETE", "/v1/usage", "acme", "", 405, "method_not_allowed"},
		{"POST", "/v1/chat/completions", "acme", `{"model":"test-model"}`, 400, "invalid_request"},
		{"POST", "/v1/chat/completions", "acme", ``, 415, "unsupported_media_type"},
	} {
		resp, body := s.Do(c.method, c.path, c.key, c.body)
		if resp.StatusCode != c.status || !strings.Contains(body, `"code":"`+c.code+`"`) {
			t.Errorf("%s %s: %d %q, want %d %s", c.method, c.path, resp.StatusCode, body, c.status, c.code)
		}
		if want := map[bool]string{true: "GET"}[c.status == 405]; resp.Header.Get("Allow") != want {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, resp.Header.Get("Allow"), want)
		}
	}
	if got := s.Engine.Requests(); len(got) != 0 {
		t.Errorf("the engine got %d requests", len(got))
	}
}

// Retry-After is rounded up, and requests that are refused early count as well.
func TestAddressRate(t *testing.T) {
	t.Parallel()
	s := serve(t, func(set *setup) {
		set.Config.Limits.RequestsPerSecond = 0.001 // none comes back while the test runs
		set.Config.Limits.Burst = 3
	})
	bad := strings.Replace(head, "KEY", "bad", 1)
	for i, send := range []string{
		bad + "Content-Length: 9000000\r\n\r\n",
		bad + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
		bad + "Content-Length: 9\r\n\r\n123456789",
		bad + "Content-Length: 9000000\r\n\r\n",
		bad + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
		words(s).Replace(get + "\r\n"),
	} {
		c := s.Dial()
		c.Send(send)
		a := c.Answer("POST")
		if want := 401; i < 3 && a.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i+1, a.StatusCode, want)
		}
		wait, _ := strconv.Atoi(a.Header.Get("Retry-After"))
		if i >= 3 && (a.StatusCode != 429 || wait < 900 || wait > 1000 || a.Err == nil || a.Err.Code != "rate_limit_exceeded") {
			t.Errorf("request %d: %d, Retry-After %q, %q", i+1, a.StatusCode, a.Header.Get("Retry-After"), a.Body)
		}
		c.Close()
	}
}

// A client that leaves in the middle of its request is no client error.
func TestLeftWhileSending(t *testing.T) {
	s := serve(t)
	c := s.Dial()
	c.Send(words(s).Replace(head + "Content-Length: 91\r\n\r\n{"))
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	eventually(t, "it is booked", func() bool { return len(s.Accesses()) == 1 })
	if a := s.Accesses()[0]; a["end"] != "client_left" {
		t.Errorf("booked as %v", a)
	}
}
