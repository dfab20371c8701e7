package backends

import (
	"bytes"
	"errors"
	"fmt"
)

// Head is what the gateway uses of an answer's status line and headers. The
// slices alias the connection's buffer: they hold until the next read.
type Head struct {
	Status      int
	ContentType []byte
	RetryAfter  []byte

	length  int64 // of the body; -1: not given
	chunked bool
	close   bool // the connection ends with this answer
}

// UntilClose tells that only the end of the connection ends the body, so that
// a whole one can't be told from one that was cut short.
func (h *Head) UntilClose() bool { return !h.chunked && h.length < 0 }

// Length is the body's, -1 where it was not given.
func (h *Head) Length() int64 { return h.length }

// maxHead bounds an answer's head.
const maxHead = 64 << 10

// ErrProtocol is an answer that is not HTTP/1.1 as it should be.
var ErrProtocol = errors.New("backend broke HTTP")

func protocolError(what string) error { return fmt.Errorf("%w: %s", ErrProtocol, what) }

// parseHead reads a head at the start of b, up to and with its empty line, and
// returns its length; 0 when it is not all there. It is strict where leniency
// would let two readers disagree on where an answer ends: framing headers that
// repeat or contradict each other, folded lines and bad numbers are errors.
func parseHead(b []byte, h *Head) (int, error) {
	*h = Head{length: -1}
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return 0, nil
	}
	line := trimCR(b[:i])
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > 12 && line[12] != ' ' {
		return 0, protocolError("bad status line")
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, protocolError("bad status code")
		}
		h.Status = h.Status*10 + int(c-'0')
	}
	if h.Status < 100 || h.Status > 599 {
		return 0, protocolError("status code out of range")
	}
	old := line[7] == '0'
	h.close = old
	var sawCoding bool
	for {
		start := i + 1
		n := bytes.IndexByte(b[start:], '\n')
		if n < 0 {
			return 0, nil
		}
		i = start + n
		line = trimCR(b[start:i])
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || line[0] == ' ' || line[0] == '\t' || line[colon-1] == ' ' || line[colon-1] == '\t' {
			return 0, protocolError("bad header line")
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
		switch len(name) { // the names' lengths differ: most headers cost one comparison
		case len("Content-Type"):
			if bytes.EqualFold(name, []byte("Content-Type")) { // clients get it
				if bytes.ContainsFunc(value, control) {
					return 0, protocolError("control character in Content-Type")
				}
				h.ContentType = value
			}
		case len("Content-Length"):
			if bytes.EqualFold(name, []byte("Content-Length")) {
				n, ok := digits(value)
				if !ok || h.length >= 0 && h.length != n {
					return 0, protocolError("bad Content-Length")
				}
				h.length = n
			}
		case len("Transfer-Encoding"):
			if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
				if sawCoding || !bytes.EqualFold(value, []byte("chunked")) {
					return 0, protocolError("Transfer-Encoding other than chunked")
				}
				sawCoding, h.chunked = true, true
			}
		case len("Connection"):
			if bytes.EqualFold(name, []byte("Connection")) && hasToken(value, "close") {
				h.close = true
			}
		case len("Retry-After"):
			if bytes.EqualFold(name, []byte("Retry-After")) {
				h.RetryAfter = value
			}
		}
	}
	if h.chunked && old {
		return 0, protocolError("Transfer-Encoding in HTTP/1.0")
	}
	if h.chunked && h.length >= 0 {
		return 0, protocolError("both Content-Length and Transfer-Encoding")
	}
	if h.Status == 204 || h.Status == 304 {
		h.length, h.chunked = 0, false
	}
	return i + 1, nil
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

// digits parses 1*DIGIT of at most 18 digits.
func digits(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// hasToken finds a token in a comma-separated list.
func hasToken(list []byte, token string) bool {
	for len(list) > 0 {
		item, rest, _ := bytes.Cut(list, []byte(","))
		if bytes.EqualFold(bytes.Trim(item, " \t"), []byte(token)) {
			return true
		}
		list = rest
	}
	return false
}
