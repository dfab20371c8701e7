package gpu

import (
	"math"
	"time"
)

// How much history is kept of a device. Its two series have room for 2,048 and
// 11,264 points of 16 bytes, whole pages: 208 KiB a device, 1.6 MiB for eight.
const (
	kept     = int(15 * time.Minute / interval)
	thinning = 10 // points that one of the long series sums up
	keptLong = int(24*time.Hour/interval) / thinning
	room     = 2048
	roomLong = 11264
)

// series is the last points of a history. Snapshots share its array: what they
// can see of it is never written again. When the array is full, a new one takes
// over the points that are still wanted.
type series struct {
	points []Point
	keep   int
	room   int // for more than keep, so that copies are rare
}

func (s *series) add(p Point) {
	if len(s.points) == cap(s.points) {
		last := s.points[max(0, len(s.points)-s.keep+1):]
		s.points = append(make([]Point, 0, s.room), last...)
	}
	s.points = append(s.points, p)
}

// view is the series as it is now.
func (s *series) view() []Point {
	v := s.points[max(0, len(s.points)-s.keep):]
	return v[:len(v):len(v)]
}

// history is a device's, by the second and thinned out.
type history struct {
	short, long series
	longAt      time.Time
	round       int // of the newest point
	sums        [4]float64
	counts      [4]int
	pending     int // points that sums and counts hold
}

func newHistory() history {
	return history{short: series{keep: kept, room: room}, long: series{keep: keptLong, room: roomLong}}
}

// nan is a value that is not known.
var nan = float32(math.NaN())

// add adds the point of a round, unless that has one. Rounds that were left out
// since the last one become points without values.
func (h *history) add(round int, p Point, now time.Time) {
	if round <= h.round {
		return
	}
	if h.round > 0 {
		for missed := min(round-h.round-1, keptLong*thinning); missed > 0; missed-- {
			h.put(Point{nan, nan, nan, nan}, now)
		}
	}
	h.put(p, now)
	h.round = round
}

func (h *history) put(p Point, now time.Time) {
	h.short.add(p)
	for i, v := range [...]float32{p.Util, p.Mem, p.Power, p.Temp} {
		if Known(v) {
			h.sums[i] += float64(v)
			h.counts[i]++
		}
	}
	if h.pending++; h.pending < thinning {
		return
	}
	mean := func(i int) float32 { return float32(h.sums[i] / float64(h.counts[i])) } // 0/0 is NaN
	h.long.add(Point{mean(0), mean(1), mean(2), mean(3)})
	h.longAt = now
	h.sums, h.counts, h.pending = [4]float64{}, [4]int{}, 0
}

// point is what is known of this second.
func (g *GPU) point(now time.Time) Point {
	value := func(r Reading) float32 {
		if v, ok := r.Value(); ok && r.Age(now) <= fresh {
			return float32(v)
		}
		return nan
	}
	p := Point{Util: value(g.Util), Mem: value(g.MemUsed), Power: value(g.Power), Temp: value(g.Temp)}
	if total := g.MemTotal.Or(0); total > 0 {
		p.Mem *= float32(100 / total)
	} else {
		p.Mem = nan
	}
	return p
}
