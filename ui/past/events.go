package past

import (
	"slices"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gpu"
)

// mostEvents is how many events are kept.
const mostEvents = 512

// watch finds out what happened from how what is published differs from what was
// before. What was so when it first looked is no event. It belongs to one
// goroutine.
type watch struct {
	all  []Event // newest first; never changed in place
	news []Event // of this step

	gateway *gateway.Snapshot // as they were; nil: not seen yet
	pool    *backends.Snapshot
	gpus    *gpu.Snapshot
	books   *books

	xids    map[xid]bool
	jobs    map[int]told // those that a snapshot told of
	levels  map[window]level
	head    *ledger.Event  // the newest of the audit that was seen
	pending []ledger.Event // of the audit, oldest first, too young to be told
}

func newWatch() *watch {
	return &watch{xids: map[xid]bool{}, jobs: map[int]told{}, levels: map[window]level{}}
}

// step compares, and returns the events there are now.
func (w *watch) step(now time.Time, l look, t Trends) []Event {
	w.news = w.news[:0]
	if l.gateway != nil && l.gateway != w.gateway {
		if w.gateway != nil {
			w.seeGateway(now, w.gateway, l.gateway)
		}
		w.gateway = l.gateway
	}
	if l.pool != nil && l.pool != w.pool {
		if w.pool != nil {
			w.seeBackends(now, w.pool, l.pool)
			w.seeHosts(now, w.pool, l.pool)
			w.seeJobs(now, w.pool.Jobs, l.pool.Jobs)
		}
		w.pool = l.pool
	}
	if l.gpus != nil && l.gpus != w.gpus {
		w.seeDevices(now, w.gpus, l.gpus)
		w.seeXIDs(now, w.gpus, l.gpus)
		w.gpus = l.gpus
	}
	if b := l.books; b != nil && b != w.books && b.err == "" {
		w.seeQuotas(now, b.quotas, w.books == nil, t)
		w.hear(now, b.audit)
		w.books = b
	}
	w.tellAudit(now)
	if len(w.news) > 0 {
		slices.Reverse(w.news) // of two at the same time, what was told later
		all := slices.Concat(w.news, w.all)
		slices.SortStableFunc(all, func(a, b Event) int { return b.At.Compare(a.At) })
		w.all = slices.Clip(all[:min(len(all), mostEvents)])
	}
	return w.all
}

func (w *watch) tell(at time.Time, k Kind, object string, g Grade, text string) {
	w.news = append(w.news, Event{At: at.Round(0).UTC(), Kind: k, Object: cut(object, mostText/4), Text: cut(text, mostText), Grade: g})
}

// String names a grade.
func (g Grade) String() string {
	switch g {
	case Good:
		return "good"
	case Warn:
		return "warning"
	case Bad:
		return "bad"
	}
	return "plain"
}
