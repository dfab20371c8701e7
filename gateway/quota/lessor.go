package quota

import "time"

// Lessor hands out room in counters that several gateways share. [Redis] is one.
type Lessor interface {
	// Lease reports, for each counter, what this gateway has used of it and
	// asks how far it may go. It answers all or none. It is slow (a round
	// trip), gives up by itself when the store does not answer, and is never
	// called with a lock held.
	Lease(asks []Ask) ([]Lease, error)
	// Epoch is another number than before once the store has lost what it was
	// told, and wants to be told all again. It is cheap.
	Epoch() uint64
}

// Counter is what is counted together in a fleet: one window of one
// organisation or key, in one of its periods.
type Counter struct {
	Org    string
	Key    string // "": the whole organisation's
	Window string
	Begins time.Time // of the period, UTC
	Ends   time.Time
}

// Ask is what a gateway tells and wants to know of one counter. Used and Held
// are absolute: telling them twice changes nothing.
type Ask struct {
	Counter
	Limit int64 // grants included; 0: none, and use is only told
	Used  int64 // by requests that have ended at this gateway
	Held  int64 // reserved by those in flight
	Need  int64 // at least Used+Held: below this, the lease is of no use; 0: only to tell, and to give back what was leased ahead
	Want  int64 // Need and as much in advance as is sensible; the lessor may give less
}

// Lease is how far a gateway may go.
type Lease struct {
	Ceiling    int64     // of Used+Held, absolute
	Until      time.Time // by the gateway's own clock, taken before the call
	Others     int64     // used, held and leased by the other gateways
	OthersUsed int64     // of that, used
}
