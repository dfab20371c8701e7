package past

import (
	"math"
	"slices"
	"testing"
	"time"

	"pilothouse/gateway/quota"
)

func TestForecast(t *testing.T) {
	nan := math.NaN()
	steady := func(n int, from, by float64) []float64 {
		s := make([]float64, n)
		for i := range s {
			s[i] = from + by*float64(i)
		}
		return s
	}
	with := func(s []float64, change map[int]float64) []float64 {
		for i, v := range change {
			s[i] = v
		}
		return s
	}
	day := 20*time.Hour + 47*time.Minute
	for _, tt := range []struct {
		name    string
		samples []float64
		share   float64
		resets  time.Duration // from now
		in      time.Duration // until it runs out; 0: it doesn't
	}{
		{"steady", steady(16, 0.75, 0.01), 0.9, day, 10 * time.Minute},
		{"steady, but it begins anew before", steady(16, 0.75, 0.01), 0.9, 9 * time.Minute, 0},
		{"as it begins anew", steady(16, 0.75, 0.01), 0.9, 10 * time.Minute, 0},
		{"slow", steady(16, 0.4, 0.0001), 0.4015, day, 0},
		{"idle", steady(16, 0.9, 0), 0.9, day, 0},
		{"spent", steady(16, 1, 0), 1, day, -1},
		{"over, with nothing known", nil, 1.2, day, -1},
		{"no samples", nil, 0.9, day, 0},
		{"too few", steady(3, 0.8, 0.05), 0.9, day, 0},
		{"just enough", steady(4, 0.75, 0.05), 0.9, day, 2 * time.Minute},
		{"all unknown", steady(16, nan, 0), 0.9, day, 0},
		{"gaps", with(steady(16, 0.75, 0.01), map[int]float64{3: nan, 4: nan, 9: nan, 15: nan}), 0.9, day, 10 * time.Minute},
		// 5 idle minutes, then 0.1 within 5 of which nothing is known: 0.4 / (0.1 / 10) minutes.
		{"what was used in a gap", append(steady(6, 0.5, 0), nan, nan, nan, nan, 0.6), 0.6, day, 40 * time.Minute},
		{"no news for minutes", with(steady(16, 0.75, 0.01), map[int]float64{13: nan, 14: nan, 15: nan}), 0.87, day, 0},
		{"one burst is no trend", append(steady(8, 0.5, 0), steady(8, 0.9, 0)...), 0.9, day, 0},
		{"one burst on a steady use", append(steady(8, 0.5, 0.01), steady(8, 0.78, 0.01)...), 0.85, day, 15 * time.Minute},
		// Two bursts of 0.1 in 15 minutes: 0.3 / (0.2 / 15) minutes.
		{"a second burst makes a trend", slices.Concat(steady(5, 0.5, 0), steady(6, 0.6, 0), steady(5, 0.7, 0)), 0.7, day, 22*time.Minute + 30*time.Second},
		// Every third minute 0.03, five times in 15 minutes: 0.35 / (0.15 / 15) minutes.
		{"bursts count for their mean", slices.Concat(steady(3, 0.5, 0), steady(3, 0.53, 0), steady(3, 0.56, 0), steady(3, 0.59, 0), steady(3, 0.62, 0), steady(1, 0.65, 0)), 0.65, day, 35 * time.Minute},
		// As steady as before, but for one minute with nothing: 0.1 / 0.01 minutes.
		{"one lull is no end", append(steady(8, 0.76, 0.01), steady(8, 0.83, 0.01)...), 0.9, day, 10 * time.Minute},
		// 0.01, 0.02 and 0.03 a minute: 0.1 / 0.02 minutes.
		{"a short history, each minute busier", []float64{nan, nan, 0.84, 0.85, 0.87, 0.9}, 0.9, day, 5 * time.Minute},
		// 9 idle minutes and 6 of 0.02: 0.38 / (0.12 / 15) minutes.
		{"a run that began six minutes ago", append(steady(10, 0.5, 0), steady(6, 0.52, 0.02)...), 0.62, day, 47*time.Minute + 30*time.Second},
		{"it began anew", append(steady(8, 0.9, 0.01), steady(8, 0, 0.01)...), 0.07, day, 93 * time.Minute},
		// 1 became 0.8: 7 minutes of 0.01 are 0.008 of what there is now, then 7 of
		// 0.005: 0.165 / 0.0065 minutes.
		{"a grant, and half the use since", append(steady(8, 0.93, 0.01), steady(8, 0.8, 0.005)...), 0.835, day, 25*time.Minute + 23*time.Second},
		// A limit half as large again, in a minute with no use: 7 minutes of 0.012 are
		// 0.008 of it, as are those after it: 0.288 / 0.008 minutes.
		{"a grant, at the same rate", append(steady(8, 0.9, 0.012), steady(8, 0.656, 0.008)...), 0.712, day, 36 * time.Minute},
		// 0.99 became 0.79: 0.01 is 0.00798 now, and the one minute since stands out:
		// 0.2 / 0.00798 minutes.
		{"a grant just now", append(steady(14, 0.86, 0.01), 0.79, 0.8), 0.8, day, 25*time.Minute + 4*time.Second},
		// What was given back in one minute and taken again in the next are the idlest
		// and the busiest: 0.1 / 0.01 minutes.
		{"some was given back", with(steady(16, 0.75, 0.01), map[int]float64{7: 0.80}), 0.9, day, 10 * time.Minute},
		{"what is infinite is not known", with(steady(16, 0.75, 0.01), map[int]float64{5: math.Inf(1)}), 0.9, day, 10 * time.Minute},
		{"the reset is past", steady(16, 0.75, 0.01), 0.9, -time.Minute, 0},
		{"no share", steady(16, 0.75, 0.01), nan, day, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pace, _ := spentPace(tt.samples, time.Minute)
			at, ok := runsOut(pace, tt.share, night, night.Add(tt.resets))
			if ok != (tt.in != 0) {
				t.Fatalf("%v, %v", at, ok)
			}
			if !ok {
				if !at.IsZero() {
					t.Errorf("%v, though it doesn't run out", at)
				}
				return
			}
			if in := at.Sub(night); (in - max(tt.in, 0)).Abs() > 5*time.Second {
				t.Errorf("in %s, want %s", in, tt.in)
			}
		})
	}
	if _, known := spentPace(steady(16, 0.75, 0.01), 0); known {
		t.Error("a pace from samples no time apart")
	}
}

// spending is how much of a window is used at any moment since one.
type spending struct {
	name  string
	since time.Time
	at    func(time.Time) float64
}

func (s spending) Series(m Metric, of string, end time.Time, step time.Duration, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = none
		if at := end.Add(-time.Duration(n-1-i) * step); of == s.name && m == Spent && !at.Before(s.since) {
			out[i] = s.at(at)
		}
	}
	return out
}

// A month is told from the last day, unless the last minutes would end it within
// one: a busy quarter of an hour at noon says nothing of the nights to come.
func TestForeseeMonth(t *testing.T) {
	busy := func(perHour float64, known time.Duration) Trends {
		return spending{WindowName("acme", "", quota.TokensPerMonth), night.Add(-known), func(t time.Time) float64 {
			since := t.Sub(night)
			return 0.5 + 0.001*since.Hours() + perHour*max(0, (since+20*time.Minute).Hours())
		}}
	}
	for _, tt := range []struct {
		name   string
		trends Trends
		known  bool
		in     time.Duration // 0: it lasts
	}{
		{"even", busy(0, 30*time.Hour), true, 0},
		{"a busy quarter of an hour", busy(0.015, 30*time.Hour), true, 0},
		{"so busy that today is its last", busy(0.06, 30*time.Hour), true, 8 * time.Hour},
		{"known for an hour", busy(0.015, time.Hour), false, 0},
		{"nobody keeps series", nil, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := quota.Window{Name: quota.TokensPerMonth, Used: 50, Limit: 100, ResetsAt: night.AddDate(0, 0, 8)}
			o := Foresee(tt.trends, "acme", &w, night)
			if math.IsNaN(o.Pace) == tt.known || o.Out.IsZero() != (tt.in == 0) {
				t.Fatalf("%+v", o)
			}
			if in := o.Out.Sub(night); tt.in != 0 && (in-tt.in).Abs() > time.Hour {
				t.Errorf("in %s, want %s", in, tt.in)
			}
		})
	}
	for name, w := range map[string]quota.Window{"used up": {Name: quota.TokensPerDay, Used: 9, Limit: 9, ResetsAt: night.Add(time.Hour)}, "no limit": {Name: quota.TokensPerDay, Used: 9}} {
		if o := Foresee(nil, "acme", &w, night); !math.IsNaN(o.Pace) || o.Out.Equal(night) != (w.Limit > 0) {
			t.Errorf("%s: %+v", name, o)
		}
	}
}
