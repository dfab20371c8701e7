package openai

import "math"

// Usage is what a request cost, in tokens.
type Usage struct {
	Prompt     int // Cached included
	Completion int
	Total      int
	Cached     int  // of Prompt: found in the engine's prefix cache
	Absurd     bool // it said something that is no count of tokens: negative, a fraction, a word
}

// raise takes over what is larger in v. Usage in a stream is cumulative, so
// the largest is the last one, and a smaller one is a mistake.
func (u *Usage) raise(v Usage) {
	u.Prompt = max(u.Prompt, v.Prompt)
	u.Completion = max(u.Completion, v.Completion)
	u.Total = max(u.Total, v.Total)
	u.Cached = max(u.Cached, v.Cached)
	u.Absurd = u.Absurd || v.Absurd
}

// UsageOf reads the usage of a unary answer in one pass and without
// allocation. It reports false where the answer has no object of that name at
// its top level, or is no JSON. Numbers that are no count of tokens (negative,
// fractions, above 2147483647) count as 0, and the usage is absurd.
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
				u.count(&u.Prompt, b[start:i])
			case "completion_tokens":
				u.count(&u.Completion, b[start:i])
			case "total_tokens":
				u.count(&u.Total, b[start:i])
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
			u.count(&u.Cached, b[start:i])
		}
		var last bool
		if i, last, f = scanNext(b, i); f != fine || last {
			return i, f
		}
	}
}

// count raises n, one of u's, to the number of tokens v. null says nothing.
func (u *Usage) count(n *int, v []byte) {
	if string(v) == "null" {
		return
	}
	said := 0
	for _, c := range v {
		if c -= '0'; c > 9 || said > (math.MaxInt32-int(c))/10 {
			u.Absurd = true
			return
		}
		said = 10*said + int(c)
	}
	*n = max(*n, said)
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
