package openai

import (
	"bytes"
	"errors"
	"slices"
	"sync"
)

// DefaultMaxEvent bounds an event where Stream.MaxEvent is 0, in bytes.
const DefaultMaxEvent = 4 << 20

// ErrEventTooLarge is returned by Stream.Write for an event above the bound.
var ErrEventTooLarge = errors.New("event is too large")

// Stream filters the events of one streamed answer: what the gateway asked the
// backend for and the client did not is taken out, all else passes untouched.
//
//   - A client that asked for no usage gets no member "usage" in any event, and
//     not the event that has nothing else ("choices":[] and a usage).
//   - A client that asked for usage gets that event, and no usage object in
//     events with choices.
//   - A client that asked for it on every event gets what the backend sends.
//
// Only the member of that name at the top level of an event's JSON is meant.
// Comments, other fields and data that is no JSON object pass as they are,
// whole events at a time.
//
// The loop of its owner: Write what was read, Chunk, write that to the socket,
// Idle, and wait for the next bytes. Where Done has become true, settle, then
// Finish and Chunk: so [DONE] leaves in the same write as the events that came
// with it, and not before the settlement. At the end of the backend's body EOF
// comes before the look at Done.
type Stream struct {
	Buffers  *Buffers // where memory comes from; nil: the stream keeps its own
	MaxEvent int      // bytes of one event; 0 is DefaultMaxEvent

	// Read only. What was seen so far; Reset clears it.
	Events    int  // events with at least one choice
	Malformed int  // events with data that is no JSON object
	Done      bool // the backend has sent [DONE]; what comes after it is dropped
	Failed    bool // the backend has sent an error event

	usage    Usage
	hasUsage bool
	fell     bool
	keep     keep
	finished bool
	begun    bool // the first event is over: a byte order mark is one no more
	err      error
	edge     edge
	head     []byte // how the last event's data began, see note.choicesAt

	// buf is room for a size line, then begin: complete events, end: where
	// gap is set the CRLF that ends their chunk, then the event that is still
	// incomplete. So each byte is written once, to where it is sent from.
	buf        []byte
	begin, end int
	gap        bool
	ahead      int     // bytes that Expect promised
	lent       *buffer // what buf came in
}

// keep is the usage that the client is to get.
type keep uint8

const (
	keepNone keep = iota
	keepLast
	keepAll
)

// Buffers lends streams the memory that they hold only while they have bytes.
// The zero value is ready. All streams may use one at once.
type Buffers struct{ pool sync.Pool }

type buffer struct{ b []byte }

const (
	newBuffer  = 4 << 10  // bytes of a new one
	keepBuffer = 64 << 10 // a larger one is not kept
	sizeLine   = 10       // eight hexadecimal digits and CRLF
)

// Reset begins a new stream, for a client that asked for what is said.
// continuousUsage counts only with includeUsage, as in vLLM.
func (s *Stream) Reset(includeUsage, continuousUsage bool) {
	s.release()
	*s = Stream{Buffers: s.Buffers, MaxEvent: s.MaxEvent, buf: s.buf, lent: s.lent, head: s.head[:0]}
	switch {
	case includeUsage && continuousUsage:
		s.keep = keepAll
	case includeUsage:
		s.keep = keepLast
	}
}

// Expect says that n more bytes follow those of the next Write, as the size of
// a chunk tells. An event that they belong to then has its room at once, and is
// not copied again as it grows.
func (s *Stream) Expect(n int64) { s.ahead = int(min(max(n, 0), int64(s.limit()))) }

// limit is how large an event may be.
func (s *Stream) limit() int {
	if s.MaxEvent == 0 {
		return DefaultMaxEvent
	}
	return s.MaxEvent
}

// Write takes the next bytes of the backend's body and keeps no reference to
// them. After an error the stream takes no more and what was incomplete is
// dropped, but Chunk still gives the events before, and Finish can end it.
func (s *Stream) Write(p []byte) error {
	if s.err != nil || s.Done || len(p) == 0 {
		return s.err
	}
	s.prepare(len(p) + s.ahead)
	s.ahead = 0
	limit := s.limit()
	plain := bytes.IndexByte(p, '\r') < 0
	for len(p) > 0 && !s.Done {
		n, lines := s.edge.next(p, plain)
		held := len(s.buf) - s.end // no gap: see prepare, and hold is last
		if held+max(n, 0) > limit || n < 0 && held+len(p) > limit {
			s.buf = s.buf[:s.end]
			s.err = ErrEventTooLarge
			return s.err
		}
		if n < 0 {
			s.hold(p)
			return nil
		}
		if held > 0 {
			s.buf = append(s.buf, p[:n]...)
			s.event(s.buf[s.end:], lines)
		} else {
			s.event(p[:n], lines)
		}
		p = p[n:]
	}
	return nil
}

// prepare makes buf ready for n more bytes behind what it holds, with no gap.
// What the last Chunk gave has been sent by now.
func (s *Stream) prepare(n int) {
	if s.buf == nil {
		s.borrow()
	}
	if s.gap { // that chunk was not fetched: the incomplete event moves up to it
		s.buf = append(s.buf[:s.end], s.buf[s.end+2:]...)
		s.gap = false
	}
	switch {
	case s.begin == len(s.buf) || s.begin == 0: // nothing is held
		s.buf = s.buf[:sizeLine]
		s.begin, s.end = sizeLine, sizeLine
	case s.begin > sizeLine && cap(s.buf)-len(s.buf) < n:
		move := s.begin - sizeLine
		s.buf = append(s.buf[:sizeLine], s.buf[s.begin:]...)
		s.begin, s.end = sizeLine, s.end-move
	}
	if n += len("\r\n"); cap(s.buf)-len(s.buf) < n {
		s.buf = slices.Grow(s.buf, max(n, len(s.buf))) // doubling, for large events that nobody announced
	}
}

// hold keeps the incomplete event that p ends with.
func (s *Stream) hold(p []byte) {
	if s.end > s.begin && s.end == len(s.buf) {
		s.buf = append(s.buf, "\r\n"...)
		s.gap = true
	}
	s.buf = append(s.buf, p...)
}

// EOF says that the backend's body has ended. An event that is incomplete by
// then is dropped, as the standard says, but for a [DONE] that lacks only its
// line ends.
func (s *Stream) EOF() {
	if s.Partial() == 0 || s.Done || s.err != nil {
		return
	}
	s.prepare(0)
	switch data, ok := bytes.CutPrefix(s.buf[s.end:], []byte("data:")); {
	case s.edge.over:
		_, lines := s.edge.end(0)
		s.event(s.buf[s.end:], lines)
		return
	case ok && string(bytes.TrimSpace(data)) == done:
		s.Done = true
	}
	s.buf = s.buf[:s.end]
}

// Partial tells how many bytes of an incomplete event are held.
func (s *Stream) Partial() int {
	n := len(s.buf) - s.end
	if s.gap {
		n -= len("\r\n")
	}
	return max(n, 0)
}

// Finish ends the stream towards the client: it drops what is incomplete, adds
// an error event where e is not nil, then [DONE], and has the next Chunk close
// with the last chunk of the HTTP message. The stream takes no more; a second
// Finish does nothing.
func (s *Stream) Finish(e *Error) {
	if s.finished {
		return
	}
	s.prepare(0)
	s.buf = s.buf[:s.end]
	if e != nil {
		s.buf = append(s.buf, "data: "...)
		s.buf = append(e.AppendJSON(s.buf), "\n\n"...)
	}
	s.buf = append(s.buf, DoneEvent...)
	s.end = len(s.buf)
	s.finished, s.Done = true, true
}

const done = "[DONE]"

// DoneEvent is the last event of a stream that a client gets.
const DoneEvent = "data: " + done + "\n\n"

// Ready is how many bytes of events the next Chunk gives, without its framing.
func (s *Stream) Ready() int { return s.end - s.begin }

// Chunk gives all events that are complete and were not given before, as one
// chunk of HTTP/1.1 with its size line; nil where there are none. It is valid
// until the next call of any method.
func (s *Stream) Chunk() []byte {
	if s.end == s.begin {
		return nil
	}
	switch {
	case s.gap:
		s.gap = false
	case s.end == len(s.buf):
		s.buf = append(s.buf, "\r\n"...)
	default: // the incomplete event came with more than one Write
		s.buf = slices.Insert(s.buf, s.end, '\r', '\n')
	}
	from := s.begin
	for _, c := range [...]byte{'\n', '\r'} {
		from--
		s.buf[from] = c
	}
	for n := s.end - s.begin; n > 0; n >>= 4 {
		from--
		s.buf[from] = "0123456789abcdef"[n&15]
	}
	to := s.end + len("\r\n")
	if s.finished {
		s.buf = append(s.buf, "0\r\n\r\n"...)
		to = len(s.buf)
	}
	s.begin, s.end = to, to
	return s.buf[from:to]
}

// Idle gives memory back that the stream does not need while it waits. It
// ends the validity of the last Chunk.
func (s *Stream) Idle() {
	if s.begin == len(s.buf) {
		s.release()
	}
}

// Usage gives the largest cumulative usage that was seen, and false where
// none was.
func (s *Stream) Usage() (Usage, bool) { return s.usage, s.hasUsage }

// Fell tells whether a usage was below one before it, which that of one answer
// never is; in a stream of several answers each has its own.
func (s *Stream) Fell() bool { return s.fell }

// borrow gets a buffer.
func (s *Stream) borrow() {
	if s.Buffers != nil {
		s.lent, _ = s.Buffers.pool.Get().(*buffer)
	}
	if s.lent == nil {
		s.lent = &buffer{make([]byte, 0, newBuffer)}
	}
	s.buf = s.lent.b
}

// release gives the buffer back, and what it holds up.
func (s *Stream) release() {
	s.begin, s.end, s.gap = 0, 0, false
	switch {
	case s.lent == nil:
	case cap(s.buf) > keepBuffer:
		s.buf, s.lent = nil, nil
	case s.Buffers == nil:
		s.buf = s.buf[:0]
	default:
		s.lent.b = s.buf[:0]
		s.Buffers.pool.Put(s.lent)
		s.buf, s.lent = nil, nil
	}
}
