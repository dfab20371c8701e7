package pane

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
)

// logFilter is a regular expression that lines are looked through for. In lower
// case it means either case. The zero value has none.
type logFilter struct {
	text    string
	re      *regexp.Regexp // nil: none, or a bad one
	err     string         // what is bad about it
	literal string         // not "": what the expression comes to, in lower case if fold
	fold    bool
}

// newLogFilter compiles an expression.
func newLogFilter(text string) logFilter {
	f := logFilter{text: text}
	if text == "" {
		return f
	}
	expr := text
	if !hasCapital(text) {
		expr, f.fold = "(?i)"+text, true
	}
	var err error
	if f.re, err = regexp.Compile(expr); err != nil {
		f.err = "no regular expression"
		if e, ok := err.(*syntax.Error); ok {
			f.err = e.Code.String()
		}
		return f
	}
	// Nearly all that is typed is a plain word, which is found much faster.
	if tree, err := syntax.Parse(text, syntax.Perl); err == nil && tree.Op == syntax.OpLiteral && asciiOnly(string(tree.Rune)) {
		switch f.literal = string(tree.Rune); {
		case tree.Flags&syntax.FoldCase != 0:
			f.literal = ""
		case f.fold:
			f.literal = strings.ToLower(f.literal)
		}
	}
	return f
}

// hasCapital tells whether there is a capital letter that stands for itself.
func hasCapital(expr string) bool {
	escaped := false
	for _, r := range expr {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case unicode.IsUpper(r):
			return true
		}
	}
	return false
}

// maxSearched is how much of a line is looked through.
const maxSearched = 64 << 10

// matches tells whether a line has it, as it is drawn or as it was written.
func (f *logFilter) matches(e *logEntry) bool {
	return f.in(e.raw) || e.shown != "" && f.in(e.shown)
}

func (f *logFilter) in(s string) bool {
	s = s[:min(len(s), maxSearched)]
	switch {
	case f.literal == "":
		return f.re.MatchString(s)
	case !f.fold:
		return strings.Contains(s, f.literal)
	}
	found, sure := containsFold(s, f.literal)
	if !sure {
		return f.re.MatchString(s)
	}
	return found
}

// containsFold looks for lower-case ASCII in either case. It isn't sure of text
// that isn't ASCII, where letters have more than two cases.
func containsFold(s, want string) (found, sure bool) {
	first := want[0]
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false, false
		}
		if lowerByte(s[i]) == first && i+len(want) <= len(s) && equalFolded(s[i:i+len(want)], want) {
			return true, true
		}
	}
	return false, true
}

func equalFolded(s, want string) bool {
	for i := range len(want) {
		if lowerByte(s[i]) != want[i] {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// cost is how many bytes of a line count for a search: plain words are nearly free.
func (f *logFilter) cost(e *logEntry) int {
	n := min(len(e.raw), maxSearched) + min(len(e.shown), maxSearched)
	if f.literal != "" {
		n /= 32
	}
	return n
}

// maxSearch is how much is looked through at once, in bytes: some ten
// milliseconds' worth.
const maxSearch = 512 << 10

// logHits are the lines that match, by number. They are looked for from the newest
// on, and not all at once.
type logHits struct {
	seqs []uint64
	from uint64 // lines from here on have been looked at
}

// reset begins anew, behind the newest line.
func (h *logHits) reset(b *logBuffer) { h.seqs, h.from = h.seqs[:0], b.next }

// done tells whether all lines have been looked at.
func (h *logHits) done(b *logBuffer) bool { return h.from <= b.first() }

// search looks at older lines, as many as go at once.
func (h *logHits) search(b *logBuffer, f *logFilter) {
	var found []uint64
	for spent := 0; h.from > b.first() && spent < maxSearch; {
		h.from--
		e := b.by(h.from)
		spent += f.cost(e) + 1
		if f.matches(e) {
			found = append(found, h.from)
		}
	}
	if len(found) == 0 {
		return
	}
	all := make([]uint64, 0, len(found)+len(h.seqs))
	for i := len(found); i > 0; i-- {
		all = append(all, found[i-1])
	}
	h.seqs = append(all, h.seqs...)
}

// added looks at lines from a number on, which have just come, and forgets those
// that went.
func (h *logHits) added(b *logBuffer, f *logFilter, from uint64) {
	spent := 0
	for seq := max(from, b.first()); seq < b.next; seq++ {
		e := b.by(seq)
		if spent += f.cost(e); spent > maxSearch {
			h.reset(b) // too many: all over again, bit by bit
			return
		}
		if f.matches(e) {
			h.seqs = append(h.seqs, seq)
		}
	}
	n := 0
	for n < len(h.seqs) && h.seqs[n] < b.first() {
		n++
	}
	h.seqs = h.seqs[n:]
}
