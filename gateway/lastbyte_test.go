package gateway_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway"
)

// pipe is a client's connection to the gateway that holds no byte: a write of
// the gateway's returns when the client has taken all of it.
type pipe struct {
	net.Conn
	t    *testing.T
	seen string
}

// newPipe is a pipe to a gateway, which serves its own end as it is, or inside
// of another.
func newPipe(t *testing.T, g *gateway.Gateway, inside func(net.Conn) net.Conn) *pipe {
	here, there := net.Pipe()
	if inside != nil {
		there = inside(there)
	}
	ended := make(chan struct{})
	go func() {
		g.ServeConn(there) // its error is that of the connection, which the test closes
		close(ended)
	}()
	t.Cleanup(func() { here.Close(); <-ended })
	return &pipe{Conn: here, t: t}
}

// Ask sends a request.
func (p *pipe) Ask(s string) {
	p.t.Helper()
	p.SetDeadline(time.Now().Add(patience))
	if _, err := p.Write([]byte(s)); err != nil {
		p.t.Fatal(err)
	}
}

// Until takes bytes one by one until those that came last are end. So the write
// that has more is not over.
func (p *pipe) Until(end string) {
	p.t.Helper()
	b := make([]byte, 1)
	for !strings.HasSuffix(p.seen, end) {
		if _, err := p.Read(b); err != nil {
			p.t.Fatalf("after %q: %v", p.seen, err)
		}
		p.seen += string(b)
	}
}

// TestLastByte holds the last byte of an answer back, where it is in no buffer
// but the gateway's: by then the request is settled, in the ledger and in its
// windows.
func TestLastByte(t *testing.T) {
	t.Parallel()
	whole := `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}`
	counts := streamHead + chunk(counted("a", 1)) + chunk(counted("b", 2))
	for _, test := range []struct {
		name   string
		body   string
		answer string
		cut    bool   // the engine closes after it
		last   string // what the client's answer ends with
		end    string
		tokens int64
	}{
		{"unary", chat(false, "hi"), unary(whole), false, whole, "done", 9},
		{"stream", chat(true, "hi"), counts + chunk(done) + "0\r\n\r\n", false, done, "done", 9},
		{"stream in one piece", chat(true, "hi"), streamHead + chunk(counted("a", 1)+counted("b", 2)+done) + "0\r\n\r\n", false, done, "done", 9},
		{"cut stream", chat(true, "hi"), counts, true, done, "backend_failed", 9},
		{"error", chat(false, "hi"), "", true, `"code":"backend_error"}}` + "\n", "backend_failed", 0},
		{"refusal", `{"model":"nobody's","messages":[{}]}`, "", false, `"code":"model_not_found"}}` + "\n", "refused", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t)
			s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
				c.Send(test.answer)
				if test.cut {
					c.Close()
				}
			})
			p := newPipe(t, s.Gateway, nil)
			p.Ask(s.post("/v1/chat/completions", "acme", test.body, "X-Request-Id: last"))
			p.Until(test.last[:len(test.last)-1])
			if r := s.Row(t, "last"); r.End != test.end || r.Prompt+r.Completion != test.tokens || r.Counted != (test.tokens > 0) {
				t.Errorf("before the last byte it is booked as %+v", r.booked)
			}
			s.WantCharged(t, "acme", "acme")
			p.Until(test.last)
		})
	}
}

// TestTimesOfOneClock sets the host's clock an hour back while a request is
// under way: the times in its row are in order all the same.
func TestTimesOfOneClock(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Engine.Answer(func(c *engineConn, r *engineRequest) {
		s.TurnClock(-time.Hour)
		plainAnswer(c, r)
	})
	for _, stream := range []bool{false, true} {
		c := s.Dial()
		c.Send(s.post("/v1/chat/completions", "acme", chat(stream, "hi"), "X-Request-Id: turned"+map[bool]string{true: "-stream"}[stream]))
		c.Answer("POST")
	}
	for _, id := range []string{"turned", "turned-stream"} {
		r := s.Row(t, id)
		if r.sent.Int64 < r.arrived.Int64 || r.first.Int64 < r.sent.Int64 || r.ended.Int64 < r.first.Int64 {
			t.Errorf("%s: %+v", id, r.moments)
		}
	}
}
