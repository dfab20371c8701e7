package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/openai"
)

// send gets the request to a replica, and the head of its answer back. It goes
// on to another replica only while nothing can have been acted on: the
// connection failed.
func (r *request) send(body []byte) (*backends.Conn, *backends.Head, error) {
	buf := bodies.Get().(*[]byte)
	defer putBody(buf)
	*buf = r.inspect.AppendBody((*buf)[:headRoom], body, &r.backend.Target)

	var tried []*backends.Replica
	for {
		if r.place.Replica == nil && tried != nil { // it has had its turn, and goes ahead
			n := r.need
			n.Force = true
			r.place, _ = r.backend.Take(n, tried...)
		}
		if r.place.Replica == nil {
			f := refuse(openai.CodeNoHealthyBackend, "No backend of this model is healthy at the moment.")
			f.retry = Retry{After: time.Duration(r.backend.Health.Interval), From: RetryHealth}
			return nil, nil, f
		}
		at := now()
		r.mu.Lock()
		r.rec.Replica = r.place.Replica.URL
		r.trace.picked(at, &r.place, r.weight())
		r.mu.Unlock()
		up, head, err := r.attempt(*buf)
		if err == nil {
			return up, head, nil
		}
		if cause := r.ended(); cause != nil && cause != errFirstByte {
			return nil, nil, cause
		}
		var f *refusal
		if errors.As(err, &f) { // our own, no fault of the replica's
			return nil, nil, f
		}
		r.fail(err.why)
		if err.why != backends.ConnectFailed {
			return nil, nil, err
		}
		tried = append(tried, r.place.Replica)
		r.place.Done()
	}
}

// broken is a failure on the way to a replica or back.
type broken struct {
	why backends.Failure
	error
}

func (b *broken) Unwrap() error { return b.error }

// attempt asks one replica. A connection that was kept alive and turns out to
// be closed, before a byte of an answer was read, was closed while it lay idle:
// the request goes out once more on a new one.
func (r *request) attempt(buf []byte) (*backends.Conn, *backends.Head, *broken) {
	up := r.place.Replica.Conn()
	for {
		if up == nil {
			var err error
			if up, err = r.dial(); err != nil {
				return nil, nil, &broken{backends.ConnectFailed, err}
			}
		}
		if f := r.begin(); f != nil {
			up.Close()
			return nil, nil, &broken{error: f}
		}
		head, err := r.exchange(up, buf)
		if err == nil {
			return up, head, nil
		}
		stale := up.Reused && !up.Answered() && r.ended() == nil
		up.Close()
		up = nil
		if !stale {
			return nil, nil, &broken{r.why(err), err}
		}
		r.note(func(t *trace) { t.last().anew = true })
	}
}

func (r *request) dial() (*backends.Conn, error) {
	r.step(PhaseSending, 0)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := r.during(cancelled(cancel)); err != nil {
		return nil, err
	}
	defer r.during(nil)
	return r.place.Replica.Dial(ctx)
}

// cancelled is a context's cancel function as an aborter.
type cancelled context.CancelFunc

func (c cancelled) Abort() { c() }

// exchange sends the request on a connection and reads the head of the answer.
func (r *request) exchange(up *backends.Conn, buf []byte) (*backends.Head, error) {
	if err := r.during(up); err != nil {
		return nil, err
	}
	r.step(PhasePrefill, time.Duration(r.backend.Timeouts.FirstByte))
	return up.Ask(r.frame(buf))
}

// why says what an error on a connection tells about the replica.
func (r *request) why(err error) backends.Failure {
	switch cause := r.ended(); {
	case cause == errFirstByte, cause == errNextByte:
		return backends.TimedOut
	case errors.Is(err, backends.ErrProtocol):
		return backends.Protocol
	}
	return backends.Reset
}

// headRoom lies before a body that is to be sent, for the head.
const headRoom = 1 << 10

// frame puts the head right in front of the body, so that both go out in one
// write.
func (r *request) frame(buf []byte) []byte {
	head := r.place.Replica.AppendHead(buf[:0:headRoom], r.endpoint.upstream, r.rec.ID, r.inspect.Stream, len(buf)-headRoom)
	if len(head) > headRoom { // a very long key
		return append(head, buf[headRoom:]...)
	}
	start := headRoom - len(head)
	copy(buf[start:], head)
	return buf[start:]
}

// bodies are the buffers that requests to backends are built in.
var bodies = sync.Pool{New: func() any { b := make([]byte, headRoom, 4<<10); return &b }}

func putBody(b *[]byte) {
	if cap(*b) <= 1<<20 {
		bodies.Put(b)
	}
}
