package gateway

import (
	"time"

	"pilothouse/gateway/ledger"
	"pilothouse/gateway/queue"
	"pilothouse/gateway/quota"
)

// Snapshot is the gateway at one moment, made once a second and immutable:
// readers may keep it, and must not change it.
type Snapshot struct {
	At       time.Time
	Started  time.Time
	Listen   string // the address clients use, as a URL
	Draining bool   // no new requests are taken

	InFlight int
	Now      Rates                   // over the last five whole seconds
	Backends map[string]Rates        // the same, by backend name; no entry: no traffic seen
	Queues   map[string]queue.Status // of requests that wait for room, by backend name; no entry: none ever came
	History  []Point                 // a point a second, oldest first, at most 15 minutes
	Totals   Totals                  // since the start
	Live     []Record                // in flight, oldest first, at most 200
	Recent   []Record                // ended, newest first, at most 200
	Books    Books
}

// Books tell how what is counted and written down does.
type Books struct {
	Ledger ledger.Status
	Pass   bool // requests go on that the ledger can't take
	Shared bool // quotas are shared with other gateways
	Fleet  quota.FleetStatus
	Tight  []TightWindow // limited windows that are nearly used up, fullest first, at most 20; some seconds old
	Audit  []Drift       // the ledger against the engines' own counts
}

// TightWindow is a window that has less than a twentieth left.
type TightWindow struct {
	Org string
	quota.Window
}

// Rates are taken over the last five whole seconds, the quantiles over what
// ended its wait for a first byte in the last minute.
type Rates struct {
	InFlight  int
	Requests  float64       // per second, answers of every status
	Tokens    float64       // per second, generated
	Errors    float64       // per second, answers of status 500 and up, or streams that broke
	FirstP50  time.Duration // time to first token; 0: none seen
	FirstP95  time.Duration
	PerTokP50 time.Duration // time between events of a stream; 0: none seen
}

// Point is one second of history.
type Point struct {
	Requests int // ended in it
	Tokens   int // generated in it
	Errors   int // as in Rates
	Refused  int // 4xx of the gateway's own, 429 among them
	InFlight int // at its end
}

// Totals count since the process started.
type Totals struct {
	Requests         uint64
	PromptTokens     uint64
	CompletionTokens uint64
	Status2xx        uint64
	Status4xx        uint64 // 429 not included
	Status429        uint64
	Status5xx        uint64
	ClientLeft       uint64
}

// Phase is where a request stands.
type Phase uint8

const (
	PhaseAdmitted Phase = iota // being checked
	PhaseQueued                // waiting for room at a replica
	PhaseSending               // picked a replica; connecting, or sending the body
	PhasePrefill               // sent; no byte of the answer yet
	PhaseDecode                // the answer is under way
	PhaseEnded
)

var phaseNames = [...]string{"admitted", "queued", "sending", "prefill", "decode", "ended"}

func (p Phase) String() string { return phaseNames[p] }

// Record is one request, in flight or ended. Nothing in it is secret, but Org,
// KeyName and Model come from files and clients: escape them before a terminal
// sees them.
type Record struct {
	ID       string
	Start    time.Time
	Org      string // "" when not authenticated
	KeyName  string
	Client   string // address; "operator" for an operator's own request
	Route    string // "/v1/chat/completions"
	Model    string // as served; "" when none was found
	Backend  string // its name
	Replica  string // its URL
	Stream   bool
	Phase    Phase
	Status   int    // 0 while in flight
	Code     string // the error's code; "" for none
	End      EndState
	First    time.Duration // to the first byte of the answer; 0: none
	Duration time.Duration // so far, or in all
	Prompt   int           // tokens; estimated until the engine says
	Output   int           // tokens so far, or in all
}

// EndState is how a request ended.
type EndState = ledger.End

// The end states.
const (
	EndNone          = ledger.None
	EndDone          = ledger.Done
	EndClientLeft    = ledger.ClientLeft
	EndBackendFailed = ledger.BackendFailed
	EndRefused       = ledger.Refused
	EndInterrupted   = ledger.Interrupted
)
