package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"pilothouse/backends"
	"pilothouse/backends/openai"
)

// stream is the body of a streamed answer. fasthttp calls WriteTo in the
// connection's own goroutine, and CloseWithError in any case.
type stream struct {
	r       *request
	up      *backends.Conn
	head    backends.Head
	client  net.Conn
	events  openai.Stream
	pending []byte // the first chunk
	out     firstChunk
	err     error // what broke it
	last    int64 // clock time of the last event
	eof     bool  // the backend's answer was read whole
	closed  bool
}

// relayStream waits for the first event, so that a backend that sends none
// still becomes an error with a status, and leaves the rest to a stream.
func (r *request) relayStream(ctx *fasthttp.RequestCtx, up *backends.Conn, head *backends.Head) error {
	s := &stream{r: r, up: up, head: *head, client: ctx.Conn()}
	s.events.Buffers = &r.g.buffers
	s.events.Reset(r.inspect.IncludeUsage, r.inspect.ContinuousUsage)
	for s.pending == nil && !s.over() {
		if err := s.read(); err != nil {
			s.events.Idle()
			return r.brokeOff(err)
		}
		if !s.over() {
			r.row.BytesOut = int64(s.events.Ready())
			s.pending = s.events.Chunk()
		}
	}
	r.began(streamed)
	ctx.Request.ReleaseBody(1 << 10) // a long prompt need not wait for the answer's end
	resp := &ctx.Response
	resp.SetStatusCode(head.Status)
	h := &resp.Header
	h.SetContentType("text/event-stream; charset=utf-8")
	h.SetCanonical([]byte("Cache-Control"), []byte("no-cache"))
	h.SetCanonical([]byte("X-Accel-Buffering"), []byte("no"))
	r.limitHeaders(h)
	resp.SetBodyStream(s, -1)
	return nil
}

// read takes all that has come from the backend, and waits for something when
// nothing has.
func (s *stream) read() error { return s.take(s.up.Next()) }

// take filters p and all that came with it.
func (s *stream) take(p []byte, err error) error {
	for err == nil && len(p) > 0 {
		s.events.Expect(s.up.Ahead())
		if err = s.events.Write(p); err == nil {
			p, err = s.up.More()
		}
	}
	if err == io.EOF {
		s.eof = true
		s.events.EOF()
		if s.head.UntilClose() && !s.events.Done {
			return backends.ErrTruncated
		}
		return nil
	}
	return err
}

// over tells whether nothing more is to come that a client gets.
func (s *stream) over() bool { return s.events.Done || s.eof }

// count books what was read since it was called last.
func (s *stream) count() {
	r := s.r
	t := now()
	if n := s.events.Events - r.events; n > 0 {
		if s.last != 0 {
			r.series.event.observe(time.Duration(t-s.last)/time.Duration(n), uint64(n))
		}
		s.last, r.events = t, s.events.Events
		r.place.Replica.Progressed()
	}
	out := r.events
	if u, ok := s.events.Usage(); ok {
		u.Absurd = u.Absurd || s.events.Fell() && !r.several()
		r.bound(&u)
		r.usage, r.exact = u, true
		if out = u.Completion; r.several() {
			out = max(out, r.events) // each usage is that of one of them
		}
	}
	r.row.BytesOut += int64(s.events.Ready())
	r.progressed(out)
	if r.exact && r.inspect.Prompts == 1 {
		r.place.Progress(int64(r.usage.Prompt), int64(out))
	} else {
		r.place.Progress(0, int64(out))
	}
	if more := int64(out) - r.output.Load(); more > 0 {
		r.output.Add(more)
		r.series.tokens.Add(uint64(more))
	}
	r.due.Store(t + int64(r.backend.Timeouts.NextByte))
	r.unsure.Store(t)
}

// SupportsBodyWriteTo tells fasthttp to use WriteTo.
func (s *stream) SupportsBodyWriteTo() bool { return true }

// Read is never called: WriteTo is.
func (s *stream) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// errCut makes fasthttp close the connection.
var errCut = errors.New("stream ended with an error")

// WriteTo sends the stream. w leads the first chunk out behind the header, in
// one write with it; the others go straight to the connection.
func (s *stream) WriteTo(w io.Writer) (n int64, err error) {
	r := s.r
	defer func() {
		if p := recover(); p != nil {
			r.g.log.Error("a stream panicked", "request", r.rec.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			_ = r.settle(s.head.Status, openai.CodeInternal, EndInterrupted) // the stream is cut as it is
			err = errCut
		}
	}()
	s.count()
	s.out = firstChunk{w, s.client}
	if !s.over() && s.send(s.pending) {
		if err := s.up.Stream(s.more); err != nil {
			s.err = s.take(nil, err)
		}
		r.unsure.Store(0)
	}
	if s.err != nil {
		s.err = r.brokeOff(s.err)
	}
	if s.err == nil {
		s.err = r.ended()
	}
	if s.err != nil {
		return 0, s.fail()
	}
	return 0, s.finish()
}

// more passes on what has come, and tells whether to wait for more.
func (s *stream) more() bool {
	s.err = s.take(s.up.More())
	s.count()
	if s.err != nil || s.over() { // the last events leave with the end
		return false
	}
	return s.send(s.events.Chunk())
}

// send writes a chunk to the client, and tells whether it is still there.
func (s *stream) send(chunk []byte) bool {
	if err := s.out.write(chunk); err != nil {
		s.r.end(errClientLeft)
		return false
	}
	s.events.Idle()
	return true
}

// finish ends the stream as the backend did. The request is settled before
// the client can have the end.
func (s *stream) finish() error {
	r := s.r
	r.row.BytesOut += int64(len(openai.DoneEvent))
	var err error
	if s.events.Failed { // the engine said so in the stream, and the client has it
		err = r.settle(s.head.Status, openai.CodeBackendError, EndBackendFailed)
	} else {
		err = r.settle(s.head.Status, "", EndDone)
	}
	if err != nil {
		s.err = unbooked()
		return s.fail()
	}
	s.events.Finish(nil)
	if err := s.out.write(bytes.TrimSuffix(s.events.Chunk(), lastChunk)); err != nil {
		return errCut
	}
	// What is left of the backend's answer is its last chunk. Where that does
	// not come, only the connection is lost.
	r.step(PhaseDecode, time.Second)
	for !s.eof {
		if err := s.read(); err != nil {
			break
		}
	}
	return nil
}

// fail ends the stream with an error, as an event: its status is gone.
func (s *stream) fail() error {
	r := s.r
	f := r.refusalOf(s.err)
	end := EndBackendFailed
	switch {
	case f.Status == statusClientLeft:
		end = EndClientLeft
	case f.Code == openai.CodeCancelled, r.ended() == errStopping:
		end = EndInterrupted
	}
	if end != EndClientLeft {
		counted := s.events.Ready()
		s.events.Finish(f.apiError)
		r.row.BytesOut += int64(s.events.Ready() - counted)
	}
	_ = r.settle(s.head.Status, f.Code, end) // it ends with an error as it is
	if end != EndClientLeft && s.out.write(bytes.TrimSuffix(s.events.Chunk(), lastChunk)) == nil {
		s.client.Write(lastChunk)
	}
	return errCut
}

// CloseWithError is the stream's end, also where it never began.
func (s *stream) CloseWithError(err error) error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.eof && err == nil {
		s.r.giveBack(s.up)
	} else {
		s.r.during(nil)
		s.up.Close()
	}
	s.events.Idle()
	_ = s.r.settle(s.head.Status, "", EndClientLeft) // only if nothing else did
	s.r.leave()
	return nil
}

var lastChunk = []byte("0\r\n\r\n")

// firstChunk writes chunks to the connection, but for the first, which goes
// through fasthttp's buffer, where the header waits. fasthttp frames it anew.
type firstChunk struct {
	w    io.Writer // nil once it is used
	conn net.Conn
}

func (f *firstChunk) write(chunk []byte) error {
	if len(chunk) == 0 {
		return nil
	}
	if w := f.w; w != nil {
		f.w = nil
		_, data, _ := bytes.Cut(chunk, lastChunk[1:3])
		_, err := w.Write(data[:len(data)-2])
		return err
	}
	_, err := f.conn.Write(chunk)
	return err
}
