package cli

import (
	"strconv"
	"strings"
	"time"
)

// parseExpiry reads what --expires says; see parseUntil. Nothing is the zero
// time: never.
func parseExpiry(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return parseUntil("--expires", s, now)
}

// parseUntil reads a moment to come: a date, a date and time with its zone, or
// a duration from now, which may be in days.
func parseUntil(flag, s string, now time.Time) (time.Time, error) {
	at, ok := moment(s)
	if d, long := span(s); long {
		at, ok = now.Add(d), true
	}
	if !ok {
		return at, usagef(`%s %q is no date or duration; write "2027-01-31", "2027-01-31T18:00:00Z", "90d" or "12h"`, flag, s)
	}
	at = at.UTC().Truncate(time.Second)
	if !at.After(now) {
		return at, usagef("%s %q has passed; it was %s", flag, s, at.Format(time.RFC3339))
	}
	return at, nil
}

// parseSince reads a moment of the past or present: a date, a date and time with
// its zone, "today", "yesterday" or "month", which are when those began in UTC,
// or how long ago it was, which may be in days.
func parseSince(flag, s string, now time.Time) (time.Time, error) {
	at, ok := moment(s)
	year, month, day := now.UTC().Date()
	switch s {
	case "today":
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC), nil
	case "yesterday":
		return time.Date(year, month, day-1, 0, 0, 0, 0, time.UTC), nil
	case "month":
		return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC), nil
	}
	if d, long := span(s); long && d >= 0 {
		at, ok = now.Add(-d), true
	}
	if !ok {
		return at, usagef(`%s %q is no date or time; write "2026-11-22", "2026-11-22T18:00:00Z", "today", "yesterday", "month", or for so long ago "7d" or "12h"`, flag, s)
	}
	return at.UTC(), nil
}

func moment(s string) (time.Time, bool) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// span reads a duration, which may be in days of 24 hours.
func span(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		const most = 100 * 365
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n <= most && n >= -most
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}
