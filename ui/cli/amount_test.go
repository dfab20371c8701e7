package cli

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

func TestParseAmount(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64 // 0: a *UsageError
	}{
		{"1", 1}, {"5000000", 5_000_000}, {"5_000_000", 5_000_000}, {"5M", 5_000_000}, {"500k", 500_000}, {"2G", 2_000_000_000},
		{"007", 7}, {"1_0k", 10_000}, {"1000000G", maxAmount}, {"1000000000000000", maxAmount},
		{"0", 0}, {"0M", 0}, {"", 0}, {"M", 0}, {"-5", 0}, {"+5", 0}, {"1.5M", 0}, {"5m", 0}, {"5K", 0}, {"5 M", 0}, {"5kM", 0},
		{"_5", 0}, {"5_", 0}, {"5__0", 0}, {"5_M", 0}, {"0x10", 0}, {"1e6", 0}, {"٣", 0},
		{"1000000000000001", 0}, {"1000001G", 0}, {"9223372036854775807G", 0}, {"99999999999999999999", 0},
	} {
		got, err := parseAmount("--tokens", tc.text)
		var wrong *UsageError
		if got != tc.want || (tc.want == 0) != errors.As(err, &wrong) {
			t.Errorf("%q: %d, %v, want %d", tc.text, got, err, tc.want)
		}
	}
}

// FuzzParseAmount: what is read is in range, and written out it is read the same.
func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"5M", "500k", "5_000", "0", "_", "9223372036854775807", "9223372036855k", "G", "1__0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseAmount("--tokens", s)
		if (err == nil) != (n >= 1 && n <= maxAmount) {
			t.Fatalf("%q: %d, %v", s, n, err)
		}
		if err != nil {
			return
		}
		if strings.Trim(s, "0123456789_kMG") != "" {
			t.Fatalf("%q was read as %d", s, n)
		}
		if again, err := parseAmount("--tokens", strconv.FormatInt(n, 10)); again != n || err != nil {
			t.Fatalf("%q is %d, which is %d, %v", s, n, again, err)
		}
	})
}
