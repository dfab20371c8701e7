package past

import (
	"math"
	"strconv"
	"sync"
	"time"

	"pilothouse/gpu"
)

// mostGone bounds the devices whose history is kept after they have gone.
const mostGone = 64

// devices is the newest of every device's history. It may be used by many at once.
type devices struct {
	mu   sync.RWMutex
	all  map[string]lines
	seen *gpu.Snapshot
}

// lines is a device's history, and until when.
type lines struct {
	at, longAt    time.Time
	history, long []gpu.Point
}

// deviceID tells devices apart.
func deviceID(g *gpu.GPU) string {
	if g.UUID != "" {
		return g.Host + "\x00" + g.UUID
	}
	return g.Host + "\x00" + strconv.Itoa(g.Index)
}

// take notes the histories of a snapshot. Those of devices that are no more stay
// for a day.
func (d *devices) take(s *gpu.Snapshot) {
	if s == d.seen {
		return
	}
	d.seen = s
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range s.GPUs {
		g := &s.GPUs[i]
		d.all[deviceID(g)] = lines{s.At, g.LongAt, g.History, g.Long}
	}
	for id, l := range d.all {
		if !l.at.Equal(s.At) && (s.At.Sub(l.at) > keptLong*time.Second || len(d.all) > len(s.GPUs)+mostGone) {
			delete(d.all, id)
		}
	}
}

// fill gives a device the history that it had at a moment. Seconds that are more
// than a quarter of an hour ago have the mean of their ten.
func (d *devices) fill(g *gpu.GPU, at time.Time) {
	d.mu.RLock()
	l, ok := d.all[deviceID(g)]
	d.mu.RUnlock()
	if !ok {
		return
	}
	g.History = l.until(at)
	if past := l.longAt.Sub(at); past > 0 {
		cut := int((past + thinning*time.Second - 1) / (thinning * time.Second))
		l.long = l.long[:max(0, len(l.long)-cut)]
		l.longAt = l.longAt.Add(-time.Duration(cut) * thinning * time.Second)
	}
	if len(l.long) > 0 {
		g.Long, g.LongAt = l.long, l.longAt
	}
}

// until is the quarter of an hour before a moment.
func (l *lines) until(at time.Time) []gpu.Point {
	back := max(0, seconds(l.at.Sub(at)))
	exact := l.history[:max(0, len(l.history)-back)]
	if len(exact) >= keptShort || len(l.long) == 0 {
		return exact
	}
	// The last second that is not in exact, and how many of long end behind it.
	first := at
	if back < len(l.history) {
		first = l.at.Add(-time.Duration(len(l.history)) * time.Second)
	}
	out := make([]gpu.Point, 0, keptShort)
	for sec := keptShort - len(exact) - 1; sec >= 0; sec-- {
		age := l.longAt.Sub(first.Add(-time.Duration(sec) * time.Second))
		i := len(l.long) - 1 - int(math.Floor(age.Seconds()/thinning))
		switch {
		case i < 0 && len(out) == 0: // before anybody looked
		case i < 0 || i >= len(l.long):
			out = append(out, gpu.Point{Util: nan, Mem: nan, Power: nan, Temp: nan})
		default:
			out = append(out, l.long[i])
		}
	}
	return append(out, exact...)
}

// happened is which of the events there were at a moment.
func happened(all []gpu.XID, at time.Time) []gpu.XID {
	var out []gpu.XID
	for _, e := range all {
		if e.At.After(at) {
			continue
		}
		if e.Last.After(at) {
			e.Last = at
		}
		out = append(out, e)
	}
	return out
}
