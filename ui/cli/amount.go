package cli

import (
	"math"
	"strconv"
	"strings"
)

// maxAmount bounds a grant: far above what anyone needs, and low enough for
// sums of many.
const maxAmount = 1_000_000_000_000_000

// parseAmount reads a number above 0, with _ between digits or one of k, M and
// G (thousands, millions and thousand millions) at its end.
func parseAmount(flag, s string) (int64, error) {
	digits, factor := s, int64(1)
	for suffix, f := range map[string]int64{"k": 1_000, "M": 1_000_000, "G": 1_000_000_000} {
		if before, ok := strings.CutSuffix(s, suffix); ok {
			digits, factor = before, f
		}
	}
	valid := digits != "" && digits[0] != '_' && digits[len(digits)-1] != '_' && !strings.Contains(digits, "__")
	for _, r := range digits {
		valid = valid && (r == '_' || '0' <= r && r <= '9')
	}
	if !valid {
		return 0, usagef(`%s %q is no whole number; write "5000000", "5_000_000", "5M" or "500k"`, flag, s)
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(digits, "_", ""), 10, 64)
	if err != nil || n > math.MaxInt64/factor || n*factor > maxAmount {
		return 0, usagef("%s %q is too much; the most is %d", flag, s, int64(maxAmount))
	}
	if n == 0 {
		return 0, usagef("%s %q adds nothing; give a number above 0", flag, s)
	}
	return n * factor, nil
}
