package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/openai"
	"pilothouse/gateway/ledger"
)

// ErrNoReplica is what asking ends with for a URL that is no replica's. Wrapped:
// test with errors.Is.
var ErrNoReplica = errors.New("no replica of a configured backend has this URL")

// directRoute is where the rows and log lines of those requests say they went.
const directRoute = "direct"

// AskReplica sends an operator's own request to one replica, past the gateway:
// no quota, no line and no picking, whether or not the replica is drained or
// well, and nothing of it moves what the gateway knows of the replica's health
// and work. It goes with the backend's own key, to a replica of a configured
// backend and to a path that the gateway serves (one of a backend's own becomes
// the engine's) and to no other: engines have paths that change them.
//
// The body goes as it is, so its model has to be what the backend serves. The
// answer comes as it is, errors included, but for X-Request-Id, which is the
// request's own; the rest is as [Gateway.Ask] says. The backend's time-out for a
// whole request holds. A gateway that stops ends what is left after its drain.
//
// The ledger gets a row with what was used, of [Operators] and the route
// "direct", which counts for no quota: so the engine's own counts agree with it.
// A stream tells what it used only where the body asks for that (stream_options,
// include_usage); otherwise the row is an estimate from the events that came.
// These requests are in no snapshot and no metric.
//
// The error is ErrNoReplica for another URL, ErrNotServing where nothing serves.
func (g *Gateway) AskReplica(ctx context.Context, operator, replicaURL, path string, body []byte) (*http.Response, error) {
	resp, err := g.askReplica(ctx, operator, replicaURL, path, body)
	if err != nil {
		return nil, fmt.Errorf("ask %q directly: %w", replicaURL, err)
	}
	return resp, nil
}

func (g *Gateway) askReplica(ctx context.Context, operator, replicaURL, path string, body []byte) (*http.Response, error) {
	who, err := g.caller(operator)
	if err != nil {
		return nil, err
	}
	e := g.find([]byte(path))
	if e == nowhere || e.local != nil {
		return nil, fmt.Errorf("path %q: it has to be one that models are asked at", path)
	}
	if len(body) > int(g.server.MaxBody) {
		return nil, fmt.Errorf("the body is larger than %v", g.server.MaxBody)
	}
	d := &direct{g: g, prompts: 1, answers: 1}
	var in openai.Request
	model := ""
	bytes := len(body)
	if in.Inspect(body, e.kind) == nil { // otherwise it is the engine that says so
		model, bytes = string(in.Model(body)), in.PromptBytes
		d.prompts, d.answers, d.row.Stream = in.Prompts, in.N, in.Stream
	}
	replica := d.find(replicaURL, model)
	if replica == nil {
		return nil, ErrNoReplica
	}
	_, d.prompt = g.estimates.of(d.backend.Model).tokens(bytes)
	if d.most = d.backend.MaxContext * d.prompts; e.kind == openai.Embeddings { // as of any request's, see bound
		d.most = mostBase + mostSlope*bytes
	}
	row := &d.row
	row.ID, row.Arrived = requestID(nil), g.clock.now()
	row.Org, row.Key = who.Org.Name, who.ID
	row.Model, row.Backend, row.Replica, row.Route = d.backend.Model, d.backend.Name, replica.URL, directRoute
	row.BytesIn = int64(len(body))
	request := replica.AppendHead(make([]byte, 0, len(body)+headRoom), e.upstream, row.ID, row.Stream, len(body))
	return d.ask(ctx, replica, append(request, body...))
}

// direct is a request past the gateway, and the body of its answer.
type direct struct {
	g       *Gateway
	backend *backends.Backend
	prompt  int // likely tokens
	prompts int
	answers int // to each
	most    int // tokens that its prompts can have; 0: not known
	cancel  context.CancelCauseFunc
	ctx     context.Context
	body    io.ReadCloser

	mu     sync.Mutex
	row    ledger.Row
	events openai.Stream // of a stream, as it was seen
	whole  []byte        // of another answer
	over   bool          // it is in the ledger
}

// find finds the replica with that URL, of the backend with that model where
// several share it.
func (d *direct) find(url, model string) (found *backends.Replica) {
	for _, b := range d.g.pool.All() {
		if r := b.At(url); r != nil && (found == nil || b.Model == model) {
			found, d.backend = r, b
		}
	}
	return found
}

// ask sends the request, and reads the head of the answer.
func (d *direct) ask(ctx context.Context, replica *backends.Replica, request []byte) (*http.Response, error) {
	ctx, d.cancel = context.WithCancelCause(ctx)
	if total := time.Duration(d.backend.Timeouts.Total); total > 0 {
		timer := time.AfterFunc(total, func() { d.cancel(errTotal) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
	d.ctx = ctx
	if !d.g.directs.add(d) {
		d.cancel(nil)
		return nil, ErrNotServing
	}
	up, err := replica.Dial(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		d.finish(err)
		return nil, err
	}
	d.mu.Lock()
	d.row.Sent = d.g.clock.now()
	d.mu.Unlock()
	resp, err := exchange(ctx, up.Conn, request)
	if err != nil {
		d.finish(err)
		return nil, err
	}
	resp.Header.Set("X-Request-Id", d.row.ID)
	d.answered(resp)
	context.AfterFunc(ctx, func() { d.finish(context.Cause(ctx)) }) // also where nobody reads on
	return resp, nil
}

// answered notes the head of the answer, and puts itself in its body's place.
func (d *direct) answered(resp *http.Response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.body, resp.Body = resp.Body, d
	d.row.Status, d.row.First = resp.StatusCode, d.g.clock.now()
	d.row.Stream = strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
	d.events.Reset(true, true)
}

// Read reads the answer as it came.
func (d *direct) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.meter(p[:n])
	if err != nil {
		d.finish(err)
	}
	return n, err
}

// Close ends the request, if it is not over.
func (d *direct) Close() error {
	err := d.body.Close()
	d.finish(errClientLeft)
	return err
}

// meter looks at what came for what it says of its use.
func (d *direct) meter(p []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	d.row.BytesOut += int64(len(p))
	switch {
	case d.row.Stream:
		_ = d.events.Write(p) // of what is too large, nothing more is seen
		d.events.Chunk()
		d.events.Idle()
	case len(d.whole)+len(p) <= d.g.settings.Load().maxAnswer:
		d.whole = append(d.whole, p...)
	}
}

// finish puts the request into the ledger and the log, once. cause is io.EOF
// where its answer was read whole.
func (d *direct) finish(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	d.over = true
	row := &d.row
	defer d.cancel(nil)
	defer d.g.directs.remove(d)
	if row.Sent.IsZero() { // nothing has come to the engine: there is nothing to write down
		return
	}
	row.Ended = d.g.clock.now()
	u, said := d.usage()
	switch ended := context.Cause(d.ctx); {
	case cause == io.EOF, cause == errClientLeft && (d.events.Done || !row.Stream && said):
		row.End = ledger.Done
	case ended == errStopping:
		row.End = ledger.Interrupted
	case ended == errTotal:
		row.End, row.Code = ledger.BackendFailed, openai.CodeBackendTimeout
	case ended != nil, cause == errClientLeft:
		row.End = ledger.ClientLeft
	default:
		row.End, row.Code = ledger.BackendFailed, openai.CodeBackendError
	}
	if row.Status == 0 {
		row.Status = http.StatusBadGateway
		if row.End == ledger.ClientLeft {
			row.Status = statusClientLeft
		}
	}
	d.charge(u, said)
	_ = d.g.ledger.End(nil, row) // it keeps the row until it can write it; nobody waits for that here
	d.whole = nil
	d.g.access(d.record())
}

// usage is what the engine has said of the use.
func (d *direct) usage() (openai.Usage, bool) {
	if d.row.Stream {
		return d.events.Usage()
	}
	return openai.UsageOf(d.whole)
}

// charge fills in what was used: what the engine says; where it says nothing,
// what was seen of the answer, and the estimate of the prompt.
func (d *direct) charge(u openai.Usage, said bool) {
	row := &d.row
	if row.Status/100 != 2 {
		return
	}
	if !said && d.events.Events > 0 || !said && len(d.whole) > 0 && row.End == ledger.Done {
		u, row.Estimated = openai.Usage{Prompt: d.prompt, Completion: d.events.Events}, true
	}
	if said && row.End != ledger.Done && d.answers*d.prompts > 1 { // it is that of one of them
		u.Completion, row.Estimated = max(u.Completion, d.events.Events), true
	}
	if d.most > 0 {
		u.Absurd = u.Absurd || u.Prompt > d.most || u.Completion > d.most*d.answers
		u.Prompt, u.Completion = min(u.Prompt, d.most), min(u.Completion, d.most*d.answers)
	}
	row.Suspect = u.Absurd
	row.Prompt, row.Completion, row.Cached = int64(u.Prompt), int64(u.Completion), int64(min(u.Cached, u.Prompt))
}

// record is the row as the access log has it.
func (d *direct) record() *record {
	row := &d.row
	r := &record{Record: Record{ID: row.ID, Start: row.Arrived, Org: row.Org, KeyName: row.Key, Route: row.Route, Model: row.Model, Backend: row.Backend,
		Replica: row.Replica, Stream: row.Stream, Phase: PhaseEnded, Status: row.Status, Code: row.Code, End: row.End,
		Duration: row.Ended.Sub(row.Arrived), Prompt: int(row.Prompt), Output: int(row.Completion)}}
	if !row.First.IsZero() {
		r.First = row.First.Sub(row.Arrived)
	}
	return r
}

// directs are the requests past the gateway that are under way.
type directs struct {
	mu   sync.Mutex
	over bool // no more are taken
	all  map[*direct]bool
}

// add takes one that begins, and tells whether it may.
func (s *directs) add(d *direct) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-d.g.ready:
	default:
		return false
	}
	if s.over || d.g.stopping.Load() {
		return false
	}
	s.all[d] = true
	return true
}

func (s *directs) remove(d *direct) {
	s.mu.Lock()
	delete(s.all, d)
	s.mu.Unlock()
}

// replicas are the URLs that they are at.
func (s *directs) replicas() (at []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.all {
		at = append(at, d.row.Replica)
	}
	return at
}

func (s *directs) busy() bool { return len(s.replicas()) > 0 }

// end takes no more, and ends those that there are. They are in the ledger when
// it returns.
func (s *directs) end() {
	s.mu.Lock()
	s.over = true
	left := make([]*direct, 0, len(s.all))
	for d := range s.all {
		left = append(left, d)
	}
	s.mu.Unlock()
	for _, d := range left {
		d.cancel(errStopping)
		d.finish(errStopping)
	}
}
