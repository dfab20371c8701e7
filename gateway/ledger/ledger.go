package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a ledger is opened with.
type Options struct {
	Dir   string           // where its files are; made if need be
	Sync  bool             // an entry is on the disk, not only with the kernel, before it counts as written
	Keep  time.Duration    // how long rows are kept; 0: 90 days. Roll-ups are kept for good
	Clock func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: none
}

// InUseError says that another process, or another Ledger, has the directory.
type InUseError struct{ Dir string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("open ledger: %q is in use by another process: stop it, or set another state_dir", e.Dir)
}

// Unavailable says that the ledger can't take a request's beginning or end. Its
// text names no file.
type Unavailable struct{ Err error }

func (e *Unavailable) Error() string { return "write ledger: " + e.Err.Error() }
func (e *Unavailable) Unwrap() error { return e.Err }

// ErrClosed is what Begin and End fail with, inside an [Unavailable], after
// Close.
var ErrClosed = errors.New("closed")

// Status is how a ledger does.
type Status struct {
	Err          string    // why the journal or the database can't be written; "": both can
	Since        time.Time // when Err began
	Refusing     bool      // Begin fails
	Open         int       // requests that have begun and not ended
	Rows         uint64    // ends written to the journal since Open
	WaitingRows  uint64    // of Rows: those not yet in the database
	WaitingBytes int64     // of the journal, not yet read back
	Backlog      int       // ends in memory, because they could not be written
	Lost         uint64    // ends that neither the journal nor memory had room for
	Damaged      int64     // bytes of the journal that could not be read back whole
}

// Ledger is a ledger that is open.
type Ledger struct {
	o       Options
	t       tuning
	lock    *lock
	journal *journal
	store   *store

	drainer drainer
	closing sync.Once
	closed  error // of the first Close

	filled  chan struct{} // the journal holds enough for a drain
	trouble trouble       // the database's
	damaged atomic.Int64  // bytes
}

// tuning is what tests make small.
type tuning struct {
	segment int64 // bytes of a segment, at least
	backlog int   // ends kept in memory
	batch   int   // rows of one transaction

	unmapped bool // segments are written with calls, as on file systems where they must be
}

var usual = tuning{segment: 4 << 20, backlog: 10_000, batch: 1000}

// Open opens the ledger in o.Dir. What a process that died had left open there
// is in it as Interrupted when Open returns. It fails with an [InUseError]
// while another process has the directory.
func Open(o Options) (*Ledger, error) { return open(o, usual) }

// Begin writes that a request begins, and returns when that is in the journal.
// It is called before the request goes to a backend. The row holds what is
// known by then: Prompt is the estimate that the request is charged if nothing
// more is ever known of it. The row is not kept. It fails with an
// [Unavailable]; the request has not begun then, and must not be sent.
func (l *Ledger) Begin(row *Row) (*Entry, error) { return l.journal.begin(row) }

// End writes a request's row, and returns when that is in the journal. It is
// called before the client gets the last byte; e is nil for a request that
// never began. The row is not kept; e must not be used any more. It fails with
// an [Unavailable]: the row is then kept in memory and written when that is
// possible again, and the caller decides what the client gets.
func (l *Ledger) End(e *Entry, row *Row) error { return l.journal.end(e, row) }

// Flush moves what is in the journal into the database.
func (l *Ledger) Flush() error { return l.drain(context.Background()) }

// Close drains once more and gives the directory back. Requests still open
// are found Interrupted by the next Open. Begin and End fail from here on.
// Calling it again returns what the first call did.
func (l *Ledger) Close() error {
	l.closing.Do(func() { l.closed = l.shut() })
	return l.closed
}

// Status is cheap, and any goroutine may ask for it.
func (l *Ledger) Status() Status {
	v := l.journal.look()
	s := Status{
		Refusing:     v.err != nil,
		Open:         v.open,
		Rows:         v.rows,
		WaitingRows:  v.rows - v.drained,
		WaitingBytes: v.waiting,
		Backlog:      v.backlog,
		Lost:         v.lost,
		Damaged:      l.damaged.Load(),
	}
	s.Err, s.Since = l.trouble.look()
	if v.err != nil {
		s.Err, s.Since = v.err.Error(), v.since
	}
	return s
}
