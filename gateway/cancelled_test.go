package gateway_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
)

// cancel ends the one request of an id, as an operator does, and tells when.
func (s *service) cancel(t *testing.T, id string) time.Time {
	t.Helper()
	at := time.Now()
	if ok, err := s.CancelRequest(t.Context(), id, "ops", "it runs away"); !ok || err != nil {
		t.Fatalf("cancel %q: %v, %v", id, ok, err)
	}
	return at
}

// wantGone wants the gateway to close a connection, which nothing but a
// cancellation makes it do so soon, and tells how long after at that was.
func (c *engineConn) wantGone(t *testing.T, at time.Time) time.Duration {
	t.Helper()
	select {
	case <-c.Gone:
	case <-time.After(patience):
		t.Fatal("the backend's connection was never closed")
	}
	return c.GoneAt.Sub(at)
}

// wantCancelled wants the answer of a request that was cancelled before its
// answer had begun, on a connection that lives on.
func (c *client) wantCancelled(t *testing.T) {
	t.Helper()
	a := c.Answer("POST")
	if h := a.Header; a.StatusCode != 503 || a.Err == nil || a.Err.Code != "cancelled" || a.Err.Type != "server_error" ||
		h.Get("X-Should-Retry") != "false" || h.Get("Retry-After") != "" || h.Get("X-Request-Id") == "" {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.Body)
	}
	c.Send("GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n")
	if a := c.Answer("GET"); a.StatusCode != 200 {
		t.Errorf("on the same connection: %d %s", a.StatusCode, a.Body)
	}
}

// wantCut wants a stream to end with that it was cancelled, and returns what
// came of it.
func (c *streaming) wantCut(t *testing.T) string {
	t.Helper()
	rest := strings.Join(c.Rest(), "")
	if !strings.HasSuffix(rest, `"code":"cancelled"}}`+"\n\n"+done) {
		t.Errorf("the stream ended with %q", rest[max(0, len(rest)-200):])
	}
	if err := c.c.Ended(); err != nil {
		t.Error(err)
	}
	return rest
}

// TestCancelRequest has an operator cancel a request in each of its moments at
// an engine: the engine's connection closes, the client is told, and there is one
// row with what was used.
func TestCancelRequest(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = wayOutBackends(t, e.URL, e.URL)
		s.Config.Server.AdminListen = "127.0.0.1:0"
	})
	guess := estimate("hi")
	whole := booked{Status: 503, Prompt: guess, Estimated: true, Counted: true}
	half := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
	moments := []struct {
		name, model string
		stream      bool
		sent        string // of the answer by then
		seen        string // of that by the client
		want        booked
		came        stage
	}{
		{"unary, before the head", "silent", false, "", "", whole, sent},
		{"unary, in the body", "silent", false, half, "", whole, begun},
		{"stream, before the head", "silent", true, "", "", whole, sent},
		{"stream, before the first event", "silent", true, streamHead, "", whole, sent},
		{"stream, in the first event", "silent", true, streamHead + "10\r\ndata: ", "", whole, sent},
		{"stream, between events", "counts", true, streamHead + chunk(counted("a", 1)) + chunk(counted("b", 2)), `"b"`,
			booked{Status: 200, Prompt: 7, Completion: 2, Counted: true}, begun},
		{"stream without usage, in an event", "silent", true, streamHead + chunk(event("a")) + "10\r\ndata: ", `"a"`,
			booked{Status: 200, Prompt: guess, Completion: 1, Estimated: true, Counted: true}, begun},
		{"an error's body", "silent", false, "HTTP/1.1 400 No\r\nContent-Length: 99\r\n\r\n{", "", booked{Status: 503}, begun},
	}
	var took []time.Duration
	for i, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			arrived := make(chan *engineConn, 1)
			e.Answer(func(c *engineConn, _ *engineRequest) { c.Send(m.sent); arrived <- c; <-c.Gone })
			heads := sum(s.metrics(), "pilothouse_time_to_first_byte_seconds_count")
			id := fmt.Sprint("moment-", i)
			c := s.Dial()
			c.Send(s.post(chatPath, "acme", asking(m.model, m.stream), "X-Request-Id: "+id))
			up := <-arrived
			var stream *streaming
			switch {
			case m.seen != "":
				stream = c.stream()
				for got := ""; !strings.Contains(got, m.seen); {
					got += stream.Next()
				}
			case m.came == begun:
				eventually(t, atHead, func() bool { return sum(s.metrics(), "pilothouse_time_to_first_byte_seconds_count") > heads })
			}
			took = append(took, up.wantGone(t, s.cancel(t, id)))
			if stream != nil {
				stream.wantCut(t)
			} else {
				c.wantCancelled(t)
			}
			r := s.Row(t, id)
			if err := r.check(m.came); err != nil {
				t.Error(err)
			}
			want := m.want
			want.Code, want.End = "cancelled", "interrupted"
			if r.outcome() != want {
				t.Errorf("booked as\n%+v\nwant\n%+v", r.outcome(), want)
			}
			if ok, err := s.CancelRequest(t.Context(), id, "ops", "again"); ok || err != nil {
				t.Errorf("cancelled once more: %v, %v", ok, err)
			}
		})
	}
	if slices.Sort(took); len(took) > 0 && took[len(took)/2] > cancelWithin {
		t.Errorf("the backend's connections were closed after %v", took)
	}
	s.WantCharged(t, "acme", "acme")
	s.Idle("acme")
	events, err := s.Ledger.Audit(t.Context(), 1000)
	if err != nil || len(events) != 2*len(moments) {
		t.Fatalf("%d events, %v: %+v", len(events), err, events)
	}
	for i, e := range events { // the newest first
		id := fmt.Sprint("moment-", len(moments)-1-i/2)
		want := ledger.Event{At: e.At, Author: "ops", Action: "cancelled", Object: id, Detail: "1 request"}
		if i%2 == 1 {
			want.Action, want.Detail = "cancel", "it runs away"
		}
		if e != want || time.Since(e.At) > time.Minute {
			t.Errorf("event %+v, want %+v", e, want)
		}
	}
	if n := s.metrics()[`pilothouse_upstream_errors_total{backend="silent",kind="reset"}`]; n != 0 {
		t.Errorf("%v of them are held against the engine", n)
	}
}

// A request that waits for room leaves the line, and nobody else does.
func TestCancelQueued(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t)
	n.send("acme", "first")
	held := <-n.asked
	waits := n.Dial()
	waits.Send(n.post(chatPath, "acme", n.body("waits"+strings.Repeat(" word", 1300)), "X-Request-Id: waits"))
	n.queued(1)
	next := n.send("globex", "next")
	n.queued(2)
	n.cancel(t, "waits")
	waits.wantCancelled(t)
	want := booked{Status: 503, Code: "cancelled", End: "interrupted"}
	if r := n.Row(t, "waits"); r.outcome() != want || r.check(routed) != nil {
		t.Errorf("booked as %+v, %v", r, r.check(routed))
	}
	answerAndClose(held)
	if word := n.next(); word != "next" {
		t.Errorf("after the first came %q", word)
	}
	if a := next.Answer("POST"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
	n.empty()
	n.WantCharged(t, "acme", "acme")
}

// deaf has an engine accept no connection any more: whoever dials it waits.
func (e *engine) deaf(t *testing.T) {
	t.Helper()
	l := e.listener.(*net.TCPListener)
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	l.SetDeadline(time.Unix(1, 0))
	var wrong error
	control := func(f func(fd int) error) {
		t.Helper()
		if err := errors.Join(raw.Control(func(fd uintptr) { wrong = f(int(fd)) }), wrong); err != nil {
			t.Fatal(err)
		}
	}
	control(func(fd int) error { return unix.Listen(fd, 0) })
	for range 100 {
		var line *unix.TCPInfo
		control(func(fd int) (err error) {
			line, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			return err
		})
		if line.Unacked > line.Sacked { // of one that listens: how many wait to be accepted, and how many may
			return
		}
		c, err := net.DialTimeout("tcp", l.Addr().String(), patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("this kernel takes connections that nobody accepts")
}

// A request whose connection to the engine is being made gives it up.
func TestCancelSending(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		b := patient(e.URL)
		b.Timeouts.Connect = backends.Duration(patience)
		s.Backends = []backends.Config{b}
	})
	e.deaf(t)
	c := s.Dial()
	c.Send(s.post(chatPath, "acme", chat(false, "hi"), "X-Request-Id: dials"))
	eventually(t, "it dials", func() bool {
		live := s.Snapshot().Live
		return len(live) == 1 && live[0].Phase == gateway.PhaseSending
	})
	s.cancel(t, "dials")
	c.wantCancelled(t)
	want := booked{Status: 503, Code: "cancelled", End: "interrupted"}
	if r := s.Row(t, "dials"); r.outcome() != want || r.check(tried) != nil {
		t.Errorf("booked as %+v, %v", r, r.check(tried))
	}
	s.Idle("acme")
}

// A client that takes nothing does not keep the engine at work.
func TestCancelStalledClient(t *testing.T) {
	t.Parallel()
	s := serve(t)
	sent := make(chan bool)
	arrived := make(chan *engineConn, 1)
	word := chunk(event(strings.Repeat("long ", 2000)))
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		arrived <- c
		c.Send(streamHead)
		for {
			if _, err := c.Write([]byte(word)); err != nil {
				return
			}
			select {
			case sent <- true:
			case <-c.Gone:
				return
			}
		}
	})
	c := s.Dial()
	c.Send(s.post(chatPath, "acme", chat(true, "hi"), "X-Request-Id: stalled"))
	up := <-arrived
	for stalled := false; !stalled; {
		select {
		case <-sent:
		case <-time.After(500 * time.Millisecond):
			stalled = true
		}
	}
	up.wantGone(t, s.cancel(t, "stalled"))
	c.stream().wantCut(t)
	if r := s.Row(t, "stalled"); r.Code != "cancelled" || r.End != "interrupted" || r.Completion == 0 {
		t.Errorf("booked as %+v", r)
	}
	s.Idle("acme")
}
