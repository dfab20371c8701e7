package play

import (
	"strings"
	"unicode/utf8"
)

// Bounds of a piece.
const (
	maxPiece    = 4 << 10      // bytes
	pieceWindow = 2 * maxPiece // bytes that are looked at to find one
	maxNested   = 8            // quotes and lists in each other, beyond which goldmark's time isn't worth it
)

// kind is what a piece is.
type kind uint8

const (
	kindNothing kind = iota // blank lines, the ends of a block of code
	kindProse               // a paragraph, a table, a quote
	kindHeading
	kindItem // of a list
	kindCode // of a block of code
)

// piece is a part of a text that is drawn by itself.
type piece struct {
	kind     kind
	text     string
	head     string // of the table that text goes on with
	language string // of code
	indent   int    // that text has lost
	apart    bool   // a blank line stands before it

	after spot // what is known behind it
}

// spot is what a splitter knows where a piece begins.
type spot struct {
	last     kind
	blank    bool   // a blank line came
	cut      bool   // the piece before was cut for its length
	mid      bool   // and in the middle of a line
	fence    string // what ends the block of code that it is in; "": none
	language string
	indent   int    // of the block of code, and of what belongs to the same item of a list
	head     string // of the table that was cut
}

func (s *spot) take(p piece) { *s = p.after }

// next gives the first piece of a text, how many bytes of it that is, and whether the
// piece is whole: false, it may go on with what isn't there yet.
func (s spot) next(text string) (p piece, n int, whole bool) {
	first, ends := lineOf(text)
	p.after = s
	switch {
	case s.fence != "":
		return s.inCode(text)
	case strings.TrimSpace(first) == "":
		p.after.blank, p.after.cut, p.after.mid, p.after.head = true, false, false, ""
		return p, len(first), ends
	}
	if fence, language, indent := fenceOf(first); fence != "" && !s.mid {
		p.after = spot{last: s.last, blank: s.blank, fence: fence, language: language, indent: indent}
		return p, len(first), ends
	}
	return s.inProse(text)
}

// inCode gives the next lines of a block of code.
func (s spot) inCode(text string) (p piece, n int, whole bool) {
	p = piece{kind: kindCode, language: s.language, indent: s.indent, apart: s.blankBefore(kindCode)}
	p.after = spot{last: kindCode, cut: true, fence: s.fence, language: s.language, indent: s.indent}
	var b strings.Builder
	for n < len(text) {
		l, ends := lineOf(text[n:])
		if closes(l, s.fence) {
			n += len(l)
			p.text = b.String()
			p.after = spot{last: kindCode, indent: s.indent}
			if b.Len() == 0 && s.cut {
				p.kind = kindNothing
			}
			return p, n, ends
		}
		if room := maxPiece - b.Len(); len(l) > room {
			if p.text = b.String(); p.text == "" {
				l = cutAt(l, room)
				n, p.text = n+len(l), dedent(l, s.indent)
			}
			return p, n, true
		}
		b.WriteString(dedent(l, s.indent))
		n += len(l)
	}
	p.text = b.String()
	return p, n, false
}

// inProse gives the next piece that is no code.
func (s spot) inProse(text string) (p piece, n int, whole bool) {
	first, _ := lineOf(text)
	indent := 0
	if s.indent > 0 && margin(first) >= s.indent {
		indent = s.indent
	}
	p = piece{kind: kindOf(dedent(first, indent)), indent: indent, head: s.head}
	p.after = spot{last: p.kind, indent: indent}
	if s.cut && (s.mid || p.kind == kindProse) { // it goes on
		p.kind, p.after.last = kindProse, s.last
		if s.last == kindItem {
			p.indent = 2
		}
	} else {
		s.cut = false
	}
	p.apart = s.blankBefore(p.kind)
	var b strings.Builder
	blank := false // blank lines came; what follows belongs to the item where it is indented
	blankFrom := 0
	for n < len(text) {
		l, ends := lineOf(text[n:])
		// The first two rules don't ask whether the line is whole.
		if bare := dedent(l, indent); blank && margin(bare) < 2 && strings.TrimSpace(bare) != "" { // behind an item
			p.text = b.String()
			return p, blankFrom, true
		}
		if room := maxPiece - b.Len(); len(l) > room {
			return s.cutProse(p, b.String(), text, n, room)
		}
		if n > 0 && ends && leaves(dedent(l, indent)) {
			if blank {
				n = blankFrom
			}
			p.text = b.String()
			return p, n, true
		}
		switch empty := strings.TrimSpace(l) == ""; {
		case empty && p.kind == kindItem:
			if !blank {
				blankFrom = n
			}
			blank = true
		case empty && ends:
			p.text = b.String()
			return p, n, true
		default:
			blank = false
		}
		b.WriteString(dedent(l, indent))
		n += len(l)
		if p.kind == kindHeading && ends {
			p.text = b.String()
			return p, n, true
		}
	}
	p.text = b.String()
	return p, n, false
}

// leaves tells whether a whole line is of another piece than the one before it.
func leaves(l string) bool {
	if fence, _, _ := fenceOf(l); fence != "" {
		return true
	}
	switch kindOf(l) {
	case kindHeading:
		return true
	case kindItem:
		return margin(l) < 2
	}
	return false
}

// cutProse ends a piece that is too long: before the line that doesn't fit, or in it
// where it is the only one.
func (s spot) cutProse(p piece, so, text string, n, room int) (piece, int, bool) {
	p.after.cut = true
	if s.head != "" {
		p.after.head = s.head
	} else {
		p.after.head = tableHead(so)
	}
	if so != "" {
		p.text = so
		return p, n, true
	}
	l := cutAt(text[n:], room)
	p.text, p.after.mid = l, true
	return p, n + len(l), true
}

// blankBefore tells whether a blank line is drawn before a piece.
func (s spot) blankBefore(k kind) bool {
	if s.cut {
		return false
	}
	return s.blank || k != s.last || k == kindHeading || k == kindCode
}

// deep tells whether a piece has more in each other than is worth its time.
func (p piece) deep() bool {
	for l := range strings.Lines(p.text) {
		quotes := 0
		for i := 0; i < len(l) && i < 4*maxNested; i++ {
			if strings.IndexByte(" \t>*+-", l[i]) < 0 {
				break
			}
			if l[i] != ' ' {
				quotes++
			}
		}
		if quotes > maxNested && strings.Trim(strings.TrimSpace(l), "-*") != "" || margin(l) > 4*maxNested {
			return true
		}
	}
	return false
}

// lineOf is a text's first line with its line feed, and whether it has one.
func lineOf(text string) (l string, ends bool) {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1], true
	}
	return text, false
}

// margin is how many blanks a line begins with; a tab counts as four.
func margin(l string) (n int) {
	for i := range len(l) {
		switch l[i] {
		case ' ':
			n++
		case '\t':
			n += 4
		default:
			return n
		}
	}
	return 0
}

// dedent takes at most n blanks off a line.
func dedent(l string, n int) string {
	for n > 0 && len(l) > 0 && l[0] == ' ' {
		l, n = l[1:], n-1
	}
	return l
}

// fenceOf reads the line that begins a block of code.
func fenceOf(l string) (fence, language string, indent int) {
	const deepest = 12
	s := strings.TrimLeft(l, " ")
	if indent = len(l) - len(s); indent > deepest || len(s) < 3 || s[0] != '`' && s[0] != '~' {
		return "", "", 0
	}
	n := 0
	for n < len(s) && s[n] == s[0] {
		n++
	}
	rest := strings.TrimSpace(s[n:])
	if n < 3 || s[0] == '`' && strings.Contains(rest, "`") {
		return "", "", 0
	}
	language, _, _ = strings.Cut(rest, " ")
	return s[:n], language, indent
}

// closes tells whether a line ends a block of code.
func closes(l, fence string) bool {
	s := strings.TrimSpace(l)
	return len(s) >= len(fence) && strings.Trim(s, fence[:1]) == ""
}

// kindOf is what a line begins.
func kindOf(l string) kind {
	s := strings.TrimLeft(l, " ")
	if hashes := len(s) - len(strings.TrimLeft(s, "#")); hashes > 0 && hashes <= 6 && len(s) > hashes && s[hashes] == ' ' {
		return kindHeading
	}
	if len(s) > 1 && strings.IndexByte("-*+", s[0]) >= 0 && s[1] == ' ' && strings.Trim(s, "-*_ \r\n") != "" {
		return kindItem
	}
	digits := 0
	for digits < len(s) && digits < 9 && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits > 0 && len(s) > digits+1 && (s[digits] == '.' || s[digits] == ')') && s[digits+1] == ' ' {
		return kindItem
	}
	return kindProse
}

// tableHead is the head of the table that a text begins with: its names and what is
// under them; "": it is none.
func tableHead(text string) string {
	names, ends := lineOf(text)
	if !ends || !strings.Contains(names, "|") {
		return ""
	}
	under, ends := lineOf(text[len(names):])
	if !ends || !strings.Contains(under, "-") || strings.Trim(under, "|:- \r\n") != "" {
		return ""
	}
	return names + under
}

// cutAt is the beginning of a text that has at most n bytes: up to a blank, if there
// is one near the end, and no half of a character.
func cutAt(text string, n int) string {
	const near = 200
	if len(text) <= n {
		return text
	}
	for n > 1 && !utf8.RuneStart(text[n]) {
		n--
	}
	if at := strings.LastIndexByte(text[:n], ' '); at > n-near && at > 0 {
		return text[:at+1]
	}
	return text[:n]
}
