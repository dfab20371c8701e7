package pane

import (
	"math"
	"time"

	"pilothouse/gateway"
)

// pace is how fast the requests in flight go, from one snapshot to the next: a
// record has only its tokens so far.
type pace struct {
	at   time.Time     // of the last snapshot
	gap  time.Duration // since the one before; 0: that tells nothing
	last map[Ref]stride
	next map[Ref]stride
}

// stride is one request's.
type stride struct {
	output int
	rate   float64 // tokens per second; NaN: seen once
	moved  time.Time
}

// strideless is the gap between snapshots from which on what lies between them is
// not "now": the dashboard was paused, or goes through the past.
const strideless = 15 * time.Second

// begin turns to another snapshot, whose requests in flight follow, by of.
func (p *pace) begin(s *gateway.Snapshot) {
	p.last, p.next = p.next, p.last
	if p.next == nil {
		p.next = make(map[Ref]stride)
	}
	clear(p.next)
	if s == nil {
		*p = pace{}
		return
	}
	p.gap = s.At.Sub(p.at)
	if p.gap <= 0 || p.gap > strideless {
		p.gap = 0
	}
	p.at = s.At
}

// of makes the row of a request in flight.
func (p *pace) of(rec *gateway.Record) request {
	r := request{Record: rec, rate: math.NaN()}
	if !rec.Stream || rec.Phase != gateway.PhaseDecode {
		return r // others' tokens are not seen to come
	}
	ref := r.ref()
	now := stride{output: rec.Output, rate: math.NaN(), moved: p.at}
	if was, ok := p.last[ref]; ok && p.gap > 0 && rec.Output >= was.output {
		now.rate = float64(rec.Output-was.output) / p.gap.Seconds()
		if rec.Output == was.output {
			now.moved = was.moved
		}
		if !math.IsNaN(was.rate) {
			now.rate = (now.rate + was.rate) / 2 // steadier to read
		}
		if r.still = p.at.Sub(now.moved); r.still >= stalledFor {
			now.rate = 0
		}
	}
	p.next[ref] = now
	r.rate = now.rate
	return r
}
