package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
)

// observed serves one backend, and everything that can be looked at.
func observed(t *testing.T) (*service, *engine) {
	e := newEngine(t)
	return serve(t, func(s *setup) {
		s.Backends = []backends.Config{patient(e.URL)}
		s.Config.Server.AdminListen = "127.0.0.1:0"
	}), e
}

// scripted sends a fixed set of requests, and waits until all are booked.
func scripted(s *service, e *engine) {
	s.t.Helper()
	path := "/v1/chat/completions"
	do := func(want int, method, path, key, body string) {
		s.t.Helper()
		if resp, answer := s.Do(method, path, key, body); resp.StatusCode != want {
			s.t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, answer)
		}
	}
	do(200, "POST", path, "acme", chat(false, "hi")) // 7 and 5 tokens
	do(200, "POST", path, "globex", chat(false, "hi"))
	e.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead + chunk(counted("a", 1)) + chunk(counted("b", 2)) + chunk(done) + "0\r\n\r\n")
	})
	do(200, "POST", path, "acme", chat(true, "hi"))
	do(200, "POST", path, "acme", chat(true, "hi"))
	e.Answer(func(c *engineConn, _ *engineRequest) { c.Send(failing(500, "{}")) })
	do(500, "POST", path, "acme", chat(true, "hi"))
	e.Answer(func(c *engineConn, _ *engineRequest) { c.Send(streamHead + chunk(counted("a", 1))); c.Close() })
	str := s.Stream(chat(true, "hi"))
	str.Rest()
	e.Answer(func(c *engineConn, _ *engineRequest) { c.Send(streamHead + chunk(counted("a", 1))); <-c.Gone })
	str = s.Stream(chat(true, "hi"))
	str.Next()
	str.c.Close()
	do(404, "POST", path, "acme", `{"model":"a-client's-choice","messages":[{}]}`)
	do(403, "POST", path, "embedder", chat(false, "hi"))
	do(401, "POST", path, "", chat(false, "hi"))
	do(404, "GET", "/a/client's/choice", "acme", "")
	do(200, "GET", "/v1/models", "acme", "")
	do(200, "GET", "/health", "", "")
	s.Idle("acme")
}

// TestObserved looks at all that the gateway says after one fixed set of
// requests.
func TestObserved(t *testing.T) {
	t.Parallel()
	s, e := observed(t)
	scripted(s, e)
	t.Run("snapshot", func(t *testing.T) { wantSnapshot(t, s) }) // first: its rates pass
	t.Run("metrics", func(t *testing.T) { wantMetrics(t, s, e) })
	t.Run("access log", func(t *testing.T) { wantAccessLog(t, s) })
}

func wantMetrics(t *testing.T, s *service, e *engine) {
	want := map[string]float64{
		`requests_total{model="test-model",org="acme",route="/v1/chat/completions",status="200"}`:   5, // with the one that broke, and the one whose client left
		`requests_total{model="test-model",org="globex",route="/v1/chat/completions",status="200"}`: 1,
		`requests_total{model="test-model",org="acme",route="/v1/chat/completions",status="500"}`:   1,
		`requests_total{model="",org="acme",route="/v1/chat/completions",status="404"}`:             1,
		`requests_total{model="",org="acme",route="/v1/chat/completions",status="403"}`:             1,
		`requests_total{model="",org="",route="/v1/chat/completions",status="401"}`:                 1,
		`requests_total{model="",org="acme",route="other",status="404"}`:                            1,
		`requests_total{model="",org="acme",route="/v1/models",status="200"}`:                       1,
		`requests_total{model="",org="",route="/health",status="200"}`:                              1,
		`tokens_total{kind="prompt",model="test-model",org="acme"}`:                                 7 * 5,
		`tokens_total{kind="completion",model="test-model",org="acme"}`:                             5 + 2 + 2 + 1 + 1,
		`tokens_total{kind="prompt",model="test-model",org="globex"}`:                               7,
		`tokens_total{kind="completion",model="test-model",org="globex"}`:                           5,
		`requests_in_flight{backend="chat"}`:                                                        0,
		`upstream_errors_total{backend="chat",kind="server_error"}`:                                 1,
		`upstream_errors_total{backend="chat",kind="reset"}`:                                        1,
		`upstream_errors_total{backend="chat",kind="timeout"}`:                                      0,
		`replica_available{backend="chat",replica="` + e.URL + `",state="degraded"}`:                1,
	}
	got := map[string]float64{}
	for series, v := range s.metrics() {
		got[strings.TrimPrefix(series, "pilothouse_")] = v
	}
	for series, v := range want {
		if g, ok := got[series]; !ok || g != v {
			t.Errorf("%s is %v, want %v", series, g, v)
		}
	}
	var requests float64
	for _, series := range slices.Sorted(maps.Keys(got)) {
		if strings.HasPrefix(series, "requests_total{") {
			requests += got[series]
			if _, ok := want[series]; !ok && !strings.Contains(series, "/v1/usage") {
				t.Errorf("unexpected: %s %v", series, got[series])
			}
		}
		if strings.Contains(series, "client's") {
			t.Errorf("a client's choice of label: %s", series)
		}
	}
	if n := sum(got, "time_to_first_byte_seconds_count"); n != 7 {
		t.Errorf("%v first bytes, want 7", n)
	}
	// Two streams had a second event each.
	if n := sum(got, "time_per_event_seconds_count"); n > 2 {
		t.Errorf("%v times between events, of two", n)
	}
	if !strings.Contains(s.scrape(), `pilothouse_build_info{goversion="go1.`) {
		t.Error("no build_info")
	}
}

func sum(series map[string]float64, name string) (v float64) {
	for k, n := range series {
		if strings.HasPrefix(k, name) {
			v += n
		}
	}
	return v
}

// TestInFlight looks at requests while they are under way.
func TestInFlight(t *testing.T) {
	t.Parallel()
	s, e := observed(t)
	step := make(chan string)
	defer close(step)
	e.Answer(func(c *engineConn, _ *engineRequest) {
		for piece := range step {
			c.Send(piece)
		}
	})
	c := s.Dial()
	c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi"), "X-Request-Id: look-at-me"))
	live := func(phase gateway.Phase) (r gateway.Record) {
		t.Helper()
		since := time.Now() // all that has happened by then is in what comes after
		eventually(t, "seen in phase "+phase.String(), func() bool {
			s := s.Gateway.Snapshot()
			if s.At.Before(since) || len(s.Live) != 1 || s.InFlight != 1 || s.Backends["chat"].InFlight != 1 {
				return false
			}
			r = s.Live[0]
			return r.Phase == phase
		})
		return r
	}
	r := live(gateway.PhasePrefill)
	if r.ID != "look-at-me" || r.Org != "acme" || r.KeyName != "acme" || r.Client != "127.0.0.1" || r.Route != "/v1/chat/completions" ||
		r.Model != testModel || r.Backend != "chat" || r.Replica != e.URL || !r.Stream || r.Status != 0 || r.First != 0 || r.End != gateway.EndNone {
		t.Errorf("before its first byte: %+v", r)
	}
	if got := s.metrics()[`pilothouse_requests_in_flight{backend="chat"}`]; got != 1 {
		t.Errorf("%v in flight by the metrics", got)
	}
	step <- streamHead + chunk(counted("a", 1)+counted("b", 2))
	str := c.stream()
	str.Next()
	if r = live(gateway.PhaseDecode); r.First <= 0 || r.Output != 2 || r.Duration < r.First {
		t.Errorf("in the stream: %+v", r)
	}
	step <- chunk(done) + "0\r\n\r\n"
	str.Rest()
	s.Idle("acme")
	snap := s.Gateway.Snapshot()
	i := slices.IndexFunc(snap.Recent, func(r gateway.Record) bool { return r.ID == "look-at-me" })
	if i < 0 {
		t.Fatalf("not among the recent: %+v", snap.Recent)
	}
	if r = snap.Recent[i]; r.Status != 200 || r.End != gateway.EndDone || r.Prompt != 7 || r.Output != 2 || r.Phase != gateway.PhaseEnded {
		t.Errorf("when it was over: %+v", r)
	}
	if len(snap.Live) != 0 || snap.Backends["chat"].InFlight != 0 {
		t.Errorf("still in flight: %+v", snap.Live)
	}
}

func wantSnapshot(t *testing.T, s *service) {
	snap := s.Gateway.Snapshot()
	if snap.Listen != s.URL() || snap.Draining || snap.Started.After(snap.At) {
		t.Errorf("%+v", snap)
	}
	// /health is no client's request; the two of Idle for /v1/usage may be in it.
	usage := uint64(0)
	for _, r := range snap.Recent {
		if r.Route == "/v1/usage" {
			usage++
		}
	}
	want := gateway.Totals{Requests: 12 + usage, PromptTokens: 7 * 6, CompletionTokens: 16, Status2xx: 6 + usage, Status4xx: 4, Status5xx: 1, ClientLeft: 1}
	if snap.Totals != want {
		t.Errorf("totals %+v, want %+v", snap.Totals, want)
	}
	if first := snap.Recent[len(snap.Recent)-1]; first.Org != "acme" || first.Stream || first.Output != 5 {
		t.Errorf("the recent are not newest first: the last is %+v", first)
	}
	var points gateway.Point
	for _, p := range snap.History {
		points.Requests += p.Requests
		points.Tokens += p.Tokens
		points.Errors += p.Errors
		points.Refused += p.Refused
	}
	if points.Requests != int(want.Requests) || points.Tokens != 16 || points.Errors != 2 || points.Refused != 4 {
		t.Errorf("history adds up to %+v", points)
	}
	eventually(t, "rates", func() bool {
		n := s.Gateway.Snapshot()
		return n.Backends["chat"].Requests > 0 && n.Now.Requests > 0
	})
	if b := snap.Backends["chat"]; b.FirstP50 <= 0 || b.FirstP95 < b.FirstP50 {
		t.Errorf("times to the first byte: %+v", b)
	}
}

func wantAccessLog(t *testing.T, s *service) {
	attrs := []string{"backend", "client", "code", "completion_tokens", "duration", "end", "first_byte", "id", "key", "level", "model", "msg", "org", "prompt_tokens", "replica", "route", "status", "stream", "time"}
	type line struct{ route, status, code, end, org, model string }
	var got []line
	for _, l := range s.Accesses() {
		if names := slices.Sorted(maps.Keys(l)); !slices.Equal(names, attrs) {
			t.Errorf("attributes %q", names)
		}
		if l["route"] != "/v1/usage" {
			got = append(got, line{l["route"].(string), fmt.Sprint(l["status"]), l["code"].(string), l["end"].(string), l["org"].(string), l["model"].(string)})
		}
	}
	const route = "/v1/chat/completions"
	want := []line{
		{route, "200", "", "done", "acme", testModel},
		{route, "200", "", "done", "globex", testModel},
		{route, "200", "", "done", "acme", testModel},
		{route, "200", "", "done", "acme", testModel},
		{route, "500", "backend_error", "backend_failed", "acme", testModel},
		{route, "200", "backend_error", "backend_failed", "acme", testModel},
		{route, "200", "client_left", "client_left", "acme", testModel},
		{route, "404", "model_not_found", "refused", "acme", ""},
		{route, "403", "not_allowed", "refused", "acme", ""},
		{route, "401", "invalid_api_key", "refused", "", ""},
		{"other", "404", "not_found", "refused", "acme", ""},
		{"/v1/models", "200", "", "done", "acme", ""},
		{"/health", "200", "", "done", "", ""},
	}
	// The line of the client that left may come later than those after it.
	less := func(a, b line) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(got, less)
	slices.SortFunc(want, less)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

// TestNothingLeaks searches all that the gateway says of itself for words out
// of keys, prompts, answers and backends' errors.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	const prompt, spoken, model = "sentinel-prompt", "sentinel-answer", "sentinel-model"
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{patient(e.URL)}
		s.Backends[0].Timeouts.FirstByte = backends.Duration(100 * time.Millisecond)
		s.Config.Server.AdminListen = "127.0.0.1:0"
		s.Keys = append(s.Keys, keys.Entry{Org: "acme", Name: "gone", Expires: time.Now().Add(-time.Hour)})
	})
	var errors strings.Builder
	for _, answer := range []func(*engineConn){
		func(c *engineConn) { c.Send(unary(`{"choices":[{"message":{"content":"` + spoken + `"}}]}`)) },
		func(c *engineConn) { c.Send(streamHead + chunk(event(spoken)+done) + "0\r\n\r\n") },
		func(c *engineConn) { c.Send(streamHead + chunk(event(spoken)) + "x" + spoken + "\r\n"); c.Close() },
		func(c *engineConn) { c.Send(failing(400, `{"error":{"message":"bad"}}`)) },
		func(c *engineConn) { c.Send(failing(500, `{"error":{"message":"`+secretText+`"}}`)) },
		func(c *engineConn) { c.Send(failing(401, `{"error":"`+secretText+`"}`)) },
		func(c *engineConn) { c.Send(secretText + "\r\n\r\n") },
		func(c *engineConn) { c.Send("HTTP/1.1 200 OK\r\n" + secretText + "\r\n\r\n") },
		func(c *engineConn) { <-c.Gone },
	} {
		for _, stream := range []bool{false, true} {
			e.Answer(func(c *engineConn, _ *engineRequest) { answer(c); c.Close() })
			resp, body := s.Do("POST", "/v1/chat/completions", "acme", chat(stream, prompt))
			if resp.StatusCode >= 400 {
				errors.WriteString(body)
			}
		}
	}
	for _, request := range []string{
		s.post("/v1/chat/completions", "gone", chat(false, prompt)),
		s.post("/v1/chat/completions", "", chat(false, prompt), "Authorization: Bearer sentinel-key"),
		s.post("/v1/chat/completions", "", chat(false, prompt), "Authorization: Basic sentinel-key", "Bad Header: sentinel-key"),
		s.post("/v1/chat/completions", "acme", `{"model":"`+model+`","messages":["`+prompt+`"]}`),
		s.post("/v1/chat/completions", "acme", `{"model":"test-model","messages":["`+prompt+`"],"temperature":"`+prompt+`"}`),
		s.post("/v1/chat/completions", "acme", `{"`+prompt),
		s.post("/"+prompt+"?key=sentinel-key", "acme", ""),
		"GET /sentinel-key\x00 HTTP/1.1\r\nAuthorization: Bearer sentinel-key\r\n\r\n",
		"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + s.Key("acme") + "\r\nContent-Length: x\r\n\r\n",
		"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + s.Key("acme") + "\r\nX: " + strings.Repeat("sentinel-key", 2000) + "\r\n\r\n",
	} {
		c := s.Dial()
		c.Send(request)
		if a, err := c.TryAnswer("POST"); err == nil {
			if a.StatusCode < 400 {
				t.Errorf("%.80q: %d", request, a.StatusCode)
			}
			errors.WriteString(a.Body)
		}
	}
	s.Idle("acme")
	both, err := json.Marshal([]any{s.Gateway.Snapshot(), s.Pool.Snapshot()})
	if err != nil {
		t.Fatal(err)
	}
	_, usage := s.Do("GET", "/v1/usage", "acme", "")
	for name, text := range map[string]string{
		"log": s.Log.String(), "metrics": s.scrape(), "errors": errors.String(), "snapshots": string(both), "usage": usage,
	} {
		if len(text) < 100 {
			t.Errorf("hardly anything in the %s: %q", name, text)
		}
		for _, word := range []string{s.Key("acme"), s.Key("gone"), backendKey, prompt, spoken, model, secretText, "sentinel"} {
			if i := strings.Index(text, word); i >= 0 {
				t.Errorf("%q is in the %s: …%s…", word, name, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}

// TestAdminListener: what is for the host's own people is on no public port.
func TestAdminListener(t *testing.T) {
	t.Parallel()
	s, _ := observed(t)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		resp, err := http.Get(s.AdminURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("admin %s: %d", path, resp.StatusCode)
		}
		for key, want := range map[string]int{"": 401, "acme": 404} {
			if resp, body := s.Do("GET", path, key, ""); resp.StatusCode != want {
				t.Errorf("public %s with key %q: %d %s", path, key, resp.StatusCode, body)
			}
		}
	}
	resp, err := http.Post(s.AdminURL()+"/v1/chat/completions", "application/json", strings.NewReader(chat(false, "hi")))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("a completion from the admin listener: %d", resp.StatusCode)
	}
}
