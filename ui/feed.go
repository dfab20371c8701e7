package ui

import (
	"context"
	"sync"
	"time"

	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/past"
)

// OwnLog is the log that this process writes; a *past.Log.
type OwnLog interface {
	// Lines are those behind a place, oldest first, as far as they are kept, and the
	// place of the last. Places count lines; 0 is before all. It never waits.
	Lines(after uint64) (lines []past.LogLine, next uint64)
}

// Bounds of what waits to be taken. It drops the oldest, and counts them.
const (
	feedLines = 20_000
	feedBytes = 16 << 20
)

// Times of a feed.
const (
	feedRetry = time.Second      // until the first new attempt; each failure doubles it,
	feedSlow  = 30 * time.Second // up to this
	feedQuiet = 3 * time.Second  // a log that has told nothing for so long has nothing to tell yet
	feedWell  = 15 * time.Second // an attempt that lasts so long has got through
	feedOwn   = 250 * time.Millisecond
	feedGrace = 2 * time.Second // for what has to end
)

// feed reads one log at a time for a dashboard, apart from it: ask and take wait for
// nobody, whatever the one who has the log does. What fails is tried again, later and
// later, from where it broke off.
//
// newFeed makes one; close ends it.
type feed struct {
	logs desk.Logs // nil: there are no containers
	own  OwnLog    // nil: there is no such log

	wake  chan struct{} // holds one
	ended chan struct{}

	mu      sync.Mutex
	closed  bool
	running bool // the reader was started
	want    pane.LogQuery
	reading int                // counts readings; this one is under way
	stop    context.CancelFunc // ends the reading under way; nil: none is
	at      place
	tray    tray
	state   pane.LogBatch // without lines: how the reading stands
	changed bool          // state is not what was taken last
}

// place is how far a question has been answered.
type place struct {
	generation int
	lines      int
	bytes      int
	at         time.Time // of the last line
	same       int       // lines of that time
	own        uint64    // in this process's log
}

// newFeed makes a feed that reads nothing yet.
func newFeed(logs desk.Logs, own OwnLog) *feed {
	return &feed{logs: logs, own: own, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// ask has a log read; the zero query has none read. The one that is being read goes
// on being read, and one that was broken off goes on from there.
func (f *feed) ask(q pane.LogQuery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || q == f.want {
		return
	}
	f.want = q
	if f.stop != nil {
		f.stop()
		f.watch(q)
	}
	if q != (pane.LogQuery{}) && q.Generation != f.at.generation {
		f.at, f.tray, f.state, f.changed = place{generation: q.Generation}, tray{}, pane.LogBatch{Generation: q.Generation}, false
	}
	if !f.running {
		f.running = true
		go f.run()
	}
	f.nudge()
}

// watch says so where the reading that was under way doesn't end.
func (f *feed) watch(q pane.LogQuery) {
	reading := f.reading
	time.AfterFunc(feedGrace, func() {
		f.mu.Lock()
		stuck := f.reading == reading
		f.mu.Unlock()
		if stuck {
			f.update(q, func(s *pane.LogBatch) { s.Err = errStuck.Error() })
		}
	})
}

func (f *feed) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take gives what came since the last time, and tells whether there is anything
// new in it: without, the dashboard needn't draw.
func (f *feed) take() (pane.LogBatch, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.changed || f.want == (pane.LogQuery{}) {
		return pane.LogBatch{}, false
	}
	b := f.state
	b.Lines, b.Dropped = f.tray.empty()
	f.changed = false
	return b, true
}

// close ends all that the feed has started, and waits for its end; but not for one
// who has the log and doesn't let go. It may be called twice.
func (f *feed) close() {
	f.mu.Lock()
	f.closed, f.want = true, pane.LogQuery{}
	if f.stop != nil {
		f.stop()
	}
	running := f.running
	f.nudge()
	f.mu.Unlock()
	if !running {
		return
	}
	late := time.NewTimer(feedGrace)
	defer late.Stop()
	select {
	case <-f.ended:
	case <-late.C:
	}
}

// run reads what is asked for until the feed is closed.
func (f *feed) run() {
	defer close(f.ended)
	for {
		q, ctx, ok := f.next()
		switch {
		case !ok:
			return
		case ctx == nil:
			<-f.wake
		default:
			f.answer(ctx, q)
		}
	}
}

// next is what is to be read, under a context that ends when it no longer is; nil:
// nothing is. false: never again.
func (f *feed) next() (pane.LogQuery, context.Context, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reading++; f.stop != nil {
		f.stop()
		f.stop = nil
	}
	q := f.want
	if f.closed {
		return q, nil, false
	}
	if q == (pane.LogQuery{}) || f.state.Done {
		return q, nil, true
	}
	f.state.Err = ""
	var ctx context.Context
	ctx, f.stop = context.WithCancel(context.Background())
	return q, ctx, true
}

// answer reads one log, again and again where that fails, until ctx ends or all has
// been told.
func (f *feed) answer(ctx context.Context, q pane.LogQuery) {
	for wait := feedRetry; ; wait = min(2*wait, feedSlow) {
		before := f.place().lines
		err := f.read(ctx, q)
		if ctx.Err() != nil {
			return
		}
		if f.place().lines > before {
			wait = feedRetry
		}
		if err == nil && !q.Follow {
			f.update(q, func(s *pane.LogBatch) { s.Done, s.Err, s.Retry = true, "", time.Time{} })
			return
		}
		// What is followed and ends all the same is read on, with no fuss.
		f.update(q, func(s *pane.LogBatch) {
			s.Err, s.Retry = "", time.Time{}
			if err != nil {
				s.Err, s.Retry = err.Error(), time.Now().Add(wait)
			}
		})
		f.reached(q)
		if !sleep(ctx, wait) {
			return
		}
		f.update(q, func(s *pane.LogBatch) { s.Retry = time.Time{} })
	}
}

// sleep waits, and tells whether ctx lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *feed) place() place {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// update changes how the reading stands, while it is the one that is wanted.
func (f *feed) update(q pane.LogQuery, change func(*pane.LogBatch)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.want != q || q == (pane.LogQuery{}) {
		return
	}
	was := f.state
	change(&f.state)
	f.changed = f.changed || f.state.Done != was.Done || f.state.Err != was.Err || !f.state.Retry.Equal(was.Retry)
}

// reached notes that whoever has the log was reached, though there may be nothing
// to tell.
func (f *feed) reached(q pane.LogQuery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = f.changed || f.want == q
}

// read reads a log once.
func (f *feed) read(ctx context.Context, q pane.LogQuery) error {
	if q.Kind == pane.LogGateway {
		return f.readOwn(ctx, q)
	}
	return f.readContainer(ctx, q)
}
