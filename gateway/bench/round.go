package main

import (
	"encoding/json"
	"math"
	"strconv"
)

// A round is what one measurement of one target gave.
type round struct {
	Workload   string `json:"workload"`
	Target     string `json:"target"`
	Round      int    `json:"round"`
	Units      int64  `json:"units"`      // answers or, of streams, events
	PerSecond  number `json:"per_second"` // units
	CPU        number `json:"cpu_us"`     // processor time of the target a unit
	BackendCPU number `json:"backend_cpu_us"`
	ClientCPU  number `json:"client_cpu_us"`
	P50        number `json:"p50_ms"` // of answers; of streams, to the first event
	P99        number `json:"p99_ms"`
	Jitter     number `json:"jitter_p99_ms"` // how far gaps between events are from the interval
	Before     int64  `json:"resident_before"`
	Peak       int64  `json:"resident_peak"`
	StreamKB   number `json:"kb_per_connection"` // growth of the resident memory
	Bad        int64  `json:"bad"`
	FirstBad   string `json:"first_bad,omitempty"`
}

// A number may be none, which JSON writes as null.
type number float64

func none() number { return number(math.NaN()) }

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// text writes a number with so many decimals, none as a dash.
func (n number) text(decimals int) string {
	if math.IsNaN(float64(n)) {
		return "–"
	}
	return strconv.FormatFloat(float64(n), 'f', decimals, 64)
}

// A series is the rounds of one target in one workload, in order.
type series struct {
	target string
	rounds []round
}

// over is the spread of a figure over the rounds.
func (s series) over(f func(round) number) spread {
	var v []float64
	for _, r := range s.rounds {
		v = append(v, float64(f(r)))
	}
	return spreadOf(v)
}

// against is the spread of a figure made of this and another target's
// measurement in the same round.
func (s series) against(base series, f func(r, base round) number) spread {
	var v []float64
	for i := range min(len(s.rounds), len(base.rounds)) {
		v = append(v, float64(f(s.rounds[i], base.rounds[i])))
	}
	return spreadOf(v)
}

// bad counts what went wrong over the rounds and gives the first case.
func (s series) bad() (n int64, first string) {
	for _, r := range s.rounds {
		if n += r.Bad; first == "" {
			first = r.FirstBad
		}
	}
	return n, first
}

// find is a target's series; the zero value when it was not measured.
func find(all []series, target string) series {
	for _, s := range all {
		if s.target == target {
			return s
		}
	}
	return series{}
}
