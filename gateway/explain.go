package gateway

import (
	"time"

	"pilothouse/gateway/quota"
)

// Explain tells what was decided about the newest request of an id, in flight or
// among the [Kept] that ended last; false: there is none. Clients may choose ids,
// so there may be older ones.
func (g *Gateway) Explain(id string) (Explanation, bool) {
	live, found := g.explainLive(id)
	var ended kept
	known := false
	g.stats.walk(func(k *kept) bool {
		if k.ID == id {
			ended, known = *k, true
		}
		return !known
	})
	if known && !(found && live.Start.After(ended.Start)) { // one that ends meanwhile is in both
		return explain(ended.record.written(), &ended.trace), true
	}
	return live, found
}

// explainLive is Explain of those in flight.
func (g *Gateway) explainLive(id string) (newest Explanation, found bool) {
	g.each(func(r *request) {
		r.mu.Lock()
		var t trace
		same := r.rec.ID == id && r.trace != nil && !open(r.rec.Route)
		if same {
			t = *r.trace
		}
		r.mu.Unlock()
		if !same {
			return
		}
		rec := r.snapshot(now())
		if t.line == LineWaiting && t.queued != 0 {
			t.waited = rec.Duration - time.Duration(t.queued-t.begun)
		}
		if !found || rec.Start.After(newest.Start) {
			newest, found = explain(rec, &t), true
		}
	})
	return newest, found
}

// Requests are those in flight now, oldest first, and those that ended, newest
// first: at most 200 and [Kept]. None is in both.
func (g *Gateway) Requests() (live, ended []Record) {
	t := now()
	g.each(func(r *request) {
		if rec := r.snapshot(t); len(live) < maxLive && !open(rec.Route) {
			live = append(live, rec)
		}
	})
	sortByAge(live)
	ended = g.stats.newest(Kept)
	over := make(map[recordKey]bool, len(ended))
	for i := range ended {
		over[recordKey{ended[i].ID, ended[i].Start}] = true
	}
	still := live[:0]
	for _, r := range live {
		if !over[recordKey{r.ID, r.Start}] {
			still = append(still, r)
		}
	}
	return still, ended
}

// recordKey tells requests of one id apart.
type recordKey struct {
	id    string
	start time.Time
}

// open tells whether a path needs no key: health checks are not kept, and so not
// listed. The request's endpoint is its own goroutine's.
func open(route string) bool {
	e := fixed[route]
	return e != nil && e.open
}

// each calls f for every request in flight.
func (g *Gateway) each(f func(*request)) {
	select {
	case <-g.ready:
	default:
		return
	}
	g.listener.check(func(c *conn) {
		if r := c.request.Load(); r != nil {
			f(r)
		}
	})
}

// explain puts a trace into steps.
func explain(rec Record, t *trace) Explanation {
	e := Explanation{Record: rec, Retry: t.retry}
	at := func(moment int64) time.Time { return rec.Start.Add(time.Duration(moment - t.begun)) }
	add := func(s Step) { e.Steps = append(e.Steps, s) }
	if t.asked || t.key != KeyUnchecked {
		add(Accepted{At: rec.Start, Key: t.key, Scope: t.scope, Used: t.used, Burst: t.burst, Rate: t.rate, Limited: t.limited})
	}
	if t.inspected != 0 {
		add(Inspected{At: at(t.inspected), Bytes: t.bytes, Prompt: t.prompt, Answers: int(t.answers), Prompts: int(t.prompts), MaxTokens: t.most, Defaulted: t.defaulted})
	}
	if t.reserved != 0 {
		add(Reserved{At: at(t.reserved), Tokens: t.tokens, Outcome: t.held, Requests: window(&t.left.Requests, rec.Start), OfTokens: window(&t.left.Tokens, rec.Start)})
	}
	if t.queued != 0 {
		q := Queued{At: at(t.queued), Needs: t.needs, Booked: t.booked, Capacity: t.capacity, Ahead: int(t.ahead), Orgs: int(t.orgs),
			Limit: t.maxWait, Waited: t.waited, Served: int(t.served), Generated: t.generated, Outcome: t.line}
		if q.Outcome == LineWaiting {
			q.Generated = 0 // it is what there was when it came
		}
		add(q)
	}
	t.explainTries(at, add)
	if t.sent != 0 {
		add(Sent{at(t.sent)})
	}
	if first := rec.Start.Add(rec.First); rec.First != 0 {
		add(Answered{At: first, After: first.Sub(at(t.sent))})
	}
	if t.ended != 0 {
		add(Ended{At: at(t.ended), Status: rec.Status, Code: rec.Code, End: rec.End, Cause: t.cause, Limit: t.limit, By: t.by, Param: t.param,
			Prompt: rec.Prompt, Output: rec.Output, Estimated: t.estimated})
		if t.reserved != 0 && t.held == ReserveHeld {
			add(Settled{At: at(t.ended), Reserved: t.tokens, Charged: t.charged, Counted: t.counted})
		}
	}
	return e
}

// explainTries adds the replicas that were tried.
func (t *trace) explainTries(at func(int64) time.Time, add func(Step)) {
	for i := range t.tries[:min(t.tried, maxTries)] {
		y := &t.tries[i]
		p := Picked{At: at(y.at), Replica: y.replica, Try: i + 1, Well: int(y.well), Needs: t.needs, Booked: y.booked,
			Capacity: y.capacity, InFlight: int(y.inflight), Affinity: y.affinity, Anew: y.anew}
		if i == maxTries-1 {
			p.Try = int(t.tried)
		}
		if y.failed {
			p.Failure = y.why.Kind()
		}
		add(p)
	}
}

func window(l *quota.Left, arrived time.Time) Window {
	return Window{Name: l.Window, OwnKey: l.OwnKey, Limit: l.Limit, Left: l.Remaining, ResetsAt: quota.ResetsAt(l.Window, arrived)}
}
