package openai

import (
	"fmt"
	"slices"
	"strconv"
)

// Target is what a request is held against and rewritten for: one backend.
type Target struct {
	Model      string // the name that the backend knows it by; "" leaves the client's
	MaxContext int    // tokens; 0 is unknown
	MaxN       int    // answers in one request; below 1 counts as 1
	Defaults   Defaults
}

// Defaults are sent on where the client sent nothing, but not for Embeddings.
// The values are the configuration's and must be in the ranges that Inspect
// accepts.
type Defaults struct {
	MaxTokens   int      // 0: none
	Temperature *float64 // nil: none
	TopP        *float64 // nil: none
}

// Check holds the request against the backend's limits. The error is an
// *Error with status 400.
func (r *Request) Check(t *Target) error {
	if n := max(1, t.MaxN); r.N > n {
		if n == 1 {
			return invalid("n", "n must be 1 for this model.")
		}
		return invalid("n", fmt.Sprintf("n must be an integer from 1 to %d for this model.", n))
	}
	if t.MaxContext <= 0 {
		return nil
	}
	for _, p := range [...]struct {
		name  string
		value int
	}{{"max_tokens", r.maxTokens}, {"max_completion_tokens", r.MaxTokens}} {
		if p.value > t.MaxContext {
			return invalid(p.name, fmt.Sprintf("%s must be at most %d, the context of this model in tokens.", p.name, t.MaxContext))
		}
	}
	return nil
}

// Budget is how many tokens the backend may generate for each of the N
// answers: what the client said, else the default, lowered to what the context
// leaves behind the estimated prompt. 0 is no bound but the engine's: there is
// no default, or the estimate leaves nothing and the engine, which knows the
// real length, is to use what there is.
func (r *Request) Budget(t *Target) int {
	if r.MaxTokens > 0 || r.endpoint == Embeddings {
		return r.MaxTokens
	}
	n := t.Defaults.MaxTokens
	if t.MaxContext > 0 {
		n = min(n, t.MaxContext-r.PromptTokens())
	}
	return max(n, 0)
}

// AppendBody appends to dst the body that the backend is to get: what the
// client sent, byte for byte, with the backend's name for the model, the
// defaults for what the client left open, and for a stream the two members of
// stream_options that ask for usage on every event. body is the one that
// Inspect accepted. dst may be the buffer of a socket: it is grown once, by
// little more than len(body).
func (r *Request) AppendBody(dst, body []byte, t *Target) []byte {
	dst = slices.Grow(dst, len(body)+len(t.Model)+growth)
	d := r.defaults(t)
	dst = append(dst, body[:r.open]...)
	dst = r.appendMissing(dst, t, &d)
	at := r.open
	for i := range r.cuts[:r.cutCount] {
		c := &r.cuts[i]
		if !r.wants(c, body, t, &d) {
			continue
		}
		dst = append(dst, body[at:c.start]...)
		dst = r.appendCut(dst, c, t, &d)
		at = c.end
	}
	return append(dst, body[at:]...)
}

// growth is more than what all that is inserted but the model's name takes.
const growth = 224

// defaults gives those that apply to this request where it leaves them open.
func (r *Request) defaults(t *Target) Defaults {
	if r.endpoint == Embeddings {
		return Defaults{}
	}
	d := t.Defaults
	d.MaxTokens = 0
	if r.MaxTokens == 0 {
		d.MaxTokens = r.Budget(t)
	}
	return d
}

// appendMissing appends the members that the body lacks. Each takes a comma
// behind it: an accepted body has at least one member.
func (r *Request) appendMissing(dst []byte, t *Target, d *Defaults) []byte {
	if t.Model != "" && r.seen&seenModel == 0 {
		dst = append(dst, `"model":`...)
		dst = append(appendString(dst, t.Model), ',')
	}
	if d.MaxTokens > 0 && r.seen&seenMaxTokens == 0 {
		dst = append(dst, `"max_tokens":`...)
		dst = append(strconv.AppendInt(dst, int64(d.MaxTokens), 10), ',')
	}
	if d.Temperature != nil && r.seen&seenTemperature == 0 {
		dst = append(dst, `"temperature":`...)
		dst = append(appendNumber(dst, *d.Temperature), ',')
	}
	if d.TopP != nil && r.seen&seenTopP == 0 {
		dst = append(dst, `"top_p":`...)
		dst = append(appendNumber(dst, *d.TopP), ',')
	}
	if r.Stream && r.seen&seenStreamOptions == 0 {
		dst = append(dst, `"stream_options":`+askUsage+`,`...)
	}
	return dst
}

const askUsage = `{"include_usage":true,"continuous_usage_stats":true}`

// wants tells whether the backend is to get something else at c.
func (r *Request) wants(c *cut, body []byte, t *Target, d *Defaults) bool {
	switch c.what {
	case cutModel:
		return t.Model != "" && string(r.Model(body)) != t.Model
	case cutMaxTokens:
		return d.MaxTokens > 0
	case cutTemperature:
		return d.Temperature != nil
	case cutTopP:
		return d.TopP != nil
	}
	return r.Stream
}

func (r *Request) appendCut(dst []byte, c *cut, t *Target, d *Defaults) []byte {
	switch c.what {
	case cutModel:
		return appendString(dst, t.Model)
	case cutMaxTokens:
		return strconv.AppendInt(dst, int64(d.MaxTokens), 10)
	case cutTemperature:
		return appendNumber(dst, *d.Temperature)
	case cutTopP:
		return appendNumber(dst, *d.TopP)
	case cutOptions:
		return append(dst, askUsage...)
	case cutUsage:
		return append(dst, "true"...)
	}
	if !r.usageGiven {
		dst = append(dst, `"include_usage":true,`...)
	}
	if !r.everyGiven {
		dst = append(dst, `"continuous_usage_stats":true,`...)
	}
	if r.optionsBare {
		dst = dst[:len(dst)-1] // its comma: nothing follows
	}
	return dst
}

// appendNumber writes a number in the fewest digits that read back the same.
func appendNumber(dst []byte, x float64) []byte {
	return strconv.AppendFloat(dst, x, 'f', -1, 64)
}
