package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// samples are measured times, in no order.
type samples []time.Duration

// quantile is the q-th quantile (0 to 1, nearest rank) in milliseconds; NaN
// when there is none. It sorts the samples.
func (s samples) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	slices.Sort(s)
	i := int(math.Ceil(q*float64(len(s)))) - 1
	return float64(s[min(max(i, 0), len(s)-1)]) / float64(time.Millisecond)
}

// spread is the median, the least and the greatest of a figure's values over
// the rounds; all NaN when there was none.
type spread struct{ mid, min, max float64 }

// spreadOf leaves out values that are no numbers.
func spreadOf(values []float64) spread {
	v := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(v) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.SortFunc(v, cmp.Compare[float64])
	return spread{(v[(len(v)-1)/2] + v[len(v)/2]) / 2, v[0], v[len(v)-1]}
}
