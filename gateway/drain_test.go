package gateway_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
)

// begin sends a request for a stream whose engine waits for the test: what is
// sent on the channel goes out, and its close ends the stream as it should.
func (s *service) begin() (*client, chan<- string) {
	s.t.Helper()
	more := make(chan string)
	arrived := make(chan struct{})
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead + chunk(event("one")))
		close(arrived)
		for {
			select {
			case word, ok := <-more:
				if !ok {
					c.Send(chunk("data: [DONE]\n\n") + "0\r\n\r\n")
					return
				}
				c.Send(chunk(event(word)))
			case <-c.Gone:
				return
			}
		}
	})
	c := s.Connect()
	c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
	<-arrived
	s.Engine.Answer(plainAnswer)
	return c, more
}

// stopping tells the gateway to stop and waits until it has begun to.
func (s *service) stopping() {
	s.t.Helper()
	s.stop()
	eventually(s.t, "the drain has begun", func() bool {
		resp, _ := s.Do("GET", "/health/ready", "", "")
		return resp.StatusCode == 503
	})
}

func TestDrain(t *testing.T) {
	s := serve(t, func(set *setup) { set.Config.Server.DrainTimeout = backends.Duration(patience) })
	kept := s.Dial() // a connection from before
	kept.Send(words(s).Replace(get + "\r\n"))
	kept.Answer("GET")
	c, more := s.begin()
	s.stopping()

	for name, c := range map[string]*client{"kept alive": kept, "new": s.Dial()} {
		c.Send(s.post("/v1/chat/completions", "acme", chat(false, "late")))
		a := c.Answer("POST")
		if a.StatusCode != 503 || !a.Close || a.Err == nil || a.Err.Code != "no_healthy_backend" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d, close %v, Retry-After %q, %q", name, a.StatusCode, a.Close, a.Header.Get("Retry-After"), a.Body)
		}
		checkError(t, a)
		if err := c.Ended(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	waits := s.Dial()
	waits.Send(words(s).Replace(head + "Expect: 100-continue\r\nContent-Length: 91\r\n\r\n"))
	if a := waits.Answer("POST"); a.StatusCode != 503 || !a.Close {
		t.Errorf("expectation: %d", a.StatusCode)
	}
	if resp, _ := s.Do("GET", "/health/live", "", ""); resp.StatusCode != 200 {
		t.Errorf("live: %d", resp.StatusCode)
	}

	more <- "two"
	close(more)
	if a := c.Answer("POST"); a.StatusCode != 200 || a.Body != event("one")+event("two")+"data: [DONE]\n\n" {
		t.Errorf("the stream in flight: %d %q", a.StatusCode, a.Body)
	}
	if took := s.Stop(); took > patience/2 {
		t.Errorf("Run returned %v after the last request", took)
	}
	if got := len(s.Engine.Requests()); got != 1 {
		t.Errorf("the engine got %d requests", got)
	}
	if _, err := net.Dial("tcp", s.Addr); err == nil {
		t.Error("the gateway still listens")
	}
	noGoroutines(t)
}

// What outlasts the drain ends with an error, and is settled.
func TestDrainTimeout(t *testing.T) {
	const limit = 300 * time.Millisecond
	for _, secure := range []bool{false, true} {
		s := serve(t, func(set *setup) {
			set.Config.Server.DrainTimeout = backends.Duration(limit)
			if secure {
				set.withTLS(t)
			}
		})
		c, _ := s.begin()
		unary := s.Connect()
		asked := make(chan *engineConn, 1)
		s.Engine.Answer(func(c *engineConn, _ *engineRequest) { asked <- c })
		unary.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi")))
		up := <-asked
		if took := s.Stop(); took < limit || took > patience/2 {
			t.Errorf("Run took %v, want %v", took, limit)
		}
		a, err := c.TryAnswer("POST")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(a.Body, event("one")+`data: {"error":{`) || !strings.HasSuffix(a.Body, "}\n\ndata: [DONE]\n\n") {
			t.Errorf("the stream: %q", a.Body)
		}
		if err := c.Ended(); err != nil {
			t.Error(err)
		}
		if a, err := unary.TryAnswer("POST"); err != nil || a.StatusCode != 503 || !a.Close || a.Err == nil {
			t.Errorf("the unary request: %v %+v", err, a)
		}
		<-up.Gone
		booked := s.Accesses()
		if len(booked) != 2 {
			t.Fatalf("%d requests were booked", len(booked))
		}
		for _, b := range booked {
			if b["end"] != "interrupted" {
				t.Errorf("booked as %v", b)
			}
		}
		noGoroutines(t)
	}
}

// An answer that is being written is in flight, however slowly it is taken.
func TestDrainWaitsForWrites(t *testing.T) {
	s := serve(t, func(set *setup) { set.Config.Server.DrainTimeout = backends.Duration(patience) })
	s.Engine.Answer(longUnary)
	c := s.Dial()
	c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi")))
	eventually(t, "the answer is being written", func() bool { return inStack("gateway.(*conn).Write") })
	s.stopping()
	start, n := time.Now(), 0
	for tick := time.NewTicker(50 * time.Millisecond); n < longAnswer; <-tick.C {
		took, err := io.CopyN(io.Discard, c.br, 512<<10)
		if n += int(took); err != nil && n < longAnswer {
			t.Fatalf("cut off after %d bytes and %v: %v", n, time.Since(start), err)
		}
	}
	if took := time.Since(start); took < 1200*time.Millisecond {
		t.Fatalf("read within %v, too fast to show anything", took)
	}
	s.Stop()
}

// One who is connected and says nothing does not hold the stop up, nor does one
// who takes nothing, beyond the drain's time.
func TestStopBound(t *testing.T) {
	s := serve(t, func(set *setup) { set.Config.Server.DrainTimeout = backends.Duration(300 * time.Millisecond) })
	s.Dial()
	half := s.Dial()
	half.Send(head)
	s.Engine.Answer(longUnary)
	c := s.Dial()
	c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi")))
	eventually(t, "the answer is being written", func() bool { return inStack("gateway.(*conn).Write") })
	if took := s.Stop(); took > patience/2 {
		t.Errorf("Run took %v", took)
	}
	noGoroutines(t)
}
