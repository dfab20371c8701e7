package gpu

import (
	"math"
	"time"
)

// Reading is one measured value and when it was measured. The zero value is
// no data: never measured, or not measurable on this device. No data differs
// from a measured 0, and is drawn as a dash.
type Reading struct {
	value float64
	at    time.Time
	never bool // the device can't measure it
}

// Read makes a Reading of a value measured at the given moment. A zero
// moment, or a value that is no finite number, makes no data.
func Read(value float64, at time.Time) Reading {
	if at.IsZero() || math.IsNaN(value) || math.IsInf(value, 0) {
		return Reading{}
	}
	return Reading{value: value, at: at}
}

// NotSupported makes a Reading of what the device can't measure, which differs
// from no data as much as from 0.
func NotSupported() Reading { return Reading{never: true} }

// Known tells whether there is a value.
func (r Reading) Known() bool { return !r.at.IsZero() }

// Supported tells whether the device can measure it, as far as is known.
func (r Reading) Supported() bool { return !r.never }

// Value is the value, and whether there is one.
func (r Reading) Value() (float64, bool) { return r.value, r.Known() }

// Or is the value, or the given one where there is none.
func (r Reading) Or(none float64) float64 {
	if !r.Known() {
		return none
	}
	return r.value
}

// At is when it was measured; the zero time when there is no data.
func (r Reading) At() time.Time { return r.at }

// Age is how long before now it was measured, never negative; 0 when there is
// no data.
func (r Reading) Age(now time.Time) time.Duration {
	if !r.Known() {
		return 0
	}
	return max(0, now.Sub(r.at))
}

// Throttle is the set of reasons why a GPU runs below the clock it could run
// at. The zero value is no data; NotThrottled alone means that it was asked
// and gave no reason.
type Throttle uint16

const (
	NotThrottled   Throttle = 1 << iota
	ThrottlePower           // the software power cap holds it
	ThrottleHeat            // too hot: software or hardware slows it down
	ThrottleBrake           // an external power brake is asserted
	ThrottleSlow            // a hardware slowdown of another cause
	ThrottleSync            // held back by another GPU of its group
	ThrottleClocks          // the application clocks that somebody set
)

// Known tells whether the device was asked and answered.
func (t Throttle) Known() bool { return t != 0 }

// Active tells whether any reason is set.
func (t Throttle) Active() bool { return t&^NotThrottled != 0 }

// Reasons are the set reasons in words fit for a badge, the gravest first;
// nil when there are none.
func (t Throttle) Reasons() []string {
	var words []string
	for _, r := range [...]struct {
		bit  Throttle
		word string
	}{
		{ThrottleHeat, "heat"},
		{ThrottleBrake, "power brake"},
		{ThrottleSlow, "hw slowdown"},
		{ThrottlePower, "power cap"},
		{ThrottleSync, "sync"},
		{ThrottleClocks, "app clocks"},
	} {
		if t&r.bit != 0 {
			words = append(words, r.word)
		}
	}
	return words
}
