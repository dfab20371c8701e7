package backends

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes that a configuration file gives as "10MiB".
type Size int64

var sizes = []struct {
	name string
	size float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

// UnmarshalText takes a number and a unit, of 1024 (KiB, MiB …) or 1000 (kB, MB …).
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizes {
		if n, ok := strings.CutSuffix(string(text), u.name); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			if err == nil && v >= 0 && v*u.size < 1<<62 {
				*s = Size(v * u.size)
				return nil
			}
			break
		}
	}
	return fmt.Errorf("%q is not a size; write it like \"10MiB\" or \"512KiB\"", text)
}

// MarshalText is the inverse of UnmarshalText.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for i := 3; i >= 0; i-- {
		if u := sizes[i]; s >= Size(u.size) && s%Size(u.size) == 0 {
			return strconv.FormatInt(int64(s)/int64(u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
