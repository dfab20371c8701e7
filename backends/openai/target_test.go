package openai

import (
	"errors"
	"strings"
	"testing"
)

func inspected(t *testing.T, body string, e Endpoint) *Request {
	t.Helper()
	var r Request
	if err := r.Inspect([]byte(body), e); err != nil {
		t.Fatalf("Inspect: %v", err)
	}
	return &r
}

func TestCheck(t *testing.T) {
	target := Target{MaxContext: 8192, MaxN: 4}
	for _, c := range []struct {
		members string
		target  Target
		param   string // "" is accepted
		message string
	}{
		{`"n":4`, target, "", ""},
		{`"n":5`, target, "n", "n must be an integer from 1 to 4 for this model."},
		{`"n":2`, Target{}, "n", "n must be 1 for this model."},
		{`"max_tokens":8192`, target, "", ""},
		{`"max_tokens":8193`, target, "max_tokens", "max_tokens must be at most 8192, the context of this model in tokens."},
		{`"max_tokens":8193`, Target{}, "", ""},
		{`"max_completion_tokens":8193`, target, "max_completion_tokens", "max_completion_tokens must be at most 8192, the context of this model in tokens."},
		{`"max_completion_tokens":5,"max_tokens":8193`, target, "max_tokens", "max_tokens must be at most 8192, the context of this model in tokens."},
		{`"max_completion_tokens":null,"max_tokens":8193`, target, "max_tokens", "max_tokens must be at most 8192, the context of this model in tokens."},
		{`"max_tokens":5,"max_completion_tokens":9000`, target, "max_completion_tokens", "max_completion_tokens must be at most 8192, the context of this model in tokens."},
	} {
		err := inspected(t, chat(c.members), Chat).Check(&c.target)
		if c.param == "" {
			if err != nil {
				t.Errorf("%s: %v", c.members, err)
			}
			continue
		}
		var refused *Error
		if !errors.As(err, &refused) || refused.Param != c.param || refused.Message != c.message || refused.Status != 400 {
			t.Errorf("%s: %+v, want %q %q", c.members, err, c.param, c.message)
		}
	}
}

func TestBudget(t *testing.T) {
	target := &Target{MaxContext: 100, Defaults: Defaults{MaxTokens: 60}}
	prompt := func(n int) string { return `{"messages":["` + strings.Repeat("a", n-4) + `"]}` }
	for _, c := range []struct {
		body   string
		e      Endpoint
		target *Target
		want   int
	}{
		{prompt(30), Chat, target, 60},
		{prompt(120), Chat, target, 60},
		{prompt(121), Chat, target, 59}, // a third of 121 is rounded up
		{prompt(297), Chat, target, 1},
		{prompt(298), Chat, target, 0},
		{prompt(900), Chat, target, 0},
		{prompt(900), Chat, &Target{Defaults: Defaults{MaxTokens: 60}}, 60},
		{prompt(30), Chat, &Target{MaxContext: 100}, 0},
		{chat(`"max_tokens":99`), Chat, target, 99},
		{chat(`"max_completion_tokens":98,"max_tokens":99`), Chat, target, 98},
		{`{"input":"x","max_tokens":5}`, Embeddings, target, 0},
	} {
		if got := inspected(t, c.body, c.e).Budget(c.target); got != c.want {
			t.Errorf("%.60s: %d, want %d", c.body, got, c.want)
		}
	}
}

// What the client sent stays as it was, white space, order and all.
func TestAppendBody(t *testing.T) {
	target := Target{Model: "Org/Big", MaxContext: 8192, Defaults: Defaults{MaxTokens: 2048, Temperature: value(0.7), TopP: value(1)}}
	for _, c := range []struct{ name, body, want string }{
		{"all defaults",
			`{"model":"Org/Big","messages":[1]}`,
			`{"max_tokens":2048,"temperature":0.7,"top_p":1,"model":"Org/Big","messages":[1]}`},
		{"no defaults, an alias",
			" {\n  \"max_tokens\" : 5, \"temperature\": 1.50,\"top_p\":1e-1 ,\"model\": \"big\",\t\"messages\":[ 1 ], \"x\":{}\n}\n",
			" {\n  \"max_tokens\" : 5, \"temperature\": 1.50,\"top_p\":1e-1 ,\"model\": \"Org/Big\",\t\"messages\":[ 1 ], \"x\":{}\n}\n"},
		{"no model",
			`{ "messages":[1],"max_completion_tokens":5,"temperature":1,"top_p":1}`,
			`{"model":"Org/Big", "messages":[1],"max_completion_tokens":5,"temperature":1,"top_p":1}`},
		{"nulls",
			`{"model":null,"temperature":null,"messages":[1],"max_tokens":null,"max_completion_tokens":null,"top_p":null,"seed":null}`,
			`{"model":"Org/Big","temperature":0.7,"messages":[1],"max_tokens":2048,"max_completion_tokens":null,"top_p":1,"seed":null}`},
		{"the model with escapes",
			`{"model":"Org\/Big","messages":[1],"max_tokens":5,"temperature":1,"top_p":1}`,
			`{"model":"Org\/Big","messages":[1],"max_tokens":5,"temperature":1,"top_p":1}`},
		{"a stream",
			`{"model":"Org/Big","messages":[1],"max_tokens":5,"temperature":1,"top_p":1,"stream":true}`,
			`{"stream_options":{"include_usage":true,"continuous_usage_stats":true},"model":"Org/Big","messages":[1],"max_tokens":5,"temperature":1,"top_p":1,"stream":true}`},
		{"a stream with options",
			`{"model":"Org/Big","messages":[1],"max_tokens":5,"temperature":1,"top_p":1,"stream_options":{ "x":1, "include_usage" : false },"stream":true}`,
			`{"model":"Org/Big","messages":[1],"max_tokens":5,"temperature":1,"top_p":1,"stream_options":{"continuous_usage_stats":true, "x":1, "include_usage" : true },"stream":true}`},
		{"options without a stream",
			`{"model":"Org/Big","messages":[1],"max_tokens":5,"temperature":1,"top_p":1,"stream_options":{"include_usage":false}}`,
			`{"model":"Org/Big","messages":[1],"max_tokens":5,"temperature":1,"top_p":1,"stream_options":{"include_usage":false}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := inspected(t, c.body, Chat)
			if got := string(r.AppendBody(nil, []byte(c.body), &target)); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// growth is what AppendBody may add to a body at most, so that it grows dst
// once.
func TestAppendBodyGrowsOnce(t *testing.T) {
	target := Target{Model: "Org/Big", Defaults: Defaults{MaxTokens: 2147483647, Temperature: value(0.12345678901234567), TopP: value(0.00012345678901234567)}}
	body := []byte(`{"messages":[1],"stream":true}`)
	out := inspected(t, string(body), Chat).AppendBody(nil, body, &target)
	if most := len(body) + len(target.Model) + growth; len(out) > most {
		t.Errorf("%d bytes, want at most %d", len(out), most)
	}
}
