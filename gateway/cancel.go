package gateway

import (
	"context"
	"errors"
	"fmt"

	"pilothouse/gateway/ledger"
)

// CancelRequest ends every request in flight of an id, at its backend too, and
// tells whether there was one: clients may choose ids, so there can be more. by
// and reason go into the audit. Requests are ended even where that can't be
// written, which is the error then. Each is charged what it has used; its client
// gets 503 "cancelled", or that event in its stream. One that ends by itself at
// that moment ends as it would have.
func (g *Gateway) CancelRequest(ctx context.Context, id, by, reason string) (bool, error) {
	n, err := g.cancel(ctx, ledger.Event{Author: by, Object: id, Detail: reason}, func(rec *record) bool { return rec.ID == id })
	return n > 0, err
}

// CancelOrg is CancelRequest for all requests in flight of an organisation. It
// returns how many there were.
func (g *Gateway) CancelOrg(ctx context.Context, org, by, reason string) (int, error) {
	return g.cancel(ctx, ledger.Event{Author: by, Object: "org " + org, Detail: reason}, func(rec *record) bool { return rec.Org == org })
}

// cancel ends the requests that match. What is to be done is noted before, and
// what was done after, come what may of ctx.
func (g *Gateway) cancel(ctx context.Context, e ledger.Event, match func(*record) bool) (int, error) {
	if len(g.matching(match)) == 0 {
		return 0, nil
	}
	e.Action = "cancel"
	before := g.ledger.Note(ctx, e)
	n := 0
	for _, r := range g.matching(match) { // those that came meanwhile, too
		if r.endBy(errCancelled, e.Author) {
			n++
		}
	}
	e.Action = "cancelled"
	g.log.Warn("requests were cancelled", "object", e.Object, "by", e.Author, "reason", e.Detail, "requests", n)
	if e.Detail = fmt.Sprintf("%d requests", n); n == 1 {
		e.Detail = "1 request"
	}
	err := errors.Join(before, g.ledger.Note(context.WithoutCancel(ctx), e))
	if err != nil {
		err = fmt.Errorf("note that %d requests of %q were cancelled: %w", n, e.Object, err)
	}
	return n, err
}

// matching are the requests in flight that match and are not settled.
func (g *Gateway) matching(match func(*record) bool) (found []*request) {
	select {
	case <-g.ready:
	default:
		return nil
	}
	g.listener.check(func(c *conn) {
		r := c.request.Load()
		if r == nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.rec.End == EndNone && match(&r.rec) {
			found = append(found, r)
		}
	})
	return found
}
