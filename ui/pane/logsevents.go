package pane

import (
	"slices"
	"time"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// eventEntry makes a line of an event.
func eventEntry(e *past.Event) logEntry {
	grades := map[past.Grade]widget.Style{past.Good: widget.Good, past.Warn: widget.Warn, past.Bad: widget.Bad}
	return logEntry{at: e.At, raw: colon(e.Object, e.Text), word: string(e.Kind), grade: grades[e.Grade]}
}

// auditEntry makes a line of what somebody did.
func auditEntry(e *ledger.Event) logEntry {
	return logEntry{at: e.At, raw: colon(e.Author, colon(spaced(e.Action, e.Object), e.Detail)), word: "audit"}
}

func colon(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}

func spaced(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// takePast makes the lines of events and audit, oldest first. What is being read
// is found among them again.
func (p *Logs) takePast(anew bool) {
	s := p.past
	if s == nil || !anew && p.samePast(s) {
		return
	}
	p.pastAt = pastMark{len(s.Events), len(s.Audit), newestPast(s)}
	p.answered = true
	all := make([]logEntry, 0, len(s.Events)+len(s.Audit))
	for i := range s.Events {
		all = append(all, eventEntry(&s.Events[i]))
	}
	for i := range s.Audit {
		all = append(all, auditEntry(&s.Audit[i]))
	}
	slices.Reverse(all) // what happened at the same moment is newest first, too
	slices.SortStableFunc(all, func(a, b logEntry) int { return a.at.Compare(b.at) })
	sel, last := p.entry(p.sel), p.entry(p.seen-1)
	p.buf.clear()
	p.seen = p.buf.next
	for _, e := range all {
		if e.at.Before(p.query.Since) {
			continue
		}
		p.buf.add(e)
		if sel.same(&e) {
			p.sel = p.buf.next - 1
		}
		if last.same(&e) {
			p.seen = p.buf.next
		}
	}
	if p.sel != 0 && p.sel < p.buf.first() {
		p.sel = p.buf.first() // it is gone
	}
	if p.filter.re != nil {
		p.hits.reset(&p.buf)
		p.hits.search(&p.buf, &p.filter)
	}
	p.pic.drop()
}

// entry is a copy of the line of a number; the zero value: there is none.
func (p *Logs) entry(seq uint64) logEntry {
	if seq < p.buf.first() || seq >= p.buf.next {
		return logEntry{}
	}
	return *p.buf.by(seq)
}

// same tells whether two lines are of one event.
func (e *logEntry) same(o *logEntry) bool { return e.seq != 0 && e.at.Equal(o.at) && e.raw == o.raw }

// pastMark tells one history from another.
type pastMark struct {
	events, audit int
	newest        [2]time.Time
}

func newestPast(s *past.Snapshot) (at [2]time.Time) {
	if len(s.Events) > 0 {
		at[0] = s.Events[0].At
	}
	if len(s.Audit) > 0 {
		at[1] = s.Audit[0].At
	}
	return at
}

func (p *Logs) samePast(s *past.Snapshot) bool {
	return p.pastAt == pastMark{len(s.Events), len(s.Audit), newestPast(s)}
}
