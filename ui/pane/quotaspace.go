package pane

import (
	"math"
	"time"

	"pilothouse/ui/past"
)

// A pace is how fast a window is used up, taken from samples of its share.
const (
	paceStep    = time.Minute // between samples of the last 15 minutes
	paceSamples = 16
	slowStep    = time.Hour // between samples of the last day, for windows of a month
	slowSamples = 25

	paceLeast = 3    // steps that a pace is told from at least
	paceNews  = 3    // steps that the last sample may be old
	paceFall  = 0.05 // a fall of the share by more is no use given back: the window began anew, or was granted more
)

// spentPace is the share that is used per second, over all samples but for the one
// step in which most was used: a single burst is no trend, and a run that began a
// few steps ago shows. NaN samples are gaps. It is false when too little is known.
func spentPace(samples []float64, step time.Duration) (float64, bool) {
	last, span := -1, 0
	rise, most := 0.0, 0.0
	for i, v := range samples {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if last >= 0 {
			up, n := v-samples[last], i-last
			if up < -paceFall {
				rise, most, span = 0, 0, 0
			} else {
				rise, span, most = rise+up, span+n, max(most, up/float64(n))
			}
		}
		last = i
	}
	if span < paceLeast || last < len(samples)-paceNews || step <= 0 {
		return 0, false
	}
	return max(0, (rise-most)/(float64(span-1)*step.Seconds())), true
}

// forecast tells when a window of which a share is used now will be used up, at
// the pace of samples that are a step apart and end now. It is false when it
// begins anew before that, or when that is not known.
func forecast(samples []float64, step time.Duration, share float64, now, resets time.Time) (time.Time, bool) {
	if share >= 1 {
		return now, true
	}
	perSecond, known := spentPace(samples, step)
	if !known || perSecond <= 0 || math.IsNaN(share) {
		return time.Time{}, false
	}
	left := (1 - max(share, 0)) / perSecond
	if left >= resets.Sub(now).Seconds() { // which may be more than a Duration holds
		return time.Time{}, false
	}
	out := now.Add(time.Duration(math.Round(left)) * time.Second)
	if !out.Before(resets) {
		return time.Time{}, false
	}
	return out, true
}

// foresee works out a window's pace and when it runs out. What holds for the last
// minutes doesn't hold for weeks: a month is told from the last day, unless it
// would be over within one.
func (w *quotaWindow) foresee(t past.Trends, org string, now time.Time) {
	w.pace, w.out = math.NaN(), time.Time{}
	if w.limit <= 0 || t == nil {
		return
	}
	of, share := past.WindowName(org, w.key, w.name), w.share()
	take := func(step time.Duration, n int) bool {
		samples := t.Series(past.Spent, of, now, step, n)
		perSecond, known := spentPace(samples, step)
		if known {
			w.pace = perSecond
			w.out, _ = forecast(samples, step, share, now, w.resets)
		}
		return known
	}
	known := take(paceStep, paceSamples)
	if !w.monthly() || known && !w.out.IsZero() && w.out.Sub(now) < quotaDay {
		return
	}
	if !take(slowStep, slowSamples) {
		w.pace, w.out = math.NaN(), time.Time{}
	}
}
