package past

import "math"

var nan = float32(math.NaN())

// ring is the last values of something that has one for each of a run of whole
// numbers, seconds say. What was left out is NaN.
type ring struct {
	values []float32
	last   int64 // the newest that is known; 0: none is
}

func newRing(n int) ring {
	r := ring{values: make([]float32, n)}
	for i := range r.values {
		r.values[i] = nan
	}
	return r
}

// seek makes at the newest. What lies between, or behind it where time was set
// back, is forgotten: those places are of other times now.
func (r *ring) seek(at int64) {
	n := int64(len(r.values))
	if at > r.last {
		for i := max(r.last+1, at-n+1); i <= at; i++ {
			r.values[i%n] = nan
		}
	} else {
		for i := at + 1; i <= min(r.last, at+n); i++ {
			r.values[i%n] = nan
		}
	}
	r.last = at
}

// set gives the newest its value.
func (r *ring) set(v float32) { r.values[r.last%int64(len(r.values))] = v }

// at is a value; NaN where none is known.
func (r *ring) at(i int64) float32 {
	if n := int64(len(r.values)); i > 0 && i <= r.last && i > r.last-n {
		return r.values[i%n]
	}
	return nan
}

// mean is that of what is known from one moment up to before another, of a ring
// with a value for each width.
func (r *ring) mean(from, to, width int64) float64 {
	sum, n := 0.0, int64(0)
	for i := from / width; i*width < to; i++ {
		if v := r.at(i); v == v {
			w := min(to, (i+1)*width) - max(from, i*width)
			sum, n = sum+float64(v)*float64(w), n+w
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}
