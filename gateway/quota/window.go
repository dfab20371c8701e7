package quota

import (
	"fmt"
	"math"
	"time"
)

// The names of the windows, as clients see them.
const (
	RequestsPerDay = "requests_per_day"
	TokensPerDay   = "tokens_per_day"
	TokensPerMonth = "tokens_per_month"
)

// Limits are what one organisation may use in a UTC day and a UTC calendar
// month. 0 is no limit.
type Limits struct {
	RequestsPerDay int64
	TokensPerDay   int64
	TokensPerMonth int64
}

// Window is one window of an organisation at one moment.
type Window struct {
	Name     string
	Used     int64     // by requests that have ended
	Reserved int64     // by requests in flight
	Limit    int64     // 0: none
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
}

func (e *Exceeded) Error() string {
	return fmt.Sprintf("no room in %s: %d asked for, %d used and %d reserved of %d, begins anew at %s",
		e.Window, e.Asked, e.Used, e.Reserved, e.Limit, e.ResetsAt.UTC().Format(time.RFC3339))
}

// period is one day or one month, as a number: days since 1970, or months
// since the year 0.
type period int64

// periods returns the day and the month that t lies in.
func periods(t time.Time) (day, month period) {
	y, m, _ := t.UTC().Date()
	return dayOf(t), period(y)*12 + period(m) - 1
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

// dayEnd and monthEnd return the moment at which the next one begins.
func dayEnd(day period) time.Time {
	return time.Unix((int64(day)+1)*24*60*60, 0).UTC()
}

func monthEnd(month period) time.Time {
	return time.Date(int(month/12), time.Month(month%12)+2, 1, 0, 0, 0, 0, time.UTC)
}
