package openai

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
)

// DefaultMaxEvent bounds an event where Stream.MaxEvent is 0.
const DefaultMaxEvent = 4 << 20

// ErrEventTooLarge is returned by Stream.Write for an event above the bound.
var ErrEventTooLarge = errors.New("event is too large")

// Buffers lends streams the memory that they hold only while they have bytes.
// The zero value is ready. All streams may use one at once.
type Buffers struct{ pool sync.Pool }

// Stream filters the events of one streamed answer. Set the exported fields of
// the first block before Reset; the others are for reading.
//
// The loop of its owner: Write what was read, Chunk, write that to the socket,
// Idle, and wait for the next bytes. At [DONE]: settle, Finish, Chunk.
type Stream struct {
	Buffers  *Buffers // where memory comes from; nil: the stream keeps its own
	MaxEvent int      // bytes of one event; 0 is DefaultMaxEvent

	Events    int  // events with at least one choice so far
	Malformed int  // events with data that is no JSON object; they pass untouched
	Done      bool // the backend has sent [DONE]; what comes after it is dropped
	Failed    bool // the backend has sent an error event

	usage    Usage
	hasUsage bool
	buf      []byte
	out      []byte
	finished bool
}

// Reset begins a new stream, for a client that asked for what is said.
// continuousUsage counts only with includeUsage, as in vLLM.
func (s *Stream) Reset(includeUsage, continuousUsage bool) {
	*s = Stream{Buffers: s.Buffers, MaxEvent: s.MaxEvent}
}

// Write takes the next bytes of the backend's body and keeps no reference to
// them. After an error the stream takes no more, but Chunk still gives the
// events before, and Finish can end it.
func (s *Stream) Write(p []byte) error {
	s.buf = append(s.buf, p...)
	for {
		i := bytes.Index(s.buf, []byte("\n\n"))
		if i < 0 {
			return nil
		}
		if e := s.buf[:i+2]; bytes.HasPrefix(e, []byte("data: [DONE]")) {
			s.Done = true
		} else {
			s.Events++
			s.out = append(s.out, e...)
			if u, ok := UsageOf(bytes.TrimPrefix(e, []byte("data: "))); ok {
				s.usage, s.hasUsage = u, true
			}
		}
		s.buf = s.buf[i+2:]
	}
}

// EOF says that the backend's body has ended. An event that is incomplete by
// then is dropped, but for a [DONE] that lacks only its line ends.
func (s *Stream) EOF() { s.buf = nil }

// Partial tells how many bytes of an incomplete event are held.
func (s *Stream) Partial() int { return len(s.buf) }

// Finish ends the stream towards the client: it drops what is incomplete, adds
// an error event where e is not nil, then [DONE], and has the next Chunk close
// with the last chunk of the HTTP message (0 CRLF CRLF).
func (s *Stream) Finish(e *Error) {
	if e != nil {
		s.out = append(s.out, "data: "...)
		s.out = append(e.AppendJSON(s.out), "\n\n"...)
	}
	s.out = append(s.out, "data: [DONE]\n\n"...)
	s.finished = true
}

// Chunk gives all events that are complete and were not given before, as one
// chunk of HTTP/1.1 with its size line; nil where there are none. It is valid
// until the next call of any method.
func (s *Stream) Chunk() []byte {
	if len(s.out) == 0 {
		return nil
	}
	c := append(strconv.AppendInt(nil, int64(len(s.out)), 16), "\r\n"...)
	c = append(append(c, s.out...), "\r\n"...)
	if s.finished {
		c = append(c, "0\r\n\r\n"...)
	}
	s.out = nil
	return c
}

// Idle gives memory back that the stream does not need while it waits. It
// ends the validity of the last Chunk.
func (s *Stream) Idle() {}

// Usage gives the largest cumulative usage that was seen, and false where
// none was.
func (s *Stream) Usage() (Usage, bool) { return s.usage, s.hasUsage }
