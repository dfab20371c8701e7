package gateway_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A whole answer gives its connection back, an error's too.
func TestConnectionKept(t *testing.T) {
	for name, answer := range map[string]string{
		"answer":             unary(`{}`),
		"client's error":     "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"engine's error":     "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
		"answer in chunks":   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"stream":             streamHead + chunk(event("a")) + chunk(done) + "0\r\n\r\n",
		"stream without end": streamHead + chunk(event("a")) + "0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.Engine.Answer(func(c *engineConn, r *engineRequest) { c.Send(answer) })
			for range 3 {
				s.Do("POST", "/v1/chat/completions", "acme", chat(strings.HasPrefix(name, "stream"), "hi"))
				s.Idle("acme")
			}
			if _, ever := s.Engine.Conns(); ever != 1 {
				t.Errorf("3 requests took %d connections", ever)
			}
		})
	}
}

// A connection that was given back is no longer the request's that used it:
// requests that fail, and clients that leave about when their answer comes,
// break nobody else's.
func TestEndsBreakNobodyElse(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Engine.Answer(func(c *engineConn, r *engineRequest) {
		if strings.Contains(r.Body, "fails") {
			c.Send("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}")
		} else {
			plainAnswer(c, r)
		}
	})
	var wg sync.WaitGroup
	var over atomic.Bool
	for range 2 {
		wg.Go(func() {
			for n := time.Duration(0); !over.Load(); n++ {
				c := s.Dial()
				c.Send(s.post("/v1/chat/completions", "acme", chat(false, "leaves")))
				c.SetReadDeadline(time.Now().Add(n % 40 * 25 * time.Microsecond))
				c.br.Peek(1)
				c.Close()
			}
		})
		wg.Go(func() {
			for c := s.Dial(); !over.Load(); {
				c.Send(s.post("/v1/chat/completions", "acme", chat(false, "fails")))
				if a, err := c.TryAnswer("POST"); err != nil || a.StatusCode != 400 {
					t.Errorf("%v %v", a, err)
					return
				}
			}
		})
		wg.Go(func() {
			for c := s.Dial(); !over.Load(); {
				c.Send(s.post("/v1/chat/completions", "globex", chat(false, "stays")))
				if a, err := c.TryAnswer("POST"); err != nil || a.StatusCode != 200 {
					t.Errorf("%v %v", a, err)
					return
				}
			}
		})
	}
	time.AfterFunc(time.Second, func() { over.Store(true) })
	wg.Wait()
	s.Idle("acme")
}

// A kept connection that ends with no byte of an answer is tried once more, on
// a new one, and nobody is to blame. A new one that does so is not tried again.
func TestRetry(t *testing.T) {
	for _, c := range []struct {
		name, answer       string // what comes before the connection ends
		fresh              bool   // it is the connection's first request
		status             int
		requests, failures int
	}{
		{"kept, nothing", "", false, 200, 2, 0},
		{"kept, a byte", "H", false, 502, 1, 1},
		{"kept, half a head", "HTTP/1.1 200 OK\r\n", false, 502, 1, 1},
		{"new, nothing", "", true, 502, 1, 1},
	} {
		for _, reset := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s := serve(t)
				if !c.fresh {
					s.Do("POST", "/v1/chat/completions", "acme", chat(false, "first"))
				}
				before := len(s.Engine.Requests())
				var broke atomic.Bool
				s.Engine.Answer(func(conn *engineConn, r *engineRequest) {
					if !broke.CompareAndSwap(false, true) {
						plainAnswer(conn, r)
						return
					}
					if conn.Send(c.answer); reset && c.answer == "" {
						conn.Reset()
					} else {
						conn.Close()
					}
				})
				if resp, body := s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi")); resp.StatusCode != c.status {
					t.Errorf("%d %q, want %d", resp.StatusCode, body, c.status)
				}
				if n := len(s.Engine.Requests()) - before; n != c.requests {
					t.Errorf("it was sent %d times, want %d", n, c.requests)
				}
				s.Idle("acme")
				if n := s.Pool.Snapshot().Backends[0].Replicas[0].Failures; n != uint64(c.failures) {
					t.Errorf("%d failures, want %d", n, c.failures)
				}
			})
		}
	}
}
