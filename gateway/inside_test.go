package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/sim"
	"pilothouse/gateway"
)

// inquiry is the body of a chat request for so many tokens, all of which come.
func inquiry(stream bool, tokens int) []byte {
	more := ""
	if stream {
		more = `,"stream":true,"stream_options":{"include_usage":true}`
	}
	return fmt.Appendf(nil, `{"model":%q,"max_tokens":%d,"ignore_eos":true,"messages":[{"role":"user","content":"what is hidden in heron-blue?"}]%s}`, chatModel, tokens, more)
}

// serveSlowly is a gateway before one simulated engine that takes minutes over a
// thousand tokens.
func serveSlowly(t testing.TB, change ...func(*setup)) (*service, *simulator) {
	t.Helper()
	engine := simulate(t, sim.Config{Speed: 0.1})
	return serve(t, append([]func(*setup){func(s *setup) {
		s.Backends = []backends.Config{testBackend("chat", chatModel, engine.URL)}
	}}, change...)...), engine
}

// asked wants an answer, and reads it.
func asked(t testing.TB, resp *http.Response, err error) (*http.Response, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// firstEvent reads an answer's first event with something in it.
func firstEvent(t testing.TB, resp *http.Response) {
	t.Helper()
	if resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	line, err := bufio.NewReaderSize(resp.Body, 16).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "data: {") {
		t.Fatalf("began with %q, %v", line, err)
	}
}

// An operator's request is one like any other: its answer comes as it is made, and
// all that the gateway knows of requests it knows of this one, by the operator's
// name.
func TestAsk(t *testing.T) {
	t.Parallel()
	s, engine := serveSlowly(t, func(s *setup) {
		s.Config.Limits.RequestsPerSecond, s.Config.Limits.Burst = 1e-3, 1 // of an address; operators have none
	})
	resp, err := s.Ask(t.Context(), "ana@ops", chatPath, inquiry(true, 1000))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	firstEvent(t, resp)
	if l := engine.Load(); l.Running != 1 || l.GeneratedTokens >= 1000 {
		t.Errorf("the first event came when the engine had made %d tokens", l.GeneratedTokens)
	}
	id := resp.Header.Get("X-Request-Id")
	want := func(what string, r gateway.Record) {
		t.Helper()
		if r.ID != id || r.Org != gateway.Operators || r.KeyName != "ana@ops" || r.Client != "operator" || r.Backend != "chat" || !r.Stream {
			t.Errorf("%s: %+v", what, r)
		}
	}
	eventually(t, "it is in a snapshot", func() bool { return len(s.Snapshot().Live) == 1 })
	want("live", s.Snapshot().Live[0])
	live, found := s.Explain(id)
	if !found {
		t.Fatal("no explanation of it in flight")
	}
	want("explained", live.Record)
	if a, ok := live.Steps[0].(gateway.Accepted); !ok || a.Key != gateway.KeyValid || a.Limited || a.Burst != 0 {
		t.Errorf("its first step is %+v", live.Steps[0])
	}
	quotas, err := s.Quotas(t.Context())
	if err != nil || len(quotas) != 3 || quotas[2].Org != gateway.Operators || quotas[2].Windows[1].Reserved < 1000 {
		t.Errorf("the windows are %+v, %v", quotas, err)
	}
	if found, err := s.CancelRequest(t.Context(), id, "ben", "enough"); !found || err != nil {
		t.Errorf("cancelled: %v, %v", found, err)
	}
	if rest, _ := io.ReadAll(resp.Body); !strings.Contains(string(rest), `"code":"cancelled"`) {
		t.Errorf("ended with %q", rest)
	}
	eventually(t, "the engine has stopped", func() bool { return engine.Load().Running == 0 })
	eventually(t, "it is over", s.Quiet)
	row := s.Row(t, id)
	if row.Org != gateway.Operators || row.Key != "ana@ops" || row.Client != "" || row.Route != chatPath || row.End != "interrupted" || !row.Counted || row.Prompt == 0 || row.Completion == 0 {
		t.Errorf("the row is %+v", row)
	}
	for range 3 {
		if resp, body := askThrough(t, s, "ana@ops", chatPath, inquiry(false, 1)); resp.StatusCode != 200 || !strings.Contains(body, `"usage"`) {
			t.Errorf("status %d: %s", resp.StatusCode, body)
		}
	}
	eventually(t, "all are in the log", func() bool { return len(s.Accesses()) == 4 })
	for _, a := range s.Accesses() {
		if a["org"] != "operators" || a["key"] != "ana@ops" || a["client"] != "operator" {
			t.Errorf("the log has %v", a)
		}
	}
	for _, secret := range []string{s.InsideSecret(), "heron-blue", backendKey} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func askThrough(t testing.TB, s *service, operator, path string, body []byte) (*http.Response, string) {
	t.Helper()
	resp, err := s.Ask(t.Context(), operator, path, body)
	return asked(t, resp, err)
}

// Nobody but operators gets in by their way, and they by no other.
func TestInsideIsApart(t *testing.T) {
	t.Parallel()
	s := servePlatform(t)
	long := chat(false, strings.Repeat("x", 200<<10))
	for name, body := range map[string]string{"short": string(inquiry(false, 1)), "long": long} {
		for _, expect := range []bool{false, true} {
			c := s.Dial()
			head := []string{"Authorization: Bearer " + s.InsideSecret()}
			if expect {
				head = append(head, "Expect: 100-continue")
			}
			c.Send(s.post(chatPath, "", body, head...))
			if a := c.Answer("POST"); a.StatusCode != 401 || a.Err.Code != "invalid_api_key" {
				t.Errorf("the secret as a client's key, %s body, expecting %v: status %d %s", name, expect, a.StatusCode, a.Body)
			}
		}
	}
	for name, head := range map[string]string{"a client's key": "Authorization: Bearer " + s.Key("acme"), "none": "X-None: 1", "half of the secret": "Authorization: Bearer " + s.InsideSecret()[:26]} {
		raw, err := s.DialInside(t.Context(), "ana")
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, raw)
		c.Send(s.post(chatPath, "", string(inquiry(false, 1)), head))
		if a := c.Answer("POST"); a.StatusCode != 401 {
			t.Errorf("%s where operators ask: status %d", name, a.StatusCode)
		}
		c.Close()
	}
	if n := len(s.Chat.Requests()); n > 0 { // each is counted once it has come
		for _, r := range s.Chat.Requests() {
			if strings.HasPrefix(r.Path, "/v1/chat") {
				t.Errorf("the engine got %+v", r)
			}
		}
	}
}

func TestAskRefused(t *testing.T) {
	t.Parallel()
	s := servePlatform(t, func(s *setup) { s.Config.Server.MaxBody = 300 << 10 })
	pad := func(n int) []byte {
		return fmt.Appendf(nil, `{"model":%q,"max_tokens":1,"user":%q,"messages":[{"role":"user","content":"hi"}]}`, chatModel, strings.Repeat("x", n))
	}
	for _, c := range []struct {
		what, path string
		body       []byte
		status     int
	}{
		{"a long body", chatPath, pad(200 << 10), 200},
		{"too long a body", chatPath, pad(400 << 10), 413},
		{"much too long a body", chatPath, pad(8 << 20), 413},
		{"no JSON", chatPath, []byte("hello"), 400},
		{"another model", chatPath, []byte(`{"model":"none","messages":[{"role":"user","content":"hi"}]}`), 404},
		{"no such path", "/v1/nothing", inquiry(false, 1), 404},
		{"the engine's own path", "/metrics", inquiry(false, 1), 404},
		{"the gateway's own answer", "/v1/usage", inquiry(false, 1), 405},
		{"an alias", chatPath, []byte(`{"model":"gpt-4o-mini","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}`), 200},
		{"a backend's own path", "/text2sql", []byte(`{"max_tokens":1,"messages":[{"role":"user","content":"hi"}]}`), 200},
	} {
		if resp, body := askThrough(t, s.service, "ana", c.path, c.body); resp.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d: %.200s", c.what, resp.StatusCode, c.status, body)
		}
	}
	for _, path := range []string{"", "v1", "/v1 HTTP/1.1", "/v1\r\nX: y", "/ü"} {
		if _, err := s.Ask(t.Context(), "ana", path, nil); err == nil {
			t.Errorf("path %q is taken", path)
		}
	}
	if _, err := s.Ask(t.Context(), "", chatPath, nil); err == nil {
		t.Error("nobody may ask")
	}
	over, end := context.WithCancelCause(t.Context())
	tired := errors.New("tired")
	end(tired)
	if _, err := s.Ask(over, "ana", chatPath, inquiry(false, 1)); !errors.Is(err, tired) && !errors.Is(err, context.Canceled) {
		t.Errorf("after ctx: %v", err)
	}
	s.Stop()
	for name, ask := range map[string]func() (*http.Response, error){
		"through": func() (*http.Response, error) { return s.Ask(t.Context(), "ana", chatPath, inquiry(false, 1)) },
		"past": func() (*http.Response, error) {
			return s.AskReplica(t.Context(), "ana", s.Chat.URL, chatPath, inquiry(false, 1))
		},
	} {
		if _, err := ask(); !errors.Is(err, gateway.ErrNotServing) {
			t.Errorf("%s a gateway that has ended: %v", name, err)
		}
	}
}

// Names become ids of keys, whatever users of a host are called.
func TestCallers(t *testing.T) {
	t.Parallel()
	s := servePlatform(t, func(s *setup) { s.withTLS(t) }) // which is clients' alone
	for name, want := range map[string]string{"ana": "ana", "uid 1000": "uid_1000", "CORP\\ana": "CORP_ana", "ünal\r\n": "_nal__", strings.Repeat("n", 90): strings.Repeat("n", 64)} {
		resp, _ := askThrough(t, s.service, name, chatPath, inquiry(false, 1))
		eventually(t, "it is over", s.Quiet)
		if row := s.Row(t, resp.Header.Get("X-Request-Id")); row.Key != want || row.Org != gateway.Operators {
			t.Errorf("%q is %q of %q", name, row.Key, row.Org)
		}
	}
}

// Operators have the limits of every organisation, or their own from the keys
// file, and use up nobody else's.
func TestOperatorsQuota(t *testing.T) {
	t.Parallel()
	s := servePlatform(t, func(s *setup) { s.Config.Limits.Org.RequestsPerDay = 2 })
	ask := func(operator string) int {
		t.Helper()
		resp, body := askThrough(t, s.service, operator, chatPath, inquiry(false, 1))
		if resp.StatusCode == 429 && !strings.Contains(body, "quota_exceeded") {
			t.Errorf("refused with %s", body)
		}
		return resp.StatusCode
	}
	for i, want := range []int{200, 200, 429} {
		if got := ask([]string{"ana", "ben", "ana"}[i]); got != want {
			t.Errorf("request %d: status %d, want %d", i+1, got, want)
		}
	}
	for i, want := range []int{200, 200, 429} {
		if resp, _ := s.Do("POST", chatPath, "acme", string(inquiry(false, 1))); resp.StatusCode != want {
			t.Errorf("a client's request %d: status %d, want %d", i+1, resp.StatusCode, want)
		}
	}
	f, err := os.OpenFile(s.File, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\n[[org]]\nname = \"operators\"\nweight = 7\nrequests_per_day = 3\n")
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Keys.Reload(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{200, 429} {
		if got := ask("ana"); got != want {
			t.Errorf("request %d with limits of their own: status %d, want %d", i+1, got, want)
		}
	}
	quotas, err := s.Quotas(t.Context())
	if err != nil || len(quotas) != 3 || quotas[2].Org != gateway.Operators || quotas[2].Windows[0].Limit != 3 || quotas[2].Windows[0].Used != 3 {
		t.Errorf("the windows are %+v, %v", quotas, err)
	}
}

// Who asks may leave, by ctx or by closing the answer: the engine is free then.
func TestAskerLeaves(t *testing.T) {
	t.Parallel()
	s, engine := serveSlowly(t)
	for _, direct := range []bool{false, true} {
		for _, way := range []string{"ctx before the answer", "ctx", "close"} {
			t.Run(fmt.Sprintf("%s, direct %v", way, direct), func(t *testing.T) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				ask := func(body []byte) (*http.Response, error) {
					if direct {
						return s.AskReplica(ctx, "ana", engine.URL, chatPath, body)
					}
					return s.Ask(ctx, "ana", chatPath, body)
				}
				if way == "ctx before the answer" {
					left := make(chan error, 1)
					go func() { _, err := ask(inquiry(false, 1000)); left <- err }()
					eventually(t, "the engine works", func() bool { return engine.Load().Running == 1 })
					leave()
					if err := <-left; !errors.Is(err, context.Canceled) {
						t.Errorf("it ended with %v", err)
					}
				} else {
					resp, err := ask(inquiry(true, 1000))
					if err != nil {
						t.Fatal(err)
					}
					firstEvent(t, resp)
					if way == "close" {
						resp.Body.Close()
					} else {
						leave()
						if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, context.Canceled) {
							t.Errorf("it ended with %v", err)
						}
					}
				}
				eventually(t, "the engine is free", func() bool { return engine.Load().Running == 0 })
				eventually(t, "nothing is left", func() bool { return !strings.Contains(s.Left(), "requests") })
			})
		}
	}
	ends := map[string]int{}
	for _, rows := range s.Rows() {
		ends[rows[0].Route+" "+rows[0].End]++
	}
	if len(ends) != 2 || ends[chatPath+" client_left"] != 3 || ends["direct client_left"] != 3 {
		t.Errorf("the rows are %v", ends)
	}
}

// A gateway that stops waits for operators' requests as for any, ends those that
// are left, and leaves nothing.
func TestStopEndsAskers(t *testing.T) {
	before := openFiles()
	s, engine := serveSlowly(t, func(s *setup) { s.Config.Server.DrainTimeout = backends.Duration(300 * time.Millisecond) })
	through, err := s.Ask(t.Context(), "ana", chatPath, inquiry(true, 1000))
	if err != nil {
		t.Fatal(err)
	}
	firstEvent(t, through)
	within, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	past, err := s.AskReplica(within, "ana", engine.URL, chatPath, inquiry(true, 1000))
	if err != nil {
		t.Fatal(err)
	}
	firstEvent(t, past)
	if took := s.Stop(); took < 300*time.Millisecond || took > patience {
		t.Errorf("it took %v", took)
	}
	rest, _ := io.ReadAll(through.Body)
	if !strings.Contains(string(rest), "The gateway is stopping.") {
		t.Errorf("the stream ended with %q", rest)
	}
	if _, err := io.ReadAll(past.Body); err == nil {
		t.Error("the one past the gateway ended well")
	}
	rows := rowsIn(t, s.Dir)
	if len(rows) != 2 {
		t.Errorf("%d rows", len(rows))
	}
	for id, rows := range rows {
		if len(rows) != 1 || rows[0].End != "interrupted" || rows[0].Completion == 0 {
			t.Errorf("request %q: %+v", id, rows)
		}
	}
	through.Body.Close()
	past.Body.Close()
	eventually(t, "the engine is free", func() bool { return engine.Load().Running == 0 })
	eventually(t, "as many files are open as before, but for the engine's", func() bool { return openFiles() <= before+2 })
}
