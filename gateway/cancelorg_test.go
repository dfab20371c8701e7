package gateway_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/sim"
)

// CancelOrg ends what an organisation has at engines and in line, and nothing of
// others'.
func TestCancelOrg(t *testing.T) {
	t.Parallel()
	n := serveNarrow(t)
	acme := []*client{n.send("acme", "runs")}
	held := <-n.asked
	var globex []*client
	for i, who := range []string{"acme", "globex", "acme", "globex"} {
		c := n.send(who, who+fmt.Sprint(i))
		if n.queued(i + 1); who == "acme" {
			acme = append(acme, c)
		} else {
			globex = append(globex, c)
		}
	}
	if got, err := n.CancelOrg(t.Context(), "nobody", "ops", "a typo"); got != 0 || err != nil {
		t.Errorf("of nobody: %d, %v", got, err)
	}
	at := time.Now()
	if got, err := n.CancelOrg(t.Context(), "acme", "ops", "a loop"); got != 3 || err != nil {
		t.Errorf("%d were cancelled, %v", got, err)
	}
	held.wantGone(t, at)
	for _, c := range acme {
		c.wantCancelled(t)
	}
	for i := range globex {
		if word := n.next(); word != fmt.Sprint("globex", 2*i+1) {
			t.Errorf("the engine got %q", word)
		}
	}
	for _, c := range globex {
		if a := c.Answer("POST"); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
	}
	n.empty()
	n.WantCharged(t, "acme", "acme")
	n.WantCharged(t, "globex", "globex")
	events, err := n.Ledger.Audit(t.Context(), 10)
	if err != nil || len(events) != 2 || events[0].Object != "org acme" || events[0].Detail != "3 requests" || events[1].Action != "cancel" || events[1].Detail != "a loop" {
		t.Errorf("%+v, %v", events, err)
	}
	if !strings.Contains(n.Log.String(), `"requests were cancelled","object":"org acme","by":"ops","reason":"a loop","requests":3`) {
		t.Errorf("the log says nothing of it: %s", n.Log)
	}
}

// Requests that share an id are all ended, and where the audit can't be written
// too.
func TestCancelWithoutAudit(t *testing.T) {
	t.Parallel()
	s := serve(t)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no space left'); END"); err != nil {
		t.Fatal(err)
	}
	asked := make(chan *engineConn)
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) { asked <- c; <-c.Gone })
	var clients []*client
	var ups []*engineConn
	for range 2 {
		c := s.Dial()
		c.Send(s.post(chatPath, "acme", chat(false, "hi"), "X-Request-Id: same"))
		clients, ups = append(clients, c), append(ups, <-asked)
	}
	at := time.Now()
	ok, err := s.CancelRequest(t.Context(), "same", "ops", "it runs away")
	if !ok || err == nil || strings.Count(err.Error(), "no space left") != 2 {
		t.Errorf("%v, %v", ok, err)
	}
	for i := range clients {
		ups[i].wantGone(t, at)
		clients[i].wantCancelled(t)
	}
	s.Idle("acme")
	s.WantCharged(t, "acme", "acme")
}

// An answer that ends at that moment is either whole or cancelled, for its client
// and in its one row alike.
func TestCancelAtTheEnd(t *testing.T) {
	t.Parallel()
	s := serve(t)
	asked, answer := make(chan bool), make(chan bool)
	s.Engine.Answer(func(c *engineConn, r *engineRequest) {
		asked <- true
		<-answer
		plainAnswer(c, r)
	})
	ends := map[string]int{}
	for i := range 200 {
		id := fmt.Sprint("end-", i)
		c := s.Dial()
		c.Send(s.post(chatPath, "acme", chat(i%2 == 0, "hi"), "X-Request-Id: "+id))
		<-asked
		var both sync.WaitGroup
		both.Go(func() { answer <- true })
		both.Go(func() {
			if _, err := s.CancelRequest(t.Context(), id, "ops", "a race"); err != nil {
				t.Error(err)
			}
		})
		a, err := c.TryAnswer("POST")
		both.Wait()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		end := "done"
		if strings.Contains(a.Body, `"cancelled"`) {
			end = "interrupted"
		} else if a.StatusCode != 200 || i%2 == 0 && !strings.HasSuffix(a.Body, event("three")+done) {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
		if r := s.Row(t, id); r.End != end || !r.Counted {
			t.Errorf("the client has %q, and the ledger %+v", a.Body, r)
		}
		ends[end]++
	}
	t.Log(ends)
	s.Idle("acme")
	s.WantCharged(t, "acme", "acme")
}

// One that has ended, but for the backend's last chunk, is left alone.
func TestCancelEnded(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead + chunk(counted("a", 1)+done))
		<-c.Gone
	})
	c := s.Dial()
	c.Send(s.post(chatPath, "acme", chat(true, "hi"), "X-Request-Id: ended"))
	stream := c.stream()
	for got := ""; !strings.Contains(got, done); {
		got += stream.Next()
	}
	if ok, err := s.CancelRequest(t.Context(), "ended", "ops", "too late"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if rest := stream.Rest(); len(rest) != 0 {
		t.Errorf("behind its end came %q", rest)
	}
	if r := s.Row(t, "ended"); r.End != "done" || r.Code != "" {
		t.Errorf("booked as %+v", r)
	}
	if events, err := s.Ledger.Audit(t.Context(), 10); err != nil || len(events) != 0 {
		t.Errorf("%+v, %v", events, err)
	}
}

// The simulated engine stops generating, and has its cache free.
func TestCancelStopsGenerating(t *testing.T) {
	t.Parallel()
	engine := simulate(t, sim.Config{Speed: 2})
	s := serve(t, func(s *setup) { s.Backends = []backends.Config{testBackend("chat", chatModel, engine.URL)} })
	c := s.Dial()
	c.Send(s.post(chatPath, "acme", `{"model":"`+chatModel+`","stream":true,"max_tokens":4000,"min_tokens":4000,"messages":[{"role":"user","content":"hi"}]}`, "X-Request-Id: endless"))
	stream := c.stream()
	seen := ""
	for range 5 {
		seen += stream.Next()
	}
	s.cancel(t, "endless")
	seen += stream.wantCut(t)
	eventually(t, "the engine is idle", func() bool {
		l := engine.Load()
		return l.Running == 0 && l.KVUsed == 0 && l.Aborted == 1
	})
	r := s.Row(t, "endless")
	events := int64(strings.Count(seen, "data: {")) - 2 // but for the role and the error
	if made := int64(engine.Load().GeneratedTokens); events < 3 || r.Completion < events || r.Completion > made || made >= 4000 {
		t.Errorf("charged %d tokens of %d; the client has %d events", r.Completion, made, events)
	}
	s.Idle("acme")
}
