package past

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// span writes how long something took or has been so, coarsely: 41 s, 12 min,
// 3 h, 9 d.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " d"
}

// amount writes a number of tokens or requests, coarsely: 950, 12.5k, 9.0M.
func amount(n int64) string {
	v := float64(n)
	for _, u := range [...]string{"", "k", "M", "G", "T"} {
		if v < 999.5 || u == "T" {
			if u == "" {
				return strconv.FormatInt(n, 10)
			}
			return strconv.FormatFloat(v, 'f', 1, 64) + u
		}
		v /= 1000
	}
	return ""
}

// mostText bounds an event's text.
const mostText = 400

// cut bounds a text, which may come from anywhere, and makes it valid UTF-8. What
// it returns holds on to nothing longer.
func cut(s string, most int) string {
	if len(s) <= most && utf8.ValidString(s) {
		return s
	}
	if len(s) > most {
		s = s[:most-len("…")]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if n := len(s) - 1; n >= 0 && s[n] >= utf8.RuneSelf {
			s = s[:n]
		}
		s += "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// counted writes a number with its noun: 1 request, 3 requests.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
