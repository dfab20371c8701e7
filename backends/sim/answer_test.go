package sim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pilothouse/backends/sim"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"
)

func TestText2SQLKnowsTheDemosQuestions(t *testing.T) {
	s := start(t, sim.Config{Kind: sim.Text2SQL, Speed: 1000})
	client := s.client("any")
	answer := func(question string) string {
		params := ask(question)
		params.Messages = append([]openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Schema:\n" + sim.DemoSchema())}, params.Messages...)
		got, err := client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		return got.Choices[0].Message.Content
	}
	if n := len(sim.DemoQuestions()); n < 10 {
		t.Errorf("only %d questions", n)
	}
	for _, q := range sim.DemoQuestions() {
		want := q.Reasoning + "\n\n```sql\n" + q.SQL + "\n```"
		if got := answer(q.Text); got != want {
			t.Errorf("%q: got %q", q.Text, got)
		}
		if got := answer("Please answer: " + strings.ToUpper(q.Text)); got != want {
			t.Errorf("%q in other words: got %q", q.Text, got)
		}
	}
	got := answer("How tall is the tallest customer?")
	if !strings.Contains(got, "simulated") || !strings.Contains(got, "```sql\nSELECT *\nFROM customers\n") {
		t.Errorf("an unknown question: %q", got)
	}
}

func TestTools(t *testing.T) {
	s := start(t, sim.Config{})
	client := s.client("any")
	tools := []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name:        "get_weather",
		Description: openai.String("The weather in a city"),
		Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{
			"city": map[string]any{"type": "string"},
			"days": map[string]any{"type": "integer"},
			"unit": map[string]any{"enum": []string{"celsius", "fahrenheit"}},
		}},
	})}
	choice := func(mode string) openai.ChatCompletionToolChoiceOptionUnionParam {
		return openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String(mode)}
	}
	for name, tc := range map[string]struct {
		question string
		choice   openai.ChatCompletionToolChoiceOptionUnionParam
		calls    bool
	}{
		"required":             {"Sing a song", choice("required"), true},
		"named":                {"Sing a song", openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "get_weather"}), true},
		"auto, on the subject": {"What is the weather in Lisbon?", choice("auto"), true},
		"auto, on another":     {"Sing a song", choice("auto"), false},
		"none":                 {"What is the weather in Lisbon?", choice("none"), false},
	} {
		t.Run(name, func(t *testing.T) {
			params := ask(tc.question)
			params.Tools, params.ToolChoice = tools, tc.choice
			whole, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			acc := openai.ChatCompletionAccumulator{}
			stream := client.Chat.Completions.NewStreaming(t.Context(), params)
			for stream.Next() {
				acc.AddChunk(stream.Current())
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			for kind, got := range map[string]openai.ChatCompletion{"whole": *whole, "streamed": acc.ChatCompletion} {
				m := got.Choices[0].Message
				if !tc.calls {
					if len(m.ToolCalls) != 0 || m.Content == "" || got.Choices[0].FinishReason != "stop" {
						t.Errorf("%s: want prose, got %+v", kind, m)
					}
					continue
				}
				if len(m.ToolCalls) != 1 || m.ToolCalls[0].Function.Name != "get_weather" || got.Choices[0].FinishReason != "tool_calls" {
					t.Fatalf("%s: want a call, got %+v", kind, m)
				}
				var arguments struct {
					City string
					Days int
					Unit string
				}
				if err := json.Unmarshal([]byte(m.ToolCalls[0].Function.Arguments), &arguments); err != nil || arguments.City == "" ||
					arguments.Days != 1 || arguments.Unit != "celsius" {
					t.Errorf("%s: arguments %s do not fit the schema: %v", kind, m.ToolCalls[0].Function.Arguments, err)
				}
			}
		})
	}
}

func TestLengthsAndChoices(t *testing.T) {
	s := start(t, sim.Config{MaxModelLen: 256, KVTokens: 4096})
	chat := func(more string) (int, string) {
		return do(t, "POST", s.url+"/v1/chat/completions", "",
			fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":[{"type":"text","text":"hello there"}]}]%s}`, testModel, more))
	}
	for name, tc := range map[string]struct {
		more       string
		completion int
		finish     string
	}{
		"exactly":            {`,"max_tokens":17,"ignore_eos":true`, 17, "length"},
		"the newer name":     {`,"max_completion_tokens":9,"max_tokens":3,"ignore_eos":true`, 9, "length"},
		"what is left":       {`,"ignore_eos":true`, 256 - 10, "length"},
		"times n":            {`,"max_tokens":5,"ignore_eos":true,"n":3`, 15, "length"},
		"at least":           {`,"max_tokens":200,"min_tokens":150,"stop":["e"]`, 150, "stop"},
		"lax booleans":       {`,"max_tokens":4,"ignore_eos":"true","stream":0`, 4, "length"},
		"logprobs not given": {`,"max_tokens":2,"ignore_eos":true,"logprobs":true,"top_logprobs":2`, 2, "length"},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := chat(tc.more)
			var got struct {
				Choices []struct {
					Index        int
					FinishReason string `json:"finish_reason"`
				}
				Usage struct {
					Prompt     int `json:"prompt_tokens"`
					Completion int `json:"completion_tokens"`
				}
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil || status != 200 {
				t.Fatalf("%d %s", status, text)
			}
			if got.Usage.Prompt != 10 || got.Usage.Completion != tc.completion || got.Choices[len(got.Choices)-1].FinishReason != tc.finish {
				t.Errorf("got %s", text)
			}
			for i, c := range got.Choices {
				if c.Index != i {
					t.Errorf("choice %d has index %d", i, c.Index)
				}
			}
		})
	}
	if _, text := chat(`,"seed":1,"n":2`); strings.Count(text, `"message"`) != 2 {
		t.Errorf("two choices: %s", text)
	}
}

func TestContinuousUsage(t *testing.T) {
	s := start(t, sim.Config{})
	for name, tc := range map[string]struct {
		options string
		with    int // events that carry usage
	}{
		"none":           {``, 0},
		"at the end":     {`,"stream_options":{"include_usage":true}`, 1},
		"on every event": {`,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`, 8},
		"not by itself":  {`,"stream_options":{"continuous_usage_stats":true}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, text := do(t, "POST", s.url+"/v1/chat/completions", "", strings.Replace(body(true, 6), `,"max_tokens"`, tc.options+`,"max_tokens"`, 1))
			if n := strings.Count(text, `"usage":{`); n != tc.with {
				t.Errorf("%d events with usage, want %d:\n%s", n, tc.with, text)
			}
			last := -1
			for line := range strings.Lines(text) {
				var e struct {
					Usage *struct {
						Completion int `json:"completion_tokens"`
					}
				}
				if data, ok := strings.CutPrefix(line, "data: {"); ok && json.Unmarshal([]byte("{"+data), &e) == nil && e.Usage != nil {
					if e.Usage.Completion < last {
						t.Errorf("usage fell from %d to %d", last, e.Usage.Completion)
					}
					last = e.Usage.Completion
				}
			}
			if tc.with > 0 && last != 6 {
				t.Errorf("usage ends at %d tokens, want 6", last)
			}
		})
	}
}

func TestCompletions(t *testing.T) {
	s := start(t, sim.Config{})
	client := s.client("any")
	got, err := client.Completions.New(t.Context(), openai.CompletionNewParams{
		Model:     testModel,
		Prompt:    openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"Once upon a time", "The KV cache"}},
		N:         openai.Int(2),
		MaxTokens: openai.Int(12),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Choices) != 4 || got.Choices[3].Index != 3 || got.Choices[3].Text == "" || got.Usage.PromptTokens != 4+3 {
		t.Errorf("got %s", got.RawJSON())
	}
	stream := client.Completions.NewStreaming(t.Context(), openai.CompletionNewParams{
		Model:     testModel,
		Prompt:    openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: []int64{1, 2, 3}},
		MaxTokens: openai.Int(12),
	})
	text := ""
	for stream.Next() {
		text += stream.Current().Choices[0].Text
	}
	if stream.Err() != nil || text == "" {
		t.Errorf("streamed %q, %v", text, stream.Err())
	}
}

func TestEmbeddings(t *testing.T) {
	s := start(t, sim.Config{})
	client := s.client("any")
	got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: testModel,
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{
			"the cache holds keys", "keys that the cache holds", "a boat on the lake"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dot := func(a, b int) (sum float64) {
		for i, x := range got.Data[a].Embedding {
			sum += x * got.Data[b].Embedding[i]
		}
		return sum
	}
	if len(got.Data) != 3 || len(got.Data[0].Embedding) != 3584 || got.Usage.PromptTokens != 4+5+5 {
		t.Fatalf("%d vectors, usage %+v", len(got.Data), got.Usage)
	}
	if one := dot(0, 0); one < 0.999 || one > 1.001 || dot(0, 1) < 0.5 || dot(0, 1) <= dot(0, 2) {
		t.Errorf("length %v, near %v, far %v", one, dot(0, 1), dot(0, 2))
	}
	status, text := do(t, "POST", s.url+"/v1/embeddings", "", fmt.Sprintf(`{"model":%q,"input":"x","encoding_format":"base64","dimensions":4}`, testModel))
	if status != 200 || !strings.Contains(text, `"embedding":"`) {
		t.Errorf("packed: %d %s", status, text)
	}
}
