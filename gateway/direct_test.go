package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"pilothouse/backends"

	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
)

// TestSameAsDirect asks the engine and the gateway the same, and wants the
// same bytes but for what differs from answer to answer.
func TestSameAsDirect(t *testing.T) {
	t.Parallel()
	p := servePlatform(t)
	const (
		messages = `"messages":[{"role":"user","content":"` + question + `"}]`
		weather  = `"messages":[{"role":"user","content":"What is the weather in Lisbon?"}],"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`
	)
	for _, test := range []struct {
		name, path, body string
	}{
		{"chat", "/v1/chat/completions", messages},
		{"n", "/v1/chat/completions", messages + `,"n":3,"max_tokens":9`},
		{"tools", "/v1/chat/completions", weather},
		{"schema", "/v1/chat/completions", messages + `,"response_format":{"type":"json_object"}`},
		{"stop", "/v1/chat/completions", messages + `,"stop":["the"]`},
		{"stream", "/v1/chat/completions", messages + `,"stream":true`},
		{"stream n", "/v1/chat/completions", messages + `,"stream":true,"n":3,"max_tokens":9`},
		{"stream tools", "/v1/chat/completions", weather + `,"stream":true`},
		{"no options", "/v1/chat/completions", messages + `,"stream":true,"stream_options":null`},
		{"usage", "/v1/chat/completions", messages + `,"stream":true,"stream_options":{"include_usage":true}`},
		{"no usage", "/v1/chat/completions", messages + `,"stream":true,"stream_options":{"include_usage":false}`},
		{"every usage", "/v1/chat/completions", messages + `,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`},
		{"every usage alone", "/v1/chat/completions", messages + `,"stream":true,"stream_options":{"include_usage":false,"continuous_usage_stats":true}`},
		{"stream tools usage", "/v1/chat/completions", weather + `,"stream":true,"stream_options":{"include_usage":true}`},
		{"completion", "/v1/completions", `"prompt":"Once upon a time","max_tokens":12`},
		{"completion stream", "/v1/completions", `"prompt":"Once upon a time","max_tokens":12,"stream":true`},
		{"completion usage", "/v1/completions", `"prompt":["Once","Twice"],"max_tokens":12,"stream":true,"stream_options":{"include_usage":true}`},
		{"embedding", "/v1/embeddings", `"input":["one","two"]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := `{"model":"` + chatModel + `",` + test.body + `,"seed":3}`
			resp, direct := p.Chat.Do(t, "POST", test.path, body)
			if resp.StatusCode != 200 {
				t.Fatalf("direct: %d %s", resp.StatusCode, direct)
			}
			through, got := p.Do("POST", test.path, "acme", body)
			if d := difference(alike(got), alike(direct)); through.StatusCode != 200 || d != "" {
				t.Errorf("through the gateway: %d, and direct, %s", through.StatusCode, d)
			}
			if a, b := through.Header.Get("Content-Type"), resp.Header.Get("Content-Type"); a != b {
				t.Errorf("Content-Type %q, direct %q", a, b)
			}
		})
	}
}

func TestText2SQL(t *testing.T) {
	t.Parallel()
	p := servePlatform(t)
	messages := `"messages":[{"role":"user","content":"How many orders came last week?"}]`
	_, direct := p.SQL.Do(t, "POST", "/v1/chat/completions", `{`+messages+`}`)
	for _, test := range []struct {
		name, key, body string
		status          int
	}{
		{"no model", "acme", `{` + messages + `}`, 200},
		{"null model", "acme", `{` + messages + `,"model":null}`, 200},
		{"its model", "acme", `{"model":"` + sqlModel + `",` + messages + `}`, 200},
		{"stream", "acme", `{"stream":true,` + messages + `}`, 200},
		{"another model", "acme", `{"model":"` + chatModel + `",` + messages + `}`, 404},
		{"unknown model", "acme", `{"model":"gone",` + messages + `}`, 404},
		{"no messages", "acme", `{}`, 400},
		{"scope", "embedder", `{` + messages + `}`, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(generating(p.SQL))
			resp, body := p.Do("POST", "/text2sql", test.key, test.body)
			if resp.StatusCode != test.status {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			if test.status == 200 && test.name != "stream" && alike(body) != alike(direct) {
				t.Errorf("got %s\ndirect %s", body, direct)
			}
			if test.name == "stream" && !strings.HasSuffix(body, "data: [DONE]\n\n") {
				t.Errorf("got %s", body)
			}
			if got := len(generating(p.SQL)) - before; got != map[int]int{200: 1}[test.status] {
				t.Errorf("the backend got %d requests", got)
			}
		})
	}
	// With the SDK, its chat path put in place of the usual one.
	sdk := p.SDK("acme", option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		r.URL.Path = "/text2sql"
		return next(r)
	}))
	params := ask("How many orders came last week?")
	params.Model, params.Seed = sqlModel, param.Opt[int64]{}
	got, err := sdk.Chat.Completions.New(context.Background(), params)
	if err != nil || !strings.Contains(got.Choices[0].Message.Content, "SELECT") {
		t.Errorf("%v, %v", got, err)
	}
}

// TestKeysStayApart looks at what goes over both sides of the gateway.
func TestKeysStayApart(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, stream := range []bool{false, true} {
		c := s.Dial()
		c.Send(s.post("/v1/chat/completions", "acme", chat(stream, "hi"), "X-Request-Id: my.id-1_2:3", "Cookie: a=b", "X-Custom: c", "Openai-Organization: d"))
		a := c.Answer("POST")
		if got := a.Header.Get("X-Request-Id"); got != "my.id-1_2:3" {
			t.Errorf("X-Request-Id %q", got)
		}
		var head strings.Builder
		a.Header.Write(&head)
		if strings.Contains(head.String()+a.Body, backendKey) {
			t.Error("the client got the backend's key")
		}
	}
	for _, r := range s.Engine.Requests() {
		if strings.Contains(r.Head+r.Body, s.Key("acme")) {
			t.Error("the backend got the client's key")
		}
		if r.Header("Authorization") != "Bearer "+backendKey || r.Header("X-Request-Id") != "my.id-1_2:3" {
			t.Errorf("the backend got Authorization %q, X-Request-Id %q", r.Header("Authorization"), r.Header("X-Request-Id"))
		}
		for _, h := range []string{"Cookie", "X-Custom", "Openai-Organization", "User-Agent"} {
			if r.Header(h) != "" {
				t.Errorf("the backend got the client's %s", h)
			}
		}
	}
	// An id that is not fit for a header, a log or a terminal is replaced.
	for _, bad := range []string{"", "with space", "ümlaut", strings.Repeat("x", 129), "a\x1b[31m"} {
		c := s.Dial()
		c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi"), "X-Request-Id: "+bad))
		a := c.Answer("POST")
		if got := a.Header.Get("X-Request-Id"); got == bad || got == "" {
			t.Errorf("X-Request-Id %q for %q", got, bad)
		}
	}
}

// TestBodySent compares the body that arrives with the client's.
func TestBodySent(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		b := testBackend("chat", testModel, e.URL)
		b.Aliases, b.MaxContext, b.MaxN = []string{"alias"}, 1000, 2
		b.Defaults = backends.Defaults{MaxTokens: new(600), Temperature: new(0.5), TopP: new(0.9)}
		s.Backends = []backends.Config{b}
	})
	const all = `"max_tokens":600,"temperature":0.5,"top_p":0.9,`
	long := strings.Repeat("word ", 300) // 1,500 bytes: some 500 tokens
	for _, test := range []struct{ name, body, want string }{
		{"defaults", `{"model":"test-model","messages":[{}]}`, `{` + all + `"model":"test-model","messages":[{}]}`},
		{"layout and unknown members", "{ \"zzz\" : [1, 2 ,{}],\n\t\"messages\":[ {\"role\":\"user\"} ], \"model\":\"test-model\"}\n ", "{" + all + " \"zzz\" : [1, 2 ,{}],\n\t\"messages\":[ {\"role\":\"user\"} ], \"model\":\"test-model\"}\n "},
		{"the client's own", `{"model":"test-model","messages":[{}],"max_tokens":5,"temperature":0,"top_p":1}`, `{"model":"test-model","messages":[{}],"max_tokens":5,"temperature":0,"top_p":1}`},
		{"nulls", `{"model":"test-model","messages":[{}],"max_tokens":null,"temperature":null,"top_p":null}`, `{"model":"test-model","messages":[{}],"max_tokens":600,"temperature":0.5,"top_p":0.9}`},
		{"newer name", `{"model":"test-model","messages":[{}],"max_completion_tokens":5,"temperature":2,"top_p":1}`, `{"model":"test-model","messages":[{}],"max_completion_tokens":5,"temperature":2,"top_p":1}`},
		{"alias", `{"messages":[{}],"model":"alias","max_tokens":1,"temperature":1,"top_p":1}`, `{"messages":[{}],"model":"test-model","max_tokens":1,"temperature":1,"top_p":1}`},
		{"lowered", `{"model":"test-model","messages":["` + long + `"]}`, `{"max_tokens":498,"temperature":0.5,"top_p":0.9,"model":"test-model","messages":["` + long + `"]}`},
		{"stream", `{"model":"test-model","messages":[{}],"stream":true,"max_tokens":1,"temperature":1,"top_p":1}`, `{"stream_options":{"include_usage":true,"continuous_usage_stats":true},"model":"test-model","messages":[{}],"stream":true,"max_tokens":1,"temperature":1,"top_p":1}`},
		{"numbers as written", `{"model":"test-model","messages":[1.0,1E3,-0,"\u00e9\/"],"max_tokens":1,"temperature":1e0,"top_p":0.10,"seed":12345678901234567890}`, `{"model":"test-model","messages":[1.0,1E3,-0,"\u00e9\/"],"max_tokens":1,"temperature":1e0,"top_p":0.10,"seed":12345678901234567890}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := s.Do("POST", "/v1/chat/completions", "acme", test.body)
			if resp.StatusCode != 200 {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			all := e.Requests()
			if got := all[len(all)-1].Body; got != test.want {
				t.Errorf("sent %s\ngot  %s\nwant %s", test.body, got, test.want)
			}
		})
	}
}
