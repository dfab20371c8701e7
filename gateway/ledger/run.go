package ledger

import (
	"context"
	"sync"
	"time"
)

const (
	drainEvery      = time.Second // and when drainAt waits
	checkpointEvery = time.Second
	tidyEvery       = time.Minute
	drainAt         = 512 << 10 // bytes of the journal
)

// Run writes checkpoints of the live requests, drains the journal into the
// database and removes rows that are older than Options.Keep. It returns when
// ctx ends, after one drain more: what that could not write. What fails in
// between shows in [Ledger.Status] and is tried again.
func (l *Ledger) Run(ctx context.Context) error {
	var work sync.WaitGroup
	work.Go(func() { l.runWriter(ctx) })
	work.Go(func() { l.runDrainer(ctx) })
	work.Wait()
	return l.drain(context.WithoutCancel(ctx))
}

// runWriter keeps checkpoints, and tries to write again where that failed.
func (l *Ledger) runWriter(ctx context.Context) {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			l.journal.do(checkpointTask)
			return
		case now := <-tick.C:
			switch {
			case l.journal.refusing.Load() != nil:
				l.journal.do(probeTask)
			case now.Sub(last) >= checkpointEvery:
				last = now
				l.journal.do(checkpointTask)
			}
		}
	}
}

func (l *Ledger) runDrainer(ctx context.Context) {
	drain, tidy := time.NewTicker(drainEvery), time.NewTicker(tidyEvery)
	defer drain.Stop()
	defer tidy.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tidy.C:
			if err := l.store.tidy(ctx, l.o.Clock()); err != nil && ctx.Err() == nil {
				l.o.Log.Warn("old rows are kept longer", "error", err)
			}
			continue
		case <-l.filled:
			if failing {
				continue // the next tick is soon enough
			}
		case <-drain.C:
		}
		err := l.drain(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			l.o.Log.Error("write ledger", "error", err)
		}
		if err == nil && failing {
			l.o.Log.Info("ledger is written again")
		}
		failing = err != nil
	}
}
