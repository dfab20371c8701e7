package keys

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// names lists settings for an error.
func (k kinds) names() string {
	return strings.Join(slices.Sorted(maps.Keys(k)), ", ")
}

// nameOf says what a value is, to someone who knows TOML only from this file.
func nameOf(k unstable.Kind) string {
	switch k {
	case unstable.String:
		return "a text"
	case unstable.Integer:
		return "a whole number"
	case unstable.Float:
		return "a number with a fraction"
	case unstable.Bool:
		return "true or false"
	case unstable.Array:
		return "a list"
	case unstable.InlineTable:
		return "a table"
	case unstable.DateTime:
		return "a date and time"
	}
	return "a date or time without a zone"
}

func wantKind(setting string, k unstable.Kind) string {
	switch k {
	case unstable.String:
		return "a text in quotes"
	case unstable.Array:
		return "a list of texts in quotes"
	case unstable.DateTime:
		return "a date and time with its zone, without quotes: " + setting + " = 2027-01-31T00:00:00Z"
	}
	return nameOf(k)
}

// quote writes what somebody wrote so that it is safe to print and not long.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

// maxName is the longest name of an organisation, key or model, in bytes.
const maxName = 128

const wantName = "1 to 128 bytes of printable text, with no space at either end"

// checkName returns what is wrong with a name, "" if nothing is. Names go into
// logs, metrics and on terminals, so what cannot be seen cannot be in them.
func checkName(s string) string {
	switch {
	case s == "":
		return "nothing"
	case len(s) > maxName:
		return strconv.Itoa(len(s)) + " bytes"
	case strings.TrimSpace(s) != s:
		return quote(s)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return quote(s)
	}
	return ""
}

// checkID returns what is wrong with an id, "" if nothing is.
func checkID(s string) string {
	switch {
	case s == "":
		return "nothing"
	case len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_.", r))
	}):
		return quote(s)
	}
	return ""
}
