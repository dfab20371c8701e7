package main

import (
	"math"
	"testing"
)

func TestSlope(t *testing.T) {
	if got := slope([]float64{0, 1, 2, 3}, []float64{5, 7.5, 8.5, 11}); math.Abs(got-1.9) > 1e-9 {
		t.Errorf("%v, want 1.9", got)
	}
	if got := slope([]float64{1}, []float64{2}); got != 0 {
		t.Errorf("of one: %v", got)
	}
}
