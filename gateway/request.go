package gateway

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/openai"
	"pilothouse/gateway/keys"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/queue"
	"pilothouse/gateway/quota"
)

// Why a request was ended from outside: by its client, by the clock, by an
// operator, or by the gateway's own end.
var (
	errClientLeft = errors.New("the client closed its connection")
	errFirstByte  = errors.New("no first byte in the configured time")
	errNextByte   = errors.New("no next byte in the configured time")
	errTotal      = errors.New("the whole request took longer than configured")
	errCancelled  = errors.New("an operator cancelled it")
	errStopping   = errors.New("the gateway is stopping")
)

// request is one request from its arrival to its settlement. Its own goroutine
// works on it; end may be called by any, and the fields of the second block may
// be read by any.
type request struct {
	g        *Gateway
	conn     *conn
	endpoint *endpoint
	inspect  openai.Request
	key      *keys.Key
	backend  *backends.Backend
	need     backends.Need  // what it asks of a replica
	prefix   uint64         // what it has in common with others that begin alike
	expect   *expectation   // of its answers' length; nil: it has none
	queue    *queue.Queue   // before the backend; nil: it has not come to it
	ticket   queue.Ticket   // there
	place    backends.Place // at a replica
	series   *backendSeries
	held     quota.Reservation
	entry    *ledger.Entry // in the ledger's journal; nil: not begun there
	prompt   int           // likely number of its tokens
	begun    int64         // clock time of the arrival
	sent     int64         // clock time at which the request was with a backend; 0: never
	usage    openai.Usage
	exact    bool // usage is the backend's own count
	declined bool // the backend answered with an error: it has generated nothing
	settled  bool
	left     bool
	events   int        // of a stream, that carried output
	unbooked error      // the ledger could not take it
	row      ledger.Row // what goes into the ledger

	phase  atomic.Int32
	due    atomic.Int64 // clock time at which it has taken too long; 0: never
	limit  atomic.Int64 // clock time at which all of it must be over; 0: never
	unsure atomic.Int64 // clock time since which a stream waits without having looked; 0: it has
	output atomic.Int64 // tokens so far
	first  atomic.Int64 // clock time of the first byte of the answer; 0: none yet

	mu     sync.Mutex
	rec    record
	trace  *trace  // what was decided; nil once it is over
	cause  error   // why it was ended; nil: it was not
	aborts aborter // what end breaks off: the step under way; nil: nothing that waits
}

// record is a Record before its address was written out.
type record struct {
	Record
	client netip.Addr
}

// aborter is something under way that others can break off, without waiting.
type aborter interface{ Abort() }

// end makes the request stop: what it waits for is broken off, and the step
// that waits finds the cause. The first cause stays: it tells whether this is.
func (r *request) end(cause error) bool { return r.endBy(cause, "") }

// endBy is end on an operator's word.
func (r *request) endBy(cause error, by string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause != nil {
		return false
	}
	r.cause = cause
	if r.trace != nil {
		r.trace.by = by
	}
	if r.aborts != nil {
		r.aborts.Abort()
	}
	return true
}

// ended is why the request was ended; nil while it may go on.
func (r *request) ended() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// during has end break a off from now on, nil for nothing. A request that was
// ended already has it broken off at once, and the cause is returned.
func (r *request) during(a aborter) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aborts = a
	if r.cause != nil && a != nil {
		a.Abort()
	}
	return r.cause
}

// abandon closes what a panic left under way.
func (r *request) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if up, ok := r.aborts.(*backends.Conn); ok {
		up.Close()
	}
	r.aborts = nil
}

// step enters a phase, which the clock may end after the given time.
func (r *request) step(p Phase, limit time.Duration) {
	r.phase.Store(int32(p))
	due := int64(0)
	if limit > 0 {
		due = now() + int64(limit)
	}
	r.due.Store(due)
}

// overdue ends the request if it has taken too long.
func (r *request) overdue(now int64) {
	if limit := r.limit.Load(); limit != 0 && now > limit {
		r.end(errTotal)
	}
	due := r.due.Load()
	if due != 0 && r.conn != nil && r.conn.writing.Load() != 0 {
		// The client is slow to take what came: that is no time of the backend's.
		r.due.CompareAndSwap(due, now+int64(r.backend.Timeouts.NextByte))
		return
	}
	if due != 0 && now > due {
		switch Phase(r.phase.Load()) {
		case PhaseQueued:
			r.end(errWaited)
		case PhaseDecode:
			r.end(errNextByte)
		default:
			r.end(errFirstByte)
		}
	}
}

// quiet is how long a stream may wait without a look at its connection. Less
// than between the events of a slow engine, so that looking is seldom.
const quiet = 250 * time.Millisecond

// nudge has a stream that has become quiet look for the end of its connection.
func (r *request) nudge(now int64) {
	since := r.unsure.Load()
	if since == 0 || now-since < int64(quiet) || !r.unsure.CompareAndSwap(since, 0) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if up, ok := r.aborts.(*backends.Conn); ok {
		up.Nudge()
	}
}

// snapshot is the request as it stands, for screens.
func (r *request) snapshot(now int64) Record {
	r.mu.Lock()
	rec := r.rec
	r.mu.Unlock()
	rec.Phase = Phase(r.phase.Load())
	rec.Output = int(r.output.Load())
	rec.Duration = time.Duration(now - r.begun)
	if first := r.first.Load(); first != 0 {
		rec.First = time.Duration(first - r.begun)
	}
	return rec.written()
}

func (r record) written() Record {
	r.Client = r.from()
	return r.Record
}

// from is the client's address, written out. An operator's own request has none.
func (r *record) from() string {
	if !r.client.IsValid() {
		return "operator"
	}
	return r.client.String()
}

// requestID takes the client's own id where it is a valid one: up to 128
// letters, digits and "-_.:". Otherwise it makes one.
func requestID(sent []byte) string {
	if len(sent) > 0 && len(sent) <= 128 {
		ok := true
		for _, c := range sent {
			ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':')
		}
		if ok {
			return string(sent)
		}
	}
	id := make([]byte, 0, 20)
	for v := rand.Uint64(); len(id) < 12; v >>= 5 {
		id = append(id, "0123456789abcdefghijklmnopqrstuv"[v&31])
	}
	for v := rand.Uint64(); len(id) < 20; v >>= 5 {
		id = append(id, "0123456789abcdefghijklmnopqrstuv"[v&31])
	}
	return string(id)
}
