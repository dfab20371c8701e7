package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/sim"
	"pilothouse/gateway/ledger"
)

func TestDriftIsSuspicious(t *testing.T) {
	for _, c := range []struct {
		what string
		d    Drift
		want bool
	}{
		{"nothing yet", Drift{}, false},
		{"equal", Drift{EnginePrompt: 5e9, LedgerPrompt: 5e9, EngineGeneration: 1e9, LedgerCompletion: 1e9}, false},
		{"as much as a few requests", Drift{EngineGeneration: 10_000}, false},
		{"more than that", Drift{EngineGeneration: 10_001}, true},
		{"more, of prompts", Drift{EnginePrompt: 10_001}, true},
		{"missing, of prompts", Drift{LedgerPrompt: 10_001}, true},
		{"a fiftieth", Drift{EngineGeneration: 50_000_000, LedgerCompletion: 49_000_000}, false},
		{"more than a fiftieth", Drift{EngineGeneration: 50_000_000, LedgerCompletion: 48_999_999}, true},
		{"charged for nothing", Drift{EngineGeneration: 48_999_999, LedgerCompletion: 50_000_000}, true},
		{"in flight", Drift{EngineGeneration: 60_000, OpenCompletion: 50_000}, false},
		{"more than may be in flight", Drift{EngineGeneration: 60_001, OpenCompletion: 50_000}, true},
		{"charged for nothing, with much in flight", Drift{LedgerPrompt: 10_001, OpenPrompt: 50_000}, true},
		{"other gateways' requests", Drift{EnginePrompt: 5e9, EngineGeneration: 5e9, Shared: true}, false},
		{"charged for nothing, with other gateways", Drift{LedgerCompletion: 10_001, Shared: true}, true},
	} {
		if got := c.d.Suspicious(); got != c.want {
			t.Errorf("%s: suspicious is %v, prompts %+d, completions %+d", c.what, got, c.d.Prompt(), c.d.Completion())
		}
	}
}

// audited is a simulated engine, a real ledger and an auditor between them.
type audited struct {
	t      *testing.T
	listen *net.TCPListener // which outlives each engine, so that nobody else gets its address
	stop   func()
	book   *ledger.Ledger
	pool   *backends.Pool
	flight map[string]inFlight
	auditor
}

func newAudited(t *testing.T) *audited {
	a := &audited{t: t}
	book, err := ledger.Open(ledger.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	})
	a.book = book
	a.auditor = auditor{pool: func() *backends.Snapshot { return a.pool.Snapshot() }, sums: book,
		flight: func() map[string]inFlight { return a.flight }, log: slog.New(slog.DiscardHandler)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a.listen = l.(*net.TCPListener)
	a.start()
	t.Cleanup(func() { a.stop() })
	return a
}

// start starts an engine, at the address of the one before it.
func (a *audited) start() {
	a.t.Helper()
	engine, err := sim.New(sim.Config{Model: "m", Speed: 500})
	if err != nil {
		a.t.Fatal(err)
	}
	f, err := a.listen.File()
	if err != nil {
		a.t.Fatal(err)
	}
	l, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Serve(ctx, l) }()
	a.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			a.t.Error(err)
		}
	}
}

func (a *audited) url() string { return "http://" + a.listen.Addr().String() }

// ask has the engine answer, and returns the row that a gateway would write.
func (a *audited) ask(n, maxTokens int) *ledger.Row {
	a.t.Helper()
	sent := time.Now()
	body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"How far is it from here to there?"}],"n":%d,"max_tokens":%d,"ignore_eos":true}`, n, maxTokens)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(a.url()+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Usage struct {
			Prompt     int64 `json:"prompt_tokens"`
			Completion int64 `json:"completion_tokens"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Usage.Prompt == 0 {
		a.t.Fatalf("status %d, usage %+v, %v", resp.StatusCode, answer.Usage, err)
	}
	return &ledger.Row{ID: "r", Arrived: sent, Sent: sent, First: time.Now(), Ended: time.Now(), Org: "acme", Key: "k", Model: "m",
		Backend: "chat", Replica: a.url(), Route: "/v1/chat/completions", Status: 200,
		Prompt: answer.Usage.Prompt, Completion: answer.Usage.Completion, Counted: true, End: ledger.Done}
}

// write puts a request into the ledger as the gateway does.
func (a *audited) write(row *ledger.Row) {
	a.t.Helper()
	begun := *row
	begun.Ended, begun.First, begun.Status, begun.Completion, begun.End = time.Time{}, time.Time{}, 0, 0, ledger.None
	e, err := a.book.Begin(&begun)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.book.End(e, row); err != nil {
		a.t.Fatal(err)
	}
}

// one reads the engine's counters anew and returns the one drift.
func (a *audited) one() Drift {
	a.t.Helper()
	p, err := backends.New([]backends.Config{{Name: "chat", Model: "m", URLs: []string{a.url()}}})
	if err != nil {
		a.t.Fatal(err)
	}
	a.pool = p
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { p.Run(ctx); close(ended) }()
	defer func() { stop(); <-ended }()
	before := a.drifts()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		e := p.Snapshot().Backends[0].Replicas[0].Engine
		if e != nil && !e.At.IsZero() {
			break
		}
		if time.Now().After(end) {
			a.t.Fatalf("the engine was never read: %+v", e)
		}
	}
	a.list.Store(nil)
	if err := a.look(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	if list := a.drifts(); len(list) == 1 && list[0].Backend == "chat" && list[0].Replica == a.url() {
		return list[0]
	}
	a.t.Fatalf("drifts are %+v, before %+v", a.drifts(), before)
	return Drift{}
}

// The ledger and an engine agree to the token over whatever the gateway wrote
// down, and disagree by exactly what it did not, until the engine starts anew.
func TestAuditFindsWhatTheLedgerMisses(t *testing.T) {
	a := newAudited(t)
	if d := a.one(); d.Prompt() != 0 || d.Completion() != 0 || d.EnginePrompt != 0 {
		t.Errorf("before any request: %+v", d)
	}
	var last *ledger.Row
	for i := range 30 {
		last = a.ask(1, 1+i)
		a.write(last)
	}
	want := 30 * last.Prompt
	if d := a.one(); d.Prompt() != 0 || d.Completion() != 0 || d.EnginePrompt != want || d.EngineGeneration != 30*31/2 {
		t.Errorf("after 30 requests: %+v, want %d and %d tokens on both sides", d, want, 30*31/2)
	}

	missed := a.ask(1, 40) // past the gateway
	if d := a.one(); d.Prompt() != missed.Prompt || d.Completion() != 40 {
		t.Errorf("after one past the ledger: %+d and %+d, want %+d and 40", d.Prompt(), d.Completion(), missed.Prompt)
	}
	a.flight = map[string]inFlight{
		a.url():     {Seen: ledger.Totals{Prompt: missed.Prompt, Completion: 40}, Open: ledger.Totals{Prompt: 1, Completion: 2}},
		"elsewhere": {Seen: ledger.Totals{Prompt: 1e6, Completion: 1e6}},
	}
	if d := a.one(); d.Prompt() != 0 || d.Completion() != 0 || d.OpenPrompt != 1 || d.OpenCompletion != 2 {
		t.Errorf("with that one in flight: %+v", d)
	}
	a.flight = nil
	a.write(missed)

	several := a.ask(3, 5)
	a.write(several)
	if d := a.one(); d.Prompt() != 2*several.Prompt || d.Completion() != 0 {
		t.Errorf("after n = 3: %+d and %+d, want two prompts of %d", d.Prompt(), d.Completion(), several.Prompt)
	}

	old := a.one().Started
	a.stop()
	a.start()
	if d := a.one(); d.EnginePrompt != 0 || d.Prompt() != 0 || d.Completion() != 0 || !d.Started.After(old) {
		t.Errorf("after the engine's new start: %+v", d)
	}
	a.write(a.ask(1, 3))
	if d := a.one(); d.Prompt() != 0 || d.Completion() != 0 || d.EngineGeneration != 3 {
		t.Errorf("after one request to the new engine: %+v", d)
	}
}

// fixedSums is a ledger of which the test knows what it is asked.
type fixedSums struct {
	asked int
	err   error
}

func (s *fixedSums) SinceStart(context.Context, string, time.Time) (ledger.Totals, error) {
	s.asked++
	return ledger.Totals{Prompt: 1, Completion: 1}, s.err
}

// An engine is audited on every second of its readings and at once after its
// start. One that can't be read keeps its last drift; one that doesn't say when
// it started has none; one that is no longer configured loses it.
func TestAuditKeepsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fixedSums{}
		snap := &backends.Snapshot{}
		a := auditor{pool: func() *backends.Snapshot { return snap }, sums: s, flight: func() map[string]inFlight { return nil }, log: slog.New(slog.DiscardHandler)}
		start := time.Now()
		look := func(e *backends.EngineStatus, asked, drifts int) {
			t.Helper()
			snap = &backends.Snapshot{Backends: []backends.BackendStatus{{Name: "b", Replicas: []backends.ReplicaStatus{{URL: "u", Engine: e}}}}}
			if err := a.look(t.Context()); !errors.Is(err, s.err) {
				t.Errorf("at %v: %v", time.Since(start), err)
			}
			if s.asked != asked || len(a.drifts()) != drifts {
				t.Errorf("at %v: asked %d times, %d drifts, want %d and %d", time.Since(start), s.asked, len(a.drifts()), asked, drifts)
			}
		}
		at := func(seconds int, started time.Time) *backends.EngineStatus {
			return &backends.EngineStatus{At: start.Add(time.Duration(seconds) * time.Second), Started: started}
		}
		look(nil, 0, 0)
		look(&backends.EngineStatus{Err: "read metrics: connection refused"}, 0, 0)
		look(at(0, time.Time{}), 0, 0)
		look(at(5, start), 1, 1)
		look(at(5, start), 1, 1)
		look(at(10, start), 1, 1)
		look(at(15, start), 2, 1)
		look(at(16, start.Add(15*time.Second)), 3, 1)
		s.err = errors.New("query ledger: the disk is gone")
		look(at(30, start), 4, 1)
		if d := a.drifts()[0]; d.At != at(16, start).At {
			t.Errorf("the drift is of %v, want the last that was found", d.At)
		}
		s.err = nil
		look(nil, 4, 1)
		snap = &backends.Snapshot{}
		if err := a.look(t.Context()); err != nil || len(a.drifts()) != 0 {
			t.Errorf("with no backend: %v, %v", a.drifts(), err)
		}

		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		snap = &backends.Snapshot{Backends: []backends.BackendStatus{{Name: "b", Replicas: []backends.ReplicaStatus{{URL: "u", Engine: at(60, start)}}}}}
		go func() { a.run(ctx); close(ended) }()
		time.Sleep(auditLook + 1)
		synctest.Wait()
		if len(a.drifts()) != 1 {
			t.Error("run did not audit what is new")
		}
		stop()
		<-ended
	})
}
