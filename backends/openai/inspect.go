package openai

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Inspect reads body once, from front to back. The error is an *Error with
// status 400: that the body is not JSON as the package wants it, else the
// first thing in the body that is wrong, else what is missing. A missing
// model is not: some routes do without.
//
// Numbers are as strict as the JSON schema of OpenAI's API: max_tokens,
// max_completion_tokens and n are integers from 1 to 2147483647 and written as
// such (not 1.0, not 1e3), temperature is from 0 to 2, top_p above 0 and at
// most 1. stream_options without stream passes, for the backend to judge.
func (r *Request) Inspect(body []byte, e Endpoint) error {
	r.reset(e)
	if len(body) > math.MaxInt32 {
		return Refuse(CodeBodyTooLarge, "The request body is too large.")
	}
	i := scanSpace(body, 0)
	if i == len(body) {
		return invalid("", "The request body is empty; it must be a JSON object.")
	}
	if at, f := r.scan(body, i); f != fine {
		if at == i && f == misplaced {
			return invalid("", "The request body must be a JSON object.")
		}
		return invalid("", fmt.Sprintf("The request body is not valid JSON: %s at byte %d.", f, at))
	}
	if r.refusal != nil {
		return r.refusal
	}
	return r.complete()
}

// scan reads the whole body, which begins at b[i].
func (r *Request) scan(b []byte, i int) (int, fault) {
	if b[i] != '{' {
		return i, misplaced
	}
	r.open = i + 1
	i = scanSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return end(b, i+1)
	}
	for {
		quote, start, escaped, f := scanName(b, i)
		if f != fine {
			return start, f
		}
		n := name{start: int32(i + 1), end: int32(quote)}
		if escaped {
			n = r.decode(b, n)
		}
		what := r.member(n, b)
		if what == seenStreamOptions && start < len(b) && b[start] == '{' {
			i, f = r.scanOptions(b, start)
		} else if i, f = scanValue(b, start, 1); f == fine && what != 0 {
			r.take(what, b, start, i)
		}
		if f != fine {
			return i, f
		}
		var last bool
		if i, last, f = scanNext(b, i); f != fine {
			return i, f
		}
		if last {
			return end(b, i)
		}
	}
}

// end checks that nothing but white space is left from b[i] on.
func end(b []byte, i int) (int, fault) {
	if i = scanSpace(b, i); i < len(b) {
		return i, misplaced
	}
	return i, fine
}

// decode gives the decoded form of a name that has escapes.
func (r *Request) decode(b []byte, n name) name {
	start := len(r.decoded)
	r.decoded = appendDecoded(r.decoded, b[n.start:n.end])
	return name{start: int32(start), end: int32(len(r.decoded)), decoded: true}
}

// member notes a name of the top level. It gives the bit of one whose value
// matters, and 0 for any other and for the second of two equal ones.
func (r *Request) member(n name, b []byte) seen {
	var bit seen
	text := n.in(b, r.decoded)
	switch string(text) {
	case "model":
		bit = seenModel
	case "stream":
		bit = seenStream
	case "stream_options":
		bit = seenStreamOptions
	case "n":
		bit = seenN
	case "max_tokens":
		bit = seenMaxTokens
	case "max_completion_tokens":
		bit = seenMaxCompletion
	case "temperature":
		bit = seenTemperature
	case "top_p":
		bit = seenTopP
	case "messages":
		bit = seenMessages
	case "tools":
		bit = seenTools
	case "prompt":
		bit = seenPrompt
	case "input":
		bit = seenInput
	default:
		if !r.names.add(n, b, r.decoded) {
			r.refuseTwice("", text)
		}
		return 0
	}
	if r.seen&bit != 0 {
		r.refuseTwice("", text)
		return 0
	}
	r.seen |= bit
	return bit
}

// take reads a value of the top level, b[start:end].
func (r *Request) take(what seen, b []byte, start, end int) {
	v := b[start:end]
	if v[0] == 'n' {
		r.takeNull(what, start, end)
		return
	}
	switch what {
	case seenModel:
		r.takeModel(b, start, end)
	case seenStream:
		if v[0] != 't' && v[0] != 'f' {
			r.refuse("stream", "must be true or false.")
		}
		r.Stream = v[0] == 't' && r.endpoint != Embeddings
	case seenStreamOptions: // an object has been dealt with
		r.refuse("stream_options", "must be an object.")
	case seenN:
		if n := r.integer("n", v); r.endpoint != Embeddings {
			r.N = n
		}
	case seenMaxTokens:
		n := r.integer("max_tokens", v)
		if r.endpoint == Embeddings {
			return
		}
		if r.maxTokens = n; r.MaxTokens == 0 {
			r.MaxTokens = n
		}
	case seenMaxCompletion:
		if n := r.integer("max_completion_tokens", v); r.endpoint != Embeddings {
			r.MaxTokens = n
		}
	case seenTemperature:
		if x, ok := number(v); !ok || x < 0 || x > 2 {
			r.refuse("temperature", "must be a number from 0 to 2.")
		}
	case seenTopP:
		if x, ok := number(v); !ok || x <= 0 || x > 1 {
			r.refuse("top_p", "must be a number above 0 and at most 1.")
		}
	case seenTools:
		if r.endpoint == Chat {
			r.PromptBytes += len(v)
		}
	case r.endpoint.work():
		if r.endpoint == Chat && (v[0] != '[' || v[scanSpace(v, 1)] == ']') {
			r.refuse("messages", "must be an array with at least one message.")
		}
		if r.endpoint == Completions {
			r.Prompts = countPrompts(v)
		}
		r.work, r.workStart, r.workEnd = true, start, end
		r.PromptBytes += len(v)
	}
}

// takeNull notes where a default may have to go in place of a null, for a
// second member of the same name would be a duplicate. A null where something
// is required counts as missing.
func (r *Request) takeNull(what seen, start, end int) {
	switch what {
	case seenModel:
		r.cut(cutModel, start, end)
	case seenStreamOptions:
		r.cut(cutOptions, start, end)
	case seenMaxTokens:
		r.cut(cutMaxTokens, start, end)
	case seenTemperature:
		r.cut(cutTemperature, start, end)
	case seenTopP:
		r.cut(cutTopP, start, end)
	}
}

func (r *Request) takeModel(b []byte, start, end int) {
	r.cut(cutModel, start, end)
	if b[start] != '"' || end-start == 2 {
		r.refuse("model", "must be a non-empty string.")
		return
	}
	r.HasModel, r.modelPlain = true, true
	r.modelStart, r.modelEnd = start+1, end-1
	for _, c := range b[r.modelStart:r.modelEnd] {
		if c == '\\' {
			n := r.decode(b, name{start: int32(start + 1), end: int32(end - 1)})
			r.modelPlain = false
			r.modelStart, r.modelEnd = int(n.start), int(n.end)
			return
		}
	}
}

// integer reads a parameter that is an integer from 1 on.
func (r *Request) integer(param string, v []byte) int {
	n := 0
	for _, c := range v {
		if c -= '0'; c > 9 || n > (math.MaxInt32-int(c))/10 {
			n = 0
			break
		}
		n = 10*n + int(c)
	}
	if n == 0 {
		r.refuse(param, "must be an integer from 1 to 2147483647.")
	}
	return n
}

// number reads a number. What no float64 can hold is infinite.
func number(v []byte) (float64, bool) {
	if v[0] != '-' && v[0]-'0' > 9 {
		return 0, false
	}
	if x, ok := decimal(v); ok {
		return x, true
	}
	x, _ := strconv.ParseFloat(string(v), 64) // out of range: it gives the infinity
	return x, true
}

// powers are those of ten that decimal divides by.
var powers = [16]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// decimal reads a number of up to 15 digits without an exponent, as nearly all
// are. Digits and power are whole in a float64, so one division rounds as
// strconv does. That goes deep, and a connection keeps the deepest stack that it
// ever needed.
func decimal(v []byte) (x float64, ok bool) {
	negative := v[0] == '-'
	if negative {
		v = v[1:]
	}
	n, point := 0, -1
	if len(v) > 16 {
		return 0, false
	}
	for i, c := range v {
		switch {
		case c-'0' <= 9:
			n = 10*n + int(c-'0')
		case c == '.':
			point = i
		default:
			return 0, false
		}
	}
	if point < 0 && len(v) == 16 {
		return 0, false
	}
	x = float64(n)
	if point >= 0 {
		x /= powers[len(v)-1-point]
	}
	if negative {
		x = -x
	}
	return x, true
}

// complete refuses what is missing.
func (r *Request) complete() error {
	switch {
	case r.work:
		return nil
	case r.endpoint == Completions:
		return invalid("prompt", "prompt is required.")
	case r.endpoint == Embeddings:
		return invalid("input", "input is required.")
	}
	return invalid("messages", "messages is required: an array with at least one message.")
}

// refuse notes what is wrong with a parameter; the first counts.
func (r *Request) refuse(param, must string) {
	if r.refusal == nil {
		r.refusal = invalid(param, param+" "+must)
	}
}

// refuseTwice notes a second member of the same name. That name is the
// client's and may be anything: it is cut, and escaped where it is written.
func (r *Request) refuseTwice(object string, text []byte) {
	if r.refusal != nil {
		return
	}
	const most = 64
	if len(text) > most {
		n := most
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	param := object + string(text)
	r.refusal = invalid(param, fmt.Sprintf("The member %q is given more than once.", param))
}

func invalid(param, message string) *Error {
	e := Refuse(CodeInvalidRequest, message)
	e.Param = param
	return e
}

// countPrompts is how many prompts the value has: a string is one, and so is an
// array of token ids.
func countPrompts(v []byte) int {
	i := scanSpace(v, min(1, len(v)))
	if v[0] != '[' || v[i] != '"' && v[i] != '[' {
		return 1
	}
	for n := 1; ; n++ {
		var f fault
		if i, f = scanValue(v, i, 1); f != fine {
			return n
		}
		if i = scanSpace(v, i); i >= len(v) || v[i] != ',' {
			return n
		}
		i = scanSpace(v, i+1)
	}
}
