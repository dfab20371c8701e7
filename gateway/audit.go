package gateway

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
)

// Drift is how far an engine's own counts are from the ledger's, since the
// engine started. Counts are tokens.
//
// vLLM counts a prompt when its first token is out, whole, whatever its prefix
// cache held of it, and once for each of the n answers asked for; the answer's
// usage has it once. It counts every token that it generates. So these drifts
// are expected:
//
//   - Completion a little above 0: after a client left, the engine generates
//     until it hears of it, and after a stop string was found until the step
//     ends.
//   - Prompt below 0: a client left before the first token; the ledger charges
//     the estimate and the engine counts nothing.
//   - Both above 0: a backend failed before its answer's first event. The ledger
//     charges nothing for that, whatever the engine had counted by then.
//   - Prompt above 0 where n > 1, by n-1 prompts.
//   - Either way by what estimated rows are wrong.
//
// What others ask the engine for, and what it did before this ledger began, is
// drift too.
type Drift struct {
	Backend string
	Replica string    // its URL
	Started time.Time // of the engine, by its own clock
	At      time.Time // of the engine's counts

	EnginePrompt     int64
	EngineGeneration int64
	LedgerPrompt     int64 // of requests sent since Started, and what is known of those in flight
	LedgerCompletion int64
	OpenPrompt       int64 // beyond that, what the engine may have counted for those in flight: an upper bound
	OpenCompletion   int64

	Shared bool // other gateways use the engine, and have ledgers of their own: only a drift below 0 means anything
}

// Prompt is the engine's count of prompt tokens less the ledger's.
func (d *Drift) Prompt() int64 { return d.EnginePrompt - d.LedgerPrompt }

// Completion is the engine's count of generated tokens less the ledger's.
func (d *Drift) Completion() int64 { return d.EngineGeneration - d.LedgerCompletion }

// Suspicious tells whether somebody should look: requests reach the engine past
// the gateway, the ledger misses some, or it charges what nobody generated.
//
// A drift is that when it is beyond 10,000 tokens and beyond a fiftieth of the
// larger count. The first is what a few requests make that end between the two
// readings, or a few dozen clients that leave; the second lets estimates be
// wrong as they are, by some percent of the few requests that have them, and
// holds at any rate, since counts and expected drift grow together.
func (d *Drift) Suspicious() bool {
	return d.far(d.EnginePrompt, d.LedgerPrompt, d.OpenPrompt) || d.far(d.EngineGeneration, d.LedgerCompletion, d.OpenCompletion)
}

func (d *Drift) far(engine, ledger, open int64) bool {
	beyond := max(10_000, max(engine, ledger)/50)
	return ledger-engine > beyond || !d.Shared && engine-ledger-open > beyond
}

// inFlight are the tokens of a replica's requests that have not ended.
type inFlight struct {
	Seen ledger.Totals // prompts whose answer has begun, and what is known to be generated
	Open ledger.Totals // beyond Seen, what the engine may have counted at most
}

// sums is the ledger, for the audit.
type sums interface {
	// SinceStart sums the tokens of a replica's ended requests that were sent
	// at started or later.
	SinceStart(ctx context.Context, replica string, started time.Time) (ledger.Totals, error)
}

// auditor holds the ledger against the engines' own counts. Its drifts may be
// asked for at any time, by any goroutine.
type auditor struct {
	pool   func() *backends.Snapshot
	sums   sums
	flight func() map[string]inFlight // by replica
	shared bool                       // see Drift
	log    *slog.Logger
	list   atomic.Pointer[[]Drift]
}

// auditLook is how soon new counts are noticed: what the ledger takes in between
// looks like drift below 0. Every second reading of the counts, which are 5 s
// apart, is worth a query.
const (
	auditLook  = 250 * time.Millisecond
	auditEvery = 8 * time.Second
)

// drifts are those known, in the order of the configuration; not to be changed.
// A replica is among them once its engine has told its counts and its start.
func (a *auditor) drifts() []Drift {
	if list := a.list.Load(); list != nil {
		return *list
	}
	return nil
}

// run audits each engine every ten seconds or so, until ctx ends.
func (a *auditor) run(ctx context.Context) {
	tick := time.NewTicker(auditLook)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := a.look(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			a.log.Warn("the ledger can't be held against the engines", "error", err)
		}
		failing = err != nil
	}
}

// look audits the engines whose counts are new, and keeps what is known of the
// others that are still there.
func (a *auditor) look(ctx context.Context) error {
	type id struct{ backend, replica string }
	old := map[id]*Drift{}
	for i, list := 0, a.drifts(); i < len(list); i++ {
		old[id{list[i].Backend, list[i].Replica}] = &list[i]
	}
	var next []Drift
	var failed error
	changed := false
	flight := sync.OnceValue(a.flight) // before the sums: what ends in between is in both, and not in neither
	snap := a.pool()
	for i := range snap.Backends {
		b := &snap.Backends[i]
		for j := range b.Replicas {
			replica, engine := b.Replicas[j].URL, b.Replicas[j].Engine
			last := old[id{b.Name, replica}]
			if engine == nil || engine.Started.IsZero() || engine.Prompt < 0 || engine.Generation < 0 || last != nil && engine.At.Sub(last.At) < auditEvery && engine.Started.Equal(last.Started) {
				if last != nil {
					next = append(next, *last)
				}
				continue
			}
			d, err := a.audit(ctx, b.Name, replica, engine, flight()[replica])
			if err != nil {
				failed = err
				if last != nil {
					next = append(next, *last)
				}
				continue
			}
			next, changed = append(next, d), true
		}
	}
	if changed || len(next) != len(old) {
		a.list.Store(&next)
	}
	return failed
}

func (a *auditor) audit(ctx context.Context, backend, replica string, e *backends.EngineStatus, f inFlight) (Drift, error) {
	t, err := a.sums.SinceStart(ctx, replica, e.Started)
	if err != nil {
		return Drift{}, err
	}
	return Drift{
		Backend: backend, Replica: replica, Started: e.Started, At: e.At, Shared: a.shared,
		EnginePrompt: e.Prompt, EngineGeneration: e.Generation,
		LedgerPrompt: t.Prompt + f.Seen.Prompt, LedgerCompletion: t.Completion + f.Seen.Completion,
		OpenPrompt: f.Open.Prompt, OpenCompletion: f.Open.Completion,
	}, nil
}
