package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// position is a place in the journal.
type position struct {
	Segment uint64
	Offset  int64
}

// store is the database. One connection writes; others read, each as of the
// moment at which it began, and hold nobody up.
type store struct {
	id    string // the gateway's
	clock func() time.Time
	keep  time.Duration

	mu     sync.Mutex // of what writes
	db     *sql.DB
	conn   *sql.Conn
	rows   rows // how they are inserted
	hourly *sql.Stmt
	daily  *sql.Stmt
	totals *sql.Stmt
	newest *sql.Stmt // of a replica's starts
	late   *sql.Stmt // adds to baselines
	moved  *sql.Stmt
	sums   rollups

	reads *sql.DB
}

func openStore(path string, o Options) (*store, error) {
	ctx := context.Background()
	sync := "NORMAL"
	if o.Sync {
		sync = "FULL"
	}
	s := &store{clock: o.Clock, keep: o.Keep, sums: newRollups()}
	if s.clock == nil {
		s.clock = time.Now
	}
	err := s.open(ctx, path, sync)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *store) open(ctx context.Context, path, sync string) (err error) {
	fresh, err := look(ctx, path)
	if err != nil {
		return err
	}
	pragmas := []string{"auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = " + sync}
	if fresh {
		// The one page that the first two write needs no journal, and one that a
		// process left behind would have to be rolled back before a look.
		pragmas = slices.Insert(pragmas, 0, "journal_mode = MEMORY")
	}
	if s.db, err = sql.Open("sqlite", dsn(path, false)); err != nil {
		return fmt.Errorf("open ledger: %w", err)
	}
	s.db.SetMaxOpenConns(1)
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return notOurs(path, err)
	}
	for _, p := range pragmas {
		if _, err := s.conn.ExecContext(ctx, "PRAGMA "+p); err != nil {
			return notOurs(path, err)
		}
	}
	if s.id, err = prepare(ctx, s.conn, path); err != nil {
		return err
	}
	if err := s.rows.open(ctx, s.conn); err != nil {
		return notOurs(path, err)
	}
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.hourly, upsert("hourly", "hour")},
		{&s.daily, upsert("daily", "day")},
		{&s.totals, `INSERT INTO totals VALUES (?,?,?) ON CONFLICT DO UPDATE SET
			prompt_tokens = prompt_tokens + excluded.prompt_tokens, completion_tokens = completion_tokens + excluded.completion_tokens`},
		{&s.newest, "SELECT MAX(started) FROM baselines WHERE replica = ?"},
		{&s.late, `UPDATE baselines SET prompt_tokens = prompt_tokens + ?, completion_tokens = completion_tokens + ? WHERE replica = ? AND started > ?`},
		{&s.moved, "INSERT INTO journal VALUES (1,?,?) ON CONFLICT DO UPDATE SET segment = excluded.segment, offset = excluded.offset"},
	} {
		if *p.stmt, err = s.conn.PrepareContext(ctx, p.text); err != nil {
			return notOurs(path, err)
		}
	}
	if s.reads, err = sql.Open("sqlite", dsn(path, true)); err != nil {
		return fmt.Errorf("open ledger: %w", err)
	}
	s.reads.SetMaxOpenConns(4)
	return nil
}

// position tells how far the journal has been taken in; zero: nothing yet.
func (s *store) position() (p position, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.conn.QueryRowContext(context.Background(), "SELECT segment, offset FROM journal").Scan(&p.Segment, &p.Offset)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err != nil {
		return p, fmt.Errorf("read ledger: %w", err)
	}
	return p, nil
}

// insert takes in rows, and how far the journal has been read with them: all of
// it, or nothing.
func (s *store) insert(rows []Row, upto position) error {
	for i := range rows {
		rows[i].date(s.clock)
	}
	err := s.write(context.Background(), func(ctx context.Context) error {
		if err := s.rows.insert(ctx, s.conn, rows); err != nil {
			return err
		}
		if err := s.sums.write(ctx, s, rows); err != nil {
			return err
		}
		_, err := s.moved.ExecContext(ctx, int64(upto.Segment), upto.Offset)
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows.settle(err == nil)
	return err
}

// write runs one transaction. Only f ends with ctx: a statement that has run
// fails all the same if its context ends meanwhile, and what begins or ends a
// transaction must not leave anybody wrong about whether there is one.
func (s *store) write(ctx context.Context, f func(context.Context) error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lasting := context.WithoutCancel(ctx)
	if err = ctx.Err(); err == nil {
		_, err = s.conn.ExecContext(lasting, "BEGIN IMMEDIATE")
	}
	if err == nil {
		if err = f(ctx); err == nil {
			_, err = s.conn.ExecContext(lasting, "COMMIT")
		}
		if err != nil {
			// Where the failure has rolled it back already, this fails, too.
			_, _ = s.conn.ExecContext(lasting, "ROLLBACK")
		}
	}
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// date gives a row that lacks them the times that every row has. Without them
// it could not be taken in, nor anything behind it.
func (r *Row) date(now func() time.Time) {
	if r.Arrived.IsZero() {
		r.Arrived = r.Ended
	}
	if r.Arrived.IsZero() {
		r.Arrived = now()
	}
	if r.Ended.IsZero() {
		r.Ended = r.Arrived
	}
}

// micro is a time as the database has it.
func micro(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func fromMicro(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64).UTC()
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// settle has all that was written survive a power loss.
func (s *store) settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var busy, log, done int
	if err := s.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &log, &done); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	if done < log {
		return errors.New("write ledger: a reader holds the database's journal")
	}
	return nil
}

// close may be called on what was not opened whole.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	for _, stmt := range []*sql.Stmt{s.hourly, s.daily, s.totals, s.newest, s.late, s.moved} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	if s.conn != nil {
		errs = append(errs, s.rows.close(s.conn), s.conn.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}

// ID is this gateway's name among others: random, made with the ledger, and
// kept in it.
func (l *Ledger) ID() string { return l.store.id }
