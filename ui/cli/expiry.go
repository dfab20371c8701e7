package cli

import (
	"strconv"
	"strings"
	"time"
)

// parseExpiry reads a moment to come: a date, a date and time with its zone, or
// a duration from now, which may be in days. Nothing is the zero time: never.
func parseExpiry(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	at, ok := moment(s, now)
	if !ok {
		return at, usagef(`--expires %q is no date or duration; write "2027-01-31", "2027-01-31T18:00:00Z", "90d" or "12h"`, s)
	}
	at = at.UTC().Truncate(time.Second)
	if !at.After(now) {
		return at, usagef("--expires %q has passed; it was %s", s, at.Format(time.RFC3339))
	}
	return at, nil
}

func moment(s string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		const most = 100 * 365
		n, err := strconv.Atoi(days)
		return now.AddDate(0, 0, n), err == nil && n <= most && n >= -most
	}
	d, err := time.ParseDuration(s)
	return now.Add(d), err == nil
}
