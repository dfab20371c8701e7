package ledger

import (
	"context"
	"fmt"
	"time"
)

// Counts tells what each key has used in the UTC day and the month that at lies
// in, as quotas count. It costs by the month's sums, however old the ledger is.
func (l *Ledger) Counts(at time.Time) ([]Count, error) {
	if err := l.Flush(); err != nil {
		return nil, err
	}
	at = at.UTC()
	month := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	day := floor(at.Unix(), aDay)
	rows, err := l.store.reads.QueryContext(context.Background(), `
		SELECT org, key, SUM(CASE day WHEN ?1 THEN counted ELSE 0 END), SUM(CASE day WHEN ?1 THEN counted_tokens ELSE 0 END),
			SUM(counted), SUM(counted_tokens)
		FROM daily WHERE day >= ?2 AND day < ?3 GROUP BY org, key`, day, month.Unix(), month.AddDate(0, 1, 0).Unix())
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	var all []Count
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Org, &c.Key, &c.DayRequests, &c.DayTokens, &c.MonthRequests, &c.MonthTokens); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return all, nil
}
