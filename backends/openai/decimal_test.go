package openai

import (
	"math"
	"strconv"
	"testing"
)

// TestDecimal holds the short way of reading a number against strconv.
func TestDecimal(t *testing.T) {
	for _, v := range []string{"0", "-0", "0.7", "1.0", "2", "-1.5", "0.1", "0.30000000000000", "123456789012345", "0.00000000000001", "99999999999999.9", "1.00000000000001", "-0.000"} {
		want, err := strconv.ParseFloat(v, 64)
		got, ok := decimal([]byte(v))
		if err != nil || !ok || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: %v, %v; strconv reads %v", v, got, ok, want)
		}
	}
	for _, v := range []string{"1e3", "1E-2", "1234567890123456", "0.1234567890123456"} {
		if got, ok := decimal([]byte(v)); ok {
			t.Errorf("%s is left to strconv, got %v", v, got)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	f.Add(7, 1, false)
	f.Fuzz(func(t *testing.T, digits, after int, negative bool) {
		v := strconv.Itoa(int(uint(digits) % 1_000_000_000_000_000))
		if n := int(uint(after) % 15); n > 0 {
			for len(v) <= n {
				v = "0" + v
			}
			v = v[:len(v)-n] + "." + v[len(v)-n:]
		}
		if negative {
			v = "-" + v
		}
		want, _ := strconv.ParseFloat(v, 64)
		if got, ok := decimal([]byte(v)); ok && math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: %v; strconv reads %v", v, got, want)
		}
	})
}
