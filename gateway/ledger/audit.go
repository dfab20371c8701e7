package ledger

import (
	"context"
	"database/sql"
	"fmt"
)

// Audit returns what operators did last, newest first, at most so many.
func (l *Ledger) Audit(ctx context.Context, most int) ([]Event, error) {
	rows, err := l.store.reads.QueryContext(ctx, "SELECT at, author, action, object, detail FROM audit ORDER BY rowid DESC LIMIT ?", most)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	var out []Event
	for rows.Next() {
		var e Event
		var at sql.NullInt64
		if err := rows.Scan(&at, &e.Author, &e.Action, &e.Object, &e.Detail); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		e.At = fromMicro(at)
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return out, nil
}

// Note writes what an operator did. An At that is zero is now.
func (l *Ledger) Note(ctx context.Context, e Event) error {
	if e.At.IsZero() {
		e.At = l.o.Clock()
	}
	return l.store.write(ctx, func(ctx context.Context) error { return l.store.note(ctx, e) })
}

// note writes an event, in a transaction with what it is about.
func (s *store) note(ctx context.Context, e Event) error {
	_, err := s.conn.ExecContext(ctx, "INSERT INTO audit VALUES (?,?,?,?,?)", micro(e.At), e.Author, e.Action, e.Object, e.Detail)
	return err
}
