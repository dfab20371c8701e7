package openai

// scanOptions reads the object stream_options at b[i]. It gives the offset
// behind it, or of the fault.
func (r *Request) scanOptions(b []byte, i int) (int, fault) {
	r.cut(cutOptionsOpen, i+1, i+1)
	r.IncludeUsage = true // vLLM's default for an object that does not say
	i = scanSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		r.optionsBare = true
		return i + 1, fine
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
		if i, f = scanValue(b, start, 2); f != fine {
			return i, f
		}
		if text := n.in(b, r.decoded); !r.options.add(n, b, r.decoded) {
			r.refuseTwice("stream_options.", text)
		} else if string(text) == "include_usage" {
			r.usageGiven = true
			r.IncludeUsage = r.option("stream_options.include_usage", b, start, i)
		} else if string(text) == "continuous_usage_stats" {
			r.everyGiven = true
			r.ContinuousUsage = r.option("stream_options.continuous_usage_stats", b, start, i)
		}
		var last bool
		if i, last, f = scanNext(b, i); f != fine {
			return i, f
		}
		if last {
			r.ContinuousUsage = r.ContinuousUsage && r.IncludeUsage
			return i, fine
		}
	}
}

// option reads a boolean of stream_options. null is false there.
func (r *Request) option(param string, b []byte, start, end int) bool {
	switch b[start] {
	case 't', 'f', 'n':
		r.cut(cutUsage, start, end)
	default:
		r.refuse(param, "must be true or false.")
	}
	return b[start] == 't'
}
