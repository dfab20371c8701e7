package ledger

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// sumSent is what SinceStart is to answer.
func sumSent(rows []Row, replica string, started time.Time) (t Totals) {
	for i := range rows {
		if row := &rows[i]; row.Replica == replica && !row.Sent.IsZero() && !row.Sent.Before(started) {
			t.Prompt += row.Prompt
			t.Completion += row.Completion
		}
	}
	return t
}

// sinceStart holds an answer against that.
func sinceStart(t *testing.T, l *Ledger, rows []Row, replica string, started time.Time) {
	t.Helper()
	got, err := l.SinceStart(t.Context(), replica, started)
	if err != nil {
		t.Fatal(err)
	}
	if want := sumSent(rows, replica, started); got != want {
		t.Errorf("%s since %s, after %d rows: %+v, want %+v", replica, started.Format(time.StampMicro), len(rows), got, want)
	}
}

// serve makes n rows of replicas that serve one request every so often, written
// in an order that is up to a day off that of their ends: what was interrupted
// comes late.
func serve(seed uint64, from time.Time, n int, every time.Duration) []Row {
	r := rand.New(rand.NewPCG(seed, seed))
	rows := make([]Row, n)
	late := make(map[string]time.Duration)
	for i := range rows {
		rows[i] = sample(i)
		row := &rows[i]
		row.Arrived = from.Add(time.Duration(i)*every + time.Duration(r.Int64N(int64(every))))
		row.Sent = row.Arrived.Add(time.Millisecond)
		row.Ended = row.Sent.Add(time.Duration(r.Int64N(int64(15 * time.Minute))))
		row.Replica = pick(r, "http://a", "http://b", "")
		if row.Replica == "" || r.IntN(10) == 0 {
			row.Sent = time.Time{}
		}
		row.Prompt, row.Completion = r.Int64N(2000), r.Int64N(900)
		if r.IntN(10) == 0 {
			late[row.ID] = time.Duration(r.Int64N(int64(23 * time.Hour)))
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return a.Ended.Add(late[a.ID]).Compare(b.Ended.Add(late[b.ID])) })
	return rows
}

// TestSinceStart: while replicas serve and their engines start anew, the tokens
// since any start are those of the rows that were sent since then, whether it
// is asked for the first time or again, and whatever was written out of order.
func TestSinceStart(t *testing.T) {
	l := openWith(t, Options{})
	from := utc("2028-02-27 00:00:00")
	rows := serve(5, from, 6*24*60, time.Minute)
	var starts []time.Time
	for n := 0; n < len(rows); n += 720 {
		last := min(n+720, len(rows))
		endAll(t, l, rows[n:last])
		starts = append(starts, rows[last-1].Ended.Add(-time.Hour))
		for _, replica := range []string{"http://a", "http://b"} {
			for _, started := range starts {
				sinceStart(t, l, rows[:last], replica, started)
			}
		}
	}
	for _, started := range []time.Time{from.Add(-time.Hour), rows[100].Sent, rows[100].Sent.Add(time.Microsecond), rows[5000].Ended, from.Add(365 * 24 * time.Hour), {}} {
		for _, replica := range []string{"http://a", "http://b"} {
			sinceStart(t, l, rows, replica, started)
			sinceStart(t, l, rows, replica, started)
		}
	}
}

// TestSinceStartOfNothing: a replica that the ledger does not know has had no
// tokens, in an empty ledger or not, and its first ones count.
func TestSinceStartOfNothing(t *testing.T) {
	l := openWith(t, Options{})
	started := utc("2028-02-29 10:00:00")
	sinceStart(t, l, nil, "http://new", started)
	other := serve(6, started, 100, time.Minute)
	endAll(t, l, other)
	sinceStart(t, l, other, "http://new", started)
	sinceStart(t, l, other, "http://never", started)
	row := sample(1)
	row.Replica, row.Sent, row.Ended = "http://new", started, started.Add(time.Minute)
	mustEnd(t, l, nil, &row)
	sinceStart(t, l, append(other, row), "http://new", started)
}

// TestSentBeforeStart: a request that an engine took with it, and that is written
// only after the new one has been asked about, is none of the new one's. Nor is
// one that was never sent.
func TestSentBeforeStart(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small)
	first, second := utc("2028-02-29 10:00:00"), utc("2028-02-29 11:00:00")
	row := func(sent time.Time, prompt int64) Row {
		r := sample(1)
		r.Replica, r.Arrived, r.Sent, r.Ended, r.Prompt = "http://a", second.Add(-time.Second), sent, second.Add(time.Second), prompt
		return r
	}
	var rows []Row
	for i, sent := range []time.Time{
		second.Add(-time.Minute), first.Add(-1), second, second.Add(-time.Microsecond), {}, second.Add(time.Microsecond), first,
	} {
		for _, started := range []time.Time{first, second} {
			sinceStart(t, l, rows, "http://a", started)
		}
		rows = append(rows, row(sent, 1<<(4*i)))
		mustEnd(t, l, nil, &rows[i])
		if i == 3 {
			mustClose(t, l)
			l = mustOpen(t, dir, small)
		}
	}
	for _, started := range []time.Time{first, second} {
		sinceStart(t, l, rows, "http://a", started)
	}
	mustClose(t, l)
}

// TestSinceStartMeanwhile: rows that come between the look at a start's rows and
// the note of what was before them are on the right side of it.
func TestSinceStartMeanwhile(t *testing.T) {
	l := openWith(t, Options{})
	started := utc("2028-02-29 10:00:00")
	var rows []Row
	end := func(replica string, sent time.Time) {
		row := sample(len(rows))
		row.Replica, row.Sent, row.Ended, row.Prompt = replica, sent, started.Add(time.Minute), 1<<len(rows)
		rows = append(rows, row)
		mustEnd(t, l, nil, &row)
	}
	both := func() {
		end("http://a", started.Add(-time.Second))
		end("http://a", started.Add(time.Second))
		end("http://b", started.Add(time.Second))
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	both()
	since, last, known, err := l.store.sinceStart(t.Context(), "http://a", started)
	if want := sumSent(rows, "http://a", started); err != nil || known || since != want {
		t.Fatalf("%+v, known %v, error %v, want %+v", since, known, err, want)
	}
	both()
	err = l.store.write(t.Context(), func(ctx context.Context) error { return l.store.putBaseline(ctx, "http://a", started, since, last) })
	if err != nil {
		t.Fatal(err)
	}
	sinceStart(t, l, rows, "http://a", started)
	both()
	sinceStart(t, l, rows, "http://a", started)
}
