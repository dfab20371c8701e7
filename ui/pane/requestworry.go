package pane

import (
	"time"

	"pilothouse/gateway"
)

// Bounds from which on a request in flight is marked. The reference deployment's
// answers take 2,048 tokens at most unless a client asks for more.
const (
	runawayTokens = 4096             // generated
	longDecode    = 2 * time.Minute  // since the first token
	longPrefill   = 30 * time.Second // without a byte, where a stream was asked for
	longUnary     = 2 * time.Minute  // without a byte, where none was
	longQueue     = 10 * time.Second
	stalledFor    = 10 * time.Second // without a token
)

// worry is why a request in flight wants a look.
type worry int

const (
	noWorry worry = iota
	stalled       // its stream stands still
	runaway       // it has generated far more than answers do
	long          // it generates for long
	waits         // it waits for long: in the queue, or for its first byte
)

func (r *request) worry() worry {
	switch r.Phase {
	case gateway.PhaseQueued:
		if r.Duration >= longQueue {
			return waits
		}
	case gateway.PhaseSending, gateway.PhasePrefill:
		if most := longUnary; r.Duration >= most || r.Stream && r.Duration >= longPrefill {
			return waits
		}
	case gateway.PhaseDecode:
		switch {
		case r.still >= stalledFor:
			return stalled
		case r.Output > runawayTokens:
			return runaway
		case r.Duration-r.First > longDecode:
			return long
		}
	}
	return noWorry
}

// failed tells whether a request ended otherwise than well, whoever is to blame.
func (r *request) failed() bool {
	return !r.inFlight() && (r.Status >= 400 || r.End != gateway.EndDone)
}
