package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"time"
)

// SinceStart tells the tokens of a replica's requests that were sent since its
// engine started. The first call for a start looks through the rows since then,
// as far back as they are kept; later ones take the difference to what the
// replica had in all at that moment.
func (l *Ledger) SinceStart(ctx context.Context, replica string, started time.Time) (Totals, error) {
	if err := l.Flush(); err != nil {
		return Totals{}, err
	}
	since, last, known, err := l.store.sinceStart(ctx, replica, started)
	if err != nil {
		return Totals{}, fmt.Errorf("read ledger: %w", err)
	}
	if known {
		return since, nil
	}
	return since, l.store.write(ctx, func(ctx context.Context) error {
		return l.store.putBaseline(ctx, replica, started, since, last)
	})
}

// sinceStart is the answer as of one moment. If the start is not known it is
// what the rows up to the last one say.
func (s *store) sinceStart(ctx context.Context, replica string, started time.Time) (since Totals, last int64, known bool, err error) {
	tx, err := s.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return since, 0, false, err
	}
	defer tx.Rollback() // there is nothing to commit
	all, err := readTotals(ctx, tx, "SELECT prompt_tokens, completion_tokens FROM totals WHERE replica = ?", replica)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return since, 0, false, err
	}
	before, err := readTotals(ctx, tx, "SELECT prompt_tokens, completion_tokens FROM baselines WHERE replica = ? AND started = ?", replica, started.UnixMicro())
	if err == nil {
		return Totals{all.Prompt - before.Prompt, all.Completion - before.Completion}, 0, true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return since, 0, false, err
	}
	first, last, err := findSince(ctx, tx, started)
	if err == nil {
		since, err = sumRows(ctx, tx, first, replica, started)
	}
	return since, last, false, err
}

// putBaseline keeps what a replica had before a start: all that it has had by
// now, less what was since, up to the last row, and in rows that have come after
// that.
func (s *store) putBaseline(ctx context.Context, replica string, started time.Time, since Totals, last int64) error {
	more, err := sumRows(ctx, s.conn, last+1, replica, started)
	if err == nil {
		_, err = s.conn.ExecContext(ctx, `INSERT OR IGNORE INTO baselines
			SELECT ?1, ?2, COALESCE(SUM(prompt_tokens), 0) - ?3, COALESCE(SUM(completion_tokens), 0) - ?4 FROM totals WHERE replica = ?1`,
			replica, started.UnixMicro(), since.Prompt+more.Prompt, since.Completion+more.Completion)
	}
	return err
}

// takeOut adds to baselines what rows that come now have from before them: what
// was sent to the engine that ran before, and ended late.
func (s *store) takeOut(ctx context.Context, rows []Row) error {
	clear(s.sums.starts)
	for replica := range s.sums.replicas {
		var newest sql.NullInt64
		if err := s.newest.QueryRowContext(ctx, replica).Scan(&newest); err != nil {
			return err
		}
		if newest.Valid {
			s.sums.starts[replica] = newest.Int64
		}
	}
	for i := range rows {
		r := &rows[i]
		if newest, ok := s.sums.starts[r.Replica]; !ok || r.Sent.IsZero() || r.Sent.UnixMicro() >= newest {
			continue
		}
		if _, err := s.late.ExecContext(ctx, r.Prompt, r.Completion, r.Replica, r.Sent.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

// querier is a connection, or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readTotals(ctx context.Context, db querier, query string, args ...any) (t Totals, err error) {
	err = db.QueryRowContext(ctx, query, args...).Scan(&t.Prompt, &t.Completion)
	return t, err
}

// sumRows adds up the rows from one on.
func sumRows(ctx context.Context, db querier, first int64, replica string, started time.Time) (Totals, error) {
	return readTotals(ctx, db, `SELECT COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0) FROM rows
		WHERE number >= ? AND replica = (SELECT number FROM names WHERE name = ?) AND sent >= ?`, first, replica, started.UnixMicro())
}

// outOfOrder is how much earlier a row may have ended than one before it: those
// of requests that were interrupted are written later.
const outOfOrder = 24 * time.Hour

// findSince finds the first row that may have been sent since a start, and the
// last that there is. Rows are nearly in the order of their ends, so those that
// ended before are skipped by halving.
func findSince(ctx context.Context, db querier, started time.Time) (first, last int64, err error) {
	if err := db.QueryRowContext(ctx, "SELECT COALESCE(MIN(number), 0), COALESCE(MAX(number), -1) FROM rows").Scan(&first, &last); err != nil {
		return 0, 0, err
	}
	from := started.Add(-outOfOrder).UnixMicro()
	n := sort.Search(int(last-first+1), func(i int) bool {
		var ended int64
		if err == nil {
			err = db.QueryRowContext(ctx, "SELECT ended FROM rows WHERE number >= ? ORDER BY number LIMIT 1", first+int64(i)).Scan(&ended)
		}
		return ended >= from
	})
	return first + int64(n), last, err
}
