package main

import (
	"math"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make(samples, 100)
	for i := range hundred {
		hundred[99-i] = time.Duration(i+1) * time.Millisecond
	}
	for _, tt := range []struct {
		name string
		s    samples
		q    float64
		want float64
	}{
		{"none", nil, .5, math.NaN()},
		{"one", samples{2 * time.Millisecond}, .99, 2},
		{"least", hundred, 0, 1},
		{"median", hundred, .5, 50},
		{"p99", hundred, .99, 99},
		{"greatest", hundred, 1, 100},
		{"between ranks", samples{3e6, 1e6, 2e6}, .4, 2},
		{"under a millisecond", samples{250 * time.Microsecond}, .5, .25},
	} {
		got := tt.s.quantile(tt.q)
		if got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
			t.Errorf("%s: quantile %v is %v, want %v", tt.name, tt.q, got, tt.want)
		}
	}
}

func TestSpread(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name   string
		values []float64
		want   spread
		text   string
	}{
		{"odd", []float64{3, 1, 2}, spread{2, 1, 3}, "2.0 (1.0–3.0)"},
		{"even", []float64{4, 1, 2, 3}, spread{2.5, 1, 4}, "2.5 (1.0–4.0)"},
		{"some missing", []float64{nan, 5, nan}, spread{5, 5, 5}, "5.0 (5.0–5.0)"},
		{"all missing", []float64{nan}, spread{nan, nan, nan}, "–"},
	} {
		got := spreadOf(tt.values)
		if got != tt.want && !(math.IsNaN(got.mid) && math.IsNaN(tt.want.mid)) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if got.text(1) != tt.text {
			t.Errorf("%s: written %q, want %q", tt.name, got.text(1), tt.text)
		}
	}
}
