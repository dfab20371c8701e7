package gateway_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
)

// request sends a request of an id on a connection of its own.
func (s *service) request(id, key, body string, headers ...string) *client {
	s.t.Helper()
	c := s.Dial()
	c.Send(s.post(chatPath, key, body, append(headers, "X-Request-Id: "+id)...))
	return c
}

// Explained waits until the request of an id is over, and explains it. Its steps
// are those that are named, in their order, and that of time.
func (s *service) Explained(id, steps string) (e gateway.Explanation) {
	s.t.Helper()
	eventually(s.t, id+" is over", func() bool {
		var ok bool
		e, ok = s.Explain(id)
		return ok && e.Phase == gateway.PhaseEnded
	})
	s.wantSteps(e, steps)
	return e
}

func (s *service) wantSteps(e gateway.Explanation, want string) {
	s.t.Helper()
	var names []string
	last := e.Start
	for _, step := range e.Steps {
		names = append(names, step.Name())
		if at := step.Time(); at.Before(last) || at.After(e.Start.Add(e.Duration)) {
			s.t.Errorf("%s: %s was taken %v after %v, of %v in all", e.ID, step.Name(), at.Sub(e.Start), last.Sub(e.Start), e.Duration)
		} else {
			last = at
		}
	}
	if got := strings.Join(names, " "); got != want {
		s.t.Errorf("%s went by the steps\n%s, want\n%s", e.ID, got, want)
	}
}

// step is the last step of a kind.
func step[T gateway.Step](t testing.TB, e gateway.Explanation) (found T) {
	t.Helper()
	ok := false
	for _, s := range e.Steps {
		if is, same := s.(T); same {
			found, ok = is, true
		}
	}
	if !ok {
		t.Errorf("%s has no %s", e.ID, found.Name())
	}
	return found
}

const wholeWay = "accepted inspected reserved picked sent first_byte ended settled"

func TestExplainAnswered(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		b := patient(e.URL)
		b.KVTokens, b.MaxContext = 3000, 2000
		s.Backends = []backends.Config{b}
		s.Config.Limits.RequestsPerSecond, s.Config.Limits.Burst = 0.5, 40
		s.Config.Limits.Org = gateway.OrgLimits{TokensPerDay: 90_000, TokensPerMonth: 80_000, RequestsPerDay: 70}
	})
	guess := estimate("hi")
	body := strings.Replace(chat(false, "hi"), "{", `{"max_tokens":100,`, 1)
	for i, id := range []string{"whole-0", "whole-1"} {
		if a := s.request(id, "acme", body).Answer("POST"); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.Body)
		}
		x := s.Explained(id, wholeWay)
		if x.Org != "acme" || x.Status != 200 || x.Client != "127.0.0.1" || x.Retry != (gateway.Retry{}) {
			t.Errorf("%+v", x)
		}
		if a := step[gateway.Accepted](t, x); a.Key != gateway.KeyValid || a.Scope != string(keys.Chat) || a.Used != int64(i+1) || a.Burst != 40 || a.Rate != 0.5 || a.Limited {
			t.Errorf("%+v", a)
		}
		if in := step[gateway.Inspected](t, x); in.Bytes != int64(len(body)) || in.Prompt < guess/2 || in.Answers != 1 || in.Prompts != 1 || in.MaxTokens != 100 || in.Defaulted {
			t.Errorf("%+v", in)
		}
		r := step[gateway.Reserved](t, x)
		day := x.Start.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		month := time.Date(x.Start.UTC().Year(), x.Start.UTC().Month()+1, 1, 0, 0, 0, 0, time.UTC)
		if r.Outcome != gateway.ReserveHeld || r.Tokens < 100 || r.Tokens > 100+2*guess ||
			r.Requests != (gateway.Window{Name: "requests_per_day", Limit: 70, Left: int64(70 - i), ResetsAt: day}) ||
			r.OfTokens != (gateway.Window{Name: "tokens_per_month", Limit: 80_000, Left: 80_000 - 12*int64(i), ResetsAt: month}) {
			t.Errorf("%+v", r)
		}
		p := step[gateway.Picked](t, x)
		if p.Replica != e.URL || p.Try != 1 || p.Well != 1 || p.Needs < 100 || p.Needs > 100+2*guess || p.Booked != 0 || p.Capacity != 3000 || p.InFlight != 0 || p.Affinity || p.Failure != "" {
			t.Errorf("%+v", p)
		}
		if first := step[gateway.Answered](t, x); first.After <= 0 || first.After != first.At.Sub(step[gateway.Sent](t, x).At) {
			t.Errorf("%+v", first)
		}
		if end := step[gateway.Ended](t, x); end.Status != 200 || end.Code != "" || end.End != gateway.EndDone || end.Prompt != 7 || end.Output != 5 || end.Estimated || end.Cause != gateway.CauseNone {
			t.Errorf("%+v", end)
		}
		if got := step[gateway.Settled](t, x); !got.Counted || got.Reserved != r.Tokens || got.Charged != 12 || got.Back() != r.Tokens-12 {
			t.Errorf("%+v", got)
		}
	}

	// A stream whose engine tells no usage, with the backend's bound of an answer.
	if a := s.request("stream", "acme", chat(true, "hi")).Answer("POST"); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	x := s.Explained("stream", wholeWay)
	if in := step[gateway.Inspected](t, x); !in.Defaulted || in.MaxTokens < 1000 || in.MaxTokens > 2000 {
		t.Errorf("%+v", in)
	}
	if end := step[gateway.Ended](t, x); !x.Stream || end.Output != 3 || !end.Estimated || end.End != gateway.EndDone {
		t.Errorf("%+v", end)
	}
}

func TestExplainRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *setup) {
		s.Keys = append(s.Keys, keys.Entry{Org: "late", Name: "late", Expires: time.Now().Add(time.Hour)}, keys.Entry{Org: "small", Name: "small"})
		s.Config.Limits.RequestsPerSecond = 0
		s.Config.Limits.Org = gateway.OrgLimits{TokensPerDay: 1000, TokensPerMonth: 5000}
	})
	expect := func(id string, status int, c *client) {
		t.Helper()
		if a := c.Answer("POST"); a.StatusCode != status {
			t.Errorf("%s: %d %s", id, a.StatusCode, a.Body)
		}
	}
	expect("none", 401, s.request("none", "", chat(false, "hi")))
	x := s.Explained("none", "accepted ended")
	if a := step[gateway.Accepted](t, x); a.Key != gateway.KeyMissing || a.Burst != 0 || x.Org != "" {
		t.Errorf("%+v", a)
	}
	expect("unknown", 401, s.request("unknown", "", chat(false, "hi"), "Authorization: Bearer nobody's"))
	if a := step[gateway.Accepted](t, s.Explained("unknown", "accepted ended")); a.Key != gateway.KeyUnknown {
		t.Errorf("%+v", a)
	}
	early := s.Dial() // before its body is read
	early.Send("POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: early\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
	expect("early", 401, early)
	if a := step[gateway.Accepted](t, s.Explained("early", "accepted ended")); a.Key != gateway.KeyMissing {
		t.Errorf("%+v", a)
	}
	expect("scope", 403, s.request("scope", "embedder", chat(false, "hi")))
	x = s.Explained("scope", "accepted ended")
	if a := step[gateway.Accepted](t, x); a.Key != gateway.KeyOutOfScope || a.Scope != "chat" || x.KeyName != "embedder" {
		t.Errorf("%+v", a)
	}
	expect("bad", 400, s.request("bad", "acme", strings.Replace(chat(false, "hi"), "{", `{"temperature":9,`, 1)))
	x = s.Explained("bad", "accepted inspected ended")
	if end := step[gateway.Ended](t, x); end.Param != "temperature" || end.Status != 400 || end.Code != "invalid_request" || end.End != gateway.EndRefused {
		t.Errorf("%+v", end)
	}
	expect("twice", 400, s.request("twice", "acme", `{"my secret":1,"my secret":2,`+chat(false, "hi")[1:]))
	x = s.Explained("twice", "accepted inspected ended")
	if strings.Contains(fmt.Sprintf("%+v", x), "secret") {
		t.Errorf("it has the body's words: %+v", x)
	}
	expect("malformed", 400, s.request("malformed", "acme", "{}", "Content-Type: application/json"))
	s.Explained("malformed", "ended")

	expect("quota", 429, s.request("quota", "small", strings.Replace(chat(false, "hi"), "{", `{"max_tokens":1500,`, 1)))
	x = s.Explained("quota", "accepted inspected reserved ended")
	r := step[gateway.Reserved](t, x)
	day := x.Start.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	if r.Outcome != gateway.ReserveExceeded || r.Tokens < 1500 || r.OfTokens != (gateway.Window{Name: "tokens_per_day", Limit: 1000, Left: 1000, ResetsAt: day}) || r.Requests.Name != "" {
		t.Errorf("%+v", r)
	}
	if x.Retry.From != gateway.RetryWindow || x.Retry.After <= 0 || x.Retry.After > 24*time.Hour {
		t.Errorf("%+v", x.Retry)
	}
	if _, ok := s.Explain("nobody's"); ok {
		t.Error("a request that never was is explained")
	}
	s.Do("GET", "/health", "", "")
	if _, ended := s.Requests(); len(ended) != 8 || ended[0].ID != "quota" || ended[7].ID != "none" {
		t.Errorf("%d ended: %+v", len(ended), ended)
	}
}

func TestExplainRate(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *setup) { s.Config.Limits.RequestsPerSecond, s.Config.Limits.Burst = 0.001, 2 })
	for i, want := range []int{200, 200, 429} {
		id := fmt.Sprint("r", i)
		if a := s.request(id, "acme", chat(false, "hi")).Answer("POST"); a.StatusCode != want {
			t.Fatalf("%d %s", a.StatusCode, a.Body)
		}
	}
	x := s.Explained("r2", "accepted ended")
	if a := step[gateway.Accepted](t, x); !a.Limited || a.Used != 2 || a.Burst != 2 || a.Rate != 0.001 {
		t.Errorf("%+v", a)
	}
	if x.Retry.From != gateway.RetryAddress || x.Retry.Seconds() < 900 || x.Retry.Seconds() > 1000 {
		t.Errorf("%+v", x.Retry)
	}
}

// What stood in line, and what came of it.
func TestExplainLine(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t, func(b *backends.Config) { b.Queue.Length, b.Queue.Wait = 4, backends.Duration(time.Hour) })
	ask := func(id, key string) *client {
		return n.request(id, key, n.body("hi"+strings.Repeat(" word", 1300)))
	}
	in := func(phase gateway.Phase, id string) {
		t.Helper()
		eventually(t, id+" is "+phase.String(), func() bool { x, ok := n.Explain(id); return ok && x.Phase == phase })
	}
	first := ask("first", "acme")
	held := <-n.asked
	gone := ask("gone", "acme")
	in(gateway.PhaseQueued, "gone")
	cancelled := ask("cancelled", "globex")
	in(gateway.PhaseQueued, "cancelled")
	waits := ask("waits", "acme")
	in(gateway.PhaseQueued, "waits")
	last := ask("last", "globex")
	in(gateway.PhaseQueued, "last")

	live, ok := n.Explain("waits")
	n.wantSteps(live, "accepted inspected reserved queued")
	q := step[gateway.Queued](t, live)
	if !ok || live.Phase != gateway.PhaseQueued || q.Outcome != gateway.LineWaiting || q.Ahead != 2 || q.Orgs != 2 || q.Waited <= 0 || q.Waited > live.Duration {
		t.Errorf("%+v of %+v", q, live.Record)
	}
	if all, _ := n.Requests(); len(all) != 5 || all[0].ID != "first" || all[0].Phase != gateway.PhasePrefill {
		t.Errorf("in flight: %+v", all)
	}
	if a := ask("full", "acme").Answer("POST"); a.StatusCode != 503 {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
	gone.Close()
	in(gateway.PhaseEnded, "gone")
	n.cancel(t, "cancelled")
	cancelled.wantCancelled(t)
	waits.Close()
	last.Close()
	in(gateway.PhaseEnded, "waits") // or what comes next would find them in line
	in(gateway.PhaseEnded, "last")
	if a := n.request("large", "acme", n.body(strings.Repeat("word ", 3000))).Answer("POST"); a.StatusCode != 400 {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
	answerAndClose(held)
	first.Answer("POST")

	const refused = "accepted inspected reserved queued ended settled"
	for _, want := range []struct {
		id, steps   string
		ahead, orgs int
		outcome     gateway.LineEnd
		cause       gateway.Cause
	}{
		{"gone", refused, 0, 0, gateway.LineClientLeft, gateway.CauseClientLeft},
		{"cancelled", refused, 1, 1, gateway.LineCancelled, gateway.CauseCancelled},
		{"waits", refused, 2, 2, gateway.LineClientLeft, gateway.CauseClientLeft},
		{"last", refused, 3, 2, gateway.LineClientLeft, gateway.CauseClientLeft},
		{"full", refused, 4, 2, gateway.LineFull, gateway.CauseNone},
	} {
		x := n.Explained(want.id, want.steps)
		q := step[gateway.Queued](t, x)
		picked := step[gateway.Picked](t, n.Explained("first", wholeWay))
		if q.Ahead != want.ahead || q.Orgs != want.orgs || q.Outcome != want.outcome || q.Capacity != 3000 || q.Booked != picked.Needs ||
			q.Needs < 2000 || q.Needs > 2500 || q.Served != 0 || q.Generated != 0 || q.Limit != time.Hour || (q.Waited > 0) != (want.id != "full") {
			t.Errorf("%s: %+v", want.id, q)
		}
		end, settled := step[gateway.Ended](t, x), step[gateway.Settled](t, x)
		if end.Cause != want.cause || settled.Counted || settled.Charged != 0 || settled.Back() != step[gateway.Reserved](t, x).Tokens {
			t.Errorf("%s: %+v %+v", want.id, end, settled)
		}
		if by := map[string]string{"cancelled": "ops"}[want.id]; end.By != by {
			t.Errorf("%s: by %q", want.id, end.By)
		}
		if told := end.Code == "overloaded"; told != (x.Retry.From == gateway.RetryLine && x.Retry.After >= time.Second) {
			t.Errorf("%s: %s, %+v", want.id, end.Code, x.Retry)
		}
	}
	large := n.Explained("large", "accepted inspected queued ended")
	if q := step[gateway.Queued](t, large); q.Outcome != gateway.LineTooLarge || q.Needs <= 3000 || q.Capacity != 3000 || step[gateway.Ended](t, large).Param != "messages" {
		t.Errorf("%+v", q)
	}

	// One that waits and is served, and a forecast by what has come to its end.
	next := ask("next", "acme")
	held = <-n.asked
	then := ask("then", "acme")
	in(gateway.PhaseQueued, "then")
	after := ask("after", "acme")
	in(gateway.PhaseQueued, "after")
	for _, up := range []*engineConn{held, nil, nil} {
		if up == nil {
			up = <-n.asked
		}
		answerAndClose(up)
	}
	for _, c := range []*client{next, then, after} {
		c.Answer("POST")
	}
	const way = "accepted inspected reserved queued picked sent first_byte ended settled"
	q = step[gateway.Queued](t, n.Explained("after", way))
	if q.Outcome != gateway.LineGranted || q.Ahead != 1 || q.Orgs != 1 || q.Served != 2 || q.Generated != 20 || q.Waited <= 0 {
		t.Errorf("%+v", q)
	}
	if p := step[gateway.Picked](t, n.Explained("after", way)); p.Booked != 0 || p.Needs != q.Needs {
		t.Errorf("%+v", p)
	}
	n.Idle("acme")
	n.Idle("globex")
}

// Who has waited in vain is told of what, and for how long.
func TestExplainOverloaded(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t, func(b *backends.Config) { b.Queue.Wait = backends.Duration(300 * time.Millisecond) })
	ask := func(id string) *client { return n.request(id, "acme", n.body("hi"+strings.Repeat(" word", 1300))) }
	first := ask("first")
	held := <-n.asked
	if a := ask("waits").Answer("POST"); a.StatusCode != 503 {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
	x := n.Explained("waits", "accepted inspected reserved queued ended settled")
	if live, _ := n.Explain("first"); step[gateway.Picked](t, live).Needs != step[gateway.Queued](t, x).Booked {
		t.Errorf("%+v %+v", x, live)
	}
	if q := step[gateway.Queued](t, x); q.Outcome != gateway.LineTimeout || q.Waited < 300*time.Millisecond || q.Limit != 300*time.Millisecond ||
		q.Capacity != 3000 || q.Needs < 2000 || q.Ahead != 0 || q.Generated != 0 {
		t.Errorf("%+v", q)
	}
	if end := step[gateway.Ended](t, x); end.Cause != gateway.CauseWaited || end.Limit != 300*time.Millisecond || end.Code != "overloaded" ||
		x.Retry.From != gateway.RetryLine || x.Retry.After < time.Second {
		t.Errorf("%+v %+v", end, x.Retry)
	}
	answerAndClose(held)
	first.Answer("POST")
	n.Idle("acme")
}

// What an engine did to a request, or others did while it was there.
func TestExplainEngine(t *testing.T) {
	t.Parallel()
	e, going := newEngine(t), newEngine(t)
	asked := make(chan *engineConn, 10)
	s := serve(t, func(s *setup) {
		b := patient(going.URL, e.URL)
		b.Timeouts.FirstByte = backends.Duration(200 * time.Millisecond)
		s.Backends = []backends.Config{patient(e.URL), b}
		s.Backends[1].Name, s.Backends[1].Model = "two", "two"
	})
	going.listener.Close()
	going.CloseConns()
	e.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead + chunk(counted("a", 1)) + chunk(counted("b", 2)))
		asked <- c
		<-c.Gone
	})
	left := s.request("left", "acme", chat(true, "hi"))
	<-asked
	for str, got := left.stream(), ""; !strings.Contains(got, `"b"`); {
		got += str.Next()
	}
	if live, ok := s.Explain("left"); !ok || live.Phase != gateway.PhaseDecode {
		t.Errorf("%v %+v", ok, live)
	} else {
		s.wantSteps(live, "accepted inspected reserved picked sent first_byte")
	}
	left.Close()
	x := s.Explained("left", wholeWay)
	if end := step[gateway.Ended](t, x); end.Cause != gateway.CauseClientLeft || end.End != gateway.EndClientLeft || end.Prompt != 7 || end.Output != 2 || end.Estimated {
		t.Errorf("%+v", end)
	}
	if got := step[gateway.Settled](t, x); !got.Counted || got.Charged != 9 {
		t.Errorf("%+v", got)
	}
	cut := s.request("cut", "acme", chat(true, "hi"))
	<-asked
	str := cut.stream()
	s.cancel(t, "cut")
	str.Rest()
	if end := step[gateway.Ended](t, s.Explained("cut", wholeWay)); end.Cause != gateway.CauseCancelled || end.By != "ops" || end.Code != "cancelled" || end.End != gateway.EndInterrupted {
		t.Errorf("%+v", end)
	}

	e.Answer(func(c *engineConn, _ *engineRequest) { c.Close() })
	s.request("closed", "acme", chat(false, "hi")).Answer("POST")
	x = s.Explained("closed", "accepted inspected reserved picked sent ended settled")
	if p, end := step[gateway.Picked](t, x), step[gateway.Ended](t, x); p.Failure != "reset" || end.Status != 502 || end.End != gateway.EndBackendFailed {
		t.Errorf("%+v %+v", p, end)
	}

	e.Answer(func(c *engineConn, _ *engineRequest) { <-c.Gone })
	for i, tries := 0, 0; tries < 2 && i < 10; i++ { // until the one that is gone is tried first
		id := fmt.Sprint("slow-", i)
		if a := s.request(id, "acme", asking("two", false)).Answer("POST"); a.StatusCode != 504 {
			t.Fatalf("%d %s", a.StatusCode, a.Body)
		}
		x, _ = s.Explain(id)
		tries = 0
		for _, st := range x.Steps {
			if p, ok := st.(gateway.Picked); ok {
				if tries++; p.Try != tries {
					t.Errorf("try %d is said to be %d", tries, p.Try)
				}
				if dead := p.Replica != e.URL; dead && p.Failure != "connect" || !dead && p.Failure != "timeout" {
					t.Errorf("%+v", p)
				}
			}
		}
	}
	s.wantSteps(x, "accepted inspected reserved picked picked sent ended settled")
	if end := step[gateway.Ended](t, x); end.Cause != gateway.CauseFirstByte || end.Limit != 200*time.Millisecond || end.Code != "backend_timeout" {
		t.Errorf("%+v", end)
	}
	if p := step[gateway.Picked](t, x); p.Well < 1 {
		t.Errorf("%+v", p)
	}
	s.Idle("acme")
}

// A bounded number is kept, none of what was kept before is in its place, and any
// number may ask for it while requests come and go.
func TestExplainKeepsTheNewest(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *setup) { s.Config.Limits.RequestsPerSecond = 0 })
	if a := s.request("oldest", "acme", chat(false, "hi")).Answer("POST"); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	if _, ok := s.Explain("oldest"); !ok {
		t.Fatal("it was not kept")
	}
	stop := make(chan bool)
	var asking sync.WaitGroup
	for _, id := range []string{"oldest", "r8", "same"} {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if x, ok := s.Explain(id); ok && x.ID != id {
						t.Errorf("asked for %q, got %q", id, x.ID)
					}
					s.Requests()
				}
			}
		})
	}
	c := s.Dial()
	for i := range gateway.Kept {
		if i == 100 { // it has been raced long enough
			close(stop)
			asking.Wait()
		}
		id := fmt.Sprint("r", i)
		if i%2 == 1 {
			id = "same"
		}
		c.Send("GET /v1/nothing HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: " + id + "\r\n\r\n")
		c.Answer("GET")
	}
	if x, ok := s.Explain("oldest"); ok {
		t.Errorf("the oldest is still there: %+v", x)
	}
	live, ended := s.Requests()
	if len(live) != 0 || len(ended) != gateway.Kept || ended[0].ID != "same" || ended[gateway.Kept-1].ID != "r0" {
		t.Errorf("%d in flight, %d kept", len(live), len(ended))
	}
	x := s.Explained("same", "accepted ended")
	if !x.Start.Equal(ended[0].Start) {
		t.Errorf("of one id, that of %v is explained; the newest is of %v", x.Start, ended[0].Start)
	}
	s.Explained("r0", "accepted ended") // in the slot of the second that was kept, or with what was pooled
}
