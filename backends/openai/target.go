package openai

import "encoding/json"

// Target is what a request is held against and rewritten for: one backend.
type Target struct {
	Model      string // the name that the backend knows it by; "" leaves the client's
	MaxContext int    // tokens; 0 is unknown
	MaxN       int    // answers in one request; below 1 counts as 1
	Defaults   Defaults
}

// Defaults are sent on where the client sent nothing.
type Defaults struct {
	MaxTokens   int      // 0: none
	Temperature *float64 // nil: none
	TopP        *float64 // nil: none
}

// Check holds the request against the backend's limits. The error is an
// *Error with status 400.
func (r *Request) Check(t *Target) error { return nil }

// Budget is how many tokens the backend may generate for each of the N
// answers: what the client said, else the default, lowered to what the
// context leaves; 0 where neither binds it.
func (r *Request) Budget(t *Target) int {
	if r.MaxTokens > 0 {
		return r.MaxTokens
	}
	return t.Defaults.MaxTokens
}

// AppendBody appends the body that the backend is to get.
func (r *Request) AppendBody(dst, body []byte, t *Target) []byte {
	m := map[string]json.RawMessage{}
	if json.Unmarshal(body, &m) != nil {
		return append(dst, body...)
	}
	if t.Model != "" {
		m["model"] = appendString(nil, t.Model)
	}
	if r.Stream {
		m["stream_options"] = json.RawMessage(`{"include_usage":true,"continuous_usage_stats":true}`)
	}
	out, err := json.Marshal(m)
	if err != nil {
		return append(dst, body...)
	}
	return append(dst, out...)
}
