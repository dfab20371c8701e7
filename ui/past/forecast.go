package past

import (
	"math"
	"time"
)

// Forecast tells when a quota window runs out at the rate of the samples, which
// are the share of it that was used, step apart, of which the last is that of now;
// NaN where nothing is known. share is what is used now, and resets when the window
// begins anew. A window that is used up has run out now. False: it doesn't run out
// before it begins anew, or too little is known to tell: less than a minute.
//
// The rate is what was used from the first sample to the last by the time between
// them, so that bursts count for what they are. Where the share fell, the window
// began anew or got another limit. If it fell by half or more, only what came after
// it counts; otherwise what came before is held against the limit that there is
// since.
func Forecast(now time.Time, share float64, resets time.Time, samples []float64, step time.Duration) (time.Time, bool) {
	if share >= 1 {
		return now, true
	}
	grown, took := growth(samples)
	over := time.Duration(took) * step
	if over < time.Minute || !(grown > 0) || math.IsNaN(share) {
		return time.Time{}, false
	}
	left := (1 - share) / grown * float64(over)
	if left >= float64(resets.Sub(now)) {
		return time.Time{}, false
	}
	return now.Add(time.Duration(left)), true
}

// growth is how much a share grew, and in how many steps.
func growth(samples []float64) (grown float64, steps int) {
	first, last, at := math.NaN(), math.NaN(), 0
	from := 0
	for i, v := range samples {
		switch {
		case math.IsNaN(v):
			continue
		case math.IsNaN(first), v <= last/2:
			first, from = v, i
		case v < last:
			first *= v / last
		}
		last, at = v, i
	}
	return last - first, at - from
}
