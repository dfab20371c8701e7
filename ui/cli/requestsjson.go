package cli

import (
	"time"

	"pilothouse/gateway"
	"pilothouse/ui/pane"
)

// requestListing is what "requests --json" prints. Names are stable and carry the
// unit, times are in UTC, and what is not known, or has not come yet, is null.
type requestListing struct {
	At       time.Time     `json:"at"`
	Kept     int           `json:"kept"` // how many are kept after their end
	Requests []requestItem `json:"requests"`
}

// requestItem is a request; text is "" where there is none.
type requestItem struct {
	ID       string    `json:"id"`
	Start    time.Time `json:"start"`
	Org      string    `json:"org"`
	Key      string    `json:"key"` // its name
	Client   string    `json:"client"`
	Route    string    `json:"route"`
	Model    string    `json:"model"`
	Backend  string    `json:"backend"`
	Replica  string    `json:"replica"`
	Stream   bool      `json:"stream"`
	Phase    string    `json:"phase"`
	Status   *int      `json:"status"`
	Code     string    `json:"code"`
	End      string    `json:"end"`
	First    *float64  `json:"first_byte_seconds"` // since the start
	Duration float64   `json:"duration_seconds"`   // so far, or in all
	Prompt   int       `json:"prompt_tokens"`      // estimated until the engine says
	Output   int       `json:"completion_tokens"`
}

// explanationListing is what "requests ID --json" prints.
type explanationListing struct {
	Request requestItem    `json:"request"`
	Verdict string         `json:"verdict"` // for people; it may be worded anew
	Steps   []decisionItem `json:"steps"`
	Retry   *retryItem     `json:"retry_after"` // null: the client was not told to ask again
}

// retryItem is a Retry-After.
type retryItem struct {
	Seconds   int64    `json:"seconds"`
	From      string   `json:"from"`
	Tokens    *int64   `json:"kv_tokens_ahead"` // null: it does not come from the queue
	PerSecond *float64 `json:"kv_tokens_per_second"`
}

// decisionItem is a step: of the details, the one that the step is named for. A step
// that is a moment only has none.
type decisionItem struct {
	Step      string         `json:"step"`
	At        time.Time      `json:"at"`
	Accepted  *acceptedItem  `json:"accepted,omitempty"`
	Inspected *inspectedItem `json:"inspected,omitempty"`
	Reserved  *reservedItem  `json:"reserved,omitempty"`
	Queued    *queuedItem    `json:"queued,omitempty"`
	Picked    *pickedItem    `json:"picked,omitempty"`
	FirstByte *firstByteItem `json:"first_byte,omitempty"`
	Ended     *endedItem     `json:"ended,omitempty"`
	Settled   *settledItem   `json:"settled,omitempty"`
}

type acceptedItem struct {
	Key     string   `json:"key"`
	Scope   string   `json:"scope"`
	Used    *int64   `json:"address_used"` // null, as the next two: addresses are not limited
	Burst   *int64   `json:"address_burst"`
	Rate    *float64 `json:"address_requests_per_second"`
	Limited bool     `json:"address_limited"`
}

type inspectedItem struct {
	Bytes     int64  `json:"body_bytes"`
	Prompt    *int64 `json:"prompt_tokens_estimated"`
	MaxTokens *int64 `json:"max_tokens"` // null: no bound but the engine's
	Defaulted bool   `json:"max_tokens_by_default"`
	Answers   int    `json:"n"`
	Prompts   int    `json:"prompts"`
}

type reservedItem struct {
	Tokens   int64           `json:"tokens"`
	Outcome  string          `json:"outcome"`
	OfTokens *windowLeftItem `json:"tokens_window"` // the tightest; null: none has a limit
	Requests *windowLeftItem `json:"requests_window"`
}

type windowLeftItem struct {
	Name     string    `json:"name"`
	OwnKey   bool      `json:"key_limit"` // the key's own, not its organisation's
	Limit    int64     `json:"limit"`
	Left     int64     `json:"left"` // before the reservation
	ResetsAt time.Time `json:"resets_at"`
}

type queuedItem struct {
	Outcome   string  `json:"outcome"`
	Needs     int64   `json:"kv_tokens_needed"`
	Booked    int64   `json:"kv_tokens_booked"`
	Capacity  *int64  `json:"kv_tokens_capacity"`
	Ahead     int     `json:"requests_ahead"`
	Orgs      int     `json:"orgs_ahead"`
	Waited    float64 `json:"waited_seconds"`
	Limit     float64 `json:"wait_limit_seconds"`
	Served    int     `json:"served_meanwhile"`
	Generated int64   `json:"completion_tokens_meanwhile"`
}

type pickedItem struct {
	Replica  string `json:"replica"`
	Try      int    `json:"try"`
	Well     int    `json:"replicas_fit"`
	Needs    int64  `json:"kv_tokens_needed"`
	Booked   int64  `json:"kv_tokens_booked"`
	Capacity *int64 `json:"kv_tokens_capacity"`
	InFlight int    `json:"in_flight"`
	Affinity bool   `json:"prefix_affinity"`
	Anew     bool   `json:"sent_anew"`
	Failure  string `json:"failure"`
}

type firstByteItem struct {
	After float64 `json:"after_sent_seconds"`
}

type endedItem struct {
	Status    int      `json:"status"`
	Code      string   `json:"code"`
	End       string   `json:"end"`
	Cause     string   `json:"cause"`
	Limit     *float64 `json:"limit_seconds"` // of a time-out
	By        string   `json:"by"`
	Param     string   `json:"param"`
	Prompt    int      `json:"prompt_tokens"`
	Output    int      `json:"completion_tokens"`
	Estimated bool     `json:"estimated"`
}

type settledItem struct {
	Reserved int64 `json:"reserved_tokens"`
	Charged  int64 `json:"charged_tokens"`
	Counted  bool  `json:"counted"`
}

func newRequestListing(at time.Time, all []gateway.Record) requestListing {
	l := requestListing{At: at, Kept: gateway.Kept, Requests: make([]requestItem, len(all))}
	for i := range all {
		l.Requests[i] = newRequestItem(&all[i])
	}
	return l
}

func newRequestItem(r *gateway.Record) requestItem {
	item := requestItem{ID: r.ID, Start: r.Start.UTC(), Org: r.Org, Key: r.KeyName, Client: r.Client, Route: r.Route, Model: r.Model,
		Backend: r.Backend, Replica: r.Replica, Stream: r.Stream, Phase: r.Phase.String(), Status: above(r.Status, 1), Code: r.Code,
		End: r.End.String(), Duration: r.Duration.Seconds(), Prompt: r.Prompt, Output: r.Output}
	if r.First > 0 {
		item.First = above(r.First.Seconds(), 0)
	}
	return item
}

func newExplanationListing(e *gateway.Explanation) explanationListing {
	l := explanationListing{Request: newRequestItem(&e.Record), Verdict: pane.Explain(e).Verdict, Steps: make([]decisionItem, len(e.Steps))}
	for i, s := range e.Steps {
		l.Steps[i] = newDecisionItem(s)
	}
	if r := e.Retry; r.After > 0 {
		l.Retry = &retryItem{Seconds: r.Seconds(), From: r.From.String()}
		if r.From == gateway.RetryLine {
			l.Retry.Tokens = &r.Tokens
			if r.PerSecond > 0 {
				l.Retry.PerSecond = &r.PerSecond
			}
		}
	}
	return l
}

func newDecisionItem(s gateway.Step) decisionItem {
	item := decisionItem{Step: s.Name(), At: s.Time().UTC()}
	switch s := s.(type) {
	case gateway.Accepted:
		item.Accepted = &acceptedItem{Key: s.Key.String(), Scope: s.Scope, Limited: s.Limited}
		if s.Burst > 0 {
			item.Accepted.Used, item.Accepted.Burst, item.Accepted.Rate = &s.Used, &s.Burst, &s.Rate
		}
	case gateway.Inspected:
		item.Inspected = &inspectedItem{s.Bytes, above(s.Prompt, 1), above(s.MaxTokens, 1), s.Defaulted, s.Answers, s.Prompts}
	case gateway.Reserved:
		item.Reserved = &reservedItem{s.Tokens, s.Outcome.String(), newWindowLeftItem(&s.OfTokens), newWindowLeftItem(&s.Requests)}
	case gateway.Queued:
		item.Queued = &queuedItem{s.Outcome.String(), s.Needs, s.Booked, above(s.Capacity, 1), s.Ahead, s.Orgs, s.Waited.Seconds(), s.Limit.Seconds(), s.Served, s.Generated}
	case gateway.Picked:
		item.Picked = &pickedItem{s.Replica, s.Try, s.Well, s.Needs, s.Booked, above(s.Capacity, 1), s.InFlight, s.Affinity, s.Anew, s.Failure}
	case gateway.Answered:
		item.FirstByte = &firstByteItem{s.After.Seconds()}
	case gateway.Ended:
		item.Ended = &endedItem{s.Status, s.Code, s.End.String(), s.Cause.String(), nil, s.By, s.Param, s.Prompt, s.Output, s.Estimated}
		if s.Limit > 0 {
			item.Ended.Limit = above(s.Limit.Seconds(), 0)
		}
	case gateway.Settled:
		item.Settled = &settledItem{s.Reserved, s.Charged, s.Counted}
	}
	return item
}

func newWindowLeftItem(w *gateway.Window) *windowLeftItem {
	if w.Name == "" {
		return nil
	}
	return &windowLeftItem{w.Name, w.OwnKey, w.Limit, w.Left, w.ResetsAt.UTC()}
}
