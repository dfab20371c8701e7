package gateway

import (
	"math"
	"time"
)

// Explanation is what was decided about one request, as far as it has come. It is
// immutable, and holds neither a key nor anything of a prompt or an answer. What
// Record says of text from clients holds for all of it.
type Explanation struct {
	Record
	Steps []Step // in the order in which they were taken
	Retry Retry  // what the answer told the client of when to ask again; zero: nothing
}

// Step is one decision, or one moment, of a request: an Accepted, Inspected,
// Reserved, Queued, Picked, Sent, Answered, Ended or Settled.
type Step interface {
	Name() string    // in one word, the same for all of a type
	Time() time.Time // when it was taken, or began
}

// Accepted is the look at the client's key, and at how often its address has asked.
type Accepted struct {
	At      time.Time
	Key     KeyState
	Scope   string  // that the path needs; "": none
	Used    int64   // requests of the burst that were taken, this one among them unless it was Limited
	Burst   int64   // that the address may have at once; 0: no limit
	Rate    float64 // requests a second that it gets back
	Limited bool    // it had asked too often, and was refused
}

// KeyState is what came of the look at a client's key.
type KeyState uint8

const (
	KeyUnchecked  KeyState = iota // it was not looked at: the request was refused before
	KeyValid                      // and may be used for the path
	KeyMissing                    // there was none, or no Bearer
	KeyUnknown                    // malformed, or never issued, or revoked
	KeyExpired                    // it was valid once
	KeyOutOfScope                 // it is valid, and lacks the scope
)

var keyStates = [...]string{"unchecked", "valid", "missing", "unknown", "expired", "out_of_scope"}

func (k KeyState) String() string { return keyStates[k] }

// Inspected is the reading of the request's body.
type Inspected struct {
	At        time.Time
	Bytes     int64 // of the body
	Prompt    int64 // tokens that the prompt is likely to have; 0: it was refused before that was estimated
	Answers   int   // asked for to each prompt (n)
	Prompts   int   // in one request
	MaxTokens int64 // of each answer; 0: no bound but the engine's
	Defaulted bool  // the client did not say MaxTokens
}

// Reserved is the look at the quotas. What it holds counts as used until Settled.
type Reserved struct {
	At       time.Time
	Tokens   int64       // set aside, or asked for: an upper estimate of the prompt, and all that the answers may have
	Outcome  Reservation // what came of it
	Requests Window      // the tightest that counts requests, or the one that had no room
	OfTokens Window      // the same of tokens
}

// Reservation is how a Reserved ended.
type Reservation uint8

const (
	ReserveHeld      Reservation = iota // there was room
	ReserveExceeded                     // a window had none: the one that is named
	ReserveStoreLost                    // the fleet's quotas could not be told
)

var reservations = [...]string{"held", "exceeded", "store_lost"}

func (r Reservation) String() string { return reservations[r] }

// Window is a quota as it was before a reservation.
type Window struct {
	Name     string // "tokens_per_day"; "": none has a limit
	OwnKey   bool   // it is the key's own, not its organisation's
	Limit    int64  // grants included
	Left     int64
	ResetsAt time.Time // UTC
}

// Queued is a wait for room at a backend, for requests that found none at once.
type Queued struct {
	At        time.Time
	Needs     int64         // tokens of KV cache that the request is expected to come to
	Booked    int64         // that those under way were expected to come to then, at all replicas fit for work
	Capacity  int64         // that those replicas hold; 0: not known
	Ahead     int           // requests that stood in line when it came
	Orgs      int           // whose they were
	Limit     time.Duration // that it may wait
	Waited    time.Duration // so far, or in all
	Served    int           // requests out of the line that got their place meanwhile, this one among them; 0 while it waits
	Generated int64         // tokens by the backend meanwhile; 0 while it waits
	Outcome   LineEnd
}

// LineEnd is how a Queued ended.
type LineEnd uint8

const (
	LineWaiting    LineEnd = iota // it has not
	LineGranted                   // there was room
	LineNoneWell                  // no replica is fit for work any more
	LineTimeout                   // it may not wait longer
	LineFull                      // there was no place in the line
	LinePushedOut                 // another organisation's request took its place in a full line
	LineTooLarge                  // it never came to the line: no replica could ever hold it; Needs is what one answer may come to, Capacity the largest replica's
	LineClientLeft                // its client closed the connection
	LineCancelled                 // an operator ended it
	LineStopped                   // the gateway's stop, or the bound of the whole request's time, ended it
)

var lineEnds = [...]string{"waiting", "granted", "no_healthy_backend", "timeout", "full", "pushed_out", "too_large", "client_left", "cancelled", "stopped"}

func (l LineEnd) String() string { return lineEnds[l] }

// Picked is a replica being tried. More than one tells that those before failed.
type Picked struct {
	At       time.Time
	Replica  string // its URL
	Try      int    // from 1; between the second and the last, tries may be left out
	Well     int    // replicas that were fit for work, but for those tried before
	Needs    int64  // tokens of KV cache that the request is expected to come to
	Booked   int64  // that others there were expected to come to
	Capacity int64  // that it has; 0: not known
	InFlight int    // requests there, without this one
	Affinity bool   // it was chosen for what its cache is likely to hold of the prompt, over one with less to do
	Anew     bool   // a kept connection turned out to be closed: it was sent once more, on a new one
	Failure  string // a backends.Failure's Kind: what the replica did wrong; "": nothing
}

// Sent is the moment at which a replica could have the request.
type Sent struct{ At time.Time }

// Answered is the first byte of the answer; of a stream, its first event.
type Answered struct {
	At    time.Time
	After time.Duration // since Sent
}

// Ended is how it went out.
type Ended struct {
	At        time.Time
	Status    int
	Code      string // the error's; "": none
	End       EndState
	Cause     Cause         // what ended it from outside
	Limit     time.Duration // of a cause that is a time-out: the configured one
	By        string        // who cancelled it
	Param     string        // the request's parameter that was wrong, where it is one of the API's
	Prompt    int           // tokens
	Output    int           // tokens
	Estimated bool          // they are not the engine's own count
}

// Cause is what ended a request that had not come to its end.
type Cause uint8

const (
	CauseNone       Cause = iota // nothing from outside
	CauseClientLeft              // the client closed its connection
	CauseFirstByte               // no first byte in time
	CauseNextByte                // no next byte in time
	CauseTotal                   // all of it took too long
	CauseWaited                  // it waited in line in vain
	CauseCancelled               // an operator
	CauseStopping                // the gateway's stop
)

var causes = [...]string{"", "client_left", "first_byte_timeout", "next_byte_timeout", "total_timeout", "queue_timeout", "cancelled", "stopping"}

func (c Cause) String() string { return causes[c] }

// Settled is what became of a reservation.
type Settled struct {
	At       time.Time
	Reserved int64 // tokens
	Charged  int64 // tokens; may be more than was reserved, by the error of the prompt's estimate
	Counted  bool  // it counts as a request, too; otherwise it cost nothing
}

// Back is what the organisation has got back; below 0, it was charged more than
// was reserved.
func (s Settled) Back() int64 { return s.Reserved - s.Charged }

// Retry is when a client was told to ask again, and how that was found.
type Retry struct {
	After     time.Duration // 0: it was not told
	From      RetryFrom
	Tokens    int64   // RetryLine: of KV cache, that come before a request of the organisation's
	PerSecond float64 // RetryLine: of them that came to their end lately; 0: not known
}

// Seconds is what the header says: whole ones, rounded up.
func (r Retry) Seconds() int64 { return int64(math.Ceil(r.After.Seconds())) }

// RetryFrom is where a Retry comes from.
type RetryFrom uint8

const (
	RetryNone    RetryFrom = iota
	RetryAddress           // when its address's bucket has room again
	RetryWindow            // when the quota begins anew
	RetryLine              // when what stands in line should be done
	RetryHealth            // when replicas are looked at next
	RetryStore             // how often a store that failed is tried again
	RetryBackend           // the backend said so
	RetryStop              // another gateway may take it at once
)

var retries = [...]string{"", "address_rate", "window", "queue", "health_check", "store", "backend", "stopping"}

func (r RetryFrom) String() string { return retries[r] }

// The names and times of the steps.

func (Accepted) Name() string  { return "accepted" }
func (Inspected) Name() string { return "inspected" }
func (Reserved) Name() string  { return "reserved" }
func (Queued) Name() string    { return "queued" }
func (Picked) Name() string    { return "picked" }
func (Sent) Name() string      { return "sent" }
func (Answered) Name() string  { return "first_byte" }
func (Ended) Name() string     { return "ended" }
func (Settled) Name() string   { return "settled" }

func (s Accepted) Time() time.Time  { return s.At }
func (s Inspected) Time() time.Time { return s.At }
func (s Reserved) Time() time.Time  { return s.At }
func (s Queued) Time() time.Time    { return s.At }
func (s Picked) Time() time.Time    { return s.At }
func (s Sent) Time() time.Time      { return s.At }
func (s Answered) Time() time.Time  { return s.At }
func (s Ended) Time() time.Time     { return s.At }
func (s Settled) Time() time.Time   { return s.At }
