package chat

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// An answer has its text, its figures and what went over the wire.
func TestAnswer(t *testing.T) {
	m := &direct{gateway: engine(t, sim.Config{Speed: 50})}
	_, r := enter(t, Config{}, m)
	id := begin(t, r)
	ok(t, r.Ask(id, "What is a lighthouse?\nIn short."))
	a := answered(t, r, id)[0]
	if a.State != Done || a.Text == "" || a.Error != "" {
		t.Fatalf("answer: %+v", a)
	}
	n, exact := a.Tokens()
	if !exact || n < 2 || a.Prompt < 5 || a.Finish != "stop" || a.Status != 200 || !strings.HasPrefix(a.RequestID, "req-") {
		t.Errorf("figures: %d %v %+v", n, exact, a)
	}
	if a.First <= 0 || a.Last <= a.First || a.Took < a.Last || a.Rate() <= 0 || a.PerToken() <= 0 || a.Longest <= 0 {
		t.Errorf("times: first %v last %v took %v rate %v", a.First, a.Last, a.Took, a.Rate())
	}
	if !strings.Contains(a.Request, `"include_usage":true`) || !strings.HasSuffix(a.Response, "data: [DONE]\n\n") {
		t.Errorf("raw: %q %q", a.Request, a.Response)
	}
	if c := r.Snapshot().Find(id); c.Name != "What is a lighthouse?" || r.Snapshot().Busy {
		t.Errorf("conversation: %+v", c)
	}
}

// What was said before goes along, the system prompt first, and a question without an
// answer doesn't.
func TestContext(t *testing.T) {
	fail := atomic.Bool{}
	m := answers(t, func(w http.ResponseWriter, _ *http.Request) {
		if fail.Load() {
			http.Error(w, `{"error":{"message":"full","code":"overloaded"}}`, http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"one"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`)
	})
	_, r := enter(t, Config{}, m)
	id := begin(t, r)
	low := 0.2
	ok(t, r.Set(id, Settings{Model: "m", System: "be short", Temperature: &low}))
	ok(t, r.Ask(id, "first"))
	if a := answered(t, r, id)[0]; a.Text != "one" || a.Completion != 1 || a.State != Done {
		t.Fatalf("an answer that is no stream: %+v", a)
	}
	fail.Store(true)
	ok(t, r.Ask(id, "second"))
	if a := answered(t, r, id)[0]; a.State != Failed || a.Error != "full" || a.Code != "overloaded" || a.Status != 503 {
		t.Fatalf("a refusal: %+v", a)
	}
	fail.Store(false)
	ok(t, r.Ask(id, "third"))
	answered(t, r, id)
	want := []message{{"system", "be short"}, {"user", "first"}, {"assistant", "one"}, {"user", "third"}}
	got := m.messages(t, m.gateway, 2)
	if len(got) != len(want) {
		t.Fatalf("messages: %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("message %d: %v, want %v", i, got[i], want[i])
		}
	}
	if !strings.Contains(string(m.sent[m.gateway][2]), `"temperature":0.2`) {
		t.Errorf("body: %s", m.sent[m.gateway][2])
	}
	// An earlier question is asked anew, and what came after it is gone.
	ok(t, r.Again(id, 0, "other", nil))
	answered(t, r, id)
	if c := r.Snapshot().Find(id); len(c.Turns) != 1 || c.Turns[0].Question != "other" || c.Name != "other" {
		t.Errorf("asked again: %+v", c)
	}
	if got := m.messages(t, m.gateway, 3); len(got) != 2 || got[1].Content != "other" {
		t.Errorf("messages: %v", got)
	}
}

// Cancel ends what the engine generates, before the first token and after it.
func TestCancelFreesTheEngine(t *testing.T) {
	for name, started := range map[string]bool{"waiting": false, "streaming": true} {
		t.Run(name, func(t *testing.T) {
			aborted := make(chan sim.Generated, 1)
			c := sim.Config{Observe: func(g sim.Generated) { aborted <- g }}
			if !started {
				c.Timing = sim.Timing{WeightBytes: 1, Bandwidth: 1e9, KVTokenBytes: 1, PrefillRate: 0.1, SequenceCost: time.Microsecond}
			}
			_, r := enter(t, Config{}, &direct{gateway: engine(t, c)})
			id := begin(t, r)
			ok(t, r.Ask(id, "Tell me everything about lighthouses, tides and the sea."))
			until(t, r, "it is under way", func(s *Snapshot) bool {
				a := s.Find(id).Turns[0].Answers[0]
				return s.Busy && a.Status == 200 && (a.Events > 2 || !started)
			})
			ok(t, r.Cancel(id))
			if a := answered(t, r, id)[0]; a.State != Cancelled || a.Error != "" || started != (a.Text != "") {
				t.Errorf("answer: %+v", a)
			}
			select {
			case g := <-aborted:
				if !g.Aborted {
					t.Errorf("the engine went on to the end: %+v", g)
				}
			case <-time.After(patience):
				t.Error("the engine still generates")
			}
		})
	}
}

// An answer goes on while nobody looks, and is found by who enters again; a snapshot
// taken meanwhile stays as it was.
func TestDetach(t *testing.T) {
	more := make(chan struct{})
	m := answers(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":"half"}}]}`+"\n\n")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":" whole"},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	})
	rs, r := enter(t, Config{}, m)
	id := begin(t, r)
	ok(t, r.Ask(id, "q"))
	before := until(t, r, "half has come", func(s *Snapshot) bool { return s.Find(id).Turns[0].Answers[0].Text == "half" })
	if again := r.Snapshot(); again != before {
		t.Error("nothing happened, and the snapshot is another one")
	}
	if err := r.Ask(id, "too soon"); err == nil {
		t.Error("a second question was taken while the first is answered")
	}
	close(more)
	back := rs.Enter("alice", m)
	if a := answered(t, back, id)[0]; a.Text != "half whole" || a.State != Done {
		t.Errorf("answer: %+v", a)
	}
	if a := before.Find(id).Turns[0].Answers[0]; a.Text != "half" || a.State != Streaming {
		t.Errorf("the snapshot changed: %+v", a)
	}
	if s := rs.Enter("bob", m).Snapshot(); len(s.Conversations) != 0 {
		t.Error("another operator sees them")
	}
}

// A role's refusal is shown in words, and each Room asks with what it was given.
func TestRoles(t *testing.T) {
	m := says(t, "data: [DONE]\n\n")
	rs, r := enter(t, Config{}, m)
	id := begin(t, r)
	ok(t, rs.Enter("alice", &direct{}).Ask(id, "q"))
	if a := answered(t, r, id)[0]; a.State != Failed || !strings.Contains(a.Error, "your role, viewer, may not") {
		t.Errorf("answer: %+v", a)
	}
	ok(t, r.Ask(id, "q"))
	if a := answered(t, r, id)[0]; a.State != Done {
		t.Errorf("answer: %+v", a)
	}
}

// Two targets are asked the same at once.
func TestCompare(t *testing.T) {
	m := says(t, `data: {"choices":[{"delta":{"content":"through the gateway"}}]}`+"\n\ndata: [DONE]\n\n")
	other := says(t, `data: {"choices":[{"delta":{"content":"straight"}}]}`+"\n\ndata: [DONE]\n\n").gateway
	_, r := enter(t, Config{}, m)
	id := begin(t, r)
	both := []Target{{}, {Replica: other}}
	ok(t, r.Ask(id, "first"))
	answered(t, r, id)
	ok(t, r.Again(id, 0, "first", both))
	a := answered(t, r, id)
	if len(a) != 2 || a[0].Text != "through the gateway" || a[1].Text != "straight" || a[0].ID == a[1].ID || a[1].Target != both[1] {
		t.Fatalf("answers: %+v", a)
	}
	ok(t, r.Again(id, 1, "second", both))
	answered(t, r, id)
	if x, y := m.messages(t, m.gateway, 2), m.messages(t, other, 1); len(x) != 3 || len(y) != 3 || x[1] != y[1] || x[1].Content != "through the gateway" {
		t.Errorf("the two were asked different things: %v, %v", x, y)
	}
	if err := r.Again(id, 0, "q", []Target{{}, {}}); err == nil {
		t.Error("one target was compared with itself")
	}
}

// What would be over a bound is refused in words.
func TestBounds(t *testing.T) {
	m := says(t, `data: {"choices":[{"delta":{"content":"x"}}]}`+"\n\ndata: [DONE]\n\n")
	_, r := enter(t, Config{Conversations: 2, Turns: 1, Bytes: 100}, m)
	id := begin(t, r)
	begin(t, r)
	refused := func(what string, err error, words string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", what, err, words)
		}
	}
	_, err := r.New(Settings{})
	refused("a third conversation", err, "2 conversations are kept at most")
	refused("a long question", r.Ask(id, strings.Repeat("a", 101)), "another with /new")
	refused("an endless question", r.Ask(id, strings.Repeat("a", maxQuestion+1)), "bytes")
	refused("no question", r.Ask(id, " \n"), "want 1 to")
	refused("no such conversation", r.Ask("nix", "q"), "no such conversation")
	ok(t, r.Ask(id, "q"))
	answered(t, r, id)
	refused("a second question", r.Ask(id, "q"), "at most 1 questions")
	refused("a question of another time", r.Again(id, 7, "q", nil), "no such question")
	ok(t, r.Set(id, Settings{}))
	refused("no model", r.Again(id, 0, "q", nil), "choose a model")
	hot, none := 2.1, 0
	refused("temperature", r.Set(id, Settings{Temperature: &hot}), "0 to 2")
	refused("tokens", r.Set(id, Settings{MaxTokens: &none}), "at least 1")
	refused("stops", r.Set(id, Settings{Stop: []string{""}}), "1 to 256 bytes")
	refused("name", r.Rename(id, " "), "1 to 80")
	ok(t, r.Rename(id, "mine"))
	for range mostHistory + 10 {
		r.Remember("/help")
		r.Remember("/new")
	}
	if h := r.Snapshot().History; len(h) != mostHistory || h[mostHistory-1] != "/new" {
		t.Errorf("%d lines are remembered", len(h))
	}
	ok(t, r.Delete(id))
	if len(r.Snapshot().Conversations) != 1 {
		t.Error("it is still there")
	}
}

// Answers under way at once are bounded, and each is ended by Close, which leaves no
// goroutine behind.
func TestRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	came, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	m := answers(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		came <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	rs, r := enter(t, Config{Running: 2}, m)
	for range 2 {
		ok(t, r.Ask(begin(t, r), "q"))
	}
	if err := r.Ask(begin(t, r), "q"); err == nil || !strings.Contains(err.Error(), "2 answers are under way") {
		t.Errorf("a third: %v", err)
	}
	for range 2 {
		<-came
	}
	rs.Close()
	rs.Close()
	for range 2 {
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("a request goes on")
		}
	}
	for _, c := range r.Snapshot().Conversations {
		if len(c.Turns) > 0 && c.Turns[0].Answers[0].State != Interrupted {
			t.Errorf("answer: %+v", c.Turns[0].Answers[0])
		}
	}
	ok(t, r.Ask(begin(t, r), "late"))
	if a := r.Snapshot().Conversations[0].Turns[0].Answers[0]; a.State != Failed || a.Error != errClosed.Error() {
		t.Errorf("asked after Close: %+v", a)
	}
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before+4; time.Sleep(time.Millisecond) { // the server's own
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// Whoever makes the bodies may not watch the context while they are read.
func TestCancelClosesTheBody(t *testing.T) {
	in, out := io.Pipe()
	_, r := enter(t, Config{}, stuck{in})
	id := begin(t, r)
	ok(t, r.Ask(id, "q"))
	until(t, r, "the head has come", func(s *Snapshot) bool { return s.Find(id).Turns[0].Answers[0].Status == 200 })
	ok(t, r.Cancel(id))
	answered(t, r, id)
	if _, err := out.Write([]byte("x")); err == nil {
		t.Error("the body is still open")
	}
}

type stuck struct{ body io.ReadCloser }

func (s stuck) Ask(context.Context, string, []byte) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: s.body}, nil
}

func (s stuck) AskReplica(ctx context.Context, _, path string, body []byte) (*http.Response, error) {
	return s.Ask(ctx, path, body)
}
