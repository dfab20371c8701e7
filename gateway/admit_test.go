package gateway_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
)

// narrow is a service whose one engine has room for one request of ask at a
// time. Its answers come when the test says so.
type narrow struct {
	*service
	asked chan *engineConn // a request has come, and waits for its answer
}

func serveNarrow(t *testing.T, change ...func(*backends.Config)) *narrow {
	e := newEngine(t)
	n := &narrow{asked: make(chan *engineConn, 100)}
	e.Answer(func(c *engineConn, _ *engineRequest) { n.asked <- c; <-c.Gone })
	n.service = serve(t, func(s *setup) {
		b := patient(e.URL)
		b.KVTokens = 3000
		for _, c := range change {
			c(&b)
		}
		s.Backends = []backends.Config{b}
	})
	n.Engine = e
	return n
}

// body is a request that weighs as much as most of the engine.
func (n *narrow) body(what string) string {
	return strings.Replace(chat(false, what), "{", `{"max_tokens":100,`, 1)
}

// send has a client ask, and gives its connection.
func (n *narrow) send(key, what string) *client {
	n.t.Helper()
	c := n.Dial()
	c.Send(n.post("/v1/chat/completions", key, n.body(what+strings.Repeat(" word", 1300))))
	return c
}

// queued waits until so many requests stand in line.
func (n *narrow) queued(want int) {
	n.t.Helper()
	eventually(n.t, fmt.Sprintf("%d in line", want), func() bool { return n.Snapshot().Queues["chat"].Waiting == want })
}

// answerAndClose answers the request on a connection, and says beforehand that
// nothing more may come on it.
func answerAndClose(c *engineConn) {
	c.Send(strings.Replace(unary(`{"choices":[],"usage":{"prompt_tokens":2200,"completion_tokens":10}}`), "\r\n", "\r\nConnection: close\r\n", 1))
	c.Close()
}

// next is the engine's next request, with its answer given.
func (n *narrow) next() string {
	n.t.Helper()
	select {
	case c := <-n.asked:
		all := n.Engine.Requests()
		answerAndClose(c)
		body := all[len(all)-1].Body
		_, word, _ := strings.Cut(body, `"content":"`)
		word, _, _ = strings.Cut(word, " ")
		return word
	case <-time.After(patience):
		n.t.Fatal("no request came to the engine")
		return ""
	}
}

// What does not fit waits at the gateway, in order, and in turn between
// organisations; it can be seen there.
func TestWaitsForRoom(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t)
	clients := []*client{n.send("acme", "a0")}
	first := <-n.asked
	for i, who := range []string{"acme", "acme", "acme", "globex"} {
		clients = append(clients, n.send(who, fmt.Sprint(who[:1], i+1)))
		n.queued(i + 1)
	}
	if got := len(n.Engine.Requests()); got != 1 {
		t.Fatalf("the engine has %d requests, and room for one", got)
	}
	eventually(t, "each is seen in its phase", func() bool {
		phases := map[gateway.Phase]int{}
		for _, r := range n.Snapshot().Live {
			phases[r.Phase]++
		}
		return phases[gateway.PhaseQueued] == 4 && phases[gateway.PhasePrefill] == 1
	})
	if line := n.Snapshot().Queues["chat"]; len(line.Orgs) != 2 {
		t.Errorf("the line is %+v", line)
	}
	answerAndClose(first)
	var order []string
	for range 4 {
		order = append(order, n.next())
	}
	// One organisation's come in their order, and the other's is not behind them all.
	if got := strings.Join(order, " "); got != "a1 g4 a2 a3" && got != "a1 a2 g4 a3" {
		t.Errorf("served in the order %s", got)
	}
	for _, c := range clients {
		if a := c.Answer("POST"); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
	}
	n.Idle("acme")
	n.Idle("globex")
	n.empty()
}

// empty waits until nothing is left of any request in line or in the books.
func (n *narrow) empty() {
	n.t.Helper()
	eventually(n.t, "nothing in line, nothing booked", func() bool {
		q := n.Snapshot().Queues["chat"]
		r := n.Pool.Snapshot().Backends[0].Replicas[0]
		return q.Waiting == 0 && q.UnderWay == 0 && r.Booked == 0 && r.InFlight == 0
	})
}

// A client that leaves while it waits leaves the line, and the engine never
// hears of it.
func TestLeavesTheLine(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t)
	n.send("acme", "first")
	held := <-n.asked
	gone := n.send("acme", "gone")
	n.queued(1)
	last := n.send("acme", "last")
	n.queued(2)
	gone.Close()
	n.queued(1)
	answerAndClose(held)
	if word := n.next(); word != "last" {
		t.Errorf("after the first came %q", word)
	}
	if a := last.Answer("POST"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
	if got := len(n.Engine.Requests()); got != 2 {
		t.Errorf("the engine got %d requests", got)
	}
	n.Idle("acme")
	n.empty()
	if u := n.Usage("acme")["requests_per_day"]; u.Used != 2 {
		t.Errorf("%d requests charged, want 2", u.Used)
	}
}

// Whoever has waited for as long as that may take, finds the line full, or
// asks for more than the engine can ever hold, is told so and costs nothing.
func TestOverloaded(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t, func(b *backends.Config) { b.Queue.Length, b.Queue.Wait = 1, backends.Duration(6*time.Second) })
	n.send("acme", "first")
	held := <-n.asked
	waits := n.send("acme", "waits")
	n.queued(1)
	refused := func(what string, c *client) {
		t.Helper()
		a := c.Answer("POST")
		wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if a.StatusCode != 503 || a.Err == nil || a.Err.Code != "overloaded" || err != nil || wait < 1 || wait > 120 {
			t.Errorf("%s: %d, Retry-After %q, %s", what, a.StatusCode, a.Header.Get("Retry-After"), a.Body)
		}
	}
	refused("the line is full", n.send("acme", "second"))
	refused("it has waited", waits)
	if a := n.send("acme", strings.Repeat("word ", 3000)).Answer("POST"); a.StatusCode != 400 || a.Err.Code != "invalid_request" || a.Err.Param == nil {
		t.Errorf("larger than the engine: %d %s", a.StatusCode, a.Body)
	}
	answerAndClose(held)
	n.Idle("acme")
	n.empty()
	if u := n.Usage("acme")["requests_per_day"]; u.Used != 1 || u.Reserved != 0 {
		t.Errorf("%+v", u)
	}
	if got := len(n.Engine.Requests()); got != 1 {
		t.Errorf("the engine got %d requests", got)
	}
}

// When no replica is well any more, nobody waits for one.
func TestNobodyWaitsForTheDead(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t, func(b *backends.Config) {
		b.Health.Fall, b.Health.Interval = 1, backends.Duration(20*time.Millisecond)
	})
	n.send("acme", "first")
	held := <-n.asked
	waits := n.send("acme", "waits")
	n.queued(1)
	n.Engine.Sick(true)
	if a := waits.Answer("POST"); a.StatusCode != 503 || a.Err.Code != "no_healthy_backend" {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
	held.Close()
	n.Idle("acme")
	n.empty()
}

// Requests in line when the gateway is told to stop may still be served while
// the drain lasts, and are ended with it.
func TestDrainOfTheLine(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t)
	n.send("acme", "first")
	held := <-n.asked
	served := n.send("acme", "served")
	n.queued(1)
	var stopped sync.WaitGroup
	stopped.Go(func() { n.Stop() })
	eventually(t, "it drains", func() bool { return n.Snapshot().Draining })
	answerAndClose(held)
	n.next()
	if a := served.Answer("POST"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
	stopped.Wait()
}

// The turns of a conversation go to one replica, and conversations to all.
func TestConversationsStay(t *testing.T) {
	t.Parallel()
	engines := []*engine{newEngine(t), newEngine(t), newEngine(t)}
	s := serve(t, func(s *setup) {
		b := patient(engines[0].URL, engines[1].URL, engines[2].URL)
		b.Affinity, b.KVTokens = nil, 1<<40 // it is on, and one request that is just ending is nothing
		s.Backends = []backends.Config{b}
	})
	home := map[string]int{}
	for turn := range 4 {
		for talk := range 30 {
			opening := fmt.Sprintf(`{"role":"system","content":"the same for all"},{"role":"user","content":"talk %d"}`, talk)
			messages := opening + strings.Repeat(`,{"role":"assistant","content":"yes"},{"role":"user","content":"and then?"}`, turn)
			before := make([]int, len(engines))
			for i, e := range engines {
				before[i] = len(e.Requests())
			}
			if resp, body := s.Do("POST", "/v1/chat/completions", "acme", `{"model":"`+testModel+`","messages":[`+messages+`]}`); resp.StatusCode != 200 {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			at := -1
			for i, e := range engines {
				if len(e.Requests()) > before[i] {
					at = i
				}
			}
			if was, ok := home[opening]; ok && was != at {
				t.Errorf("talk %d went to replica %d, and before to %d", talk, at, was)
			}
			home[opening] = at
		}
	}
	for i, e := range engines {
		if n := len(e.Requests()); n == 0 {
			t.Errorf("replica %d got %d of 120 requests", i, n)
		}
	}
}
