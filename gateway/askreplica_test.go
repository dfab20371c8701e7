package gateway_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/sim"
	"pilothouse/gateway"
)

// A replica answers past the gateway, with the backend's own key, when the gateway
// sends it nothing; and nothing of that is the gateway's own work.
func TestAskReplica(t *testing.T) {
	t.Parallel()
	drained, unwell := simulate(t, sim.Config{}), simulate(t, sim.Config{Model: sqlModel})
	s := serve(t, func(s *setup) {
		chat, sql := testBackend("chat", chatModel, drained.URL), testBackend("text2sql", sqlModel, unwell.URL)
		sql.Routes, sql.Health.Path = []string{"/text2sql"}, "/nothing-is-here"
		s.Backends = []backends.Config{chat, sql}
	})
	s.Pool.All()[0].At(drained.URL).Drain("a look at it")
	eventually(t, "it is drained", func() bool { return s.Pool.Snapshot().Backends[0].Replicas[0].State == backends.Draining })
	for _, path := range []string{chatPath, "/text2sql"} {
		if resp, body := askThrough(t, s, "ana", path, []byte(strings.Replace(string(inquiry(false, 4)), chatModel, map[string]string{chatPath: chatModel, "/text2sql": sqlModel}[path], 1))); resp.StatusCode != 503 {
			t.Fatalf("through the gateway: status %d: %s", resp.StatusCode, body)
		}
	}
	was := s.Pool.Snapshot()
	for _, c := range []struct {
		url, path, model, backend string
		stream                    bool
	}{
		{drained.URL, chatPath, chatModel, "chat", false},
		{drained.URL, chatPath, chatModel, "chat", true},
		{unwell.URL, "/text2sql", sqlModel, "text2sql", false},
	} {
		body := strings.Replace(string(inquiry(c.stream, 4)), chatModel, c.model, 1)
		resp, err := s.AskReplica(t.Context(), "ana", c.url, c.path, []byte(body))
		resp, answer := asked(t, resp, err)
		if resp.StatusCode != 200 || !strings.Contains(answer, `"usage"`) || strings.Contains(answer, "[DONE]") != c.stream {
			t.Errorf("%s: status %d: %s", c.url, resp.StatusCode, answer)
		}
		row := s.Row(t, resp.Header.Get("X-Request-Id"))
		want := booked{ID: row.ID, Org: gateway.Operators, Key: "ana", Model: c.model, Backend: c.backend, Replica: c.url, Route: "direct", Status: 200, End: "done",
			Prompt: row.Prompt, Completion: 4, BytesIn: int64(len(body)), BytesOut: int64(len(answer)), Stream: c.stream, Cached: row.Cached}
		if row.booked != want || row.Prompt == 0 {
			t.Errorf("the row is\n%+v, want\n%+v", row.booked, want)
		}
	}
	for i, b := range s.Pool.Snapshot().Backends {
		now, old := b.Replicas[0], was.Backends[i].Replicas[0]
		if now.State != old.State || now.InFlight != 0 || now.Requests != old.Requests {
			t.Errorf("the gateway knows of it: %+v, before %+v", now, old)
		}
	}
	if quotas, _ := s.Quotas(t.Context()); len(quotas) != 2 {
		t.Errorf("it counts for a quota: %+v", quotas)
	}
	if lines := s.Accesses(); lines[len(lines)-1]["route"] != "direct" || lines[len(lines)-1]["client"] != "operator" {
		t.Errorf("the log has %v", lines[len(lines)-1])
	}
	if strings.Contains(s.Log.String(), "heron-blue") || strings.Contains(s.Log.String(), backendKey) {
		t.Error("a prompt or a key is in the log")
	}
}

func TestAskReplicaRefused(t *testing.T) {
	t.Parallel()
	s := servePlatform(t, func(s *setup) { s.Config.Server.MaxBody = 64 << 10 })
	other := simulate(t, sim.Config{})
	for _, url := range []string{other.URL, s.URL(), s.Chat.URL + "/", s.Chat.URL + "@" + other.URL, ""} {
		if _, err := s.AskReplica(t.Context(), "ana", url, chatPath, inquiry(false, 1)); !errors.Is(err, gateway.ErrNoReplica) {
			t.Errorf("%q is asked: %v", url, err)
		}
	}
	for _, path := range []string{"/sleep", "/v1/load_lora_adapter", "/v1/models", "/health", "", chatPath + "?x", chatPath + " HTTP/1.1\r\nX: y"} {
		if _, err := s.AskReplica(t.Context(), "ana", s.Chat.URL, path, inquiry(false, 1)); err == nil {
			t.Errorf("path %q is taken", path)
		}
	}
	if _, err := s.AskReplica(t.Context(), "ana", s.Chat.URL, chatPath, make([]byte, 65<<10)); err == nil {
		t.Error("a body above max_body is taken")
	}
	if _, err := s.AskReplica(t.Context(), "", s.Chat.URL, chatPath, inquiry(false, 1)); err == nil {
		t.Error("nobody may ask")
	}
	for body, status := range map[string]int{`{"model":"none","messages":[{"role":"user","content":"hi"}]}`: 404, "hello": 400} {
		resp, err := s.AskReplica(t.Context(), "ana", s.Chat.URL, chatPath, []byte(body))
		resp, answer := asked(t, resp, err)
		if resp.StatusCode != status {
			t.Errorf("%s: status %d: %s", body, resp.StatusCode, answer)
		}
		if row := s.Row(t, resp.Header.Get("X-Request-Id")); row.Status != status || row.Prompt+row.Completion != 0 || row.End != "done" {
			t.Errorf("%s: the row is %+v", body, row)
		}
	}
	if len(other.Requests()) > 0 {
		t.Errorf("another engine got %+v", other.Requests())
	}
}

// An engine that sends no HTTP, or goes, or tells no usage, leaves a row and no word
// of its own.
func TestAskReplicaBroken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, c := range map[string]struct {
		sent, end  string
		status     int
		completion int64
		fails      bool
	}{
		"no HTTP":           {"heron-blue\r\n\r\n", "backend_failed", 502, 0, true},
		"nothing":           {"", "backend_failed", 502, 0, true},
		"half an answer":    {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", "backend_failed", 200, 0, false},
		"interim":           {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}", "done", 400, 0, false},
		"events, and a cut": {streamHead + chunk(event("one")) + chunk(event("two")), "backend_failed", 200, 2, false},
	} {
		s.Engine.Answer(func(c2 *engineConn, _ *engineRequest) { c2.Send(c.sent); c2.Close() })
		before := len(s.Rows())
		resp, err := s.AskReplica(t.Context(), "ana", s.Engine.URL, chatPath, []byte(chat(true, "hi")))
		if (err != nil) != c.fails || err != nil && strings.Contains(err.Error(), "heron") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		rows := s.Rows()
		if len(rows) != before+1 {
			t.Errorf("%s: %d rows more", name, len(rows)-before)
		}
		found := false
		for _, r := range rows {
			found = found || r[0].End == c.end && r[0].Status == c.status && r[0].Completion == c.completion && r[0].Estimated == (c.completion > 0) && !r[0].Counted
		}
		if !found {
			t.Errorf("%s: no such row: %+v", name, rows)
		}
	}
	if st := s.Pool.Snapshot().Backends[0].Replicas[0]; st.State != backends.Healthy {
		t.Errorf("the replica is %v: %s", st.State, st.Reason)
	}
}

// The engine's own counts agree with the ledger's, to the token, after requests on
// both ways; and one in flight is allowed for.
func TestDirectIsNoDrift(t *testing.T) {
	t.Parallel()
	engine := simulate(t, sim.Config{Speed: 5})
	s := serve(t, func(s *setup) { s.Backends = []backends.Config{testBackend("chat", chatModel, engine.URL)} })
	for i, stream := range []bool{false, true, true} {
		resp, err := s.AskReplica(t.Context(), "ana", engine.URL, chatPath, inquiry(stream, 30+i))
		asked(t, resp, err)
		askThrough(t, s, "ana", chatPath, inquiry(stream, 20+i))
	}
	eventually(t, "nothing is in flight", func() bool { return s.Quiet() && engine.Load().Running == 0 })
	drift := func(since time.Time) gateway.Drift {
		t.Helper()
		eventually(t, "the engine has been read", func() bool {
			e := s.Pool.Snapshot().Backends[0].Replicas[0].Engine
			return e != nil && e.At.After(since)
		})
		list, err := s.AuditNow(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("drifts %+v, %v", list, err)
		}
		return list[0]
	}
	if d := drift(time.Now()); d.Prompt() != 0 || d.Completion() != 0 || d.EngineGeneration != 93+63 || d.OpenPrompt != 0 {
		t.Errorf("the drift is %+d and %+d: %+v", d.Prompt(), d.Completion(), d)
	}
	resp, err := s.AskReplica(t.Context(), "ana", engine.URL, chatPath, inquiry(true, 2000))
	if err != nil {
		t.Fatal(err)
	}
	firstEvent(t, resp)
	if d := drift(time.Now()); d.Completion() <= 0 || d.OpenPrompt < d.Prompt() || d.OpenCompletion < d.Completion() || d.Suspicious() {
		t.Errorf("with one in flight: %+v", d)
	}
	resp.Body.Close()
}
