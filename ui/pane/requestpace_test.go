package pane

import (
	"math"
	"testing"
	"time"

	"pilothouse/gateway"
)

// streaming is a snapshot of one stream, some seconds after noon.
func streaming(seconds, output int) *gateway.Snapshot {
	at := noon.Add(time.Duration(seconds) * time.Second)
	return &gateway.Snapshot{At: at, InFlight: 1, Live: []gateway.Record{{ID: "a", Org: "acme", Start: noon.Add(-time.Minute), Stream: true, Phase: gateway.PhaseDecode,
		First: time.Second, Duration: at.Sub(noon) + time.Minute, Output: output}}}
}

func TestRequestPace(t *testing.T) {
	nan := math.NaN()
	type step struct {
		snap  *gateway.Snapshot
		rate  float64
		still time.Duration
	}
	for name, steps := range map[string][]step{
		"steady": {{streaming(0, 100), nan, 0}, {streaming(1, 130), 30, 0}, {streaming(3, 190), 30, 0}},
		"faster": {{streaming(0, 100), nan, 0}, {streaming(1, 120), 20, 0}, {streaming(2, 160), 30, 0}},
		"it stalls": {{streaming(0, 100), nan, 0}, {streaming(1, 120), 20, 0}, {streaming(2, 120), 10, time.Second}, {streaming(9, 120), 5, 8 * time.Second},
			{streaming(12, 120), 0, 11 * time.Second}, {streaming(13, 160), 20, 0}},
		"a pause tells nothing":    {{streaming(0, 100), nan, 0}, {streaming(60, 9000), nan, 0}, {streaming(61, 9010), 10, 0}},
		"nor does going back":      {{streaming(10, 100), nan, 0}, {streaming(5, 50), nan, 0}, {streaming(6, 60), 10, 0}},
		"nor fewer tokens":         {{streaming(0, 100), nan, 0}, {streaming(1, 10), nan, 0}},
		"nor what was not there":   {{streaming(0, 100), nan, 0}, {&gateway.Snapshot{At: noon.Add(time.Second)}, nan, 0}, {streaming(2, 150), nan, 0}},
		"no data is no going slow": {{streaming(0, 100), nan, 0}, {nil, nan, 0}, {streaming(1, 100), nan, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewRequests(theme(), NewScrolling())
			for i, s := range steps {
				p.Update(Data{Gateway: s.snap, Now: noon})
				if s.snap == nil || len(p.all) == 0 {
					continue
				}
				r := p.all[0]
				if r.rate != s.rate && !(math.IsNaN(r.rate) && math.IsNaN(s.rate)) || r.still != s.still {
					t.Errorf("step %d: %v tok/s, still for %v; want %v, %v", i, r.rate, r.still, s.rate, s.still)
				}
			}
		})
	}
}

func TestRequestWorries(t *testing.T) {
	rec := func(change func(*gateway.Record)) request {
		r := gateway.Record{Phase: gateway.PhaseDecode, Stream: true, First: time.Second, Duration: 10 * time.Second, Output: 200}
		change(&r)
		return request{Record: &r}
	}
	for name, tt := range map[string]struct {
		r      request
		want   worry
		status string
	}{
		"well":            {rec(func(r *gateway.Record) {}), noWorry, "◐ decode"},
		"a runaway":       {rec(func(r *gateway.Record) { r.Output = 4097 }), runaway, "▲ runaway"},
		"all it may have": {rec(func(r *gateway.Record) { r.Output = 4096 }), noWorry, "◐ decode"},
		"long":            {rec(func(r *gateway.Record) { r.Duration = 122 * time.Second }), long, "▲ decode"},
		"long in the queue before": {rec(func(r *gateway.Record) { r.First, r.Duration = 100*time.Second, 130*time.Second }),
			noWorry, "◐ decode"},
		"queued":      {rec(func(r *gateway.Record) { r.Phase = gateway.PhaseQueued }), waits, "▲ queued"},
		"just queued": {rec(func(r *gateway.Record) { r.Phase, r.Duration = gateway.PhaseQueued, 9*time.Second }), noWorry, "◐ queued"},
		"prefill":     {rec(func(r *gateway.Record) { r.Phase, r.Duration = gateway.PhasePrefill, 30*time.Second }), waits, "▲ prefill"},
		"prefill of one answer": {rec(func(r *gateway.Record) { r.Phase, r.Duration, r.Stream = gateway.PhasePrefill, 30*time.Second, false }),
			noWorry, "◐ prefill"},
		"stands still": {request{Record: rec(func(*gateway.Record) {}).Record, still: 10 * time.Second}, stalled, "▲ stalled"},
		"ended": {rec(func(r *gateway.Record) {
			r.Phase, r.Output, r.End, r.Status = gateway.PhaseEnded, 9999, gateway.EndDone, 200
		}), noWorry, "  200 done"},
	} {
		if got := tt.r.worry(); got != tt.want {
			t.Errorf("%s: worry %d, want %d", name, got, tt.want)
		}
		if got, _ := requestStatus(theme(), &tt.r); got != tt.status {
			t.Errorf("%s: %q, want %q", name, got, tt.status)
		}
	}
}

// What is kept of requests goes with them.
func TestRequestPaceForgets(t *testing.T) {
	p := NewRequests(theme(), NewScrolling())
	for i := range 50 {
		s := streaming(i, i)
		s.Live[0].ID = string(rune('a' + i))
		p.Update(Data{Gateway: s, Now: noon})
	}
	if n := len(p.pace.last) + len(p.pace.next); n != 2 {
		t.Errorf("%d requests are remembered, want the last two", n)
	}
}
