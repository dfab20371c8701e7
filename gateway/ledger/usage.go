package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Usage sums up the requests that have ended, from the roll-ups: it costs by
// how many sums there are and not by how many requests. It is exact to the last
// request that has ended. Lines are sorted by time, then by names.
func (l *Ledger) Usage(ctx context.Context, q Query) ([]Sum, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	if err := l.Flush(); err != nil {
		return nil, err
	}
	return l.store.usage(ctx, q, l.o.Clock())
}

// check refuses what can't be answered.
func (q *Query) check() error {
	periods := 0
	for i, d := range q.By {
		if slices.Contains(q.By[:i], d) {
			return fmt.Errorf("sum up usage: by %q twice; name it once", d)
		}
		switch d {
		case ByHour, ByDay, ByMonth:
			periods++
		case ByOrg, ByKey, ByModel, ByBackend:
		default:
			return fmt.Errorf("sum up usage: by %q; want org, key, model, backend, hour, day or month", d)
		}
	}
	if periods > 1 {
		return fmt.Errorf("sum up usage: by more than one of hour, day and month; name one")
	}
	return nil
}

// span is a part of a query's time that one table answers.
type span struct {
	table, period string
	from, to      int64
}

// spans divide the time asked for: whole days come from the days, what is over
// at both ends from the hours. Until is not in it; now is.
func (q *Query) spans(now time.Time) []span {
	from, to := int64(0), floor(now.Unix(), anHour)+anHour
	if !q.Since.IsZero() {
		from = floor(q.Since.Unix(), anHour)
	}
	if !q.Until.IsZero() {
		to = floor(q.Until.Add(-1).Unix(), anHour) + anHour
	}
	first, last := floor(from+aDay-1, aDay), floor(to, aDay)
	if slices.Contains(q.By, ByHour) || first >= last {
		return []span{{"hourly", "hour", from, to}}
	}
	return []span{{"hourly", "hour", from, first}, {"daily", "day", first, last}, {"hourly", "hour", last, to}}
}

func (s *store) usage(ctx context.Context, q Query, now time.Time) ([]Sum, error) {
	text, args := q.statement(now)
	rows, err := s.reads.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	var all []Sum
	for rows.Next() {
		var at int64
		var u Sum
		if err := rows.Scan(&at, &u.Org, &u.Key, &u.Model, &u.Backend, &u.Requests, &u.Counted, &u.Refused, &u.Failed, &u.Left,
			&u.Estimated, &u.Suspect, &u.Prompt, &u.Completion, &u.Cached, &u.BytesIn, &u.BytesOut); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		if q.byTime() {
			u.Time = time.Unix(at, 0).UTC()
		}
		all = append(all, u)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return all, nil
}

func (q *Query) byTime() bool {
	return slices.Contains(q.By, ByHour) || slices.Contains(q.By, ByDay) || slices.Contains(q.By, ByMonth)
}

// statement is the query in SQL. With nothing to be told apart by, it gives
// one line even of nothing.
func (q *Query) statement(now time.Time) (text string, args []any) {
	at := "0"
	for _, d := range q.By {
		switch d {
		case ByHour:
			at = "period"
		case ByDay:
			at = "period - period % 86400"
		case ByMonth:
			at = "CAST(strftime('%s', period, 'unixepoch', 'start of month') AS INTEGER)"
		}
	}
	column := func(d ...Dimension) string {
		for _, d := range d {
			if slices.Contains(q.By, d) {
				return string(d)
			}
		}
		return "''"
	}
	org, key := column(ByOrg), column(ByKey)
	if key != "''" {
		org = "org"
	}
	var where []string
	var filters []any
	for _, f := range []struct{ column, value string }{{"org", q.Org}, {"key", q.Key}, {"model", q.Model}, {"backend", q.Backend}} {
		if f.value != "" {
			where = append(where, " AND "+f.column+" = ?")
			filters = append(filters, f.value)
		}
	}
	var parts []string
	for _, s := range q.spans(now) {
		parts = append(parts, "SELECT "+s.period+" AS period, * FROM "+s.table+" WHERE "+s.period+" >= ? AND "+s.period+" < ?"+strings.Join(where, ""))
		args = append(append(args, s.from, s.to), filters...)
	}
	var sums []string
	for _, c := range sumColumns {
		if c != "counted_tokens" {
			sums = append(sums, "COALESCE(SUM("+c+"), 0)")
		}
	}
	text = "SELECT " + at + " AS at, " + org + " AS o, " + key + " AS k, " + column(ByModel) + " AS m, " + column(ByBackend) + " AS b, " +
		strings.Join(sums, ", ") + " FROM (" + strings.Join(parts, " UNION ALL ") + ")"
	if len(q.By) > 0 {
		text += " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
	}
	return text, args
}
