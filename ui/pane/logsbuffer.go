package pane

import (
	"time"

	"pilothouse/ui/widget"
)

// Bounds of the lines that are kept.
const (
	maxLogLines = 20_000
	maxLogBytes = 16 << 20
)

// logBuffer has the lines of one source, numbered as they come. The oldest go when
// there are too many.
type logBuffer struct {
	all   []logEntry
	next  uint64 // the number of the line that comes next; the first has 1
	bytes int
	gone  int // that were let go

	warnings, errors int // among them
}

// clear forgets all lines. Their numbers are not given again.
func (b *logBuffer) clear() { *b = logBuffer{next: b.next} }

// first is the number of the oldest line; where there is none, of the next.
func (b *logBuffer) first() uint64 { return b.next - uint64(len(b.all)) }

// add numbers a line and keeps it. One without a time has that of the line
// before.
func (b *logBuffer) add(e logEntry) {
	e.seq = b.next
	b.next++
	if n := len(b.all); e.at.IsZero() && n > 0 {
		e.at = b.all[n-1].at
	}
	b.all = append(b.all, e)
	b.count(&e, 1)
	for len(b.all) > maxLogLines || b.bytes > maxLogBytes && len(b.all) > 1 {
		b.count(&b.all[0], -1)
		b.all[0] = logEntry{} // the slice goes on holding the array
		b.all = b.all[1:]
		b.gone++
	}
}

// count counts a line in, or out.
func (b *logBuffer) count(e *logEntry, by int) {
	b.bytes += by * e.size()
	switch e.grade {
	case widget.Warn:
		b.warnings += by
	case widget.Bad:
		b.errors += by
	}
}

// by is the line of a number, which must be there.
func (b *logBuffer) by(seq uint64) *logEntry { return &b.all[seq-b.first()] }

// until counts the lines up to a moment. Those of two streams are not quite in
// order: what counts is the last that was before it.
func (b *logBuffer) until(t time.Time) int {
	for i := len(b.all); i > 0; i-- {
		if !b.all[i-1].at.After(t) {
			return i
		}
	}
	return 0
}
