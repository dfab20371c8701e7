package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// The database is held against plain loops over rows: what follows makes the
// rows, and is what the tests of sums share.

// clock is a time that a test sets.
type clock struct{ at atomic.Int64 }

func clockAt(t time.Time) *clock {
	c := new(clock)
	c.set(t)
	return c
}

func (c *clock) now() time.Time      { return time.Unix(0, c.at.Load()) }
func (c *clock) set(t time.Time)     { c.at.Store(t.UnixNano()) }
func (c *clock) add(d time.Duration) { c.at.Add(int64(d)) }

// brisk has batches, and no more segments than need be.
var brisk = tuning{segment: 1 << 20, backlog: 1000, batch: 100}

// openWith is mustOpen with options of the test's own; Dir may be left out.
func openWith(t testing.TB, o Options) *Ledger {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	l, err := open(o, brisk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, l) })
	return l
}

// utc reads a time such as "2028-02-29 23:59:59.999999".
func utc(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.999999999", s)
	if err != nil {
		panic(err)
	}
	return t
}

// edges are where days, months and years change over, a leap day's both ends
// among them.
var edges = []time.Time{
	utc("2027-11-30 00:00:00"), utc("2027-12-01 00:00:00"), utc("2028-01-01 00:00:00"), utc("2028-02-01 00:00:00"),
	utc("2028-02-29 00:00:00"), utc("2028-03-01 00:00:00"), utc("2028-03-31 00:00:00"), utc("2028-04-01 00:00:00"),
	utc("2028-04-01 07:00:00"),
}

// pick is one of them, by chance.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// drawTime is a time in the five months around the edges: in two cases of three
// at one of them or right beside it.
func drawTime(r *rand.Rand) time.Time {
	edge := pick(r, edges...)
	switch r.IntN(3) {
	case 0:
		return edge.Add(pick(r, -time.Nanosecond, 0, time.Nanosecond, -time.Microsecond, time.Microsecond, -time.Second, time.Second))
	case 1:
		return edge.Add(time.Duration(r.Int64N(int64(3*time.Hour))) - 90*time.Minute)
	}
	first, last := edges[0].Add(-24*time.Hour), edges[len(edges)-1].Add(24*time.Hour)
	return first.Add(time.Duration(r.Int64N(int64(last.Sub(first)))))
}

// draw makes n rows by chance, the same for the same seed. Ids of keys are the
// same in several organisations; some names are hostile.
func draw(seed uint64, n int) []Row {
	r := rand.New(rand.NewPCG(seed, seed))
	rows := make([]Row, n)
	for i := range rows {
		row := &rows[i]
		row.Arrived = drawTime(r)
		row.Ended = row.Arrived.Add(time.Duration(r.Int64N(int64(20 * time.Minute))))
		row.Org = pick(r, "acme", "globex", "a\x00b", "a\x00c", `O'Neill "x"; --`)
		row.Key = pick(r, "k1", "k2", "\xff\xfe")
		row.Model = pick(r, "m1", "m2", "")
		row.End = pick(r, Done, Done, Done, ClientLeft, BackendFailed, Refused, Interrupted)
		row.BytesIn, row.BytesOut = r.Int64N(1e6), r.Int64N(1e6)
		if row.End == Refused && r.IntN(2) == 0 {
			continue // before a backend was chosen
		}
		row.Backend = pick(r, "b1", "b2", "b3")
		row.Replica = row.Backend + pick(r, "/0", "/1")
		if row.End == Refused {
			continue // by it
		}
		row.Sent = row.Arrived.Add(time.Duration(r.Int64N(int64(row.Ended.Sub(row.Arrived)) + 1)))
		row.Prompt, row.Completion = r.Int64N(5000), r.Int64N(5000)
		row.Cached = r.Int64N(row.Prompt + 1)
		row.Estimated, row.Suspect = r.IntN(4) == 0, r.IntN(8) == 0
		row.Counted = r.IntN(5) > 0
	}
	return rows
}

// endAll ends a request for each row.
func endAll(t testing.TB, l *Ledger, rows []Row) {
	t.Helper()
	for i := range rows {
		mustEnd(t, l, nil, &rows[i])
	}
}

// period is the beginning of the hour, day or month that at lies in.
func period(by Dimension, at time.Time) time.Time {
	at = at.UTC()
	day, hour := at.Day(), at.Hour()
	switch by {
	case ByDay:
		hour = 0
	case ByMonth:
		day, hour = 1, 0
	}
	return time.Date(at.Year(), at.Month(), day, hour, 0, 0, 0, time.UTC)
}

// asked says whether a row is one of those that q asks for.
func asked(q *Query, now time.Time, row *Row) bool {
	until := q.Until.Truncate(time.Hour)
	switch {
	case q.Until.IsZero():
		until = now.Truncate(time.Hour).Add(time.Hour)
	case until.Before(q.Until):
		until = until.Add(time.Hour)
	}
	return !row.Arrived.Before(q.Since.Truncate(time.Hour)) && row.Arrived.Before(until) &&
		(q.Org == "" || q.Org == row.Org) && (q.Key == "" || q.Key == row.Key) &&
		(q.Model == "" || q.Model == row.Model) && (q.Backend == "" || q.Backend == row.Backend)
}

// sumUp is what Usage is to answer.
func sumUp(rows []Row, q Query, now time.Time) []Sum {
	sums := make(map[Sum]*Sum) // by those of its fields that are asked for
	if len(q.By) == 0 {
		sums[Sum{}] = new(Sum)
	}
	for i := range rows {
		row := &rows[i]
		if !asked(&q, now, row) {
			continue
		}
		var k Sum
		for _, d := range q.By {
			switch d {
			case ByOrg:
				k.Org = row.Org
			case ByKey:
				k.Org, k.Key = row.Org, row.Key
			case ByModel:
				k.Model = row.Model
			case ByBackend:
				k.Backend = row.Backend
			default:
				k.Time = period(d, row.Arrived)
			}
		}
		s := sums[k]
		if s == nil {
			s = &Sum{Time: k.Time, Org: k.Org, Key: k.Key, Model: k.Model, Backend: k.Backend}
			sums[k] = s
		}
		s.add(row)
	}
	all := make([]Sum, 0, len(sums))
	for _, s := range sums {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Sum) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Org, b.Org), cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Model, b.Model), cmp.Compare(a.Backend, b.Backend))
	})
	return all
}

func (s *Sum) add(row *Row) {
	for n, on := range map[*int64]bool{
		&s.Requests: true, &s.Counted: row.Counted, &s.Refused: row.End == Refused, &s.Left: row.End == ClientLeft,
		&s.Failed: row.End == BackendFailed || row.End == Interrupted, &s.Estimated: row.Estimated, &s.Suspect: row.Suspect,
	} {
		if on {
			*n++
		}
	}
	s.Prompt += row.Prompt
	s.Completion += row.Completion
	s.Cached += row.Cached
	s.BytesIn += row.BytesIn
	s.BytesOut += row.BytesOut
}

// outside opens the database as another program would.
func outside(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// number is what a query that gives one number gives.
func number(t testing.TB, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, query string, args ...any) (n int64) {
	t.Helper()
	if err := db.QueryRowContext(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
