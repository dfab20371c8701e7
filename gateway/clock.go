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

func (w *wallClock) set() { w.ahead.Store(time.Now().UnixNano() - now()) }

func (w *wallClock) at(moment int64) time.Time { return time.Unix(0, w.ahead.Load()+moment) }

func (w *wallClock) now() time.Time { return w.at(now()) }
