package cli

import (
	"errors"
	"testing"
	"time"
)

func TestParseExpiry(t *testing.T) {
	for _, tc := range []struct{ text, want string }{ // "": a *UsageError
		{"2026-11-23", "2026-11-23T00:00:00Z"},
		{"2027-01-31T18:00:00+01:00", "2027-01-31T17:00:00Z"},
		{"90d", "2027-02-20T12:00:00Z"},
		{"1d", "2026-11-23T12:00:00Z"},
		{"36h", "2026-11-24T00:00:00Z"},
		{"1h30m", "2026-11-22T13:30:00Z"},
		{"1.5s", "2026-11-22T12:00:01Z"},
		{"0.5s", ""},
		{"0d", ""},
		{"-1d", ""},
		{"-1h", ""},
		{"2026-11-22", ""},
		{"2026-11-22T12:00:00Z", ""},
		{"2026-02-30", ""},
		{"2027-01-31T18:00:00", ""},
		{"d", ""},
		{"1.5d", ""},
		{"36501d", ""},
		{"99999999999999999999d", ""},
		{"5", ""},
		{" ", ""},
	} {
		got, err := parseExpiry(tc.text, noon)
		var wrong *UsageError
		if tc.want == "" {
			if !errors.As(err, &wrong) {
				t.Errorf("%q: %v, %v, want a *UsageError", tc.text, got, err)
			}
		} else if err != nil || got.Format(time.RFC3339) != tc.want || got.Location() != time.UTC {
			t.Errorf("%q: %v, %v, want %s", tc.text, got, err, tc.want)
		}
	}
	if got, err := parseExpiry("", noon); err != nil || !got.IsZero() {
		t.Errorf("nothing: %v, %v, want the zero time", got, err)
	}
}

func TestParseSince(t *testing.T) {
	for _, tc := range []struct{ text, want string }{ // "": a *UsageError
		{"today", "2026-11-22T00:00:00Z"},
		{"yesterday", "2026-11-21T00:00:00Z"},
		{"month", "2026-11-01T00:00:00Z"},
		{"2026-11-22", "2026-11-22T00:00:00Z"},
		{"2027-01-31T18:00:00+01:00", "2027-01-31T17:00:00Z"},
		{"7d", "2026-11-15T12:00:00Z"},
		{"12h", "2026-11-22T00:00:00Z"},
		{"0d", "2026-11-22T12:00:00Z"},
		{"-7d", ""},
		{"-1h", ""},
		{"", ""},
		{"tomorrow", ""},
		{"7", ""},
		{"36501d", ""},
		{"2026-11-22 18:00", ""},
	} {
		// 23:00 in New York is the next day in UTC, which is what counts.
		got, err := parseSince("--since", tc.text, noon.In(time.FixedZone("west", -13*60*60)))
		var wrong *UsageError
		if tc.want == "" {
			if !errors.As(err, &wrong) {
				t.Errorf("%q: %v, %v, want a *UsageError", tc.text, got, err)
			}
		} else if err != nil || got.Format(time.RFC3339) != tc.want || got.Location() != time.UTC {
			t.Errorf("%q: %v, %v, want %s", tc.text, got, err, tc.want)
		}
	}
}
