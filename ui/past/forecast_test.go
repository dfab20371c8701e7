package past

import (
	"math"
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
		{"no news for minutes", with(steady(16, 0.75, 0.01), map[int]float64{13: nan, 14: nan, 15: nan}), 0.87, day, 0},
		{"one burst is no trend", append(steady(8, 0.5, 0), steady(8, 0.9, 0)...), 0.9, day, 0},
		{"one burst on a steady use", append(steady(8, 0.5, 0.01), steady(8, 0.78, 0.01)...), 0.85, day, 15 * time.Minute},
		{"a run that began five minutes ago", append(steady(10, 0.5, 0), steady(6, 0.52, 0.02)...), 0.62, day, time.Duration(0.38 / (0.10 / 14) * float64(time.Minute))},
		{"it began anew", append(steady(8, 0.9, 0.01), steady(8, 0, 0.01)...), 0.07, day, 93 * time.Minute},
		{"a grant lifted it", append(steady(8, 0.93, 0.01), steady(8, 0.8, 0.005)...), 0.835, day, 33 * time.Minute},
		{"a grant just now", append(steady(14, 0.86, 0.01), 0.79, 0.8), 0.8, day, 0},
		{"some was given back", with(steady(16, 0.75, 0.01), map[int]float64{7: 0.80}), 0.9, day, 11*time.Minute + 40*time.Second},
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
