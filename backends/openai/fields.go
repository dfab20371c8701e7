package openai

import (
	"bytes"
	"strings"
)

// fields passes on an event of any form the standard allows: several lines of
// data, other fields, comments, any line ends. Engines send few of those, so
// this way is the plain one and may allocate.
func (s *Stream) fields(e []byte, first bool) {
	var (
		n      = note{keep: s.keep}
		pieces [][]byte // the values of the data lines
		at     int      // where in e the first one is
	)
	rest := e
	if first {
		rest = bytes.TrimPrefix(rest, []byte("\ufeff"))
	}
	for len(rest) > 0 {
		line, _, after := cutLine(rest)
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			if pieces == nil {
				at = len(e) - len(rest) + len(line) - len(value)
			}
			pieces = append(pieces, value)
		case "error": // llama.cpp's way to fail
			s.Failed = true
		}
		rest = after
	}
	switch len(pieces) {
	case 0:
		s.put(e, 0, &note{})
	case 1:
		s.data(pieces[0], &n)
		s.put(e, at, &n)
	default:
		data := bytes.Join(pieces, []byte("\n"))
		s.data(data, &n)
		if n.cut.end > 0 && !n.drop {
			e = withData(e, leave(data, &n))
			s.buf = s.buf[:s.end]
			n = note{}
		}
		s.put(e, 0, &n)
	}
}

// cutLine splits off the first line of b.
func cutLine(b []byte) (line, ends, rest []byte) {
	i := lineEnd(b, 0, false)
	j := min(i+1, len(b))
	if j < len(b) && b[i] == '\r' && b[j] == '\n' {
		j++
	}
	return b[:i], b[i:j], b[j:]
}

// leave gives what n leaves of the data.
func leave(data []byte, n *note) []byte {
	out := bytes.Clone(data[:n.cut.start])
	from := n.cut.end
	for _, c := range n.more {
		out = append(out, data[from:c.start]...)
		from = c.end
	}
	return append(out, data[from:]...)
}

// withData gives an event with other data in the place of its first data line,
// without the other ones.
func withData(e, data []byte) []byte {
	var out []byte
	placed := false
	for len(e) > 0 {
		line, ends, rest := cutLine(e)
		e = rest
		if name, _, _ := strings.Cut(string(line), ":"); strings.TrimPrefix(name, "\ufeff") != "data" {
			out = append(append(out, line...), ends...)
			continue
		}
		if placed {
			continue
		}
		placed = true
		for piece := range bytes.SplitSeq(data, []byte("\n")) {
			out = append(append(append(out, "data: "...), piece...), ends...)
		}
	}
	return out
}
