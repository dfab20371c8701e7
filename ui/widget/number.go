package widget

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Figure writes a figure, a rate say, in at most four characters: 0.4, 38.2,
// 380, 2.1k, 1.2M. NaN, infinity and negative figures give "", which callers
// draw as no data.
func Figure(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return ""
	}
	unit := ""
	for _, u := range [...]string{"k", "M", "G", "T", "P"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, u
	}
	// The bounds are those at which rounding would add a digit.
	switch {
	case unit == "" && v < 99.95, unit != "" && v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64) + unit
	case v < 999.5:
		return strconv.FormatFloat(v, 'f', 0, 64) + unit
	}
	return ">1" + "E"
}

// Amount writes a count in at most four characters: 0, 380, 2.1k, 1.2M. Negative
// ones give "".
func Amount(n int64) string {
	if n >= 0 && n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return Figure(float64(n))
}

// Duration writes a time that something took in at most six characters: 310 ms,
// 1.2 s, 41.0 s, 12m03s, 3h04m, 9d05h. 0 and less give "", which callers draw as
// no data.
func Duration(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Millisecond:
		return "<1 ms"
	case d < 999500*time.Microsecond:
		return strconv.FormatInt(int64(d.Round(time.Millisecond)/time.Millisecond), 10) + " ms"
	case d < 59950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	d = d.Round(time.Second)
	h, m, s := int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case h == 0:
		return fmt.Sprintf("%dm%02ds", m, s)
	case h < 24:
		return fmt.Sprintf("%dh%02dm", h, m)
	case h < 24*100:
		return fmt.Sprintf("%dd%02dh", h/24, h%24)
	}
	return strconv.Itoa(h/24) + "d"
}

// Age writes how long something has been so, coarsely: 41 s, 12 min, 3 h, 9 d.
func Age(d time.Duration) string {
	switch d = max(d, 0).Truncate(time.Second); {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " d"
}

// Count writes a number with thousands set apart: 34,201.
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Many writes how many there are of something whose plural ends in s: 1 line,
// 34,201 lines.
func Many(n int, one string) string {
	text := strconv.Itoa(n)
	if n > 0 {
		text = Count(uint64(n))
	}
	if n != 1 {
		one += "s"
	}
	return text + " " + one
}

// GiB writes bytes as gibibytes with one decimal; NaN gives "".
func GiB(bytes float64) string {
	if math.IsNaN(bytes) || math.IsInf(bytes, 0) || bytes < 0 {
		return ""
	}
	return strconv.FormatFloat(bytes/(1<<30), 'f', 1, 64)
}
