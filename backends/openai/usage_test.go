package openai

import "testing"

// answers are seeds for the fuzzer and cases for the plain version.
var answers = []string{
	`{"id":"x","choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],"usage":{"prompt_tokens":31,"total_tokens":41,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":16}}}`,
	` { "usage" : { "prompt_tokens" : 3 , "total_tokens" : 3 } , "data" : [ 0.1 , -2e-3 ] } `,
	`{"us\u0061ge":{"prompt_tokens":1}}`, `{"usage":{}}`, `{"usage":null}`, `{"usage":[]}`, `{"usage":3}`, `{"x":{"usage":{"prompt_tokens":1}}}`, `{}`, ``, `[]`, `null`,
	`{"usage":{"prompt_tokens":1}}x`, `{"usage":{"prompt_tokens":1}`, `{"usage":{"prompt_tokens":1},}`, `{"usage":{"prompt_tokens":1,}}`, `{"usage":{"prompt_tokens"}}`, `{"usage":{"a":{"prompt_tokens":7}}}`,
	`{"usage":{"prompt_tokens":-1,"completion_tokens":1.5,"total_tokens":2147483648,"prompt_tokens_details":[]}}`, `{"usage":{"prompt_tokens":2147483647,"completion_tokens":"4","total_tokens":null}}`,
	`{"usage":{"prompt_tokens_details":{"prompt_tokens_details":{"cached_tokens":1},"cached_tokens":2},"cached_tokens":9}}`, `{"usage":{"prompt_tokens_details":{"cached_tokens":1,}}}`,
	`{"usage":{"prompt_tokens":5},"usage":{"prompt_tokens":2,"completion_tokens":3}}`, "{\"usage\":{\"prompt_tokens\":5},\"x\":\"\xff\"}",
}

func compareUsage(t *testing.T, body []byte) {
	t.Helper()
	var want Usage
	found := false
	members, err := refMembers(body)
	for _, m := range members {
		if u, ok := refUsage(m.raw); m.name == "usage" && ok && err == nil {
			want.raise(u)
			found = true
		}
	}
	if got, ok := UsageOf(body); got != want || ok != found {
		t.Fatalf("%.400q: %+v %v, want %+v %v", body, got, ok, want, found)
	}
}

func TestUsageOf(t *testing.T) {
	for _, body := range answers {
		compareUsage(t, []byte(body))
	}
	got, ok := UsageOf([]byte(answers[0]))
	if want := (Usage{Prompt: 31, Completion: 10, Total: 41, Cached: 16}); got != want || !ok {
		t.Errorf("%+v %v, want %+v", got, ok, want)
	}
	body := []byte(answers[0])
	if n := testing.AllocsPerRun(100, func() { UsageOf(body) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzUsageOf(f *testing.F) {
	for _, body := range answers {
		f.Add([]byte(body))
	}
	f.Fuzz(compareUsage)
}

// What was seen is never lowered, by whatever a later event says.
func TestUsageRises(t *testing.T) {
	var s Stream
	s.Reset(false, false)
	if _, ok := s.Usage(); ok {
		t.Error("usage of a stream that had none")
	}
	for _, usage := range []string{`{"prompt_tokens":31,"completion_tokens":5,"total_tokens":36}`, `{"prompt_tokens":-1,"completion_tokens":4,"total_tokens":0}`, `{}`, `{"completion_tokens":6}`} {
		if err := s.Write([]byte(`data: {"choices":[1],"usage":` + usage + "}\n\n")); err != nil {
			t.Fatal(err)
		}
	}
	if u, ok := s.Usage(); !ok || u != (Usage{Prompt: 31, Completion: 6, Total: 36, Absurd: true}) || s.Fell() {
		t.Errorf("%+v %v, fell %v", u, ok, s.Fell())
	}
	s.Write([]byte(`data: {"choices":[1],"usage":{"prompt_tokens":31,"completion_tokens":2,"total_tokens":33}}` + "\n\n"))
	if u, _ := s.Usage(); u.Completion != 6 || !s.Fell() {
		t.Errorf("a usage that fell: %+v, fell %v", u, s.Fell())
	}
	s.Reset(false, false)
	if s.Fell() {
		t.Error("the stream before it fell, not this one")
	}
}
