package openai

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// value makes the pointers of Defaults.
func value(x float64) *float64 { return &x }

// compare holds Inspect and AppendBody against the plain version.
func compare(t *testing.T, r *Request, body []byte, e Endpoint, target *Target) {
	t.Helper()
	want, param, ok := refInspect(body, e)
	given := bytes.Clone(body)
	err := r.Inspect(body, e)
	if !bytes.Equal(body, given) {
		t.Fatal("Inspect changed the body")
	}
	if (err == nil) != ok {
		t.Fatalf("Inspect: %v, want accepted %v (param %q)\nbody %.400q", err, ok, param, body)
	}
	if !ok {
		var refused *Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Code != CodeInvalidRequest || refused.Param != param {
			t.Fatalf("Inspect: %#v, want a 400 for param %q\nbody %.400q", err, param, body)
		}
		return
	}
	got := Request{
		HasModel: r.HasModel, Stream: r.Stream, N: r.N, Prompts: r.Prompts, MaxTokens: r.MaxTokens,
		IncludeUsage: r.IncludeUsage, ContinuousUsage: r.ContinuousUsage, PromptBytes: r.PromptBytes,
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want.Request); g != w {
		t.Fatalf("Inspect:\n got %s\nwant %s\nbody %.400q", g, w, body)
	}
	if string(r.Model(body)) != want.model {
		t.Fatalf("Model: %q, want %q", r.Model(body), want.model)
	}
	out := r.AppendBody([]byte("head"), body, target)
	if !bytes.HasPrefix(out, []byte("head")) {
		t.Fatal("AppendBody lost what was in dst")
	}
	compareBody(t, out[4:], &want, e, target)
}

func compareBody(t *testing.T, out []byte, want *refRequest, e Endpoint, target *Target) {
	t.Helper()
	members, err := refMembers(out)
	if err != nil {
		t.Fatalf("AppendBody: %v: %.400q", err, out)
	}
	got := unique(t, members, out)
	expected := want.refBody(e, target)
	if want.Stream {
		delete(expected, "stream_options")
		options, err := refMembers([]byte(got["stream_options"]))
		if err != nil {
			t.Fatalf("AppendBody: stream_options: %v: %.400q", err, out)
		}
		delete(got, "stream_options")
		if g, w := unique(t, options, out), want.refOptions(); !maps.Equal(g, w) {
			t.Fatalf("AppendBody: stream_options\n got %v\nwant %v", g, w)
		}
	}
	if !maps.Equal(got, expected) {
		t.Fatalf("AppendBody\n got %.600v\nwant %.600v", got, expected)
	}
}

// unique gives the members as a map and refuses duplicates.
func unique(t *testing.T, members []refMember, out []byte) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, o := range members {
		if _, twice := m[o.name]; twice {
			t.Fatalf("AppendBody: %q is there twice: %.400q", o.name, out)
		}
		m[o.name] = o.raw
	}
	return m
}

// chat wraps members in a chat request that is otherwise valid.
func chat(members string) string {
	return `{"model":"m","messages":[{"role":"user","content":"hi"}],` + members + `}`
}

// bodies are seeds for the fuzzer and cases for the plain version.
var bodies = []string{
	`{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
	"\r\n\t {\"model\" : \"m\" , \"messages\" : [ 1 ] } \n",
	`{"messages":[0]}`, `{}`, ``, ` `, `{`, `[]`, `null`, `"x"`, `{"messages":[]}`, `{"messages":[ ]}`, `{"messages":null}`, `{"messages":{}}`,
	`{"messages":[1]}x`, `{"messages":[1]}{}`, `{"messages":[1],}`, `{"messages":[1,]}`, `{,"messages":[1]}`, `{"messages" [1]}`, `{"messages":[1]`,
	"\ufeff{\"messages\":[1]}",
	`{"prompt":"hi","max_tokens":3}`, `{"prompt":null}`, `{"prompt":["a,]", "b" ,"c"]}`, `{"prompt":[1,2,3]}`, `{"prompt":[]}`, `{"prompt": [ ] }`, `{"prompt":[{}]}`, `{"prompt":[[1,2],[3]]}`, `{"input":["a","b"],"dimensions":3,"stream":true,"n":2,"max_tokens":9}`,
	`{"messages":null,"messages":[1]}`, `{"messages":[1],"messages":null}`,
	chat(`"mod\u0065l":"other"`), chat(`"x":1,"\u0078":2`), chat(`"x":{"y":1,"y":2}`), chat(`"\ud800":1,"\ufffd":2`), chat(`"\ud83d\ude00":1,"😀":2`), chat(`"":1,"":2`),
	chat(`"stream":true`), chat(`"stream":false`), chat(`"stream":null`), chat(`"stream":"true"`), chat(`"stream":1`), chat(`"stream":tru`),
	chat(`"stream":true,"stream_options":null`), chat(`"stream":true,"stream_options":{}`), chat(`"stream":true,"stream_options":{ }`),
	chat(`"stream":true,"stream_options":{"include_usage":true}`), chat(`"stream_options":{"include_usage":false,"x":[1]},"stream":true`),
	chat(`"stream":true,"stream_options":{"include_usage":null,"continuous_usage_stats":true}`),
	chat(`"stream":true,"stream_options":{"continuous_usage_stats":true,"include_usage":true}`),
	chat(`"stream":true,"stream_options":{"continuous_usage_stats":true,"x":"}"}`),
	chat(`"stream_options":{"include_usage":true,"include_usag\u0065":true}`), chat(`"stream_options":{"x":1,"x":1}`), chat(`"stream_options":{"include_usage":1}`),
	chat(`"stream_options":[]`), chat(`"stream_options":"x"`), chat(`"stream_options":{"include_usage":true}`), chat(`"stream_options":{,}`), chat(`"stream_options":{"a":1,}`),
	chat(`"max_tokens":1`), chat(`"max_tokens":0`), chat(`"max_tokens":-0`), chat(`"max_tokens":-1`), chat(`"max_tokens":1.0`), chat(`"max_tokens":1e3`), chat(`"max_tokens":"1"`),
	chat(`"max_tokens":2147483647`), chat(`"max_tokens":2147483648`), chat(`"max_tokens":99999999999999999999999999`), chat(`"max_tokens":null`), chat(`"max_tokens":01`),
	chat(`"max_tokens":5,"max_completion_tokens":7`), chat(`"max_completion_tokens":7,"max_tokens":5`), chat(`"max_completion_tokens":null,"max_tokens":null`),
	chat(`"max_completion_tokens":7,"max_tokens":null`), chat(`"max_completion_tokens":7,"max_tokens":0`), chat(`"max_completion_tokens":[]`),
	chat(`"temperature":0`), chat(`"temperature":2`), chat(`"temperature":2.0001`), chat(`"temperature":-0.0`), chat(`"temperature":-1e-9`), chat(`"temperature":1e999`), chat(`"temperature":-1e999`), chat(`"temperature":1e-999`),
	chat(`"temperature":null,"top_p":null`), chat(`"temperature":"1"`), chat(`"temperature":true`), chat(`"top_p":0`), chat(`"top_p":1`), chat(`"top_p":1.01`), chat(`"top_p":1e-400`), chat(`"top_p":{}`),
	chat(`"n":1`), chat(`"n":8`), chat(`"n":0`), chat(`"n":null`), chat(`"n":1.5`), chat(`"n":1,"n":1`),
	`{"model":"","messages":[1]}`, `{"model":null,"messages":[1]}`, `{"model":7,"messages":[1]}`, `{"model":"a\u002fb\n","messages":[1]}`, `{"model":"\ud800","messages":[1]}`,
	chat(`"tools":[{"type":"function"}],"response_format":{"type":"json_object"}`), chat(`"tools":null`),
	chat(`"x":"\x"`), chat(`"x":"\u12g4"`), chat(`"x":"\u12`), chat(`"x":"\`), chat(`"x":"` + "\x01" + `"`), chat(`"x":"` + "\x7f" + `"`), chat(`"x":"a` + "\n" + `"`),
	chat(`"x":"` + "\xff" + `"`), chat(`"x":"` + "\xc0\xaf" + `"`), chat(`"x":"` + "\xed\xa0\x80" + `"`), chat(`"x":"` + "\xf4\x90\x80\x80" + `"`), chat(`"x":"` + "\xe2\x82" + `"`), chat(`"x":"é漢😀\u00e9"`), chat("\"\xff\":1"),
	chat(`"x":[-,1]`), chat(`"x":-`), chat(`"x":1.`), chat(`"x":.5`), chat(`"x":1e`), chat(`"x":1e+`), chat(`"x":+1`), chat(`"x":-0.5E-10`), chat(`"x":00`), chat(`"x":NaN`),
	chat(`"x":[true,false,null,{},[],{"a":[{}]}]`), chat(`"x":[}`), chat(`"x":{]`), chat(`"x":[1 2]`), chat(`"x":{"a":1 "b":2}`), chat(`"x":{1:2}`), chat(`"x":nul`), chat(`"x":trux`), chat(`"x":`),
	chat(`"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":1,"k":2,"l":3,"o":4,"p":5,"q":6,"r":7,"s":8,"t":9,"u":1,"v":2,"q":3`),
	chat(manyNames(100) + `"z":1`), chat(manyNames(100) + `"n99":1`), chat(manyNames(100) + `"\u006e99":1`), chat(`"stream_options":{` + manyNames(50) + `"n40":1}`),
	chat(`"x":[{"a":[{}]},[[{}],[1,2]],{"b":[1]}]`), chat(`"x":[{"a":{}},[[],{"a":1},2]]`), chat(`"x":[[{"a":1}],[1],{"a":[2],"b":3}]`),
}

// manyNames gives n members with a comma behind each.
func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"n%d":%d,`, i, i)
	}
	return b.String()
}

var targets = []Target{
	{},
	{Model: "m", MaxContext: 8192, MaxN: 4, Defaults: Defaults{MaxTokens: 2048, Temperature: value(0.7), TopP: value(1)}},
	{Model: "Org/\"other\"", MaxContext: 16, Defaults: Defaults{MaxTokens: 2048, TopP: value(0.95)}},
	{Model: "m", MaxContext: 1000, Defaults: Defaults{MaxTokens: 2048, Temperature: value(0)}},
}

func TestInspect(t *testing.T) {
	var r Request
	for _, body := range bodies {
		for e := Chat; e <= Embeddings; e++ {
			for i := range targets {
				compare(t, &r, []byte(body), e, &targets[i])
			}
		}
	}
}

func FuzzInspect(f *testing.F) {
	for i, body := range bodies {
		f.Add([]byte(body), uint8(i))
	}
	var r Request // one for all: nothing may be left over from the last body
	f.Fuzz(func(t *testing.T, body []byte, how uint8) {
		compare(t, &r, body, Endpoint(how%3), &targets[how/3%4])
	})
}

// Every single byte, and every cut, of a body with everything in it.
func TestInspectBytes(t *testing.T) {
	body := []byte(chat(`"temperature":0.5,"stream":true,"stream_options":{"include_usage":true},"x":["a\u00e9\n",-1.5e3,"é漢😀",null,{}],"n":1`))
	var r Request
	for i := range body {
		compare(t, &r, body[:i:i], Chat, &targets[1])
		for _, c := range []byte("\x00\n\"\\,:{}[]1n-. \x80\xe2\xff") {
			changed := bytes.Clone(body)
			changed[i] = c
			compare(t, &r, changed, Chat, &targets[1])
		}
	}
}

// Every sequence of two, three and four bytes around the limits of UTF-8,
// early in a string and at its end.
func TestInspectUTF8(t *testing.T) {
	edges := []byte{0x20, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff}
	var r Request
	body := make([]byte, 0, 64)
	for _, a := range edges {
		for _, b := range edges {
			for _, c := range edges {
				for _, d := range edges {
					body = append(append(body[:0], `{"messages":["`...), a, b, c, d, '"', ']', '}')
					_, want := refMembers(body)
					if got := r.Inspect(body, Chat); (got == nil) != (want == nil) {
						t.Fatalf("% x: %v, want %v", body[14:18], got, want)
					}
				}
			}
		}
	}
}

func TestInspectDepth(t *testing.T) {
	var r Request
	nest := func(n int) []byte {
		return []byte(`{"messages":[1],"x":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}`)
	}
	mixed := func(n int) []byte {
		return []byte(`{"messages":[1],"x":` + strings.Repeat(`[{"a":`, n/2) + `0` + strings.Repeat(`}]`, n/2) + `}`)
	}
	options := func(n int) []byte {
		return []byte(`{"messages":[1],"stream_options":{"x":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}}`)
	}
	for _, c := range []struct {
		body []byte
		ok   bool
	}{
		{nest(MaxDepth - 1), true}, {nest(MaxDepth), false}, {nest(5_000_000), false},
		{mixed(MaxDepth - 2), true}, {mixed(MaxDepth), false},
		{options(MaxDepth - 2), true}, {options(MaxDepth - 1), false},
	} {
		if err := r.Inspect(c.body, Chat); (err == nil) != c.ok {
			t.Errorf("%d bytes: %v, want accepted %v", len(c.body), err, c.ok)
		}
		if len(c.body) < 10_000 {
			compare(t, &r, c.body, Chat, &targets[1])
		}
	}
}

// A refusal names the parameter and what is accepted, and quotes nothing that
// the client wrote but names.
func TestInspectMessages(t *testing.T) {
	long := strings.Repeat("é", 100)
	for _, c := range []struct{ body, param, message string }{
		{``, "", `The request body is empty; it must be a JSON object.`},
		{`[1]`, "", `The request body must be a JSON object.`},
		{`{"a":secret}`, "", `The request body is not valid JSON: unexpected character at byte 5.`},
		{`{"a":"secret`, "", `The request body is not valid JSON: it ends too early at byte 12.`},
		{"{\"a\":\"secret\xff\"}", "", `The request body is not valid JSON: a string is not valid UTF-8 at byte 12.`},
		{`{"a":"secret\z"}`, "", `The request body is not valid JSON: invalid escape in a string at byte 12.`},
		{"{\"a\":\"secret\n\"}", "", `The request body is not valid JSON: control character in a string at byte 12.`},
		{`{"a":-secret}`, "", `The request body is not valid JSON: invalid number at byte 6.`},
		{`{"a":1} secret`, "", `The request body is not valid JSON: unexpected character at byte 8.`},
		{chat(`"temperature":"secret"`), "temperature", `temperature must be a number from 0 to 2.`},
		{chat(`"top_p":0,"n":0`), "top_p", `top_p must be a number above 0 and at most 1.`},
		{chat(`"max_tokens":1e3`), "max_tokens", `max_tokens must be an integer from 1 to 2147483647.`},
		{chat(`"model":"secret"`), "model", `The member "model" is given more than once.`},
		{chat(`"stream_options":{"a":1,"a":2}`), "stream_options.a", `The member "stream_options.a" is given more than once.`},
		{chat(`"\u001b\"":1,"\u001b\"":2`), "\x1b\"", `The member "\x1b\"" is given more than once.`},
		{chat(`"` + long + `":1,"` + long + `":2`), long[:64], `The member "` + long[:64] + `" is given more than once.`},
		{`{"messages":[]}`, "messages", `messages must be an array with at least one message.`},
		{`{"model":"m"}`, "messages", `messages is required: an array with at least one message.`},
	} {
		var r Request
		err, _ := r.Inspect([]byte(c.body), Chat).(*Error)
		if err == nil || err.Param != c.param || err.Message != c.message || err.Type != "invalid_request_error" {
			t.Errorf("%.60q:\n got %+v\nwant %q %q", c.body, err, c.param, c.message)
		}
	}
}

func TestInspectAllocates(t *testing.T) {
	var r Request
	body := []byte(chat(`"temperature":0.5,"max_tokens":100,"stream":true,"stream_options":{"include_usage":true,"x":1},"user":"u","seed":1,"stop":["a"],"mod\u0065":1`))
	dst := make([]byte, 0, 4096)
	n := testing.AllocsPerRun(100, func() {
		if err := r.Inspect(body, Chat); err != nil {
			t.Fatal(err)
		}
		if err := r.Check(&targets[1]); err != nil {
			t.Fatal(err)
		}
		dst = r.AppendBody(dst[:0], body, &targets[2])
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// No memory for a body with very many names, or very long ones, is kept.
func TestInspectKeeps(t *testing.T) {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, `"\u0061%d":0,`, i)
	}
	var r Request
	if err := r.Inspect([]byte(chat(b.String()+`"z":0`)), Chat); err != nil {
		t.Fatal(err)
	}
	if err := r.Inspect([]byte(chat(`"z":0`)), Chat); err != nil {
		t.Fatal(err)
	}
	if cap(r.names.list) > keepNames || r.names.table != nil || cap(r.decoded) > keepDecoded {
		t.Errorf("kept %d names, a table of %d, %d bytes", cap(r.names.list), len(r.names.table), cap(r.decoded))
	}
}
