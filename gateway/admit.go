package gateway

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/openai"
	"pilothouse/gateway/queue"
)

// Admission: a request goes to a replica that has room for it in its KV cache,
// and waits in its backend's line until one has.

// errWaited ends a request that has stood in line for as long as it may.
var errWaited = errors.New("waited in vain for room at the backend")

// line is the queue before a backend, made when it is first asked for. It
// outlives reloads.
func (g *Gateway) line(b *backends.Backend) *queue.Queue {
	g.lines.Lock()
	defer g.lines.Unlock()
	q := g.lines.of[b.Name]
	if q == nil {
		q = queue.New(queue.Options{Length: b.Queue.Length})
		g.lines.of[b.Name] = q
	}
	return q
}

// lines are the queues, by backend.
type lines struct {
	sync.Mutex
	of map[string]*queue.Queue
}

// wake has all lines look whether there is room: readings of engines may have
// made some, or a replica that is well again.
func (l *lines) wake(all []*backends.Backend) {
	l.Lock()
	defer l.Unlock()
	for _, b := range all {
		if q := l.of[b.Name]; q != nil {
			q.Wake(b.Room())
		}
	}
}

// status tells how the lines stand.
func (l *lines) status() map[string]queue.Status {
	l.Lock()
	defer l.Unlock()
	all := make(map[string]queue.Status, len(l.of))
	for name, q := range l.of {
		all[name] = q.Status()
	}
	return all
}

// weigh tells what the request asks of a replica: its prompt, and what its
// answers are expected to have.
func (r *request) weigh(prompt, answer int) error {
	r.need = backends.Need{Prompt: int64(prompt), Sequences: int64(r.inspect.Prompts * r.inspect.N), Prefix: r.prefix}
	if r.endpoint.kind == openai.Embeddings {
		return nil
	}
	r.expect = r.g.expected.of(r.backend.Model, r.key.Org.Name)
	r.need.Output = int64(r.inspect.Prompts*r.inspect.N) * int64(r.expect.tokens(answer))
	most := r.backend.Largest()
	if one := int64(prompt/r.inspect.Prompts + r.inspect.MaxTokens); most > 0 && one > most {
		r.traceTooLarge(one, most)
		e := openai.Refuse(openai.CodeInvalidRequest, fmt.Sprintf("The prompt and max_tokens come to about %d tokens; the backend's KV cache holds %d.", one, most))
		if e.Param = "messages"; r.inspect.MaxTokens > prompt/r.inspect.Prompts {
			e.Param = "max_tokens"
		}
		return e
	}
	return nil
}

// weight is what it comes to, in tokens of KV cache.
func (r *request) weight() int64 { return r.need.Prompt + r.need.Output }

// wait has the request stand in line until it has a place at a replica, or none
// is well.
func (r *request) wait() error {
	r.queue = r.g.line(r.backend)
	placed, err := r.queue.Enter(&r.ticket, r.key.Org.Name, r.key.Org.Weight, r.weight(), r)
	if err != nil {
		r.traceQueued()
		r.traceLeft(0, LineFull)
	} else if !placed {
		began := r.traceQueued()
		r.step(PhaseQueued, time.Duration(r.backend.Queue.Wait))
		_ = r.during(&r.ticket) // what has ended it meanwhile takes it out of the line
		err = r.ticket.Wait()
		_ = r.during(nil)
		r.due.Store(0)
		waited := time.Duration(now() - began)
		r.series.waited.observe(waited, 1)
		r.traceLeft(waited, r.lineEnd(err))
	}
	return err
}

// Take is the queue's question whether there is room.
func (r *request) Take(over bool) bool {
	n := r.need
	n.Over = over
	place, verdict := r.backend.Take(n)
	if verdict == backends.NoRoom {
		return false
	}
	r.place = place // none where none is well: waiting would be in vain
	return true
}

// overloaded is the refusal of a request that no replica has had room for.
func overloaded(f queue.Forecast) *refusal {
	return &refusal{apiError: openai.Refuse(openai.CodeOverloaded, "The model's backend has no room for more requests at the moment."),
		retry: Retry{After: f.RetryAfter, From: RetryLine, Tokens: f.Tokens, PerSecond: f.PerSecond}}
}
