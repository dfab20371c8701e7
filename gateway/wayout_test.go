package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
)

// wayOut is one way for a request to end, and the row that it leaves.
type wayOut struct {
	name    string
	request func(*service) string // all of it; nil: body, sent to /v1/chat/completions with the key acme
	body    string
	header  string            // one more, of request nil
	answer  func(*engineConn) // the engine's; nil: it must not be asked
	leave   string            // the client leaves once it has this of a stream, or at one of the moments below
	want    booked            // what does not follow from the rest
	came    stage
}

const (
	atEngine = "the engine has the request"
	atHead   = "the gateway has the head of its answer"
)

// wayOutBackends are the backends of TestWaysOut, on one engine, by model. The
// silent one reports no usage, so that nothing changes what it is estimated at.
// The last two are an engine that was never there, and one that goes.
func wayOutBackends(t *testing.T, url, going string) []backends.Config {
	const short = backends.Duration(100 * time.Millisecond)
	of := func(name string, timeouts backends.Timeouts) backends.Config {
		b := patient(url)
		b.Name, b.Model, b.Timeouts = name, name, timeouts
		b.Timeouts.Idle = 1 // a connection for each request: none is caught by the close of another's
		return b
	}
	dead, gone := of("dead", backends.Timeouts{}), of("gone", backends.Timeouts{})
	dead.URLs, gone.URLs = []string{deadURL(t)}, []string{going}
	all := []backends.Config{of("counts", backends.Timeouts{}), of("silent", backends.Timeouts{}), of("late", backends.Timeouts{FirstByte: short}),
		of("stalls", backends.Timeouts{NextByte: short}), of("endless", backends.Timeouts{Total: 10 * short}), dead, gone}
	all[0].Aliases, all[0].Routes = []string{"alias"}, []string{"/text2sql"}
	return all
}

// asking is the body of a request for a model; stream as asked.
func asking(model string, stream bool) string {
	return strings.Replace(chat(stream, "hi"), testModel, model, 1)
}

func waysOut() []wayOut {
	send := func(s ...string) func(*engineConn) {
		return func(c *engineConn) { c.Send(strings.Join(s, "")) }
	}
	cut := func(s ...string) func(*engineConn) {
		return func(c *engineConn) { c.Send(strings.Join(s, "")); c.Close() }
	}
	silence := func(s ...string) func(*engineConn) {
		return func(c *engineConn) { c.Send(strings.Join(s, "")); <-c.Gone }
	}
	post := func(path, key, body string, headers ...string) func(*service) string {
		return func(s *service) string { return s.post(path, key, body, headers...) }
	}
	guess := estimate("hi")
	usage := `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":4}}}`
	counts, silent := chunk(counted("a", 1))+chunk(counted("b", 2)), chunk(event("a"))+chunk(event("b"))
	last := chunk("data: "+usage+"\n\n"+done) + "0\r\n\r\n"
	half := "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
	failed := func(status int, code string) booked { return booked{Status: status, Code: code, End: "backend_failed"} }
	broke := func(code string) booked {
		return booked{Status: 200, Code: code, End: "backend_failed", Prompt: 7, Completion: 2, Counted: true}
	}
	refused := func(status int, code string) booked { return booked{Status: status, Code: code, End: "refused"} }
	left := booked{Status: 499, Code: "client_left", End: "client_left", Prompt: guess, Estimated: true, Counted: true}
	return []wayOut{
		{name: "unary", body: asking("counts", false), answer: send(unary(`{"usage":{"prompt_tokens":7,"completion_tokens":5}}`)),
			want: booked{Status: 200, End: "done", Prompt: 7, Completion: 5, Counted: true}, came: begun},
		{name: "unary, cached", body: asking("counts", false), answer: send(unary(usage)),
			want: booked{Status: 200, End: "done", Prompt: 7, Completion: 3, Cached: 4, Counted: true}, came: begun},
		{name: "unary without usage", body: asking("silent", false), answer: send(unary(`{}`)),
			want: booked{Status: 200, End: "done", Prompt: guess, Estimated: true, Counted: true}, came: begun},
		{name: "another status than 200", body: asking("silent", false), answer: send("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"),
			want: booked{Status: 202, End: "done", Prompt: guess, Estimated: true, Counted: true}, came: begun},
		{name: "stream", body: asking("counts", true), answer: send(streamHead, counts, chunk(done)+"0\r\n\r\n"),
			want: booked{Status: 200, End: "done", Prompt: 7, Completion: 2, Counted: true}, came: begun},
		{name: "stream, whole at once", body: asking("counts", true), answer: send(streamHead, chunk(counted("a", 1)+counted("b", 2)+done)+"0\r\n\r\n"),
			want: booked{Status: 200, End: "done", Prompt: 7, Completion: 2, Counted: true}, came: begun},
		{name: "stream without usage", body: asking("silent", true), answer: send(streamHead, silent, chunk(done)+"0\r\n\r\n"),
			want: booked{Status: 200, End: "done", Prompt: guess, Completion: 2, Estimated: true, Counted: true}, came: begun},
		{name: "stream with usage at its end", body: asking("counts", true), answer: send(streamHead, silent, last),
			want: booked{Status: 200, End: "done", Prompt: 7, Completion: 3, Cached: 4, Counted: true}, came: begun},
		{name: "stream of nothing", body: asking("silent", true), answer: send(streamHead, chunk(done)+"0\r\n\r\n"),
			want: booked{Status: 200, End: "done", Prompt: guess, Estimated: true, Counted: true}, came: begun},
		{name: "no stream where one was asked for", body: asking("counts", true), answer: send(unary(usage)),
			want: booked{Status: 200, End: "done", Prompt: 7, Completion: 3, Cached: 4, Counted: true}, came: begun},
		{name: "route of a backend", request: post("/text2sql", "acme", `{"messages":[{"role":"user","content":"hi"}]}`), answer: send(unary(usage)),
			want: booked{Route: "/text2sql", Status: 200, End: "done", Prompt: 7, Completion: 3, Cached: 4, Counted: true}, came: begun},
		{name: "alias", body: asking("alias", false), answer: send(unary(usage)),
			want: booked{Status: 200, End: "done", Prompt: 7, Completion: 3, Cached: 4, Counted: true}, came: begun},
		{name: "behind a proxy", body: asking("counts", false), header: "X-Forwarded-For: 198.51.100.1, 2001:db8::7", answer: send(unary(usage)),
			want: booked{Client: "2001:db8::7", Status: 200, End: "done", Prompt: 7, Completion: 3, Cached: 4, Counted: true}, came: begun},

		{name: "left before a unary answer", body: asking("silent", false), answer: silence(), leave: atEngine, want: left, came: sent},
		{name: "left before a stream", body: asking("silent", true), answer: silence(), leave: atEngine, want: left, came: sent},
		{name: "left in a stream", body: asking("counts", true), answer: silence(streamHead, counts), leave: `"b"`,
			want: booked{Status: 200, Code: "client_left", End: "client_left", Prompt: 7, Completion: 2, Counted: true}, came: begun},
		{name: "left in a stream without usage", body: asking("silent", true), answer: silence(streamHead, silent), leave: `"b"`,
			want: booked{Status: 200, Code: "client_left", End: "client_left", Prompt: guess, Completion: 2, Estimated: true, Counted: true}, came: begun},
		{name: "left in a unary answer", body: asking("silent", false), answer: silence(half), leave: atHead, want: left, came: begun},
		{name: "left in a refusal of the backend's", body: asking("silent", false), answer: silence("HTTP/1.1 400 No\r\nContent-Length: 99\r\n\r\n{"), leave: atHead,
			want: booked{Status: 499, Code: "client_left", End: "client_left"}, came: begun},

		{name: "backend's 400", body: asking("counts", false), answer: send(failing(400, `{"message":"no"}`)), want: refused(400, "invalid_request"), came: begun},
		{name: "backend's 429", body: asking("counts", true), answer: send(failing(429, `{"message":"no"}`)), want: refused(429, "rate_limit_exceeded"), came: begun},
		{name: "backend's 500", body: asking("counts", false), answer: send(failing(500, "{}")), want: failed(500, "backend_error"), came: begun},
		{name: "backend's 500 to a stream", body: asking("counts", true), answer: send(failing(500, "{}")), want: failed(500, "backend_error"), came: begun},
		{name: "closed", body: asking("counts", false), answer: cut(), want: failed(502, "backend_error"), came: sent},
		{name: "protocol error", body: asking("counts", false), answer: cut("SSH-2.0-OpenSSH_9.2\r\n"), want: failed(502, "backend_error"), came: sent},
		{name: "no first byte", body: asking("late", false), answer: silence(), want: failed(504, "backend_timeout"), came: sent},
		{name: "no first event", body: asking("late", true), answer: silence(streamHead), want: failed(504, "backend_timeout"), came: sent},
		{name: "no next byte", body: asking("stalls", false), answer: silence(half), want: failed(504, "backend_timeout"), came: begun},
		{name: "no next event", body: asking("stalls", true), answer: silence(streamHead, counts), want: broke("backend_timeout"), came: begun},
		{name: "too long in all", body: asking("endless", false), answer: silence(half), want: failed(504, "backend_timeout"), came: begun},
		{name: "stream too long in all", body: asking("endless", true), answer: silence(streamHead, counts), want: broke("backend_timeout"), came: begun},
		{name: "cut answer", body: asking("counts", false), answer: cut(half), want: failed(502, "backend_error"), came: begun},
		{name: "cut before the first event", body: asking("counts", true), answer: cut(streamHead), want: failed(502, "backend_error"), came: sent},
		{name: "cut stream", body: asking("counts", true), answer: cut(streamHead, counts), want: broke("backend_error"), came: begun},
		{name: "cut stream without usage", body: asking("silent", true), answer: cut(streamHead, silent),
			want: booked{Status: 200, Code: "backend_error", End: "backend_failed", Prompt: guess, Completion: 2, Estimated: true, Counted: true}, came: begun},
		{name: "the engine's own error event", body: asking("counts", true), answer: send(streamHead, counts, chunk(`data: {"error":{"message":"no"}}`+"\n\n"+done)+"0\r\n\r\n"),
			want: broke("backend_error"), came: begun},

		{name: "no healthy backend", body: asking("dead", true), want: refused(503, "no_healthy_backend"), came: routed},
		{name: "no connection", body: asking("gone", true), want: refused(503, "no_healthy_backend"), came: tried},
		{name: "quota", body: strings.Replace(asking("counts", false), "{", `{"max_tokens":1000000,`, 1), want: refused(429, "quota_exceeded"), came: routed},
		{name: "model", body: asking("nobody's", false), want: refused(404, "model_not_found"), came: keyed},
		{name: "no model", body: `{"messages":[{"role":"user","content":"hi"}]}`, want: refused(400, "invalid_request"), came: keyed},
		{name: "n", body: strings.Replace(asking("counts", true), "{", `{"n":2,`, 1), want: refused(400, "invalid_request"), came: routed},
		{name: "scope", request: post("/v1/chat/completions", "embedder", asking("counts", false)), want: refused(403, "not_allowed"), came: keyed},
		{name: "bad body", body: `{"model":`, want: refused(400, "invalid_request"), came: keyed},
		{name: "bad parameter", body: strings.Replace(asking("counts", false), "{", `{"temperature":9,`, 1), want: refused(400, "invalid_request"), came: keyed},
		{name: "another media type", request: func(s *service) string {
			return strings.Replace(s.post("/v1/chat/completions", "acme", "<xml/>"), "application/json", "text/xml", 1)
		}, want: refused(415, "unsupported_media_type"), came: keyed},
		{name: "method", request: func(s *service) string {
			return "GET /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer " + s.Key("acme") + "\r\n\r\n"
		}, want: refused(405, "method_not_allowed"), came: keyed},
	}
}

// TestWaysOut has a request end in every way. Each leaves one row, which says
// what happened to the last column, and which is there when the client has the
// last byte of its answer.
func TestWaysOut(t *testing.T) {
	t.Parallel()
	e, going := newEngine(t), newEngineAt(t, reserve(t))
	s := serve(t, func(s *setup) {
		s.Backends = wayOutBackends(t, e.URL, going.URL)
		s.Config.Server.AdminListen = "127.0.0.1:0"
		s.Config.Server.TrustedProxies = []string{"127.0.0.1"}
		s.Config.Limits.Org.TokensPerDay = 1_000_000
	})
	going.listener.Close()
	going.CloseConns()
	all := waysOut()
	for i := range all {
		t.Run(all[i].name, func(t *testing.T) { all[i].run(t, s, e, wayOutID(i)) })
	}
	rows := s.Rows()
	for i := range all {
		if n := len(rows[wayOutID(i)]); n != 1 {
			t.Errorf("%s: %d rows at the end", all[i].name, n)
		}
	}
	if len(rows) != len(all) {
		t.Errorf("%d requests have rows, want %d", len(rows), len(all))
	}
	s.WantCharged(t, "acme", "acme")
	s.Idle("acme")
}

func wayOutID(i int) string { return fmt.Sprintf("way-out-%d", i) }

func (w *wayOut) run(t *testing.T, s *service, e *engine, id string) {
	asked, heads := len(e.Requests()), sum(s.metrics(), "pilothouse_time_to_first_byte_seconds_count")
	e.Answer(func(c *engineConn, _ *engineRequest) {
		if w.answer != nil {
			w.answer(c)
		}
		c.Close()
	})
	var request string
	if w.request != nil {
		request = w.request(s)
	} else if w.header == "" {
		request = s.post("/v1/chat/completions", "acme", w.body)
	} else {
		request = s.post("/v1/chat/completions", "acme", w.body, w.header)
	}
	c := s.Dial()
	c.Send(strings.Replace(request, "\r\n\r\n", "\r\nX-Request-Id: "+id+"\r\n\r\n", 1))
	got := w.take(t, c, map[string]func() bool{
		atEngine: func() bool { return len(e.Requests()) > asked },
		atHead:   func() bool { return sum(s.metrics(), "pilothouse_time_to_first_byte_seconds_count") > heads },
	}[w.leave])
	if w.leave != "" {
		eventually(t, "the client that left is booked", func() bool { return len(s.Rows()[id]) > 0 })
	}
	r := s.Row(t, id) // at once: it was there before the last byte
	if err := r.check(w.came); err != nil {
		t.Error(err)
	}
	if want := w.row(s, request, id, got); r.booked != want {
		t.Errorf("booked as\n%+v\nwant\n%+v", r.booked, want)
	}
	want := 0
	if w.answer != nil {
		want = 1
	}
	if n := len(e.Requests()) - asked; n != want {
		t.Errorf("the engine got %d requests, want %d", n, want)
	}
}

// take is the client. It gives the answer's body, as far as it took it.
func (w *wayOut) take(t *testing.T, c *client, moment func() bool) (got string) {
	switch {
	case w.leave == "":
		a, err := c.TryAnswer("POST")
		if a == nil {
			t.Fatalf("no answer: %v", err)
		}
		return a.Body
	case moment != nil:
		eventually(t, w.leave, moment)
	default:
		for str := c.stream(); !strings.Contains(got, w.leave); {
			got += str.Next()
		}
	}
	c.Close()
	return got
}

// row is all of the row that is wanted: what follows from the request, how far
// it came, and what the client got.
func (w *wayOut) row(s *service, request, id, got string) booked {
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	b := w.want
	b.ID, b.Org, b.Key = id, "acme", s.KeyID("acme")
	if strings.Contains(head, s.Key("embedder")) {
		b.Key = s.KeyID("embedder")
	}
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	def(&b.Route, "/v1/chat/completions")
	def(&b.Client, "127.0.0.1")
	b.BytesIn, b.BytesOut = int64(len(body)), int64(len(got))
	if w.came < routed {
		return b
	}
	b.Stream = strings.Contains(body, `"stream":true`)
	backend := s.Pool.Snapshot().Backends[0]
	for _, other := range s.Pool.Snapshot().Backends {
		if strings.Contains(body, `"model":"`+other.Model+`"`) {
			backend = other
		}
	}
	b.Model, b.Backend = backend.Model, backend.Name
	if w.came >= tried {
		b.Replica = backend.Replicas[0].URL
	}
	return b
}

// TestStaleAndGone has the backend close a connection that was kept alive when
// the next request is on it, and take no other: it was sent, and nobody charges
// for it.
func TestStaleAndGone(t *testing.T) {
	t.Parallel()
	e := newEngineAt(t, reserve(t))
	s := serve(t, func(s *setup) { s.Backends = []backends.Config{patient(e.URL)} })
	s.ask(t, chatPath, chat(false, "hi"))
	eventually(t, "the connection is idle", func() bool { return s.Pool.Snapshot().Backends[0].Replicas[0].Idle == 1 })
	e.listener.Close()
	e.Answer(func(c *engineConn, _ *engineRequest) { c.Close() })
	resp, _ := s.Do("POST", chatPath, "acme", chat(false, "hi"))
	r := s.Row(t, resp.Header.Get("X-Request-Id"))
	if err := r.check(sent); err != nil {
		t.Error(err)
	}
	if want := (booked{Status: 503, Code: "no_healthy_backend", End: "refused"}); r.outcome() != want || r.Replica != e.URL {
		t.Errorf("booked as %+v", r.booked)
	}
	s.WantCharged(t, "acme", "acme")
}
