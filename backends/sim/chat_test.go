package sim_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backends/sim"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

const testModel = "Qwen/Qwen2.5-7B-Instruct"

// server is a simulator on a real socket, fast, and stopped with the test.
type server struct {
	*sim.Server
	url  string
	addr string
	stop context.CancelFunc
	done chan error // Serve's return
}

func start(t *testing.T, c sim.Config) *server {
	t.Helper()
	if c.Model == "" {
		c.Model = testModel
	}
	if c.Speed == 0 {
		c.Speed = 50
	}
	s, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	srv := &server{Server: s, addr: l.Addr().String(), url: "http://" + l.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() { srv.done <- s.Serve(ctx, l); close(srv.done) }()
	t.Cleanup(func() {
		stop()
		<-srv.done
		http.DefaultClient.CloseIdleConnections()
	})
	return srv
}

func (s *server) client(key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(time.Millisecond) // between looks at a condition, bounded above
	}
}

func ask(question string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    testModel,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)},
	}
}

func TestChat(t *testing.T) {
	s := start(t, sim.Config{APIKey: "backend-key"})
	client := s.client("backend-key")
	got, err := client.Chat.Completions.New(t.Context(), ask("Explain how a KV cache works"))
	if err != nil {
		t.Fatal(err)
	}
	text := got.Choices[0].Message.Content
	if !strings.Contains(text, "KV cache") || got.Choices[0].FinishReason != "stop" {
		t.Errorf("answer %q, finish %q", text, got.Choices[0].FinishReason)
	}
	if !strings.Contains(got.RawJSON(), `"system_fingerprint":"pilothouse-sim`) {
		t.Errorf("system_fingerprint does not say that it is a simulator: %s", got.RawJSON())
	}
	u := got.Usage
	if u.PromptTokens < 6 || u.CompletionTokens < 20 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		t.Errorf("usage %+v", u)
	}
	again, err := client.Chat.Completions.New(t.Context(), ask("Explain how a KV cache works"))
	if err != nil || again.Choices[0].Message.Content != text {
		t.Errorf("the same question got another answer: %v", err)
	}
}

func TestStreamIsTheSameAnswer(t *testing.T) {
	s := start(t, sim.Config{})
	client := s.client("any")
	params := ask("What is continuous batching?")
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	acc := openai.ChatCompletionAccumulator{}
	events, tokens := 0, 0
	for stream.Next() {
		c := stream.Current()
		if !acc.AddChunk(c) {
			t.Fatal("a chunk does not fit the ones before")
		}
		if len(c.Choices) > 0 && c.Choices[0].Delta.Role == "" {
			tokens++
		}
		events++
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if got := acc.Choices[0].Message.Content; got != whole.Choices[0].Message.Content {
		t.Errorf("streamed %q, whole %q", got, whole.Choices[0].Message.Content)
	}
	if acc.Usage.CompletionTokens != whole.Usage.CompletionTokens || int(acc.Usage.CompletionTokens) != tokens {
		t.Errorf("usage %d streamed, %d whole, %d events with a token", acc.Usage.CompletionTokens, whole.Usage.CompletionTokens, tokens)
	}
	if events != tokens+2 { // the role, the usage
		t.Errorf("%d events for %d tokens", events, tokens)
	}
}

func TestErrorsThroughTheClient(t *testing.T) {
	s := start(t, sim.Config{APIKey: "backend-key", MaxModelLen: 512})
	long := ask(strings.Repeat("word ", 600))
	tooMany := ask("hello there")
	tooMany.MaxTokens = openai.Int(511)
	other := ask("hello there")
	other.Model = "gpt-4"
	empty := ask("")
	empty.Messages = []openai.ChatCompletionMessageParamUnion{}
	hot := ask("hello there")
	hot.Temperature = openai.Float(-1)
	for name, tc := range map[string]struct {
		params openai.ChatCompletionNewParams
		status int
		param  string
	}{
		"unknown model":      {other, 404, "model"},
		"prompt too long":    {long, 400, "input_tokens"},
		"too many asked for": {tooMany, 400, "max_tokens"},
		"no messages":        {empty, 400, "messages"},
		"temperature":        {hot, 400, "temperature"},
	} {
		t.Run(name, func(t *testing.T) {
			client := s.client("backend-key")
			_, err := client.Chat.Completions.New(t.Context(), tc.params)
			var refused *openai.Error
			if !errors.As(err, &refused) || refused.StatusCode != tc.status || refused.Param != tc.param {
				t.Fatalf("got %v, want status %d and param %q", err, tc.status, tc.param)
			}
		})
	}
}
