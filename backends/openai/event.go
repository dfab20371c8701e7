package openai

import "bytes"

// event passes on a complete event: lines lines and the empty one. e is a
// piece of what Write was given, or s.buf[s.end:].
func (s *Stream) event(e []byte, lines int) {
	const field = "data: "
	first := !s.begun
	s.begun = true
	if lines != 1 || len(e) < len(field) || string(e[:len(field)]) != field {
		s.fields(e, first)
		return
	}
	to := len(e)
	for e[to-1] == '\n' || e[to-1] == '\r' {
		to--
	}
	var n note
	s.data(e[len(field):to], &n)
	s.put(e, len(field), &n)
}

// data reads an event's data.
func (s *Stream) data(data []byte, n *note) {
	switch {
	case s.read(data, n):
		return
	case string(bytes.TrimSpace(data)) == done:
		s.Done, n.drop = true, true
	case len(bytes.TrimSpace(data)) > 0:
		s.Malformed++
	}
}

// put adds an event without what n says. at is where in e the data begins.
func (s *Stream) put(e []byte, at int, n *note) {
	switch {
	case n.drop:
		s.buf = s.buf[:s.end]
	case n.cut.end > 0:
		// e may lie in buf: what is appended never gets ahead of what is read.
		s.buf = append(s.buf[:s.end], e[:at+n.cut.start]...)
		from := at + n.cut.end
		for _, c := range n.more {
			s.buf = append(s.buf, e[from:at+c.start]...)
			from = at + c.end
		}
		s.buf = append(s.buf, e[from:]...)
	case len(s.buf) == s.end:
		s.buf = append(s.buf, e...)
	}
	s.end = len(s.buf)
}

// note is what is to be done to an event.
type note struct {
	drop bool   // leave it out whole
	cut  span   // leave this out of its data; nothing where end is 0
	more []span // and these, in order: second usages, which no engine sends
}

type span struct{ start, end int }

func (n *note) leaveOut(start, end int) {
	if n.cut.end == 0 {
		n.cut = span{start, end}
	} else {
		n.more = append(n.more, span{start, end})
	}
}

// read reads an event's JSON once and notes what it says. It reports false,
// and has done nothing, where b is not a JSON object.
func (s *Stream) read(b []byte, n *note) bool {
	i := scanSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	i = scanSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		_, f := end(b, i+1)
		return f == fine
	}
	var (
		u                      Usage
		usage, choices, failed bool
		bare                   bool // choices is there, and empty
		kept                   bool // a member before this one stays
		before                 int  // offset behind the member before this one
		last                   bool
	)
	for !last {
		quote, start, escaped, f := scanName(b, i)
		if f != fine || start >= len(b) {
			return false
		}
		var value int // offset behind it
		cut := false
		switch text := plain(b[i+1:quote], escaped); string(text) {
		case "usage":
			if b[start] == '{' {
				usage = true
				value, f = scanUsage(b, start, 1, &u)
				cut = s.keep != keepAll
			} else {
				value, f = scanValue(b, start, 1)
				cut = s.keep == keepNone
			}
		case "choices":
			value, f = scanValue(b, start, 1)
			if f == fine {
				array := b[start] == '['
				empty := array && b[scanSpace(b, start+1)] == ']'
				choices, bare = array && !empty, empty
			}
		case "error":
			value, f = scanValue(b, start, 1)
			failed = failed || b[start] != 'n'
		case "object":
			value, f = scanValue(b, start, 1)
			if f == fine && b[start] == '"' && is(b[start+1:value-1], true, "error") {
				failed = true
			}
		default:
			value, f = scanValue(b, start, 1)
		}
		if f != fine {
			return false
		}
		name := i
		if i, last, f = scanNext(b, value); f != fine {
			return false
		}
		switch {
		case !cut:
			kept = true
		case kept: // with the comma before it
			n.leaveOut(before, value)
		case last:
			n.leaveOut(name, value)
		default: // with the comma behind it
			n.leaveOut(name, i)
		}
		before = value
	}
	if _, f := end(b, i); f != fine {
		return false
	}
	...
}
