package past

import (
	"testing"
	"time"
)

func TestForecast(t *testing.T) {
	ramp := func(n int, from, each float64) (s []float64) {
		for i := range n {
			s = append(s, from+float64(i)*each)
		}
		return s
	}
	join := func(parts ...[]float64) (s []float64) {
		for _, p := range parts {
			s = append(s, p...)
		}
		return s
	}
	bursts := ramp(90, .5, 0)
	for i := range bursts {
		bursts[i] += float64(i/30) * .089 // two bursts
	}
	holes := ramp(90, .5, .001)
	for i := range 40 {
		holes[i*2] = none
	}
	for _, tt := range []struct {
		name    string
		share   float64
		resets  time.Duration
		samples []float64
		want    time.Duration // 0: it doesn't
	}{
		{"steady: 0.1 % each ten seconds", .589, 12 * time.Hour, ramp(90, .5, .001), 4110 * time.Second},
		{"not before it begins anew", .589, time.Hour, ramp(90, .5, .001), 0},
		{"idle", .5, 12 * time.Hour, ramp(90, .5, 0), 0},
		{"bursts count for their mean", .678, 12 * time.Hour, bursts, 1610 * time.Second},
		{"with holes", .589, 12 * time.Hour, holes, 4110 * time.Second},
		{"just begun anew: what was before says nothing", .012, 12 * time.Hour, join(ramp(77, .9, .001), ramp(13, 0, .001)), 9880 * time.Second},
		{"too little since", .003, 12 * time.Hour, join(ramp(86, .9, .001), ramp(4, 0, .001)), 0},
		// 45 samples of 0.12 %, then a limit half as large again: 0.08 % each.
		{"after a grant, at the same rate", .672, 12 * time.Hour, join(ramp(45, .9, .0012), ramp(45, (.9+44*.0012)/1.5+.0008, .0008)), 4100 * time.Second},
		{"used up", 1, 12 * time.Hour, ramp(90, 1, 0), 1},
		{"nothing known", .5, 12 * time.Hour, []float64{none, none}, 0},
		{"one known", .5, 12 * time.Hour, []float64{none, .5, none}, 0},
		{"no samples", .5, 12 * time.Hour, nil, 0},
		{"unknown share", none, 12 * time.Hour, ramp(90, .5, .001), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Forecast(night, tt.share, night.Add(tt.resets), tt.samples, 10*time.Second)
			switch {
			case ok != (tt.want != 0):
				t.Errorf("%v, %v", got.Sub(night), ok)
			case tt.want == 1 && !got.Equal(night):
				t.Errorf("it has run out at %v", got)
			case tt.want > 1 && (got.Sub(night)-tt.want).Abs() > tt.want/20:
				t.Errorf("in %v, want %v", got.Sub(night), tt.want)
			}
		})
	}
}
