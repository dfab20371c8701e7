package ledger

import (
	"context"
	"fmt"
	"time"
)

// Old rows go in small steps, so that new ones never wait long.
const (
	tidyRows  = 500
	tidyPages = 200
	tidyTime  = 5 * time.Second // that one call takes at most
)

// tidy removes rows that are older than is to be kept, and gives their room
// back to the file system. Roll-ups stay. What is left over is for the next call.
func (s *store) tidy(ctx context.Context, now time.Time) error {
	before := now.Add(-s.keep).UnixMicro()
	ctx, stop := context.WithTimeout(ctx, tidyTime)
	defer stop()
	for more := true; more; {
		var err error
		if more, err = s.removeOld(ctx, before); err != nil || ctx.Err() != nil {
			return quiet(ctx, err)
		}
	}
	for more := true; more; {
		var err error
		if more, err = s.vacuum(ctx); err != nil || ctx.Err() != nil {
			return quiet(ctx, err)
		}
	}
	return nil
}

// quiet leaves out an error that is only that time was up.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// removeOld removes the oldest rows, if they are old enough. Rows are in the
// order in which they were written, which is nearly that of their ends.
func (s *store) removeOld(ctx context.Context, before int64) (more bool, err error) {
	var gone int64
	err = s.write(ctx, func(ctx context.Context) error {
		done, err := s.conn.ExecContext(ctx, `DELETE FROM rows WHERE ended < ? AND number IN (SELECT number FROM rows ORDER BY number LIMIT ?)`, before, tidyRows)
		if err == nil {
			gone, err = done.RowsAffected()
		}
		return err
	})
	return gone > 0, err
}

func (s *store) vacuum(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, err := s.conn.QueryContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", tidyPages))
	if err != nil {
		return false, fmt.Errorf("write ledger: %w", err)
	}
	defer rows.Close()
	pages := 0
	for rows.Next() { // a row for each
		pages++
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("write ledger: %w", err)
	}
	return pages == tidyPages, nil
}
