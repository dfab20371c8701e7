package gateway

import (
	"sort"
	"sync/atomic"
	"time"
)

// bounds are the buckets' upper ends. They are dense where engines and people
// are: 20 to 100 ms between tokens, 100 ms to 5 s to the first.
var bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 15 * time.Millisecond, 20 * time.Millisecond, 25 * time.Millisecond, 30 * time.Millisecond,
	40 * time.Millisecond, 50 * time.Millisecond, 60 * time.Millisecond, 80 * time.Millisecond,
	100 * time.Millisecond, 150 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 400 * time.Millisecond,
	500 * time.Millisecond, 750 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second, 3 * time.Second,
	5 * time.Second, 7500 * time.Millisecond, 10 * time.Second, 15 * time.Second, 30 * time.Second, 60 * time.Second, 120 * time.Second,
}

// histogram counts durations. All may observe at once; the zero value is ready.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

func (h *histogram) observe(d time.Duration, times uint64) {
	lo, hi := 0, len(bounds)
	for lo < hi {
		if mid := (lo + hi) / 2; d <= bounds[mid] {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	h.counts[lo].Add(times)
	h.sum.Add(int64(d) * int64(times))
}

// tally is a histogram at one moment.
type tally [len(bounds) + 1]uint64

func (h *histogram) tally() (t tally) {
	for i := range h.counts {
		t[i] = h.counts[i].Load()
	}
	return t
}

// quantile estimates the q-th quantile of what was observed between the older
// tally and t: 0 where nothing was.
func (t tally) quantile(q float64, older tally) time.Duration {
	var cum [len(bounds) + 1]uint64
	var n uint64
	for i := range t {
		n += t[i] - older[i]
		cum[i] = n
	}
	if n == 0 {
		return 0
	}
	rank := q * float64(n)
	i := sort.Search(len(cum), func(i int) bool { return float64(cum[i]) >= rank })
	if i >= len(bounds) {
		return bounds[len(bounds)-1]
	}
	var low time.Duration
	var before uint64
	if i > 0 {
		low, before = bounds[i-1], cum[i-1]
	}
	return low + time.Duration((rank-float64(before))/float64(cum[i]-before)*float64(bounds[i]-low))
}
