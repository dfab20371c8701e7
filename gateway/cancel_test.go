package gateway_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// cancelWithin is the contract's promise: a client that closes its connection
// has its backend request cancelled within this time. It is held against the
// quickest of several cancellations: others may have met a pause of the machine.
const cancelWithin = 250 * time.Millisecond

func TestClientGone(t *testing.T) {
	const leaves = 3
	moments := []struct {
		name   string
		stream bool
		sent   string // of the answer, when the client goes
		seen   string // of that, by the client before it goes
	}{
		{"unary, before the head", false, "", ""},
		{"unary, after the head", false, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n", ""},
		{"unary, in the body", false, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", ""},
		{"stream, before the head", true, "", ""},
		{"stream, before the first event", true, streamHead, ""},
		{"stream, in the first event", true, streamHead + "10\r\ndata: ", ""},
		{"stream, between events", true, streamHead + chunk(event("one")), "one"},
		{"stream, in an event", true, streamHead + chunk(event("one")) + "10\r\ndata: ", "one"},
		{"an error's body", false, "HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{", ""},
	}
	for _, secure := range []bool{false, true} {
		s := serve(t, func(set *setup) {
			if secure {
				set.withTLS(t)
			}
		})
		for _, m := range moments {
			for _, way := range []string{"close", "reset", "close behind pipelined bytes", "reset behind pipelined bytes"} {
				t.Run(fmt.Sprintf("%s, tls %v, %s", m.name, secure, way), func(t *testing.T) {
					var took [leaves]time.Duration
					for i := range took {
						took[i] = s.leave(t, m.stream, m.sent, m.seen, way)
					}
					if slices.Min(took[:]) > cancelWithin {
						t.Errorf("the backend's connection was closed after %v", took)
					}
				})
			}
		}
		s.Idle("acme")
		for _, a := range s.Accesses() {
			if a["route"] == "/v1/chat/completions" && a["end"] != "client_left" {
				t.Errorf("booked as %v: %v", a["end"], a)
			}
		}
		if n, want := len(s.Engine.Requests()), leaves*4*len(moments); n != want {
			t.Errorf("the engine got %d requests, want %d", n, want)
		}
		s.Stop()
		eventually(t, "no upstream connection is left", func() bool { open, _ := s.Engine.Conns(); return open == 0 })
	}
	noGoroutines(t)
}

// leave has a client go away, and measures when the engine sees its connection
// closed.
func (s *service) leave(t *testing.T, stream bool, sent, seen, way string) time.Duration {
	t.Helper()
	arrived := make(chan *engineConn, 1)
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(sent)
		arrived <- c
	})
	c := s.Connect()
	c.Send(s.post("/v1/chat/completions", "acme", chat(stream, "hi")))
	up := <-arrived
	for got := ""; !strings.Contains(got, seen); {
		c.SetReadDeadline(time.Now().Add(patience))
		b, err := c.br.ReadByte()
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got += string(b)
	}
	if strings.Contains(way, "pipelined") {
		c.Send(strings.Repeat(words(s).Replace(get+"\r\n"), 200)) // more than the gateway's buffer takes
	}
	left := time.Now()
	if strings.HasPrefix(way, "reset") {
		raw := c.Conn
		if t, ok := raw.(*tls.Conn); ok {
			raw = t.NetConn()
		}
		raw.(*net.TCPConn).SetLinger(0)
		raw.Close()
	} else {
		c.Close()
	}
	select {
	case <-up.Gone:
	case <-time.After(patience):
		t.Fatal("the backend's connection was never closed")
	}
	return up.GoneAt.Sub(left)
}
