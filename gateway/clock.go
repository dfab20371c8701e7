package gateway

import (
	"sync/atomic"
	"time"
)

var epoch = time.Now()

// now is the monotonic clock in nanoseconds, never 0.
func now() int64 { return int64(time.Since(epoch)) + 1 }

// wallClock tells the time of day of moments of the monotonic clock, so that a
// request reads one clock and not two. It is set anew ten times a second: if
// the host's clock is set, it follows.
type wallClock struct{ ahead atomic.Int64 }

// set reads both clocks at once: a pause between two readings would set this
// one back by as much.
func (w *wallClock) set() {
	t := time.Now()
	w.ahead.Store(t.UnixNano() - int64(t.Sub(epoch)) - 1)
}

func (w *wallClock) at(moment int64) time.Time { return time.Unix(0, w.ahead.Load()+moment) }

func (w *wallClock) now() time.Time { return w.at(now()) }
