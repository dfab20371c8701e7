package gateway

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// ServeConn serves one connection of the test's own making, until it ends: one
// that holds writes up, or breaks as no socket does.
func (g *Gateway) ServeConn(c net.Conn) error { return g.newServer().ServeConn(c) }

// TurnClock is the host's clock being set. It holds until the gateway looks at
// the real one again, within a tenth of a second.
func (g *Gateway) TurnClock(by time.Duration) { g.clock.ahead.Add(int64(by)) }

// Quiet tells whether no request is under way, and all that ended are booked:
// counted, and in the log. Those that are in no socket's hands yet it can't know.
func (g *Gateway) Quiet() bool { return g.stats.inflight.Load() == 0 && !g.listener.busy() }

// Left tells what is left of requests: "" once all of them are over. Whatever way
// a request has ended, it has given everything back.
func (g *Gateway) Left() string {
	var left strings.Builder
	say := func(n int64, what, of string) {
		if n != 0 {
			fmt.Fprintf(&left, "%d %s %s\n", n, what, of)
		}
	}
	say(g.stats.inflight.Load(), "requests in flight", "")
	say(int64(g.ledger.Status().Open), "entries open", "in the ledger")
	for name, q := range g.lines.status() {
		say(int64(q.Waiting), "requests in the line of", name)
		say(q.Tokens, "tokens in the line of", name)
		say(q.UnderWay, "tokens under way behind the line of", name)
	}
	for _, o := range g.quotas() {
		for _, w := range o.Windows {
			say(w.Reserved, "reserved in "+w.Name+" of", o.Org)
		}
	}
	say(int64(len(g.directs.replicas())), "requests past the gateway", "")
	for _, b := range g.pool.All() {
		say(int64(g.stats.backend(b.Name).inflight.Load()), "requests in flight at", b.Name)
		for _, r := range b.Now() {
			say(int64(r.InFlight), "requests in flight at", r.URL)
			say(r.Booked, "tokens booked at", r.URL)
			say(r.Live, "tokens live at", r.URL)
			say(r.Reading, "tokens being read at", r.URL)
			say(r.Sequences, "sequences at", r.URL)
		}
	}
	g.listener.check(func(c *conn) { say(1, "open connection of", c.RemoteAddr().String()) })
	return left.String()
}

// InsideSecret is what operators' own requests show.
func (g *Gateway) InsideSecret() string { return string(g.inside.secret) }

// DialInside is a connection of an operator's own, to write whatever bytes one likes.
func (g *Gateway) DialInside(ctx context.Context, operator string) (net.Conn, error) {
	who, err := g.caller(operator)
	if err != nil {
		return nil, err
	}
	return g.inside.dial(ctx, g.listener, who)
}

// AuditNow holds the ledger against what the engines have told last.
func (g *Gateway) AuditNow(ctx context.Context) ([]Drift, error) {
	a := auditor{pool: g.audit.pool, sums: g.audit.sums, flight: g.audit.flight, log: g.log}
	err := a.look(ctx)
	return a.drifts(), err
}
