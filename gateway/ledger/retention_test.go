package ledger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"
)

const aMonth = 30 * 24 * time.Hour

// ageing is a ledger that keeps rows for a month, with rows from two months,
// written nearly in the order of their ends.
func ageing(t *testing.T, n int) (l *Ledger, c *clock, rows []Row) {
	t.Helper()
	from := utc("2028-02-01 00:00:00")
	c = clockAt(from.Add(2 * aMonth))
	l = openWith(t, Options{Clock: c.now, Keep: aMonth})
	rows = serve(7, from, n, 2*aMonth/time.Duration(n))
	for i := range rows {
		rows[i].Code = strings.Repeat("c", 200)
	}
	endAll(t, l, rows)
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	return l, c, rows
}

// left are the ids of the rows that are there, in their order.
func left(t *testing.T, l *Ledger) (ids []string) {
	t.Helper()
	rows, err := l.store.reads.Query("SELECT id FROM requests ORDER BY number")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// young are the ids of the rows that are to be kept.
func young(rows []Row, now time.Time) (ids []string) {
	for i := range rows {
		if !rows[i].Ended.Truncate(time.Microsecond).Before(now.Add(-aMonth)) {
			ids = append(ids, rows[i].ID)
		}
	}
	return ids
}

// eachStep has a function called in the middle of each commit of the database,
// whose own connection it must not use.
func eachStep(t *testing.T, l *Ledger, f func()) {
	t.Helper()
	err := l.store.conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			f()
			return 0
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// answers are what the ledger says of use.
func answers(t *testing.T, l *Ledger, now time.Time) string {
	t.Helper()
	var all strings.Builder
	for _, by := range [][]Dimension{{ByHour, ByKey}, {ByDay, ByModel}, {ByMonth}} {
		sums, err := l.Usage(t.Context(), Query{By: by})
		fmt.Fprintln(&all, sums, err)
	}
	for _, at := range []time.Time{now, now.Add(-aMonth), now.Add(-2 * aMonth)} {
		counts, err := l.Counts(at)
		fmt.Fprintln(&all, counts, err)
		totals, err := l.SinceStart(t.Context(), "http://a", at.Add(time.Hour))
		fmt.Fprintln(&all, totals, err)
	}
	return all.String()
}

// TestRetention: rows go when they are older than is to be kept, young ones stay,
// and so does every sum. The room goes back to the disk.
func TestRetention(t *testing.T) {
	l, c, rows := ageing(t, 6000)
	before := answers(t, l, c.now())
	size := func() int64 {
		t.Helper()
		if err := l.store.settle(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(l.o.Dir, "ledger.db"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	type step struct{ rows, bytes int64 }
	steps := []step{{int64(len(rows)), size()}}
	for _, days := range []int{0, 0, 10, 40} {
		c.add(time.Duration(days) * 24 * time.Hour)
		if err := l.store.tidy(t.Context(), c.now()); err != nil {
			t.Fatal(err)
		}
		got, want := left(t, l), young(rows, c.now())
		if !slices.Equal(got, want) {
			t.Fatalf("after %d days more %d rows are left, want %d", days, len(got), len(want))
		}
		steps = append(steps, step{int64(len(got)), size()})
	}
	full, sums := steps[0], steps[len(steps)-1].bytes // when only they are left
	for _, s := range steps {
		if most := sums + (full.bytes-sums)*s.rows/full.rows*11/10 + 1<<16; s.bytes > most || sums > full.bytes*2/3 {
			t.Errorf("%d bytes on the disk for %d rows, want %d at most; for %d they were %d", s.bytes, s.rows, most, full.rows, full.bytes)
		}
	}
	now := utc("2028-02-01 00:00:00").Add(2 * aMonth)
	c.set(now)
	if got := answers(t, l, now); got != before {
		t.Errorf("without the rows the ledger says\n%s\nwith them it said\n%s", got, before)
	}
	for _, r := range rows[:100] {
		mustEnd(t, l, nil, &r)
	}
	sinceStart(t, l, append(rows, rows[:100]...), "http://a", now.Add(-aMonth).Add(time.Hour))
}

// TestRetentionInSteps: each transaction removes few rows, and while it has the
// database requests begin and end.
func TestRetentionInSteps(t *testing.T) {
	l, c, rows := ageing(t, 5000)
	steps, most, last := 0, 0, len(rows)
	look := func() { // at what the steps before this one have left
		n := len(left(t, l))
		most, last = max(most, last-n), n
	}
	eachStep(t, l, func() {
		steps++
		look()
		row := named(fmt.Sprint("meanwhile ", steps))
		mustEnd(t, l, mustBegin(t, l, row), row)
	})
	if err := l.store.tidy(t.Context(), c.now()); err != nil {
		t.Fatal(err)
	}
	eachStep(t, l, func() {})
	look()
	if want := len(young(rows, c.now())); last != want || most > 500 || steps < 5 {
		t.Errorf("%d rows left, want %d; %d transactions removed up to %d each", last, want, steps, most)
	}
	if s := l.Status(); s.WaitingRows != uint64(steps) {
		t.Errorf("%d rows wait, want one for each of %d transactions", s.WaitingRows, steps)
	}
}

// TestRetentionStops: when its context ends so does it, without an error and
// after whole steps, and the next call goes on from there.
func TestRetentionStops(t *testing.T) {
	l, c, rows := ageing(t, 5000)
	for _, steps := range []int{0, 1, 3, 2, 2, 2, 2, 2, 2, 1000} {
		ctx, stop := context.WithCancel(t.Context())
		done := 0
		eachStep(t, l, func() {
			if done++; done == steps {
				stop()
			}
		})
		if steps == 0 {
			stop()
		}
		before := len(left(t, l))
		if err := l.store.tidy(ctx, c.now()); err != nil {
			t.Fatalf("stopped in step %d: %v", steps, err)
		}
		stop()
		if gone := before - len(left(t, l)); done > steps+1 || gone > done*500 {
			t.Errorf("stopped in step %d: %d rows are gone in %d steps", steps, gone, done)
		}
		eachStep(t, l, func() {})
		row := named(fmt.Sprint("after ", steps))
		row.Ended = c.now()
		mustEnd(t, l, nil, row)
		if err := l.Flush(); err != nil {
			t.Fatalf("stopped in step %d, and nothing can be written: %v", steps, err)
		}
		rows = append(rows, *row)
	}
	if got, want := left(t, l), young(rows, c.now()); !slices.Equal(got, want) {
		t.Errorf("%d rows are left, want %d", len(got), len(want))
	}
	if free := number(t, l.store.reads, "PRAGMA freelist_count"); free != 0 {
		t.Errorf("%d pages are neither used nor given back", free)
	}
}

// TestVacuumEnds: a file that can't give room back, since it was not made so, is
// not asked again and again.
func TestVacuumEnds(t *testing.T) {
	l, c, _ := ageing(t, 1000)
	for _, text := range []string{"PRAGMA auto_vacuum = NONE", "VACUUM"} {
		if _, err := l.store.conn.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	if err := l.store.tidy(t.Context(), c.now()); err != nil {
		t.Fatal(err)
	}
	if free := number(t, l.store.reads, "PRAGMA freelist_count"); free == 0 || time.Since(start) > tidyTime*9/10 {
		t.Errorf("after %s there are %d free pages; want some, and no time lost on them", time.Since(start), free)
	}
}
