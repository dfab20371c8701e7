package gateway_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway/keys"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
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
		s.Config.Limits.RequestsPerSecond, s.Config.Limits.Burst = 1, 1
	})
	var tries attempts
	sdk := p.SDK("acme", option.WithMaxRetries(5), tries.option())
	calls := 0
	var took time.Duration // of the last
	eventually(t, "one comes too early", func() bool {
		start := time.Now()
		if _, err := sdk.Models.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		took = time.Since(start)
		calls++
		return len(tries.answers) > calls
	})
	if took < time.Second {
		t.Errorf("it was answered after %v, and Retry-After is a second", took)
	}
	refused := tries.answers[calls-1]
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
