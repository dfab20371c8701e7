package quota

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// The names of the windows, as clients see them.
const (
	RequestsPerDay   = "requests_per_day"
	TokensPerDay     = "tokens_per_day"
	RequestsPerMonth = "requests_per_month"
	TokensPerMonth   = "tokens_per_month"
)

// windows are all there are, in the order in which they are shown.
var windows = [...]struct {
	name string
	span span
	unit unit
}{
	{RequestsPerDay, day, requests},
	{TokensPerDay, day, tokens},
	{RequestsPerMonth, month, requests},
	{TokensPerMonth, month, tokens},
}

// span is how long a window lasts, and unit what it counts.
type (
	span uint8
	unit uint8
)

const (
	day span = iota
	month
	spans
)

const (
	requests unit = iota
	tokens
	units
)

// Limits are what an organisation, or one of its keys, may use in a UTC day and
// a UTC calendar month. 0 is no limit.
type Limits struct {
	RequestsPerDay   int64
	TokensPerDay     int64
	RequestsPerMonth int64
	TokensPerMonth   int64
}

// of is the limit of a window.
func (l *Limits) of(window int) int64 {
	return [...]int64{l.RequestsPerDay, l.TokensPerDay, l.RequestsPerMonth, l.TokensPerMonth}[window]
}

// Who asks: a key of an organisation, with the limits that are in force.
type Who struct {
	Org       string
	Key       string // its id; "": the organisation alone
	Limits    Limits // the organisation's
	KeyLimits Limits // the key's own, beside those
}

// Window is one window of an organisation, or of a key, at one moment.
type Window struct {
	Name     string
	Key      string    // the key's id; "": the organisation's
	Used     int64     // by requests that have ended; in a fleet at all gateways, as far as it is known
	Reserved int64     // by requests in flight at this gateway
	Limit    int64     // grants included; 0: none
	ResetsAt time.Time // UTC; counts begin anew then
}

// Remaining is what can still be reserved, never less than 0; of a window
// without a limit it is math.MaxInt64.
func (w *Window) Remaining() int64 {
	if w.Limit <= 0 {
		return math.MaxInt64
	}
	return max(0, w.Limit-w.Used-w.Reserved)
}

// Room is what the tightest of several windows leaves: what the X-Ratelimit
// headers tell. The zero value means that none of them has a limit.
type Room struct {
	Limit     int64
	Remaining int64
	Reset     time.Duration // until the window begins anew; above 0
}

// Exceeded is the refusal of a reservation that a window has no room for.
// Where several have none, it names the one that begins anew last, since
// asking again before that would be in vain.
type Exceeded struct {
	Window   string
	Limit    int64
	Used     int64
	Reserved int64
	Asked    int64 // what was to be reserved; above Limit, it will never fit
	ResetsAt time.Time
	Key      string // the key's id, where it is its own window
}

func (e *Exceeded) Error() string {
	window := e.Window
	if e.Key != "" {
		window += " of key " + strconv.Quote(e.Key)
	}
	return fmt.Sprintf("no room in %s: %d asked for, %d used and %d reserved of %d, begins anew at %s",
		window, e.Asked, e.Used, e.Reserved, e.Limit, e.ResetsAt.UTC().Format(time.RFC3339))
}

// period is one day or one month, as a number: days since 1970, or months
// since the year 0.
type period int64

// periodOf returns the day or the month that t lies in.
func (s span) periodOf(t time.Time) period {
	if s == day {
		return dayOf(t)
	}
	y, m, _ := t.UTC().Date()
	return period(y)*12 + period(m) - 1
}

func dayOf(t time.Time) period {
	const seconds = 24 * 60 * 60
	s := t.Unix()
	day := s / seconds
	if s%seconds < 0 {
		day--
	}
	return period(day)
}

// begin returns the moment at which a period begins; the one before ends then.
func (s span) begin(p period) time.Time {
	if s == day {
		return time.Unix(int64(p)*24*60*60, 0).UTC()
	}
	return time.Date(int(p/12), time.Month(p%12)+1, 1, 0, 0, 0, 0, time.UTC)
}

func (s span) end(p period) time.Time { return s.begin(p + 1) }
