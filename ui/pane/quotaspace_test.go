package pane

import (
	"math"
	"testing"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/quota"
	"pilothouse/ui/past"
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
			at, ok := forecast(tt.samples, time.Minute, tt.share, quotaNight, quotaNight.Add(tt.resets))
			if ok != (tt.in != 0) {
				t.Fatalf("%v, %v", at, ok)
			}
			if !ok {
				if !at.IsZero() {
					t.Errorf("%v, though it doesn't run out", at)
				}
				return
			}
			if in := at.Sub(quotaNight); (in - max(tt.in, 0)).Abs() > 5*time.Second {
				t.Errorf("in %s, want %s", in, tt.in)
			}
		})
	}
	if _, ok := forecast(steady(16, 0.75, 0.01), 0, 0.9, quotaNight, quotaNight.Add(day)); ok {
		t.Error("a forecast from samples no time apart")
	}
}

// A month is told from the last day, unless the last minutes would end it within
// one: a busy quarter of an hour at noon says nothing of the nights to come.
func TestForeseeMonth(t *testing.T) {
	name := past.WindowName("acme", "", quota.TokensPerMonth)
	busy := func(perHour float64, known time.Duration) quotaCurves {
		return quotaCurves{name: {func(t time.Time) float64 {
			since := t.Sub(quotaNight)
			return 0.5 + 0.001*since.Hours() - perHour*max(0, (since+20*time.Minute).Hours())*-1
		}, quotaNight.Add(-known)}}
	}
	for _, tt := range []struct {
		name   string
		trends quotaCurves
		known  bool
		in     time.Duration // 0: it lasts
	}{
		{"even", busy(0, 30*time.Hour), true, 0},
		{"a busy quarter of an hour", busy(0.015, 30*time.Hour), true, 0},
		{"so busy that today is its last", busy(0.06, 30*time.Hour), true, 8 * time.Hour},
		{"known for an hour", busy(0.015, time.Hour), false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := quotaWindow{name: quota.TokensPerMonth, used: 50, limit: 100, resets: quotaDecember}
			w.foresee(tt.trends, "acme", quotaNight)
			if math.IsNaN(w.pace) == tt.known || w.out.IsZero() != (tt.in == 0) {
				t.Fatalf("pace %v, out %v", w.pace, w.out)
			}
			if in := w.out.Sub(quotaNight); tt.in != 0 && (in-tt.in).Abs() > time.Hour {
				t.Errorf("in %s, want %s", in, tt.in)
			}
		})
	}
}

func TestQuotaUsers(t *testing.T) {
	ended := func(org, key string, before, took time.Duration, output int) gateway.Record {
		return gateway.Record{Org: org, KeyName: key, Start: quotaNight.Add(-before - took), Duration: took, Output: output}
	}
	g := &gateway.Snapshot{At: quotaNight, Recent: []gateway.Record{
		ended("acme", "a", 10*time.Second, 5*time.Second, 600),
		ended("acme", "b", 30*time.Second, 60*time.Second, 1200), // half of it in the last minute
		ended("acme", "c", 61*time.Second, time.Second, 1e6),     // before it
		ended("", "", 0, time.Second, 1e6),                       // whose key was not valid
		ended("globex", "a", time.Second, 0, 300),
	}}
	live := ended("globex", "a", 0, 10*time.Second, 300)
	g.Live = []gateway.Record{live}
	var u quotaUsers
	u.count(g)
	want := []quotaUser{{"acme", "a", 10}, {"acme", "b", 10}, {"globex", "a", 10}}
	if len(u.all) != len(want) {
		t.Fatalf("%v, want %v", u.all, want)
	}
	for i := range want {
		if got := u.all[i]; got.org != want[i].org || got.name != want[i].name || math.Abs(got.tokens-want[i].tokens) > 1e-9 {
			t.Errorf("%v, want %v", got, want[i])
		}
	}
	if of := u.of("acme"); math.Abs(of-20) > 1e-9 || math.Abs(u.total-30) > 1e-9 {
		t.Errorf("acme has %v of %v, want 20 of 30", of, u.total)
	}
	// So many ended that the snapshot reaches back four seconds.
	g.Live, g.Recent = nil, nil
	for i := range usersKept {
		g.Recent = append(g.Recent, ended("acme", "a", time.Duration(i)*4*time.Second/(usersKept-1), 10*time.Millisecond, 2))
	}
	u.count(g)
	if math.Abs(u.total-100) > 1 {
		t.Errorf("%v per second, want 100", u.total)
	}
	u.count(nil)
	if u.known || len(u.all) != 0 {
		t.Error("without a gateway something is known")
	}
}

func TestQuotaWords(t *testing.T) {
	for n, want := range map[int64]string{10_000_000: "10M", 12_500_000: "12.5M", 300_000_000: "300M", 100_000: "100k", 912_440: "912,440", 1_500: "1.5k", 999: "999", 0: "0", 2_000_000_000: "2G", -5: "-5"} {
		if got := quotaAmount(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for share, want := range map[float64]string{0: "0%", 0.001: "<1%", 0.91: "91%", 0.996: "99%", 1: "100%", 1.12: "112%", 1e9: "999%"} {
		if got := quotaPercent(share); got != want {
			t.Errorf("%v is %s, want %s", share, got, want)
		}
	}
	for name, want := range map[string][2]string{quota.TokensPerDay: {"tokens/day", "tok/day"}, quota.RequestsPerMonth: {"requests/month", "req/mon"}, "odd": {"odd", "odd/"}} {
		if got := [2]string{quotaLabel(name), quotaShort(name)}; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for most, want := range map[float64]string{0.049: "+3 more orgs, all below 5%", 0.05: "+3 more orgs, all below 10%", 0: "+3 more orgs, all below 5%", 1.1: "+3 more orgs", -1: "+3 more orgs, none with limits"} {
		if got := moreOrgs(3, most, true); got != want {
			t.Errorf("%v: %s, want %s", most, got, want)
		}
	}
}
