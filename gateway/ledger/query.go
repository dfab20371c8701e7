package ledger

import "time"

// Dimension is what sums are told apart by.
type Dimension string

// The dimensions. At most one of [ByHour], [ByDay] and [ByMonth] may be in a query.
const (
	ByOrg     Dimension = "org"
	ByKey     Dimension = "key" // the key's id, with its organisation
	ByModel   Dimension = "model"
	ByBackend Dimension = "backend"
	ByHour    Dimension = "hour"
	ByDay     Dimension = "day"
	ByMonth   Dimension = "month"
)

// Query asks for sums of the requests that arrived in a span of time. Sums are
// kept by the hour: Since is rounded down to one and Until, which is the first
// moment that is not asked for, up.
type Query struct {
	By      []Dimension // none: one sum of everything
	Since   time.Time   // zero: the ledger's beginning
	Until   time.Time   // zero: now
	Org     string      // "": every one
	Key     string
	Model   string
	Backend string
}

// Sum is one line of the answer to a [Query]: the fields that it was not asked
// for by are empty.
type Sum struct {
	Time    time.Time // UTC, the beginning of the hour, day or month
	Org     string
	Key     string
	Model   string
	Backend string

	Requests   int64 // with an end of any kind, refused ones included
	Counted    int64 // of Requests: those that count for the quotas
	Refused    int64 // of Requests: end refused
	Failed     int64 // of Requests: end backend_failed or interrupted
	Left       int64 // of Requests: end client_left
	Estimated  int64 // of Requests: tokens estimated
	Suspect    int64 // of Requests: the engine's count was absurd
	Prompt     int64 // tokens
	Completion int64 // tokens
	Cached     int64 // tokens of Prompt
	BytesIn    int64
	BytesOut   int64
}

// Count is what one key has used of the quotas, for [quota.Windows].
type Count struct {
	Org, Key                   string
	DayRequests, DayTokens     int64
	MonthRequests, MonthTokens int64
}

// Grant is a temporary addition to one window of an organisation.
type Grant struct {
	ID      string    `json:"id"`
	Org     string    `json:"org"`
	Window  string    `json:"window"` // "tokens_per_day", as quota names it
	Amount  int64     `json:"amount"` // more than 0
	Made    time.Time `json:"made"`
	Until   time.Time `json:"until"`
	Reason  string    `json:"reason"`
	Author  string    `json:"author"`
	Revoked time.Time `json:"revoked,omitzero"`
	Revoker string    `json:"revoker,omitempty"`
}

// Event is one line of the audit: what an operator did.
type Event struct {
	At     time.Time `json:"at"`
	Author string    `json:"author"`
	Action string    `json:"action"` // "grant", "revoke", "cancel", "cancelled", "restart", "restart done", …
	Object string    `json:"object"` // what it was done to
	Detail string    `json:"detail"`
}

// Totals are the tokens of a replica's requests.
type Totals struct{ Prompt, Completion int64 }
