package openai

import "math"

// Usage is what a request cost, in tokens.
type Usage struct {
	Prompt     int // Cached included
	Completion int
	Total      int
	Cached     int // of Prompt: found in the engine's prefix cache
}

// raise takes over what is larger in v. Usage in a stream is cumulative, so
// the largest is the last one, and a smaller one is a mistake.
func (u *Usage) raise(v Usage) {
	u.Prompt = max(u.Prompt, v.Prompt)
	u.Completion = max(u.Completion, v.Completion)
	u.Total = max(u.Total, v.Total)
	u.Cached = max(u.Cached, v.Cached)
}

// UsageOf reads the usage of a unary answer in one pass and without
// allocation. It reports false where the answer has no object of that name at
// its top level, or is no JSON. Numbers that are no count of tokens (negative,
// fractions, above 2147483647) count as 0.
func UsageOf(body []byte) (u Usage, ok bool) {
	i := scanSpace(body, 0)
	if i >= len(body) || body[i] != '{' {
		return Usage{}, false
	}
	i = scanSpace(body, i+1)
	for last := false; !last; {
		quote, start, escaped, f := scanName(body, i)
		if f != fine {
			return Usage{}, false
		}
		if is(body[i+1:quote], escaped, "usage") && start < len(body) && body[start] == '{' {
			i, f = scanUsage(body, start, 1, &u)
			ok = true
		} else {
			i, f = scanValue(body, start, 1)
		}
		if f != fine {
			return Usage{}, false
		}
		if i, last, f = scanNext(body, i); f != fine {
			return Usage{}, false
		}
	}
	if _, f := end(body, i); f != fine {
		return Usage{}, false
	}
	return u, ok
}

// scanUsage checks the object at b[i] as scanValue does and raises u to what
// it says.
func scanUsage(b []byte, i, depth int, u *Usage) (int, fault) {
	i = scanSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, fine
	}
	for {
		quote, start, escaped, f := scanName(b, i)
		if f != fine {
			return start, f
		}
		text := plain(b[i+1:quote], escaped)
		if string(text) == "prompt_tokens_details" && start < len(b) && b[start] == '{' {
			i, f = scanDetails(b, start, depth+1, u)
		} else if i, f = scanValue(b, start, depth+1); f == fine {
			switch string(text) {
			case "prompt_tokens":
				u.Prompt = max(u.Prompt, count(b[start:i]))
			case "completion_tokens":
				u.Completion = max(u.Completion, count(b[start:i]))
			case "total_tokens":
				u.Total = max(u.Total, count(b[start:i]))
			}
		}
		if f != fine {
			return i, f
		}
		var last bool
		if i, last, f = scanNext(b, i); f != fine || last {
			return i, f
		}
	}
}

// scanDetails is scanUsage for prompt_tokens_details.
func scanDetails(b []byte, i, depth int, u *Usage) (int, fault) {
	i = scanSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, fine
	}
	for {
		quote, start, escaped, f := scanName(b, i)
		if f != fine {
			return start, f
		}
		cached := is(b[i+1:quote], escaped, "cached_tokens")
		if i, f = scanValue(b, start, depth+1); f != fine {
			return i, f
		}
		if cached {
			u.Cached = max(u.Cached, count(b[start:i]))
		}
		var last bool
		if i, last, f = scanNext(b, i); f != fine || last {
			return i, f
		}
	}
}

// count reads a number of tokens; 0 where v is none.
func count(v []byte) int {
	n := 0
	for _, c := range v {
		if c -= '0'; c > 9 || n > (math.MaxInt32-int(c))/10 {
			return 0
		}
		n = 10*n + int(c)
	}
	return n
}

// plain gives a name without its escapes.
func plain(raw []byte, escaped bool) []byte {
	if escaped {
		return appendDecoded(nil, raw)
	}
	return raw
}

// is tells whether a name or a string is s.
func is(raw []byte, escaped bool, s string) bool {
	return string(raw) == s || escaped && string(appendDecoded(nil, raw)) == s
}
