package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const (
	chatPath   = "/v1/chat/completions"
	model      = "bench/model-7b"
	maxContext = 131072 // tokens the model says it takes; no prompt here comes near

	maxTokens = 512

	promptBegin = "Question. "
	promptEnd   = " Answer briefly."
	prose       = `A harbour pilot boards the \"Aurora\" off the bar.\nName three things to ask the captain first. `

	chunkHead = `data: {"id":"chatcmpl-9b1f6a52c3d84e0f8a7b6c5d4e3f2a10","object":"chat.completion.chunk",` +
		`"created":1760000000,"model":"` + model + `","choices":[`
	doneEvent = "data: [DONE]\n\n"

	unaryText = "Ask for her draught fore and aft, how she answers the helm at slow speed, and whether both anchors are " +
		"clear to let go; everything else about the passage in can be settled on the way to the first bend of the river."
	unaryTokens = 46
)

// A transcript is everything the backend says to one prompt. Backend and load
// generator each make it for themselves, so that a client can demand every
// answer byte for byte.
type transcript struct {
	unary []byte

	// The events of a stream in order, once as a client sees them that asked
	// for include_usage alone and once with continuous_usage_stats: usage in
	// each. The last but one holds the usage of the whole, the last is [DONE].
	events, metered [][]byte

	stream []byte // events, joined
	ends   []int  // ends[i] is where events[i] ends in stream
}

// newTranscript is the transcript for a prompt of so many tokens and a stream
// of so many content events.
func newTranscript(prompt, events int) *transcript {
	t := &transcript{unary: fmt.Appendf(nil, `{"id":"chatcmpl-9b1f6a52c3d84e0f8a7b6c5d4e3f2a10","object":"chat.completion",`+
		`"created":1760000000,"model":"%s","choices":[{"index":0,"message":{"role":"assistant","content":"%s","refusal":null,`+
		`"tool_calls":[],"reasoning":null},"logprobs":null,"finish_reason":"stop","stop_reason":null}],"service_tier":null,`+
		`"usage":%s,"prompt_logprobs":null,"kv_transfer_params":null}`, model, unaryText, usageJSON(prompt, unaryTokens))}

	add := func(delta, finish string, completion int) {
		choice := chunkHead + `{"index":0,"delta":` + delta + `,"logprobs":null,"finish_reason":` + finish + `}]`
		t.events = append(t.events, []byte(choice+"}\n\n"))
		t.metered = append(t.metered, []byte(choice+`,"usage":`+usageJSON(prompt, completion)+"}\n\n"))
	}
	add(`{"role":"assistant","content":""}`, "null", 0)
	for i := range events {
		add(fmt.Sprintf(`{"content":" w%05d"}`, i), `null,"token_ids":null`, i+1)
	}
	add(`{"content":""}`, `"stop","stop_reason":null`, events)
	for _, e := range []string{chunkHead + `],"usage":` + usageJSON(prompt, events) + "}\n\n", doneEvent} {
		t.events = append(t.events, []byte(e))
		t.metered = append(t.metered, []byte(e))
	}
	for _, e := range t.events {
		t.stream = append(t.stream, e...)
		t.ends = append(t.ends, len(t.stream))
	}
	return t
}

func usageJSON(prompt, completion int) string {
	return `{"prompt_tokens":` + strconv.Itoa(prompt) + `,"total_tokens":` + strconv.Itoa(prompt+completion) +
		`,"completion_tokens":` + strconv.Itoa(completion) + `}`
}

// chatBody is a chat completion request with a prompt of about size bytes.
func chatBody(size int, stream bool) []byte {
	text := strings.Repeat(prose, size/len(prose)+1)[:max(0, size-len(promptBegin)-len(promptEnd))]
	text = strings.TrimRight(text, `\`) // an escape is never cut in two
	b := fmt.Appendf(nil, `{"model":"%s","messages":[{"role":"system","content":"You are a helpful assistant."},`+
		`{"role":"user","content":"%s"}],"temperature":0.2,"top_p":0.9,"max_tokens":%d`, model, promptBegin+text+promptEnd, maxTokens)
	if stream {
		b = append(b, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	return append(b, '}')
}

// promptTokens counts the prompt of a body, four bytes a token. It is 0 when
// either end of the prompt is missing, so that a body cut short shows in the
// answer's usage.
func promptTokens(body []byte) int {
	begin := bytes.Index(body, []byte(promptBegin))
	end := bytes.LastIndex(body, []byte(promptEnd))
	if begin < 0 || end < begin {
		return 0
	}
	return (end - begin + len(promptEnd)) / 4
}

// hasTrue tells whether a JSON body sets a member to true, without parsing it.
func hasTrue(body []byte, member string) bool {
	_, value, ok := bytes.Cut(body, []byte(`"`+member+`":`))
	return ok && bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("true"))
}

// chatRequest is a whole HTTP request with the headers that OpenAI's Python
// client sends.
func chatRequest(host, key string, body []byte) []byte {
	return append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"+
		"Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 2.8.0\r\n"+
		"X-Stainless-Lang: python\r\nX-Stainless-Package-Version: 2.8.0\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\n"+
		"X-Stainless-Runtime: CPython\r\nX-Stainless-Runtime-Version: 3.12.3\r\nAuthorization: Bearer %s\r\n"+
		"X-Stainless-Retry-Count: 0\r\nContent-Length: %d\r\n\r\n", chatPath, host, key, len(body)), body...)
}
