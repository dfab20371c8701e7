package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// over asks models at an address, as a seat does through the gateway.
type over struct{ url string }

func (o over) Ask(ctx context.Context, path string, body []byte) (*http.Response, error) {
	if o.url == "" {
		return nil, errors.New("nothing listens")
	}
	if path == route && strings.HasSuffix(o.url, "/sim") { // which the gateway would do
		path = otherwise
	}
	r, err := http.NewRequestWithContext(ctx, "POST", strings.TrimSuffix(o.url, "/sim")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return http.DefaultClient.Do(r)
}

// asking is a request that a testModel got.
type asking struct {
	path string
	body struct {
		Model     string
		Messages  []Message
		MaxTokens int `json:"max_tokens"`
		Stream    bool
		Options   struct {
			Usage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
}

func (a *asking) prompt() string { return a.body.Messages[len(a.body.Messages)-1].Content }

// testModel streams prepared answers, each piece an event.
type testModel struct {
	*httptest.Server
	answers [][]string // in turn; the last one goes on
	hold    chan struct{}
	holdAt  int // pieces that go before what is held

	mu   sync.Mutex
	got  []asking
	left int // clients that left before their answer's end
}

func newModel(t testing.TB, answers ...[]string) *testModel {
	m := &testModel{answers: answers}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *testModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var a asking
	a.path = r.URL.Path
	_ = json.NewDecoder(r.Body).Decode(&a.body)
	m.mu.Lock()
	pieces := m.answers[min(len(m.got), len(m.answers)-1)]
	m.got = append(m.got, a)
	hold := m.hold
	m.mu.Unlock()
	w.Header().Set("X-Request-Id", "r-1")
	w.Header().Set("Content-Type", "text/event-stream")
	for i, p := range pieces {
		if hold != nil && i == m.holdAt {
			w.(http.Flusher).Flush()
			select {
			case <-hold:
			case <-r.Context().Done():
				m.mu.Lock()
				m.left++
				m.mu.Unlock()
				return
			}
		}
		if strings.HasPrefix(p, "{") {
			fmt.Fprintf(w, "data: %s\n\n", p)
			continue
		}
		text, _ := json.Marshal(p)
		fmt.Fprintf(w, ": a comment\ndata: {\"choices\":[{\"delta\":{\"content\":%s}}]}\n\n", text)
		w.(http.Flusher).Flush()
	}
	fmt.Fprint(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":34}}\n\ndata: [DONE]\n\n")
}

func (m *testModel) asked() []asking {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]asking(nil), m.got...)
}

func (m *testModel) gone() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left
}

var arctic = Model{Name: "arctic", Routes: []string{route}, MaxContext: 8192}

// simulated serves the simulator's model.
func simulated(t testing.TB) over {
	t.Helper()
	s, err := sim.New(sim.Config{Model: "arctic", Kind: sim.Text2SQL, Speed: 1000})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return over{"http://" + l.Addr().String() + "/sim"}
}

func TestChoose(t *testing.T) {
	chat, embed := Model{Name: "chat"}, Model{Name: "embed", Routes: []string{"/embed"}}
	for name, tc := range map[string]struct {
		all  []Model
		ask  string
		want string
		path string
	}{
		"the route":         {[]Model{chat, arctic}, "", "arctic", "/text2sql"},
		"the first":         {[]Model{chat, embed}, "", "chat", "/v1/chat/completions"},
		"by name":           {[]Model{arctic, chat}, "chat", "chat", "/v1/chat/completions"},
		"none of that name": {[]Model{arctic, chat}, "gpt", "", ""},
		"none":              {nil, "", "", ""},
	} {
		m, ok := Choose(tc.all, tc.ask)
		if m.Name != tc.want || ok != (tc.want != "") || ok && m.path() != tc.path {
			t.Errorf("%s: %v %v at %s", name, m, ok, m.path())
		}
	}
}

func TestRoom(t *testing.T) {
	for _, tc := range []struct{ context, most, answer, room int }{
		{8192, 0, 2048, 6144}, {0, 0, 2048, 6144}, {2048, 2048, 1024, 1024}, {32768, 4096, 4096, 28672}, {1, 1, 1, 1},
	} {
		m := Model{MaxContext: tc.context, MaxTokens: tc.most}
		if m.answerTokens() != tc.answer || m.room() != tc.room {
			t.Errorf("%+v: %d and %d", tc, m.answerTokens(), m.room())
		}
	}
}

// What a model, or what is before it, may do wrong is told, and what has come is kept.
func TestAskFails(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for name, tc := range map[string]struct {
		status int
		body   string
		text   string // that has come
		err    string
	}{
		"refused":         {429, `{"error":{"message":"the quota is used up"}}`, "", "429: the quota is used up"},
		"refused flatly":  {400, `{"object":"error","message":"too long"}`, "", "400: too long"},
		"refused in HTML": {502, "<h1>no</h1>", "", "502: <h1>no</h1>"},
		"error event":     {200, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{\"message\":\"gone\"}}\n\ndata: [DONE]\n\n", "a", "broke off: gone"},
		"no JSON":         {200, "data: {\n\n", "", "not JSON"},
		"no end":          {200, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", "a", "no end"},
		"too long":        {200, strings.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\""+long+"\"}}]}\n\n", 4), "", "more than 256 KiB"},
		"a line too long": {200, "data: " + strings.Repeat("x", maxEvent+1), "", "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer s.Close()
			w, err := arctic.ask(t.Context(), over{s.URL}, []Message{{"user", "?"}}, nil)
			if err == nil || !strings.Contains(err.Error(), tc.err) || tc.text != "" && w.text != tc.text {
				t.Errorf("got %v, %q", err, w.text)
			}
		})
	}
	if _, err := arctic.ask(t.Context(), over{}, nil, nil); err == nil || !strings.Contains(err.Error(), "ask the model: nothing listens") {
		t.Errorf("nothing listens: %v", err)
	}
}

// An engine that tells reasoning apart, or doesn't stream, is understood.
func TestAskOtherwise(t *testing.T) {
	for name, tc := range map[string]struct{ kind, body string }{
		"apart":        {"text/event-stream", "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"I \"}}]}\n\ndata:{\"choices\":[{\"delta\":{\"reasoning\":\"think\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"```sql\\nSELECT 1\\n```\"}}]}\n\ndata: [DONE]\n\n"},
		"not streamed": {"application/json", `{"choices":[{"message":{"content":"I think ` + "```sql\\nSELECT 1\\n```" + `"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer s.Close()
			a, _, err := arctic.Write(t.Context(), over{s.URL}, Inquiry{Question: "?"})
			if err != nil || a.Reasoning != "I think" || a.SQL != "SELECT 1" || a.TTFT == 0 || a.Took < a.TTFT {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
}

func TestNoSQL(t *testing.T) {
	m := newModel(t, []string{"I don't know."}, []string{"I think ", `{"choices":[{"delta":{},"finish_reason":"length"}]}`})
	for _, want := range []string{ErrNoSQL.Error(), "the model wrote no SQL in 2048 tokens"} {
		a, _, err := arctic.Write(t.Context(), over{m.URL}, Inquiry{Question: "?", Now: time.Now()})
		if !errors.Is(err, ErrNoSQL) || !strings.Contains(err.Error(), want) || a.Reasoning == "" {
			t.Errorf("got %v, %+v", err, a)
		}
	}
	got := m.asked()[0]
	if got.path != "/text2sql" || got.body.Model != "arctic" || !got.body.Stream || !got.body.Options.Usage || got.body.MaxTokens != 2048 {
		t.Errorf("it was asked %+v", got)
	}
}
