package openai

import (
	"strings"
	"testing"
)

func TestOpening(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, c := range []struct {
		endpoint   Endpoint
		body, want string
	}{
		{Chat, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`, `[{"role":"user","content":"a"}`},
		{Chat, `{"messages":[ {"role":"system","content":"s"} , {"content":"a","role":"user"},{"role":"assistant","content":"b"}],"n":1}`, `[ {"role":"system","content":"s"} , {"content":"a","role":"user"}`},
		{Chat, `{"messages":[{"content":"` + long + `","role":"developer"},{"role":"user","content":"a"},{"role":"user"}]}`, `[{"content":"` + long + `","role":"developer"},{"role":"user","content":"a"}`},
		{Chat, `{"messages":[{"role":"system","content":"s"}]}`, `[{"role":"system","content":"s"}`},
		{Chat, `{"messages":[1,2]}`, `[1`},
		{Completions, `{"prompt":"abc"}`, `"abc"`},
		{Completions, `{"prompt":"` + long + `"}`, (`"` + long)[:openingBytes]},
		{Embeddings, `{"input":"abc"}`, ""},
	} {
		var r Request
		if err := r.Inspect([]byte(c.body), c.endpoint); err != nil {
			t.Fatalf("%s: %v", c.body, err)
		}
		if got := string(r.Opening([]byte(c.body))); got != c.want {
			t.Errorf("%.80s\ngot  %.120s\nwant %.120s", c.body, got, c.want)
		}
	}
}
