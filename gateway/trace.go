package gateway

import (
	"errors"
	"slices"
	"sync"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway/quota"
)

// trace is what the pipeline decided about a request, of fixed size, so that
// noting it allocates nothing. It is the request's, under whose lock it is written
// and read, and is copied once, when the request is over. Moments are of
// the gateway's clock; 0 is not come to it.
type trace struct {
	begun int64

	asked   bool // how the address stands
	key     KeyState
	limited bool // by the address's rate
	scope   string
	used    int64
	burst   int64
	rate    float64

	inspected int64 // the moment
	prompt    int64 // likely tokens
	most      int64 // tokens of an answer
	bytes     int64
	answers   int32
	prompts   int32
	defaulted bool

	reserved int64 // the moment
	held     Reservation
	tokens   int64
	left     quota.Tightest

	queued    int64 // the moment
	waited    time.Duration
	maxWait   time.Duration
	needs     int64
	booked    int64
	capacity  int64
	generated int64 // tokens by the backend: until it came, then until it left the line
	ahead     int32
	orgs      int32
	served    int32
	line      LineEnd

	tried int32 // replicas
	tries [maxTries]try

	sent      int64 // the moment
	ended     int64 // the moment
	charged   int64
	counted   bool
	estimated bool
	cause     Cause
	limit     time.Duration // of a time-out
	by        string        // who cancelled it
	param     string
	retry     Retry
}

// maxTries is how many tries are kept: all but the last of them from the first on,
// and always the last.
const maxTries = 3

// try is a replica that was picked.
type try struct {
	at       int64
	replica  string
	booked   int64
	capacity int64
	inflight int32
	well     uint16
	affinity bool
	anew     bool
	failed   bool
	why      backends.Failure
}

// traces are used again and again. One is its request's until that is over.
var traces = sync.Pool{New: func() any { return new(trace) }}

func newTrace() *trace {
	t := traces.Get().(*trace)
	*t = trace{}
	return t
}

// last is the try under way; nil before the first.
func (t *trace) last() *try {
	if t.tried == 0 {
		return nil
	}
	return &t.tries[min(t.tried, maxTries)-1]
}

// note changes the trace. f must not keep it.
func (r *request) note(f func(*trace)) {
	r.mu.Lock()
	f(r.trace)
	r.mu.Unlock()
}

// traceRate notes how the client's address stands.
func (r *request) traceRate(s quota.Standing, rate float64) {
	r.mu.Lock()
	t := r.trace
	t.asked, t.limited, t.used, t.burst, t.rate = true, !s.Passed, s.Used, s.Burst, rate
	r.mu.Unlock()
}

// traceInspected notes what the body said, right or wrong.
func (r *request) traceInspected() {
	at := now()
	r.mu.Lock()
	t := r.trace
	t.inspected, t.bytes, t.answers, t.prompts = at, r.row.BytesIn, int32(r.inspect.N), int32(r.inspect.Prompts)
	t.most, t.defaulted = int64(r.inspect.MaxTokens), r.inspect.MaxTokens == 0
	r.mu.Unlock()
}

// traceEstimated notes how many tokens the prompt is likely to have, and an answer
// to have at most.
func (r *request) traceEstimated(prompt, most int) {
	r.mu.Lock()
	r.trace.prompt, r.trace.most = int64(prompt), int64(most)
	r.mu.Unlock()
}

// traceReserved notes what was asked of the quotas, and what came of it.
func (r *request) traceReserved(tokens int64, left *quota.Tightest, err error) {
	at := now()
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trace
	t.reserved, t.tokens, t.left = at, tokens, *left
	if err == nil {
		return
	}
	t.held, t.left = ReserveStoreLost, quota.Tightest{}
	if full, ok := errors.AsType[*quota.Exceeded](err); ok {
		t.held = ReserveExceeded
		w := quota.Left{Window: full.Window, OwnKey: full.Key != "", Limit: full.Limit, Remaining: max(0, full.Limit-full.Used-full.Reserved)}
		if full.Window == quota.RequestsPerDay || full.Window == quota.RequestsPerMonth {
			t.left.Requests = w
		} else {
			t.left.Tokens = w
		}
	}
}

// traceTooLarge notes that no replica can ever hold the request.
func (r *request) traceTooLarge(needs, most int64) {
	at := now()
	r.note(func(t *trace) { t.queued, t.needs, t.capacity, t.line = at, needs, most, LineTooLarge })
}

// traceQueued notes what a request found that has to wait, or may not, and returns
// the moment.
func (r *request) traceQueued() (at int64) {
	at = now()
	booked, capacity := r.backend.Booked()
	l := r.ticket.Line()
	generated := int64(r.series.tokens.Load())
	wait := time.Duration(r.backend.Queue.Wait)
	r.mu.Lock()
	t := r.trace
	t.queued, t.booked, t.capacity, t.generated, t.maxWait = at, booked, capacity, generated, wait
	t.needs, t.ahead, t.orgs = r.weight(), int32(l.Ahead), int32(l.Orgs)
	r.mu.Unlock()
	return at
}

// traceLeft notes how the wait ended.
func (r *request) traceLeft(waited time.Duration, end LineEnd) {
	served, generated := r.ticket.Served(), int64(r.series.tokens.Load())
	r.mu.Lock()
	t := r.trace
	t.waited, t.line, t.served, t.generated = waited, end, int32(served), generated-t.generated
	r.mu.Unlock()
}

// lineEnd tells how a wait in line ended, of what it returned.
func (r *request) lineEnd(err error) LineEnd {
	switch cause := r.ended(); {
	case err == nil && r.place.Replica != nil:
		return LineGranted
	case err == nil:
		return LineNoneWell
	case cause == errWaited:
		return LineTimeout
	case cause == errClientLeft:
		return LineClientLeft
	case cause == errCancelled:
		return LineCancelled
	case cause != nil:
		return LineStopped
	}
	return LinePushedOut
}

// picked notes a try. The caller has the request's lock.
func (t *trace) picked(at int64, p *backends.Place, needs int64) {
	t.tried++
	t.needs = needs
	*t.last() = try{at: at, replica: p.Replica.URL, booked: p.Found, capacity: p.Replica.Capacity(), inflight: int32(p.Others()),
		well: p.Well, affinity: p.Affinity}
}

// traceFailed notes what the replica did wrong; the first counts.
func (r *request) traceFailed(why backends.Failure) {
	r.note(func(t *trace) {
		if l := t.last(); l != nil && !l.failed {
			l.failed, l.why = true, why
		}
	})
}

// traceRefused notes what a refusal says that the record does not.
func (r *request) traceRefused(f *refusal) {
	r.note(func(t *trace) {
		if f.key != KeyUnchecked {
			t.key = f.key
		}
		if f.retry.After > 0 {
			t.retry = f.retry
		}
		if slices.Contains(params, f.Param) {
			t.param = f.Param
		}
	})
}

// params are the parameters of the API that may be told: another name is from the
// client's body, or the backend's answer.
var params = []string{"model", "messages", "prompt", "input", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stream", "stream_options"}

// traceEnded notes how the request went out. The caller has the request's lock.
func (r *request) traceEnded(at int64) {
	t := r.trace
	t.ended, t.estimated, t.counted = at, r.row.Estimated, r.row.Counted
	if t.counted {
		t.charged = int64(r.usage.Total)
	}
	if r.cause != nil {
		t.cause, t.limit = r.causeOf(r.cause)
	}
}

// causeOf names a cause, and gives the configured time where it is a time-out.
func (r *request) causeOf(err error) (Cause, time.Duration) {
	var out backends.Timeouts
	if r.backend != nil {
		out = r.backend.Timeouts
	}
	switch err {
	case errClientLeft:
		return CauseClientLeft, 0
	case errFirstByte:
		return CauseFirstByte, time.Duration(out.FirstByte)
	case errNextByte:
		return CauseNextByte, time.Duration(out.NextByte)
	case errTotal:
		return CauseTotal, time.Duration(out.Total)
	case errWaited:
		return CauseWaited, r.trace.maxWait
	case errCancelled:
		return CauseCancelled, 0
	case errStopping:
		return CauseStopping, 0
	}
	return CauseNone, 0
}
