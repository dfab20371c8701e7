package gateway

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"pilothouse/backends/openai"
	"pilothouse/gateway/quota"
)

// serve takes one request from its arrival to its answer, all but the events
// of a stream: those the relay sends once serve has returned.
func (g *Gateway) serve(ctx *fasthttp.RequestCtx) {
	r := g.arrive(ctx)
	var stream bool
	defer func() {
		if p := recover(); p != nil {
			g.log.Error("a request panicked", "request", r.rec.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			stream = false
			f := refuse(openai.CodeInternal, "The gateway failed on this request.")
			f.close = true
			r.refuse(ctx, f)
		}
		if !stream {
			r.leave()
		}
	}()
	stream, err := r.run(ctx)
	if err != nil {
		r.refuse(ctx, r.refusalOf(err))
	}
}

// run is the pipeline, from top to bottom. A step that returns an error is the
// last one.
func (r *request) run(ctx *fasthttp.RequestCtx) (stream bool, err error) {
	if err := guard(&ctx.Request.Header); err != nil {
		return false, err
	}
	if err := r.find(ctx); err != nil || r.endpoint.open {
		return false, err
	}
	if err := r.authenticate(ctx); err != nil {
		return false, err
	}
	if err := r.allow(ctx); err != nil || r.endpoint.local != nil {
		return false, err
	}
	body, err := r.read(ctx)
	if err != nil {
		return false, err
	}
	if err := r.route(body); err != nil {
		return false, err
	}
	if err := r.reserve(); err != nil {
		return false, err
	}
	if err := r.wait(); err != nil {
		return false, err
	}
	up, head, err := r.send(body)
	if err != nil {
		return false, err
	}
	return r.relay(ctx, up, head)
}

// arrive begins a request: from here on its connection is watched.
func (g *Gateway) arrive(ctx *fasthttp.RequestCtx) *request {
	r := &request{g: g, endpoint: nowhere, begun: now(), trace: newTrace()}
	r.rec.ID = requestID(ctx.Request.Header.Peek("X-Request-Id"))
	r.rec.Start = g.clock.at(r.begun)
	r.rec.Route = nowhere.path
	r.trace.begun = r.begun
	ctx.Response.Header.SetCanonical(headerRequestID, []byte(r.rec.ID))
	g.stats.inflight.Add(1)
	if r.conn = clientConn(ctx.Conn()); r.conn != nil {
		r.rec.client = r.conn.peer
		r.conn.request.Store(r)
		r.conn.busy.Store(true)
		if r.conn.gone.Load() {
			r.end(errClientLeft)
		}
	}
	return r
}

// find finds the endpoint, and answers those that need no key.
func (r *request) find(ctx *fasthttp.RequestCtx) error {
	h := &ctx.Request.Header
	r.endpoint = r.g.find(target(h.RequestURI()))
	r.mu.Lock()
	r.rec.Route = r.endpoint.path
	r.mu.Unlock()
	r.origin(h)
	if r.endpoint.open {
		if err := r.checkMethod(h); err != nil {
			return err
		}
		return r.endpoint.local(r, ctx)
	}
	if r.g.stopping.Load() {
		return errStopping
	}
	return nil
}

// origin finds the client's address behind trusted proxies.
func (r *request) origin(h *fasthttp.RequestHeader) {
	if trusted := r.g.settings.Load().trusted; len(trusted) > 0 {
		r.mu.Lock()
		r.rec.client = quota.ClientAddr(r.rec.client, h.PeekAll("X-Forwarded-For"), trusted)
		r.mu.Unlock()
	}
}

// rate holds the client's address against its rate. Operators' own requests have
// no address.
func (r *request) rate() error {
	if r.conn != nil && r.conn.caller != nil {
		return nil
	}
	s := r.g.settings.Load()
	at := s.addresses.Ask(r.rec.client)
	r.traceRate(at, s.limits.RequestsPerSecond)
	if !at.Passed {
		f := refuse(openai.CodeRateLimited, "Too many requests from this address; try again in "+at.RetryAfter.Round(time.Millisecond).String()+".")
		f.retry = Retry{After: at.RetryAfter, From: RetryAddress}
		return f
	}
	return nil
}

func (r *request) checkMethod(h *fasthttp.RequestHeader) error {
	if string(h.Method()) == r.endpoint.method {
		return nil
	}
	f := refuse(openai.CodeMethodNotAllowed, "This path takes "+r.endpoint.method+" only.")
	f.allow = r.endpoint.method
	return f
}

// authenticate finds whose key it is, and holds the client's address against
// its rate. Requests without a valid key count too: they cost as much.
func (r *request) authenticate(ctx *fasthttp.RequestCtx) error {
	key, err := r.g.authenticate(&ctx.Request.Header, r.conn)
	if limited := r.rate(); limited != nil {
		return limited
	}
	if err != nil {
		return err
	}
	r.key = key
	r.row.BytesIn = int64(len(ctx.Request.Body()))
	r.mu.Lock()
	r.rec.Org, r.rec.KeyName = key.Org.Name, key.Name
	r.trace.key, r.trace.scope = KeyValid, string(r.endpoint.scope)
	r.mu.Unlock()
	return nil
}

// allow checks path, method and scope, and gives the gateway's own answers.
func (r *request) allow(ctx *fasthttp.RequestCtx) error {
	e := r.endpoint
	if e == nowhere {
		return refuse(openai.CodeNotFound, "There is nothing at this path.")
	}
	if err := r.checkMethod(&ctx.Request.Header); err != nil {
		return err
	}
	if e.local != nil {
		return e.local(r, ctx)
	}
	if !r.key.Allows(e.scope) {
		f := refuse(openai.CodeNotAllowed, "This key may not use "+e.path+"; it lacks the scope "+string(e.scope)+".")
		f.key = KeyOutOfScope
		return f
	}
	return nil
}

// read checks the body, and keeps what is to know of it.
func (r *request) read(ctx *fasthttp.RequestCtx) ([]byte, error) {
	h := &ctx.Request.Header
	media, _, _ := bytes.Cut(h.ContentType(), []byte(";"))
	if !bytes.EqualFold(bytes.TrimSpace(media), []byte("application/json")) {
		return nil, refuse(openai.CodeUnsupportedMedia, "The Content-Type must be application/json.")
	}
	if coding := h.ContentEncoding(); len(coding) > 0 && !bytes.EqualFold(coding, []byte("identity")) {
		return nil, refuse(openai.CodeUnsupportedMedia, "The body must not be compressed (no Content-Encoding).")
	}
	body := ctx.Request.Body()
	err := r.inspect.Inspect(body, r.endpoint.kind)
	r.traceInspected()
	if err != nil {
		return nil, err
	}
	if r.inspect.Stream && !h.IsHTTP11() {
		return nil, malformed("A stream needs HTTP/1.1.")
	}
	return body, nil
}

// route finds the backend, and holds the request against what it takes.
func (r *request) route(body []byte) error {
	model := r.inspect.Model(body)
	if r.endpoint.byRoute {
		r.backend = r.g.pool.Route([]byte(r.endpoint.path))
		if r.backend != nil && r.inspect.HasModel && r.g.pool.Model(model) != r.backend {
			r.backend = nil
		}
	} else if !r.inspect.HasModel {
		e := openai.Refuse(openai.CodeInvalidRequest, "The parameter model is required.")
		e.Param = "model"
		return e
	} else {
		r.backend = r.g.pool.Model(model)
	}
	if r.backend == nil || !r.key.AllowsModel(r.backend.Model) {
		e := openai.Refuse(openai.CodeModelNotFound, "This model does not exist here, or this key may not use it; GET /v1/models lists those it may.")
		e.Param = "model"
		return e
	}
	r.mu.Lock()
	r.rec.Model, r.rec.Backend, r.rec.Stream = r.backend.Model, r.backend.Name, r.inspect.Stream
	r.mu.Unlock()
	r.series = r.g.stats.backend(r.backend.Name)
	r.series.inflight.Add(1)
	r.limit.Store(r.begun + int64(r.backend.Timeouts.Total))
	if r.backend.Replicas() > 1 && *r.backend.Affinity {
		r.prefix = maphash.Bytes(openings, r.inspect.Opening(body))
	}
	return r.inspect.Check(&r.backend.Target)
}

// openings tells beginnings of prompts apart.
var openings = maphash.MakeSeed()

// reserve sets aside what the request may use of its organisation's quotas and
// its key's: the prompt, and all that the answers may have.
func (r *request) reserve() (err error) {
	t := &r.backend.Target
	tokens, likely := r.g.estimates.of(r.backend.Model).tokens(r.inspect.PromptBytes)
	if most := t.MaxContext * r.inspect.Prompts; most > 0 && r.endpoint.kind != openai.Embeddings {
		tokens, likely = min(tokens, most), min(likely, most)
	}
	r.prompt = likely
	most := 0 // of one answer
	if r.endpoint.kind != openai.Embeddings {
		answer := r.inspect.Budget(t)
		if answer == 0 { // as much as the context has room for
			answer = max(0, t.MaxContext-likely/r.inspect.Prompts)
		}
		tokens += r.inspect.Prompts * r.inspect.N * answer
		most = answer
	}
	r.traceEstimated(likely, most)
	if err := r.weigh(likely, most); err != nil {
		return err
	}
	var left quota.Tightest
	r.held, err = r.g.windows.ReserveWithin(r.who(), r.rec.Start, int64(tokens), &left)
	r.traceReserved(int64(tokens), &left, err)
	return err
}

// refuse answers with an error.
func (r *request) refuse(ctx *fasthttp.RequestCtx, f *refusal) {
	end := EndRefused
	switch {
	case f.Status == statusClientLeft:
		end = EndClientLeft
	case f.Code == openai.CodeInternal, f.Code == openai.CodeCancelled, r.ended() == errStopping && r.sent != 0:
		end = EndInterrupted
	case f.failed:
		end = EndBackendFailed
	}
	f.write(&ctx.Response)
	r.traceRefused(f)
	if end != EndClientLeft { // nobody has that answer
		r.row.BytesOut = int64(len(ctx.Response.Body()))
	}
	_ = r.settle(f.Status, f.Code, end) // the answer is an error as it is
	if f.close && r.conn != nil {
		r.conn.refused.Store(true)
	}
	r.limitHeaders(&ctx.Response.Header)
}

// settle books what the request has used, exactly once and before the client
// has the last byte of its answer. The error, the same at every call, is that
// the ledger could not take it: then the client is not to have that byte.
func (r *request) settle(status int, code string, end EndState) error {
	if r.settled {
		return r.unbooked
	}
	r.settled = true
	r.charge(end)
	row := &r.row
	row.Counted = r.sent != 0 && end != EndRefused && r.usage.Total > 0
	at := now()
	r.unbooked = r.book(status, code, end, at)
	if row.Counted {
		r.held.Settle(int64(r.usage.Total))
	} else {
		r.held.Release()
	}
	r.due.Store(0)
	r.limit.Store(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := &r.rec
	rec.Status, rec.Code, rec.End = status, code, end
	rec.Prompt, rec.Output = r.usage.Prompt, r.usage.Completion
	if first := r.first.Load(); first != 0 {
		rec.First = time.Duration(first - r.begun)
	}
	r.traceEnded(at)
	if r.unbooked != nil && end == EndDone {
		rec.Status, rec.Code, rec.End = fasthttp.StatusServiceUnavailable, openai.CodeLedgerDown, EndInterrupted
	}
	return r.unbooked
}

// release gives the request's place up.
func (r *request) release() {
	r.place.Done()
	r.ticket.Done()
}

// leave is the end of a request, whatever came of it.
func (r *request) leave() {
	if r.left {
		return
	}
	r.left = true
	_ = r.settle(statusClientLeft, "", EndInterrupted) // only if nothing else did
	r.abandon()
	r.release()
	r.phase.Store(int32(PhaseEnded))
	r.g.stats.inflight.Add(-1)
	r.mu.Lock()
	r.rec.Duration = time.Duration(now() - r.begun)
	r.rec.Phase = PhaseEnded
	r.mu.Unlock()
	r.g.stats.ended(r)
	if r.conn != nil { // only now: whoever looks for it finds it here or among those that ended
		r.conn.request.Store(nil)
	}
	r.g.access(&r.rec)
}

// limitHeaders tells the client how much of its quotas is left.
func (r *request) limitHeaders(h *fasthttp.ResponseHeader) {
	if r.key == nil {
		return
	}
	requests, tokens := r.g.windows.Room(r.who())
	var b [32]byte
	for i, room := range [...]quota.Room{requests, tokens} {
		if room.Limit > 0 {
			h.SetCanonical(headerLimits[i][0], strconv.AppendInt(b[:0], room.Limit, 10))
			h.SetCanonical(headerLimits[i][1], strconv.AppendInt(b[:0], room.Remaining, 10))
			h.SetCanonical(headerLimits[i][2], append(b[:0], room.Reset.Truncate(time.Second).String()...))
		}
	}
}

var (
	headerRequestID = []byte("X-Request-Id")
	headerLimits    = [2][3][]byte{
		{[]byte("X-Ratelimit-Limit-Requests"), []byte("X-Ratelimit-Remaining-Requests"), []byte("X-Ratelimit-Reset-Requests")},
		{[]byte("X-Ratelimit-Limit-Tokens"), []byte("X-Ratelimit-Remaining-Tokens"), []byte("X-Ratelimit-Reset-Tokens")},
	}
)
