package ledger

import (
	"maps"
	"testing"
	"time"
)

// sumKeys is what Counts is to answer for a moment, by organisation and key;
// keys without use are left out.
func sumKeys(rows []Row, at time.Time) map[[2]string]Count {
	all := make(map[[2]string]Count)
	for i := range rows {
		row := &rows[i]
		if !row.Counted || !period(ByMonth, row.Arrived).Equal(period(ByMonth, at)) {
			continue
		}
		k := [2]string{row.Org, row.Key}
		c := all[k]
		c.Org, c.Key = row.Org, row.Key
		c.MonthRequests++
		c.MonthTokens += row.Prompt + row.Completion
		if period(ByDay, row.Arrived).Equal(period(ByDay, at)) {
			c.DayRequests++
			c.DayTokens += row.Prompt + row.Completion
		}
		all[k] = c
	}
	return all
}

// counts is what it answers, each key once.
func counts(t *testing.T, l *Ledger, at time.Time) map[[2]string]Count {
	t.Helper()
	list, err := l.Counts(at)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[[2]string]Count)
	for _, c := range list {
		k := [2]string{c.Org, c.Key}
		if _, twice := all[k]; twice {
			t.Errorf("%s: %q is there twice", at, k)
		}
		if c.DayRequests != 0 || c.DayTokens != 0 || c.MonthRequests != 0 || c.MonthTokens != 0 {
			all[k] = c
		}
	}
	return all
}

// TestCounts: at any moment quotas begin with what a loop over the rows adds up
// for its UTC day and month, before a restart and after.
func TestCounts(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small)
	rows := draw(4, 2000)
	endAll(t, l, rows)
	for range 2 {
		for _, edge := range edges {
			for _, off := range []time.Duration{-24 * time.Hour, -time.Hour, -time.Nanosecond, 0, time.Nanosecond, time.Hour, 24 * time.Hour} {
				for _, at := range []time.Time{edge.Add(off), elsewhere(edge.Add(off))} {
					want := sumKeys(rows, at)
					if len(want) == 0 {
						t.Fatalf("%s: nothing to count", at)
					}
					if got := counts(t, l, at); !maps.Equal(got, want) {
						t.Errorf("at %s:\ngot  %+v\nwant %+v", at, got, want)
					}
				}
			}
		}
		mustClose(t, l)
		l = mustOpen(t, dir, small)
	}
	mustClose(t, l)
}

// TestCountsByArrival: a request counts in the day and month in which it
// arrived, however late it ends, and in no other.
func TestCountsByArrival(t *testing.T) {
	for _, c := range []struct {
		name, arrived, at string
		day, month        int64
	}{
		{"its day", "2028-02-29 23:59:59.999999999", "2028-02-29 12:00:00", 1, 1},
		{"the day it ends in", "2028-02-29 23:59:59.999999999", "2028-03-01 00:00:00", 0, 0},
		{"the first moment of a day", "2028-03-01 00:00:00", "2028-03-01 23:59:59.999999999", 1, 1},
		{"the day before that", "2028-03-01 00:00:00", "2028-02-29 23:59:59.999999999", 0, 0},
		{"another day of its month", "2028-02-01 00:00:00", "2028-02-29 23:59:59", 0, 1},
		{"the day before, in its month", "2028-02-28 23:59:59", "2028-02-29 00:00:01", 0, 1},
		{"the same day of the next month", "2028-01-31 10:00:00", "2028-03-31 10:00:00", 0, 0},
		{"the month after", "2028-01-31 23:59:59", "2028-02-01 00:00:00", 0, 0},
		{"the month before", "2028-02-01 00:00:00", "2028-01-31 23:59:59", 0, 0},
		{"the same day a year later", "2027-03-01 10:00:00", "2028-03-01 10:00:00", 0, 0},
		{"the year after", "2027-12-31 23:59:59.999999", "2028-01-01 00:00:00", 0, 0},
		{"before 2028's leap day", "2028-02-28 23:00:00", "2028-02-28 23:30:00", 1, 1},
		{"in a year without one", "2027-02-28 23:00:00", "2027-03-01 00:00:00", 0, 0},
	} {
		l := openWith(t, Options{})
		arrived := utc(c.arrived)
		row := Row{Org: "acme", Key: "k1", Arrived: arrived, Sent: arrived, Ended: arrived.Add(15 * time.Minute), Prompt: 800, Completion: 34, Cached: 500, Counted: true, End: Done}
		mustEnd(t, l, nil, &row)
		row.Counted, row.Org = false, "globex"
		mustEnd(t, l, nil, &row)
		want := Count{Org: "acme", Key: "k1", DayRequests: c.day, DayTokens: 834 * c.day, MonthRequests: c.month, MonthTokens: 834 * c.month}
		got := counts(t, l, utc(c.at))
		if n := len(got); n > 1 || n == 0 && c.month > 0 || n == 1 && got[[2]string{"acme", "k1"}] != want {
			t.Errorf("%s: got %+v, want only %+v", c.name, got, want)
		}
	}
}
