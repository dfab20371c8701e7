package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"pilothouse/backends/sim"
)

func TestErrorShapes(t *testing.T) {
	bad := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"x"}],"top_p":2}`, testModel)
	for flat, want := range map[bool]string{
		false: `{"error":{"message":"top_p must be in (0, 1], got 2.","type":"BadRequestError","param":"top_p","code":400}}`,
		true:  `{"object":"error","message":"top_p must be in (0, 1], got 2.","type":"BadRequestError","param":"top_p","code":400}`,
	} {
		s := start(t, sim.Config{FlatErrors: flat})
		if status, text := do(t, "POST", s.url+"/v1/chat/completions", "", bad); status != 400 || text != want {
			t.Errorf("flat %v: %d %s", flat, status, text)
		}
	}
}

func TestInvalidBodies(t *testing.T) {
	s := start(t, sim.Config{})
	valid := `{"model":"` + testModel + `","messages":[{"role":"user","content":"x"}]`
	for name, body := range map[string]string{
		"no JSON":             `{`,
		"no object":           `[]`,
		"messages no list":    `{"model":"` + testModel + `","messages":"x"}`,
		"no role":             `{"model":"` + testModel + `","messages":[{"content":"x"}]}`,
		"an image":            `{"model":"` + testModel + `","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`,
		"no boolean":          valid + `,"stream":"maybe"}`,
		"no tokens":           valid + `,"max_tokens":0}`,
		"no choice":           valid + `,"n":0}`,
		"an empty stop":       valid + `,"stop":""}`,
		"options, no stream":  valid + `,"stream_options":{"include_usage":true}}`,
		"least above most":    valid + `,"max_tokens":3,"min_tokens":4}`,
		"a tool not passed":   valid + `,"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":{"type":"function","function":{"name":"b"}}}`,
		"no such tool choice": valid + `,"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":"perhaps"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if status, text := do(t, "POST", s.url+"/v1/chat/completions", "", body); status != 400 || !strings.Contains(text, `"code":400`) {
				t.Errorf("got %d %s", status, text)
			}
		})
	}
	if l := s.Load(); l.PromptTokens != 0 {
		t.Error("an invalid request reached the engine")
	}
}

// As with vLLM, a name in another case is another name, and of two equal ones
// the last counts: what a gateway overlooks in a body shows here.
func TestMembersAreReadAsVLLMDoes(t *testing.T) {
	s := start(t, sim.Config{})
	messages := `"messages":[{"role":"user","content":"x"}],"max_tokens":1`
	for name, tc := range map[string]struct {
		body   string
		status int
	}{
		"another case":  {`{"model":"` + testModel + `","Model":"other",` + messages + `}`, 200},
		"the last wins": {`{"model":"` + testModel + `","model":"other",` + messages + `}`, 404},
		"invalid UTF-8": {`{"model":"` + testModel + "\xff" + `",` + messages + `}`, 400},
		"left out":      {`{` + messages + `}`, 200},
	} {
		if status, text := do(t, "POST", s.url+"/v1/chat/completions", "", tc.body); status != tc.status {
			t.Errorf("%s: got %d %s, want %d", name, status, text, tc.status)
		}
	}
}

func FuzzBody(f *testing.F) {
	s, err := sim.New(sim.Config{Model: testModel})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body(true, 4))
	f.Add(`{"messages":[{"role":"user","content":[{"type":"text"}]}],"tools":[{"function":{"parameters":{"type":["object"],"properties":{"a":null}}}}],"tool_choice":"required"}`)
	f.Add(`{"response_format":{"type":"json_schema","json_schema":{"schema":{"items":{"enum":[1]}}}},"stop":null,"messages":[{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if err := s.Parse([]byte(body)); err != nil && err.Error() == "" {
			t.Error("a refusal says nothing")
		}
	})
}
