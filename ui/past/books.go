package past

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
)

// Books are what a serving gateway knows of the use of it; a *gateway.Gateway.
type Books interface {
	Quotas(ctx context.Context) ([]gateway.OrgQuotas, error)
	Grants(ctx context.Context, all bool) ([]ledger.Grant, error)
	Audit(ctx context.Context, most int) ([]ledger.Event, error)
}

const (
	readEvery   = 2 * time.Second // from one reading of the books to the next
	readWithin  = 2 * time.Second // that each has
	mostAudit   = 200
	mostWindows = 200 // that have a series
)

// books is one reading of them. It is immutable.
type books struct {
	at     time.Time
	quotas []gateway.OrgQuotas
	grants []ledger.Grant
	audit  []ledger.Event
	tops   []top  // limited windows, the fullest first, at most mostWindows
	err    string // why nothing could be read the last time; the rest is older then
}

// top is a window that has a series.
type top struct {
	name  string
	share float64
}

// readBooks reads the books again and again, on a goroutine of its own: however
// long a ledger takes, nobody waits for it.
func (r *Recorder) readBooks(ctx context.Context) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		r.readBooksOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Recorder) readBooksOnce(ctx context.Context) {
	asked := r.o.Now()
	r.asking.Store(&asked)
	next, err := r.ask(ctx)
	if ctx.Err() != nil {
		return
	}
	r.asking.Store(nil)
	last := r.books.Load()
	if err != nil {
		next = books{}
		if last != nil {
			next = *last
		}
		next.err = err.Error()
		if last == nil || last.err == "" {
			r.o.Log.Warn("the books could not be read", "error", next.err)
		}
	}
	r.books.Store(&next)
}

func (r *Recorder) ask(ctx context.Context) (b books, err error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	if b.quotas, err = r.sources.Books.Quotas(ctx); err != nil {
		return b, fmt.Errorf("read the quotas: %w", err)
	}
	b.at = r.o.Now()
	if b.grants, err = r.sources.Books.Grants(ctx, false); err != nil {
		return b, fmt.Errorf("read the grants: %w", err)
	}
	if b.audit, err = r.sources.Books.Audit(ctx, mostAudit); err != nil {
		return b, fmt.Errorf("read the audit: %w", err)
	}
	b.tops = fullest(b.quotas)
	return b, nil
}

// fullest are the limited windows that have a series.
func fullest(quotas []gateway.OrgQuotas) []top {
	var all []top
	for _, q := range quotas {
		for i := range q.Windows {
			if w := &q.Windows[i]; w.Limit > 0 {
				all = append(all, top{WindowName(q.Org, w.Key, w.Name), share(w.Used, w.Limit)})
			}
		}
	}
	if len(all) > mostWindows {
		slices.SortFunc(all, func(a, b top) int { return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.name, b.name)) })
		all = slices.Clone(all[:mostWindows])
	}
	return all
}

// share is how much of a limit is used, 0 to 1.
func share(used, limit int64) float64 {
	return min(max(float64(used)/float64(limit), 0), 1)
}

// trouble says why the books are not known as they are; "": they are.
func (r *Recorder) trouble(now time.Time, b *books) string {
	if asked := r.asking.Load(); asked != nil && now.Sub(*asked) > readWithin+readEvery {
		return "the ledger has not answered for " + span(now.Sub(*asked))
	}
	if b == nil {
		return ""
	}
	return b.err
}
