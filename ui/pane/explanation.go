package pane

import (
	"fmt"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
)

// Explained is what was decided about a request, in words of plain ASCII, but for
// text that came from clients, files and engines: that is as it came, so whoever
// prints it cleans it. Draw does.
type Explained struct {
	ID      string
	Why     string // what came of it: "503 overloaded"; "queued" while it is in flight
	Who     string // who asked, and for what
	Verdict string // why, in one line
	Steps   []ExplainedStep
	Answer  string // what the client was told, and how that was found
}

// ExplainedStep is a line of it.
type ExplainedStep struct{ Time, Step, Words string } // "03:11:20.104", in UTC; a word or two; the numbers

// Explain puts an explanation into words.
func Explain(e *gateway.Explanation) *Explained {
	w := &words{Explanation: e}
	for _, s := range e.Steps {
		w.step(s)
	}
	x := &Explained{ID: e.ID, Why: e.Phase.String(), Who: who(&e.Record), Verdict: w.verdict(), Steps: w.lines, Answer: w.answer()}
	if e.Status != 0 {
		x.Why = strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Code))
	}
	return x
}

func who(r *gateway.Record) string {
	parts := []string{r.Route, "unary", r.Client}
	if r.Stream {
		parts[1] = "stream"
	}
	if r.Org != "" {
		parts = append([]string{r.Org + "/" + r.KeyName}, parts...)
	}
	if r.Model != "" {
		parts = append(parts, r.Model)
	}
	return strings.Join(parts, "   ")
}

// words are an explanation being written.
type words struct {
	*gateway.Explanation
	lines []ExplainedStep
}

func (w *words) line(at time.Time, step, format string, a ...any) {
	w.lines = append(w.lines, ExplainedStep{at.UTC().Format("15:04:05.000"), step, fmt.Sprintf(format, a...)})
}

func (w *words) step(s gateway.Step) {
	switch s := s.(type) {
	case gateway.Accepted:
		step := "accepted"
		if s.Limited || s.Key != gateway.KeyValid {
			step = "refused"
		}
		w.line(s.At, step, "%s", strings.Join(accepted(&s), ", "))
	case gateway.Inspected:
		w.line(s.At, "inspected", "%s", inspected(&s))
	case gateway.Reserved:
		w.reserved(&s)
	case gateway.Queued:
		w.queued(&s)
	case gateway.Picked:
		w.picked(&s)
	case gateway.Sent:
		w.line(s.At, "sent", "the replica has the request")
	case gateway.Answered:
		w.line(s.At, "first byte", "%s after it was sent", took(s.After))
	case gateway.Ended:
		w.ended(&s)
	case gateway.Settled:
		w.settled(&s)
	}
}

var keyWords = map[gateway.KeyState]string{
	gateway.KeyValid:      "key ok",
	gateway.KeyMissing:    "no key",
	gateway.KeyUnknown:    "its key is not known, or was revoked",
	gateway.KeyExpired:    "its key has expired",
	gateway.KeyOutOfScope: "its key is ok",
}

func accepted(s *gateway.Accepted) (parts []string) {
	if text := keyWords[s.Key]; text != "" {
		parts = append(parts, text)
	}
	switch {
	case s.Key == gateway.KeyOutOfScope:
		parts = append(parts, "and lacks the scope "+s.Scope)
	case s.Key == gateway.KeyValid && s.Scope != "":
		parts = append(parts, "scope "+s.Scope)
	}
	switch {
	case s.Burst == 0:
	case s.Rate == float64(s.Burst):
		parts = append(parts, fmt.Sprintf("%s of %s req/s of its address", count(s.Used), count(s.Burst)))
	default:
		parts = append(parts, fmt.Sprintf("%s of a burst of %s of its address, which gets %g req/s", count(s.Used), count(s.Burst), s.Rate))
	}
	return parts
}

func inspected(s *gateway.Inspected) string {
	parts := []string{size(s.Bytes)}
	if s.Prompt > 0 {
		parts = append(parts, "about "+count(s.Prompt)+" tokens")
	}
	if s.Prompts > 1 {
		parts = append(parts, count(int64(s.Prompts))+" prompts")
	}
	if s.MaxTokens > 0 {
		most := "max_tokens " + count(s.MaxTokens)
		if s.Defaulted {
			most += " by default"
		}
		parts = append(parts, most)
	}
	if s.Answers > 1 {
		parts = append(parts, "n "+count(int64(s.Answers)))
	}
	return strings.Join(parts, ", ")
}

func (w *words) reserved(s *gateway.Reserved) {
	switch s.Outcome {
	case gateway.ReserveExceeded:
		full, asked := exceeded(s)
		w.line(s.At, "refused", "%s asked, %s; begins anew %s", asked, left(full), moment(full.ResetsAt))
	case gateway.ReserveStoreLost:
		w.line(s.At, "refused", "what is left of the quotas can't be told: their store is away")
	default:
		text := count(s.Tokens) + " tokens, of which there is no limit"
		if s.OfTokens.Name != "" {
			text = count(s.Tokens) + " of " + left(&s.OfTokens)
		}
		if s.Requests.Name != "" {
			text += ", 1 of " + left(&s.Requests)
		}
		w.line(s.At, "reserved", "%s", text)
	}
}

// exceeded is the window that had no room, and how much of it was asked for.
func exceeded(s *gateway.Reserved) (full *gateway.Window, asked string) {
	if s.OfTokens.Name != "" {
		return &s.OfTokens, count(s.Tokens)
	}
	return &s.Requests, "1"
}

// left is what a window had: "912,440 tokens left today".
func left(win *gateway.Window) string {
	unit, span, _ := strings.Cut(win.Name, "_per_")
	when := map[string]string{"day": "today", "month": "this month"}[span]
	if win.OwnKey {
		unit += " of its key"
	}
	return fmt.Sprintf("%s %s left %s", count(win.Left), unit, when)
}

func (w *words) queued(s *gateway.Queued) {
	if s.Outcome == gateway.LineTooLarge {
		w.line(s.At, "refused", "it may come to %s KV tokens, and the largest replica of %s holds %s", count(s.Needs), w.Backend, count(s.Capacity))
		return
	}
	w.line(s.At, "queued", "%s: %s, needs %s; %s", w.Backend, full(s.Booked, s.Capacity), count(s.Needs), ahead(s))
	waited := took(s.Waited)
	meanwhile := fmt.Sprintf("; %s got room meanwhile; %s produced %s", plural(int64(s.Served), "request"), w.Backend, plural(s.Generated, "token"))
	step, text := "gave up", waited+" in the queue"+meanwhile
	switch s.Outcome {
	case gateway.LineWaiting:
		step, text = "waits", fmt.Sprintf("%s so far, of %s at most", waited, took(s.Limit))
	case gateway.LineGranted:
		step = "granted"
	case gateway.LineNoneWell:
		text = waited + " in the queue; then no replica was fit for work"
	case gateway.LineFull:
		step, text = "refused", "the queue is full"
	case gateway.LinePushedOut:
		step, text = "pushed out", waited+" in the queue; then another organisation's request took its place in it"+meanwhile
	case gateway.LineClientLeft:
		step, text = "left", "its client left after "+text
	case gateway.LineCancelled:
		step, text = "cancelled", "after "+text
	case gateway.LineStopped:
		step, text = "stopped", "after "+text
	}
	w.line(s.At.Add(s.Waited), step, "%s", text)
}

func ahead(s *gateway.Queued) string {
	if s.Ahead == 0 {
		return "none ahead"
	}
	return fmt.Sprintf("%s ahead of %s", count(int64(s.Ahead)), plural(int64(s.Orgs), "org"))
}

// full is how much of a KV cache was given out.
func full(booked, capacity int64) string {
	if capacity <= 0 {
		return count(booked) + " KV tokens booked (the capacity is not known)"
	}
	return fmt.Sprintf("%s of %s KV tokens booked", count(booked), count(capacity))
}

func (w *words) picked(s *gateway.Picked) {
	step := "picked"
	if s.Try > 1 {
		step = fmt.Sprintf("try %d", s.Try)
	}
	fit := "the only one fit for work"
	if s.Well > 1 {
		fit = fmt.Sprintf("of %d fit for work", s.Well)
	}
	text := fmt.Sprintf("%s, %s: %s, needs %s, %d in flight", address(s.Replica), fit, full(s.Booked, s.Capacity), count(s.Needs), s.InFlight)
	if s.Affinity {
		text += "; chosen for its prefix cache"
	}
	if s.Anew {
		text += "; sent once more, as a kept connection was closed"
	}
	if s.Failure != "" {
		text += "; failed: " + failure(s.Failure)
	}
	w.line(s.At, step, "%s", text)
}

func failure(kind string) string {
	for _, f := range backends.Failures() {
		if f.Kind() == kind {
			return f.String()
		}
	}
	return kind
}

// ended says how it went out. A refusal is the answer's to tell, and what ended a
// wait in line is said already.
func (w *words) ended(s *gateway.Ended) {
	if q := last[gateway.Queued](w.Explanation); q != nil && q.Outcome != gateway.LineGranted {
		return
	}
	switch s.End {
	case gateway.EndDone:
		text := "by the gateway itself"
		if w.Backend != "" {
			text = used(s)
		}
		w.line(s.At, "answered", "%s", text)
	case gateway.EndClientLeft:
		w.line(s.At, "left", "the client closed its connection; %s", used(s))
	case gateway.EndBackendFailed:
		w.line(s.At, "failed", "%s", w.failed(s))
	case gateway.EndInterrupted:
		w.line(s.At, "stopped", "%s; %s", interrupted(s), used(s))
	}
}

// used is what a request has used, and who says so.
func used(s *gateway.Ended) string {
	text := fmt.Sprintf("%s in, %s out", count(int64(s.Prompt)), plural(int64(s.Output), "token"))
	switch {
	case s.Estimated:
		return text + ", estimated"
	case s.Prompt+s.Output > 0:
		return text + ", by the engine's count"
	}
	return "it cost nothing"
}

func (w *words) settled(s *gateway.Settled) {
	switch {
	case !s.Counted:
		w.line(s.At, "released", "%s", plural(s.Reserved, "token"))
	case s.Back() < 0:
		w.line(s.At, "settled", "%s charged, %s more than were reserved", plural(s.Charged, "token"), count(-s.Back()))
	default:
		w.line(s.At, "settled", "%s of %s charged, %s went back", count(s.Charged), plural(s.Reserved, "token"), count(s.Back()))
	}
}
