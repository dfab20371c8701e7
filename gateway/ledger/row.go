package ledger

import (
	"net/netip"
	"time"
)

// Row is one request, as the ledger keeps it. Times are UTC; a zero one has
// not been. Strings that clients chose (ID, Model) may hold anything printable
// or not: escape them before a terminal sees them.
type Row struct {
	ID      string    // X-Request-Id; a client may have chosen it, so it need not be unique
	Arrived time.Time // its UTC day and month are those that it counts in
	Sent    time.Time // first with a backend; zero: never
	First   time.Time // first byte of the answer
	Ended   time.Time

	Org     string
	Key     string // the key's id
	Model   string // as served
	Backend string // its name
	Replica string // its URL
	Route   string // "/v1/chat/completions"

	Status int    // HTTP
	Code   string // the error's; "": none

	Prompt     int64 // tokens, Cached included
	Completion int64 // tokens
	Cached     int64 // tokens of Prompt that the engine's prefix cache held, where it says so
	Estimated  bool  // Prompt or Completion is not the engine's own count
	Suspect    bool  // the engine's count was absurd and was bounded or left out
	Counted    bool  // it counts for the quotas: one request, Prompt+Completion tokens

	BytesIn  int64      // of the request's body
	BytesOut int64      // of the answer's body
	Client   netip.Addr // zero: an operator's own request
	Stream   bool
	End      End
}

// End is how a request ended.
type End uint8

// The ends.
const (
	None          End = iota // in flight
	Done                     // answered whole, with whatever status
	ClientLeft               // the client closed its connection
	BackendFailed            // the backend broke off, or was too slow
	Refused                  // the gateway refused it
	Interrupted              // the gateway stopped or died, or an operator cancelled it
)

var endNames = [...]string{"", "done", "client_left", "backend_failed", "refused", "interrupted"}

func (e End) String() string { return endNames[e] }
