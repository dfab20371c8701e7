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
	n := note{keep: s.keep}
	data := e[len(field):to]
	if len(data) > len(s.head) && string(data[:len(s.head)]) == string(s.head) {
		n.from = len(s.head)
	}
	s.data(data, &n)
	if n.from == 0 && n.choicesAt > 0 && n.choicesAt <= maxHead {
		s.head = append(s.head[:0], data[:n.choicesAt]...)
	}
	s.put(e, len(field), &n)
}

// maxHead bounds what a stream holds of how its events begin.
const maxHead = 512

// data reads an event's data and takes over what n then says of it.
func (s *Stream) data(data []byte, n *note) {
	if n.read(data) {
		if n.hasUsage {
			s.fell = s.fell || n.usage.Total > 0 && (n.usage.Prompt < s.usage.Prompt || n.usage.Completion < s.usage.Completion)
			s.usage.raise(n.usage)
			s.hasUsage = true
		}
		if n.choices {
			s.Events++
		}
		s.Failed = s.Failed || n.failed
		return
	}
	*n = note{}
	if data = bytes.TrimSpace(data); string(data) == done {
		s.Done, n.drop = true, true
	} else if len(data) > 0 {
		s.Malformed++
	}
}

// put adds an event, or what n leaves of it. at is where in e the data begins.
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

// note is what an event's data says, and what the client is not to get of it.
type note struct {
	keep keep // the usage that it is to get
	from int  // length of a head that the data begins with, see choicesAt

	usage    Usage
	hasUsage bool
	choices  bool // it has some
	bare     bool // it has an array of none
	failed   bool // it is an error

	// The offset of the name choices, where there is something before it and
	// all of that stays; else 0. The events of a stream begin alike, with id,
	// model and so on, up to there: such a head need not be read again but
	// compared. What else it may say (usage, error) is known then, and does not
	// add up.
	choicesAt int

	drop bool   // leave the event out whole
	cut  span   // leave this out of its data; nothing where end is 0
	more []span // and these, in order: second usages, which no engine sends
}

type span struct{ start, end int }

// read goes through the data once. It reports false where b is no JSON object;
// the note is of no use then.
func (n *note) read(b []byte) bool {
	before := 0   // offset behind the member before this one
	kept := false // one before this one stays
	i := n.from
	if i == 0 {
		if i = scanSpace(b, 0); i >= len(b) || b[i] != '{' {
			return false
		}
		if i = scanSpace(b, i+1); i < len(b) && b[i] == '}' {
			_, f := end(b, i+1)
			return f == fine
		}
	}
	for last := false; !last; {
		quote, start, escaped, f := scanName(b, i)
		if f != fine || start >= len(b) {
			return false
		}
		text := plain(b[i+1:quote], escaped)
		if string(text) == "choices" && kept && !n.choices && !n.bare && n.cut.end == 0 {
			n.choicesAt = i
		}
		value, cut, f := n.member(text, b, start)
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
	if n.keep == keepLast && !n.choices {
		n.cut, n.more = span{}, nil
	}
	n.drop = n.keep == keepNone && n.bare && n.hasUsage
	_, f := end(b, i)
	return f == fine
}

// member notes the value at b[start]. It gives the offset behind it, and
// whether the member is one that the client is not to get.
func (n *note) member(name, b []byte, start int) (value int, cut bool, f fault) {
	if string(name) == "usage" && b[start] == '{' {
		n.hasUsage = true
		value, f = scanUsage(b, start, 1, &n.usage)
		return value, n.keep != keepAll, f
	}
	if value, f = scanValue(b, start, 1); f != fine {
		return value, false, f
	}
	switch string(name) {
	case "usage":
		cut = n.keep == keepNone
	case "choices":
		array := b[start] == '['
		n.bare = array && b[scanSpace(b, start+1)] == ']'
		n.choices = array && !n.bare
	case "error":
		n.failed = n.failed || b[start] != 'n'
	case "object":
		n.failed = n.failed || isError(b[start:value])
	}
	return value, cut, fine
}

// isError tells whether a value is the string "error".
func isError(v []byte) bool {
	return string(v) == `"error"` || v[0] == '"' && bytes.IndexByte(v, '\\') >= 0 && is(v[1:len(v)-1], true, "error")
}

func (n *note) leaveOut(start, end int) {
	if n.cut.end == 0 {
		n.cut = span{start, end}
	} else {
		n.more = append(n.more, span{start, end})
	}
}
