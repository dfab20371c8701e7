package ledger

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sample is a row as requests have them.
func sample(i int) Row {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).Add(time.Duration(i) * time.Millisecond)
	return Row{
		ID: fmt.Sprintf("req-%032x", i), Arrived: at, Sent: at.Add(time.Millisecond),
		First: at.Add(80 * time.Millisecond), Ended: at.Add(900 * time.Millisecond),
		Org: fmt.Sprintf("org-%d", i%7), Key: fmt.Sprintf("key-%d", i%11), Model: "Qwen/Qwen3-32B",
		Backend: "qwen", Replica: "http://10.0.0.7:8000", Route: "/v1/chat/completions",
		Status: 200, Prompt: 812, Completion: int64(i % 400), Cached: 512, Counted: true,
		BytesIn: 4321, BytesOut: 23456, Client: netip.AddrFrom4([4]byte{10, 1, 2, byte(i)}), Stream: true, End: Done,
	}
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inFlight runs what by n goroutines until it has been done b.N times, and
// reports rows a second, what one took, and processor time a row. drained ends
// what goes on beside it.
func inFlight(b *testing.B, n int, what func(i int) error, drained func()) {
	took := make([][]time.Duration, n)
	var next sync.Mutex
	count := 0
	take := func() int {
		next.Lock()
		defer next.Unlock()
		count++
		return count
	}
	b.ResetTimer()
	before := cpu()
	var workers sync.WaitGroup
	for w := range n {
		workers.Go(func() {
			for i := take(); i <= b.N; i = take() {
				at := time.Now()
				if err := what(i); err != nil {
					b.Error(err)
					return
				}
				took[w] = append(took[w], time.Since(at))
			}
		})
	}
	workers.Wait()
	wall := b.Elapsed()
	drained()
	used := cpu() - before
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/wall.Seconds(), "rows/s")
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1e3, "p99-µs")
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(b.N), "cpu-µs/row")
}

// BenchmarkLedger is a beginning and an end a row, drained into SQLite
// meanwhile. rows/s is what the journal takes, which is more than SQLite does;
// ns/op and the processor time go on until all is drained.
func BenchmarkLedger(b *testing.B) {
	for _, n := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("inflight=%d", n), func(b *testing.B) { benchmarkLedger(b, n, false) })
	}
}

// BenchmarkLedgerSync is the same with everything on the disk before it counts.
func BenchmarkLedgerSync(b *testing.B) {
	for _, n := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("inflight=%d", n), func(b *testing.B) { benchmarkLedger(b, n, true) })
	}
}

func benchmarkLedger(b *testing.B, n int, sync bool) {
	l, err := Open(Options{Dir: b.TempDir(), Sync: sync})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	rows := make([]Row, 1000)
	for i := range rows {
		rows[i] = sample(i)
	}
	inFlight(b, n, func(i int) error {
		e, err := l.Begin(&rows[i%len(rows)])
		if err != nil {
			return err
		}
		e.Progress(812, int64(i), 512, false)
		return l.End(e, &rows[i%len(rows)])
	}, func() {
		if err := l.Flush(); err != nil {
			b.Error(err)
		}
	})
	stop()
	if err := <-ran; err != nil {
		b.Error(err)
	}
	if err := l.Close(); err != nil {
		b.Error(err)
	}
}
