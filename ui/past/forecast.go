package past

import (
	"math"
	"slices"
	"strings"
	"time"

	"pilothouse/gateway/quota"
)

// Outlook is how fast a quota window is used up, and when it will be.
type Outlook struct {
	Pace float64   // share of the window per second; NaN: too little is known
	Out  time.Time // when it is used up, in whole seconds; zero: not before it begins anew, or not known
}

// A pace is told from samples of the share that is used.
const (
	paceStep    = time.Minute // between samples of the last 15 minutes
	paceSamples = 16
	slowStep    = time.Hour // between samples of the last day, for windows of a month
	slowSamples = 25

	paceLeast = 3    // steps that a pace is told from at least
	paceNews  = 3    // steps that the last sample may be old
	paceFall  = 0.05 // a fall of the share by more is no use given back: the window was granted more, or began anew if it fell by half

	wholeDay = 24 * time.Hour
)

// Foresee tells how fast a window of an organisation is used up, and when it runs
// out at that pace. Whatever names such a moment, a finding, an event, the view of
// quotas or a bundle, asks here, so that all name the same. A nil t, a window
// without a limit and one of which too little is known have an unknown pace; one
// that is used up has run out now.
//
// The pace is that of the last 15 minutes, but for what stands out in a single one
// of them: the plain mean would take one batch for a trend, and would have forgotten
// it a quarter of an hour later. What holds for minutes doesn't hold for weeks: a
// month's pace is that of the last day, unless it would be over within one.
func Foresee(t Trends, org string, w *quota.Window, now time.Time) Outlook {
	none := Outlook{Pace: math.NaN()}
	if w.Limit <= 0 {
		return none
	}
	used := share(w.Used, w.Limit)
	if used >= 1 {
		none.Out = now
	}
	if t == nil {
		return none
	}
	name := WindowName(org, w.Key, w.Name)
	look := func(step time.Duration, n int) Outlook {
		// Of whole steps: the mean of one that is under way comes too early, and would
		// make the step before it look idle.
		samples := t.Series(Spent, name, now.Truncate(step).Add(-time.Second), step, n)
		pace, known := spentPace(samples, step)
		if !known {
			return none
		}
		out, _ := runsOut(pace, used, now, w.ResetsAt)
		return Outlook{pace, out}
	}
	o := look(paceStep, paceSamples)
	if !strings.HasSuffix(w.Name, "_month") || !o.Out.IsZero() && o.Out.Sub(now) < wholeDay {
		return o
	}
	return look(slowStep, slowSamples)
}

// spentPace is the share that is used per second: the mean over all steps, of which
// the busiest counts as the second busiest and the idlest as the second idlest. So
// a single burst is no trend, one lull is no end of it, bursts that come again and
// again count in full, and a run that began a few steps ago shows. NaN samples are
// gaps: what was used in one is spread over its steps. What was used before a grant
// is held against the limit that there is since. It is false when too little is
// known.
func spentPace(samples []float64, step time.Duration) (float64, bool) {
	last := -1
	steps := make([]float64, 0, max(paceSamples, slowSamples)) // the share used in each
	for i, v := range samples {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if last >= 0 {
			was := samples[last]
			switch up, n := v-was, i-last; {
			case up >= -paceFall:
				for range n {
					steps = append(steps, up/float64(n))
				}
			case v > was/2: // a grant, in a step of which nothing else is known
				for k := range steps {
					steps[k] *= v / was
				}
			default: // it began anew
				steps = steps[:0]
			}
		}
		last = i
	}
	n := len(steps)
	if n < paceLeast || last < len(samples)-paceNews || step <= 0 {
		return 0, false
	}
	slices.Sort(steps)
	steps[0], steps[n-1] = steps[1], steps[n-2]
	used := 0.0
	for _, v := range steps {
		used += v
	}
	return max(0, used/(float64(n)*step.Seconds())), true
}

// runsOut tells when a window of which a share is used now will be used up, at a
// pace per second. It is false when it begins anew before that, or when that is
// not known.
func runsOut(pace, share float64, now, resets time.Time) (time.Time, bool) {
	if share >= 1 {
		return now, true
	}
	if !(pace > 0) || math.IsNaN(share) {
		return time.Time{}, false
	}
	left := (1 - max(share, 0)) / pace
	if left >= resets.Sub(now).Seconds() { // which may be more than a Duration holds
		return time.Time{}, false
	}
	out := now.Add(time.Duration(math.Round(left)) * time.Second)
	if !out.Before(resets) {
		return time.Time{}, false
	}
	return out, true
}
