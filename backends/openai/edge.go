package openai

import "bytes"

// edge finds where events end in bytes that come in pieces: at a line end
// that follows a line end. Lines end with LF, CRLF or CR, as in the standard
// for server-sent events. The zero value stands at the beginning of an event.
type edge struct {
	lines  int  // of the event so far, ended and not empty
	inLine bool // the line has a byte
	crlf   bool // the last line ended with CRLF
	cr     bool // the last byte was a CR, and an LF behind it would belong to it
	over   bool // with cr: the CR ended an empty line, only that LF can be missing
}

// next goes through p and gives the offset behind the event, or -1 where p
// does not hold its end. The offset may be 0: what came before was the event.
// lines is how many lines the event has. It goes on with the next event after
// that. plain promises that p has no CR.
func (e *edge) next(p []byte, plain bool) (n, lines int) {
	i := 0
	if e.cr && len(p) > 0 {
		e.cr = false
		if e.crlf = p[0] == '\n'; e.crlf {
			i = 1
		}
		if e.over {
			return e.end(i)
		}
	}
	for i < len(p) {
		switch p[i] {
		case '\n':
			i++
			if !e.inLine {
				return e.end(i)
			}
			e.inLine, e.crlf = false, false
			e.lines++
		case '\r':
			i++
			empty := !e.inLine
			if !empty {
				e.inLine = false
				e.lines++
			}
			if i < len(p) {
				if e.crlf = p[i] == '\n'; e.crlf {
					i++
				}
			} else if !empty || e.crlf {
				// An LF may follow in the next piece. Behind an empty line it
				// is waited for only where the lines before had one: a stream
				// of bare CRs must not lag by an event.
				e.cr, e.over = true, empty
				return -1, 0
			}
			if empty {
				return e.end(i)
			}
		default:
			e.inLine = true
			i = lineEnd(p, i+1, plain)
		}
	}
	return -1, 0
}

// lineEnd gives the offset of the first line end from i on, or len(p).
func lineEnd(p []byte, i int, plain bool) int {
	if plain {
		if n := bytes.IndexByte(p[i:], '\n'); n >= 0 {
			return i + n
		}
		return len(p)
	}
	for i < len(p) && p[i] != '\n' && p[i] != '\r' {
		i++
	}
	return i
}

func (e *edge) end(n int) (int, int) {
	lines := e.lines
	*e = edge{}
	return n, lines
}
