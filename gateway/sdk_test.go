package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway/keys"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"
)

func ask(question string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    chatModel,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)},
		Seed:     openai.Int(7),
	}
}

const question = "How does a KV cache use the memory of a GPU?"

func TestSDKChat(t *testing.T) {
	t.Parallel()
	p := servePlatform(t)
	sdk := p.SDK("acme")
	got, err := sdk.Chat.Completions.New(t.Context(), ask(question))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(ask(question))
	if err != nil {
		t.Fatal(err)
	}
	_, direct := p.Chat.Do(t, "POST", "/v1/chat/completions", string(body))
	if alike(got.RawJSON()) != alike(direct) {
		t.Errorf("through the gateway\n%s\ndirect\n%s", got.RawJSON(), direct)
	}
	if got.Choices[0].Message.Content == "" || got.Usage.CompletionTokens == 0 {
		t.Errorf("nothing in %s", got.RawJSON())
	}
}

func TestSDKStream(t *testing.T) {
	t.Parallel()
	p := servePlatform(t)
	sdk := p.SDK("acme")
	whole, err := sdk.Chat.Completions.New(t.Context(), ask(question))
	if err != nil {
		t.Fatal(err)
	}
	for _, usage := range []bool{false, true} {
		params := ask(question)
		if usage {
			params.StreamOptions.IncludeUsage = openai.Bool(true)
		}
		stream := sdk.Chat.Completions.NewStreaming(t.Context(), params)
		var sum openai.ChatCompletionAccumulator
		for stream.Next() {
			if !sum.AddChunk(stream.Current()) {
				t.Fatalf("does not fit: %s", stream.Current().RawJSON())
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if sum.Choices[0].Message.Content != whole.Choices[0].Message.Content {
			t.Errorf("usage %v: streamed %q, whole %q", usage, sum.Choices[0].Message.Content, whole.Choices[0].Message.Content)
		}
		want := openai.CompletionUsage{}
		if usage {
			want = whole.Usage
		}
		if got := sum.Usage; got.PromptTokens != want.PromptTokens || got.CompletionTokens != want.CompletionTokens {
			t.Errorf("usage %v: got %d+%d, want %d+%d", usage, got.PromptTokens, got.CompletionTokens, want.PromptTokens, want.CompletionTokens)
		}
	}
	used := p.Usage("acme")
	if got, want := used["tokens_per_day"].Used, 3*whole.Usage.TotalTokens; got != want {
		t.Errorf("%d tokens charged, want %d", got, want)
	}
	if got := used["requests_per_day"].Used; got != 3 {
		t.Errorf("%d requests charged", got)
	}
}

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

func TestSDKTools(t *testing.T) {
	t.Parallel()
	p := servePlatform(t)
	sdk := p.SDK("acme")
	params := ask("What is the weather in Lisbon?")
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name:       "get_weather",
		Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}},
	})}
	got, err := sdk.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if got.Choices[0].FinishReason != "tool_calls" || len(got.Choices[0].Message.ToolCalls) != 1 {
		t.Fatalf("no tool call: %s", got.RawJSON())
	}
	want := got.Choices[0].Message.ToolCalls[0].Function

	stream := sdk.Chat.Completions.NewStreaming(t.Context(), params)
	var sum openai.ChatCompletionAccumulator
	for stream.Next() {
		sum.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	call := sum.Choices[0].Message.ToolCalls[0].Function
	if want.Name != "get_weather" || call.Name != want.Name || call.Arguments != want.Arguments {
		t.Errorf("whole %s(%s), streamed %s(%s)", want.Name, want.Arguments, call.Name, call.Arguments)
	}
}

func TestSDKCompletionAndEmbedding(t *testing.T) {
	t.Parallel()
	p := servePlatform(t)
	sdk := p.SDK("acme")
	params := openai.CompletionNewParams{
		Model: chatModel, MaxTokens: openai.Int(8), Seed: openai.Int(1),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Once upon a time")},
	}
	whole, err := sdk.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	stream := sdk.Completions.NewStreaming(t.Context(), params)
	text := ""
	for stream.Next() {
		text += stream.Current().Choices[0].Text
	}
	if stream.Err() != nil || text == "" || text != whole.Choices[0].Text {
		t.Errorf("streamed %q (%v), whole %q", text, stream.Err(), whole.Choices[0].Text)
	}
	vectors, err := sdk.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: chatModel, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
	})
	if err != nil || len(vectors.Data) != 2 || len(vectors.Data[0].Embedding) == 0 {
		t.Errorf("embeddings %v, %v", vectors, err)
	}
}

func TestSDKModels(t *testing.T) {
	t.Parallel()
	p := servePlatform(t, func(s *setup) {
		s.Keys = append(s.Keys, keys.Entry{Org: "acme", Name: "sql", Scopes: []keys.Scope{keys.Model(sqlModel)}})
	})
	for _, test := range []struct {
		key  string
		want []string
	}{
		{"acme", []string{chatModel, "gpt-4o-mini", sqlModel}},
		{"sql", []string{sqlModel}},
	} {
		sdk := p.SDK(test.key)
		page, err := sdk.Models.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range page.Data {
			ids = append(ids, m.ID)
			if m.JSON.ExtraFields["max_model_len"].Raw() != "8192" || m.Object != "model" {
				t.Errorf("%s", m.RawJSON())
			}
			one, err := sdk.Models.Get(t.Context(), m.ID)
			if err != nil || alike(one.RawJSON()) != alike(m.RawJSON()) || one.ID != m.ID {
				t.Errorf("get %s: %v, %v", m.ID, one, err)
			}
		}
		if !slices.Equal(ids, test.want) {
			t.Errorf("%s sees %q, want %q", test.key, ids, test.want)
		}
	}
	// The slash may come escaped, as the SDK sends it, or as it is.
	for _, path := range []string{"/v1/models/" + chatModel, "/v1/models/" + strings.ReplaceAll(chatModel, "/", "%2F")} {
		if resp, body := p.Do("GET", path, "acme", ""); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	for key, model := range map[string]string{"acme": "gone", "sql": chatModel} {
		sdk := p.SDK(key)
		_, err := sdk.Models.Get(t.Context(), model)
		wantError(t, err, 404, "model_not_found", "invalid_request_error", "")
	}
}

// wantError holds an error against what the SDK is to make of a refusal.
func wantError(t *testing.T, err error, status int, code, kind, param string) *openai.Error {
	t.Helper()
	var e *openai.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	if e.StatusCode != status || e.Code != code || e.Type != kind || e.Param != param || e.Message == "" {
		t.Errorf("got %d code %q type %q param %q message %q, want %d %q %q %q", e.StatusCode, e.Code, e.Type, e.Param, e.Message, status, code, kind, param)
	}
	return e
}

func TestSDKErrors(t *testing.T) {
	t.Parallel()
	p := servePlatform(t, func(s *setup) {
		s.Keys = append(s.Keys, keys.Entry{Org: "acme", Name: "old", Expires: time.Now().Add(-time.Hour)})
	})
	for _, test := range []struct {
		name, key string
		change    func(*openai.ChatCompletionNewParams)
		opts      []option.RequestOption
		status    int
		code      string
		kind      string
		param     string
	}{
		{name: "unknown key", key: "acme", opts: []option.RequestOption{option.WithAPIKey("ph_nobody")}, status: 401, code: "invalid_api_key", kind: "authentication_error"},
		{name: "the backend's key", key: "acme", opts: []option.RequestOption{option.WithAPIKey(backendKey)}, status: 401, code: "invalid_api_key", kind: "authentication_error"},
		{name: "expired key", key: "old", status: 401, code: "invalid_api_key", kind: "authentication_error"},
		{name: "no key", key: "acme", opts: []option.RequestOption{option.WithHeaderDel("Authorization")}, status: 401, code: "invalid_api_key", kind: "authentication_error"},
		{name: "scope", key: "embedder", status: 403, code: "not_allowed", kind: "permission_error"},
		{name: "model", key: "acme", change: func(p *openai.ChatCompletionNewParams) { p.Model = "gone" }, status: 404, code: "model_not_found", kind: "invalid_request_error", param: "model"},
		{name: "no model", key: "acme", opts: []option.RequestOption{option.WithJSONDel("model")}, status: 400, code: "invalid_request", kind: "invalid_request_error", param: "model"},
		{name: "no messages", key: "acme", opts: []option.RequestOption{option.WithJSONDel("messages")}, status: 400, code: "invalid_request", kind: "invalid_request_error", param: "messages"},
		{name: "temperature", key: "acme", change: func(p *openai.ChatCompletionNewParams) { p.Temperature = openai.Float(2.5) }, status: 400, code: "invalid_request", kind: "invalid_request_error", param: "temperature"},
		{name: "top_p", key: "acme", change: func(p *openai.ChatCompletionNewParams) { p.TopP = openai.Float(0) }, status: 400, code: "invalid_request", kind: "invalid_request_error", param: "top_p"},
		{name: "max_tokens", key: "acme", change: func(p *openai.ChatCompletionNewParams) { p.MaxTokens = openai.Int(8193) }, status: 400, code: "invalid_request", kind: "invalid_request_error", param: "max_tokens"},
		{name: "max_completion_tokens", key: "acme", change: func(p *openai.ChatCompletionNewParams) { p.MaxCompletionTokens = openai.Int(8193) }, status: 400, code: "invalid_request", kind: "invalid_request_error", param: "max_completion_tokens"},
		{name: "n", key: "acme", change: func(p *openai.ChatCompletionNewParams) { p.N = openai.Int(5) }, status: 400, code: "invalid_request", kind: "invalid_request_error", param: "n"},
		{name: "stream", key: "acme", opts: []option.RequestOption{option.WithJSONSet("stream", "true")}, status: 400, code: "invalid_request", kind: "invalid_request_error", param: "stream"},
	} {
		t.Run(test.name, func(t *testing.T) {
			params := ask(question)
			if test.change != nil {
				test.change(&params)
			}
			sdk := p.SDK(test.key, test.opts...)
			_, err := sdk.Chat.Completions.New(t.Context(), params)
			e := wantError(t, err, test.status, test.code, test.kind, test.param)
			if id := e.Response.Header.Get("X-Request-Id"); id == "" {
				t.Error("no X-Request-Id")
			}
		})
	}
	if n := len(generating(p.Chat)); n != 0 {
		t.Errorf("the backend got %d of them", n)
	}
	if got := p.Usage("acme")["requests_per_day"]; got.Used != 0 || got.Reserved != 0 {
		t.Errorf("charged for what was refused: %+v", got)
	}
}

// generating are the requests a simulator got that ask for an answer.
func generating(s *simulator) (n []string) {
	for _, r := range s.Requests() {
		if r.Method == "POST" {
			n = append(n, r.RequestID)
		}
	}
	return n
}

// attempts counts the requests that the SDK sends, and what comes back.
type attempts struct{ answers []*http.Response }

func (a *attempts) option() option.RequestOption {
	return option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(r)
		if err == nil {
			a.answers = append(a.answers, resp)
		}
		return resp, err
	})
}

func TestSDKWaitsForTheRate(t *testing.T) {
	t.Parallel()
	p := servePlatform(t, func(s *setup) {
		s.Config.Limits.RequestsPerSecond, s.Config.Limits.Burst = 2, 1
	})
	var tries attempts
	sdk := p.SDK("acme", option.WithMaxRetries(2), tries.option())
	start := time.Now()
	for range 2 {
		if _, err := sdk.Models.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("the second came after %v, and Retry-After is a second", took)
	}
	if len(tries.answers) != 3 {
		t.Fatalf("%d attempts, want 3", len(tries.answers))
	}
	refused := tries.answers[1]
	if refused.StatusCode != 429 || refused.Header.Get("Retry-After") != "1" || refused.Header.Get("X-Should-Retry") != "" {
		t.Errorf("%d, Retry-After %q, X-Should-Retry %q", refused.StatusCode, refused.Header.Get("Retry-After"), refused.Header.Get("X-Should-Retry"))
	}
}

func TestSDKDoesNotRetryAQuota(t *testing.T) {
	t.Parallel()
	p := servePlatform(t, func(s *setup) { s.Config.Limits.Org.RequestsPerDay = 1 })
	var tries attempts
	sdk := p.SDK("acme", option.WithMaxRetries(3), tries.option())
	if _, err := sdk.Chat.Completions.New(t.Context(), ask(question)); err != nil {
		t.Fatal(err)
	}
	_, err := sdk.Chat.Completions.New(t.Context(), ask(question))
	e := wantError(t, err, 429, "quota_exceeded", "insufficient_quota", "")
	if len(tries.answers) != 2 {
		t.Errorf("%d attempts for two requests", len(tries.answers))
	}
	if e.Response.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("X-Should-Retry %q", e.Response.Header.Get("X-Should-Retry"))
	}
	midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	wait, err := strconv.Atoi(e.Response.Header.Get("Retry-After"))
	if left := time.Until(midnight).Seconds(); err != nil || float64(wait) < left-1 || float64(wait) > left+2 {
		t.Errorf("Retry-After %q, and %.0f s are left of the day", e.Response.Header.Get("Retry-After"), left)
	}
	if !strings.Contains(e.Message, "requests_per_day") || !strings.Contains(e.Message, midnight.Format(time.RFC3339)) {
		t.Errorf("the message names neither window nor reset: %q", e.Message)
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
