package past

import (
	"math"
	"sync"
	"time"
)

// How much is kept of a series: 37 KiB each, 37 MiB of all.
const (
	keptShort  = 15 * 60      // seconds
	thinning   = 10           // seconds that a long sample is the mean of
	keptLong   = 24 * 60 * 60 // seconds
	mostSeries = 1024
	unusedFor  = 60 // seconds after which a series may make room for another
)

// name is what a series is called.
type name struct {
	metric Metric
	of     string
}

// series is one measure, by the second and thinned out.
type series struct {
	short, long ring
}

// add gives a second its value. A second that was left out by a tick that came
// late has the value of the one after it.
func (s *series) add(sec int64, v float32) {
	if s.short.last > 0 && sec == s.short.last+2 {
		s.put(sec-1, v)
	}
	s.put(sec, v)
}

func (s *series) put(sec int64, v float32) {
	s.short.seek(sec)
	s.short.set(v)
	s.long.seek(sec / thinning)
	from := sec - sec%thinning
	s.long.set(float32(s.short.mean(from, from+thinning, 1)))
}

// store is all series. It may be used by many at once.
type store struct {
	mu  sync.RWMutex
	all map[name]*series
}

// add adds values of a second. A series that is new and finds no room takes that
// of the one that has been without a value for longest, a minute at least;
// otherwise its values are dropped.
func (s *store) add(sec int64, values []value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		one := s.all[v.name]
		if one == nil {
			if len(s.all) >= mostSeries && !s.evict(sec) {
				continue
			}
			one = &series{newRing(keptShort), newRing(keptLong / thinning)}
			s.all[v.name] = one
		}
		one.add(sec, float32(v.value))
	}
	if sec%60 == 0 {
		for n, one := range s.all {
			if sec-one.short.last >= keptLong {
				delete(s.all, n)
			}
		}
	}
}

func (s *store) evict(sec int64) bool {
	var oldest name
	last := sec - unusedFor + 1
	for n, one := range s.all {
		if one.short.last < last {
			oldest, last = n, one.short.last
		}
	}
	if last > sec-unusedFor {
		return false
	}
	delete(s.all, oldest)
	return true
}

// Series returns n samples, step apart, of which the last is that of the end: see
// [Trends]. Samples are means over spans that begin at whole multiples of the step,
// so that a picture moves on without changing its shape; the last span is cut at
// the end. Steps are of whole seconds, one at least.
func (r *Recorder) Series(m Metric, of string, end time.Time, step time.Duration, n int) []float64 {
	out := make([]float64, max(0, n))
	for i := range out {
		out[i] = math.NaN()
	}
	r.series.mu.RLock()
	defer r.series.mu.RUnlock()
	s := r.series.all[name{m, of}]
	if s == nil || n <= 0 {
		return out
	}
	width := min(max(1, int64(step/time.Second)), keptLong)
	from, grain, reach := &s.short, int64(1), int64(keptShort)
	if width >= thinning {
		from, grain, reach = &s.long, thinning, keptLong
	}
	stop := end.Unix() + 1
	for i, at := n-1, end.Unix()/width*width; i >= 0 && at > stop-reach-width && at > 0; i, at = i-1, at-width {
		out[i] = from.mean(at, min(at+width, stop), grain)
	}
	return out
}
