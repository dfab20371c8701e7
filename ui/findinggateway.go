package ui

import (
	"time"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// The error rate over the last minute that is a finding, and how many errors
// make one: a single failure is no rate.
const (
	errorSpan    = 60 // seconds
	errorBad     = 0.05
	errorWarn    = 0.01
	errorsAtBad  = 5
	errorsAtWarn = 3
)

// longWait is how long a request may wait for room before that is a finding.
const longWait = 10 * time.Second

// findGateway looks at what the gateway says of itself, its queues and its answers.
func findGateway(d pane.Data, add adder) {
	g := d.Gateway
	if g == nil {
		return
	}
	if age := d.Now.Sub(g.At); age >= pane.Stale {
		add(rankStale, widget.Bad, pane.Ref{}, "the gateway has published nothing for %s: all figures are that old", widget.Age(age))
	}
	if g.Draining {
		add(rankDraining, widget.Warn, pane.Ref{}, "draining: new requests get 503, %d in flight may end", g.InFlight)
	}
	for _, b := range poolNames(d) {
		if q := g.Queues[b]; q.Oldest >= longWait {
			add(rankQueue, widget.Warn, backend(b), "%s: %s for room, the first for %s", b, waiting(q.Waiting), widget.Age(q.Oldest))
		}
	}
	requests, errors := 0, 0
	for _, p := range g.History[max(0, len(g.History)-errorSpan):] {
		requests, errors = requests+p.Requests, errors+p.Errors
	}
	if requests == 0 {
		return
	}
	share := float64(errors) / float64(requests)
	grade := widget.Bad
	switch {
	case errors >= errorsAtBad && share >= errorBad:
	case errors >= errorsAtWarn && share >= errorWarn:
		grade = widget.Warn
	default:
		return
	}
	where, about := "", pane.Ref{}
	most := 0.0
	for _, b := range poolNames(d) {
		if r := g.Backends[b]; r.Errors > most {
			most, where, about = r.Errors, ", now most on "+b, backend(b)
		}
	}
	add(rankFailing, grade, about, "%.1f%% of answers failed in the last minute: %s of %s%s", 100*share, widget.Count(uint64(errors)), widget.Count(uint64(requests)), where)
}

// waiting is how many requests wait.
func waiting(n int) string {
	if n == 1 {
		return "1 request waits"
	}
	return widget.Many(n, "request") + " wait"
}

// poolNames are the backends in the order of the configuration: a map's order
// would make the words jump.
func poolNames(d pane.Data) []string {
	var names []string
	if d.Pool != nil {
		for i := range d.Pool.Backends {
			names = append(names, d.Pool.Backends[i].Name)
		}
	}
	return names
}
