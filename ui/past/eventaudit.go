package past

import (
	"slices"
	"strings"
	"time"

	"pilothouse/gateway/ledger"
)

const (
	lately = time.Hour       // what operators did in it is told after a start
	ripe   = 3 * time.Second // after which what belongs to an entry is there, too: its outcome, its job
)

// hear takes what is new in the audit, which is newest first.
func (w *watch) hear(now time.Time, audit []ledger.Event) {
	fresh := audit
	if w.head != nil {
		i := slices.IndexFunc(audit, func(e ledger.Event) bool { return equal(&e, w.head) })
		if i < 0 { // more than are read at once, or another ledger
			i = slices.IndexFunc(audit, func(e ledger.Event) bool { return !e.At.After(w.head.At) })
		}
		if i >= 0 {
			fresh = audit[:i]
		}
	}
	for _, e := range slices.Backward(fresh) {
		if now.Sub(e.At) <= lately {
			w.pending = append(w.pending, e)
		}
	}
	w.pending = w.pending[max(0, len(w.pending)-mostAudit):]
	if len(audit) > 0 {
		w.head = &audit[0]
	} else if w.head == nil {
		w.head = &ledger.Event{At: now}
	}
}

func equal(a, b *ledger.Event) bool {
	return a.At.Equal(b.At) && a.Author == b.Author && a.Action == b.Action && a.Object == b.Object && a.Detail == b.Detail
}

// tellAudit tells of what operators did some seconds ago. What is written down
// before it is done is left out where what came of it is there; and what is told as
// a job is told once.
func (w *watch) tellAudit(now time.Time) {
	var young []ledger.Event
	for i := range w.pending {
		e := &w.pending[i]
		if age := now.Sub(e.At); age > -ripe && age < ripe {
			young = append(young, *e)
			continue
		}
		if w.jobTold(e) || w.settled(e) {
			continue
		}
		w.tell(e.At, KindOperator, e.Author, auditGrade(e.Action), auditText(e))
	}
	w.pending = young
}

// settled tells whether there is an entry of what came of this one, soon after it.
func (w *watch) settled(e *ledger.Event) bool {
	return slices.ContainsFunc(w.books.audit, func(o ledger.Event) bool {
		after := o.At.Sub(e.At)
		return o.Author == e.Author && o.Object == e.Object && after >= 0 && after < ripe &&
			len(o.Action) > len(e.Action) && strings.HasPrefix(o.Action, e.Action)
	})
}

// auditText is an entry in words.
func auditText(e *ledger.Event) string {
	switch e.Action {
	case "attach":
		return strings.TrimSpace("attached " + e.Detail)
	case "detach":
		return "left"
	}
	text := e.Action
	if e.Object != "" {
		text += " " + e.Object
	}
	return text + reason(e.Detail)
}

func auditGrade(action string) Grade {
	for _, w := range [...]string{" failed", " refused", " interrupted"} {
		if strings.HasSuffix(action, w) {
			return Warn
		}
	}
	return Plain
}
