package widget

import "math"

// Series is a run of samples that ends now, for a Graph: newest last, NaN
// where there is no data.
type Series []float64

// Bucket thins per-second samples to one per step seconds, the mean of those
// known. end is the second of the newest sample (Unix time): buckets are cut
// at whole multiples of step, so that a picture moves on without changing its
// shape. A step below 2 gives the samples themselves.
func Bucket(samples []float64, end int64, step int) Series {
	if step < 2 || len(samples) == 0 {
		return samples
	}
	first := (end - int64(len(samples)) + 1) / int64(step)
	out := make(Series, end/int64(step)-first+1)
	for i := range out {
		out[i] = math.NaN()
	}
	sum, n, at := 0.0, 0, 0
	flush := func() {
		if n > 0 {
			out[at] = sum / float64(n)
		}
		sum, n = 0, 0
	}
	for i, v := range samples {
		k := int((end-int64(len(samples)-1-i))/int64(step) - first)
		if k != at {
			flush()
			at = k
		}
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	flush()
	return out
}

// Step is the smallest of the usual steps, in seconds, at which n per-second
// samples fit into w cells of two samples each.
func Step(n, w int) int {
	for _, s := range [...]int{1, 2, 5, 10, 15, 30} {
		if n <= 2*w*s {
			return s
		}
	}
	return 60
}

// Scale is a round figure at or above the largest sample, at least least.
func Scale(s Series, least float64) float64 {
	top := least
	for _, v := range s {
		if v > top { // false for NaN
			top = v
		}
	}
	if math.IsInf(top, 1) || top <= 0 {
		return 1
	}
	pow := math.Pow(10, math.Floor(math.Log10(top)))
	for _, m := range [...]float64{1, 1.5, 2, 3, 4, 5, 6, 8} {
		if m*pow >= top {
			return m * pow
		}
	}
	return 10 * pow
}

// Graph draws a series as a filled curve, w by h cells, one sample per dot
// column, the newest at the right edge. top is the value of the upper edge. A
// sample of 0 still shows the lowest dot; where there is no data nothing is
// drawn.
func (c *Canvas) Graph(x, y, w, h int, st Style, s Series, top float64) {
	if w <= 0 || h <= 0 || !(top > 0) {
		return
	}
	level := func(col int) int { // dots of column col, 0: no data
		i := len(s) - 2*w + col
		if i < 0 || math.IsNaN(s[i]) {
			return 0
		}
		return 1 + int(math.Round(min(max(s[i]/top, 0), 1)*float64(4*h-1)))
	}
	for cx := range w {
		left, right := level(2*cx), level(2*cx+1)
		for cy := max(0, -y); cy < min(h, c.H-y); cy++ {
			base := 4 * (h - 1 - cy)
			l, r := min(max(left-base, 0), 4), min(max(right-base, 0), 4)
			if l+r > 0 {
				c.put(x+cx, y+cy, c.Theme.dots(l, r), 1, st)
			}
		}
	}
}

// Spark is a Graph of a single row.
func (c *Canvas) Spark(x, y, w int, st Style, s Series, top float64) {
	c.Graph(x, y, w, 1, st, s, top)
}

// dots is the character whose two dot columns are filled l and r high, of 4.
func (t *Theme) dots(l, r int) string {
	if t.ascii {
		const heights = " .:|#"
		n := (l + r + 1) / 2
		return heights[n : n+1]
	}
	return braille[l][r]
}

// braille are the characters of two columns of up to 4 dots each.
var braille = func() (all [5][5]string) {
	left := [...]rune{0, 0x40, 0x44, 0x46, 0x47}
	right := [...]rune{0, 0x80, 0xa0, 0xb0, 0xb8}
	for l := range left {
		for r := range right {
			all[l][r] = string(0x2800 + left[l] + right[r])
		}
	}
	return all
}()
