package ledger

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkOpenAged opens ledgers of different ages, asks what was used this
// month, which is all that a gateway needs before it serves, and closes them. What
// that takes is to be the same however many rows there are.
func BenchmarkOpenAged(b *testing.B) {
	now := utc("2028-03-31 23:00:00")
	for _, n := range []int{0, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			o := Options{Dir: b.TempDir(), Clock: clockAt(now).now}
			age(b, o, n, 90*24*time.Hour)
			keys := 0
			for b.Loop() {
				l, err := Open(o)
				if err != nil {
					b.Fatal(err)
				}
				counts, err := l.Counts(now)
				if err != nil {
					b.Fatal(err)
				}
				keys = len(counts)
				mustClose(b, l)
			}
			b.ReportMetric(float64(keys), "keys")
		})
	}
}

// age fills a ledger with rows of a dozen organisations, evenly over a time that
// ends now.
func age(b *testing.B, o Options, n int, over time.Duration) {
	b.Helper()
	mustClose(b, mustOpen(b, o.Dir, usual))
	s, err := openStore(filepath.Join(o.Dir, "ledger.db"), o)
	if err != nil {
		b.Fatal(err)
	}
	var batch []Row
	for i := range n {
		row := sample(i)
		row.Arrived = o.Clock().Add(-over).Add(time.Duration(float64(over) * float64(i) / float64(n)))
		row.Sent, row.First, row.Ended = row.Arrived.Add(time.Millisecond), row.Arrived.Add(80*time.Millisecond), row.Arrived.Add(time.Second)
		row.Org = fmt.Sprintf("org-%d", i%12)
		if batch = append(batch, row); len(batch) < 20_000 && i < n-1 {
			continue
		}
		if err := s.insert(batch, position{Segment: 1, Offset: int64(i)}); err != nil {
			b.Fatal(err)
		}
		batch = batch[:0]
	}
	if err := s.close(); err != nil {
		b.Fatal(err)
	}
}
