package play

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// run is text of one style, and line what stands in one row.
type (
	run struct {
		style widget.Style
		text  string
	}
	line []run
)

// Bounds of what is drawn as Markdown.
const (
	mostMarkdown = 256 << 10   // bytes of a text; what comes after is drawn as it is
	drawBudget   = 32 << 10    // bytes that are drawn in one go
	slowPiece    = time.Second // from which on a text is taken for one made to be slow
)

// markdown draws a text that grows. What is finished is drawn once: each call of set
// draws what has come to an end since the last one, and the piece that may still grow,
// which has at most maxPiece bytes. So a text costs time in proportion to its length,
// however many pieces of it come.
type markdown struct {
	pens *pens
	w    int

	done  []line
	from  int  // where in the text the first piece begins that isn't in done
	at    spot // what the splitter knows there
	tail  []line
	shown int  // length of the text that was drawn last
	ended bool // it was the whole text
	plain bool // it is drawn as it is from here on
	late  bool // there is more than was drawn in one go
}

// set draws a text: the one before with more behind it. ended says that no more will
// come. What the pens' budget doesn't allow is drawn by the next call.
func (m *markdown) set(text string, ended bool) {
	if m.shown == len(text) && m.ended == ended && !m.late {
		return
	}
	m.tail, m.late = nil, false
	for m.from < len(text) {
		if m.pens.budget <= 0 {
			m.late = true
			break
		}
		// No piece depends on more than that.
		p, n, whole := m.at.next(text[m.from:min(len(text), m.from+pieceWindow)])
		if !whole && n < pieceWindow && !(ended && m.from+n == len(text)) {
			m.tail = m.draw(p, false)
			m.pens.budget -= n
			break
		}
		m.done = append(m.done, m.draw(p, true)...)
		m.at.take(p)
		m.from += n
		m.pens.budget -= n
	}
	m.shown, m.ended = len(text), ended
}

// lines are how many there are, and line is one of them.
func (m *markdown) lines() int { return len(m.done) + len(m.tail) }

func (m *markdown) line(i int) line {
	if i < len(m.done) {
		return m.done[i]
	}
	return m.tail[i-len(m.done)]
}

// draw draws one piece, with the blank line that stands before it.
func (m *markdown) draw(p piece, whole bool) []line {
	if p.kind == kindNothing {
		return nil
	}
	w := max(1, m.w-p.indent)
	var lines []line
	began := time.Now()
	switch {
	case m.plain || m.from > mostMarkdown || p.deep():
		lines = fold(p.text, w, m.pens.ascii)
	case p.kind == kindCode && !whole:
		lines = m.pens.growing(p.text, p.language, w)
	case p.kind == kindCode:
		lines = m.pens.code(p.text, p.language, w)
	default:
		lines = m.pens.prose(p.head+p.text, w)
	}
	// It is the time of the text's author that counts, not what it is drawn like.
	m.plain = m.plain || time.Since(began) > slowPiece
	if p.indent > 0 {
		pad := run{text: strings.Repeat(" ", min(p.indent, m.w))}
		for i := range lines {
			lines[i] = append(line{pad}, lines[i]...)
		}
	}
	if p.apart && len(lines) > 0 && len(m.done) > 0 {
		lines = append([]line{nil}, lines...)
	}
	return lines
}

// fold breaks a text into lines of at most w cells, at spaces where there are any, and
// makes it harmless.
func fold(text string, w int, ascii bool) (lines []line) {
	for raw := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		s := clean(strings.TrimRight(raw, "\r"), ascii)
		for {
			n := fitting(s, w)
			if n == len(s) {
				break
			}
			if at := strings.LastIndexByte(s[:n], ' '); at > 0 && n-at < w/2 {
				n = at + 1
			}
			lines = append(lines, line{{text: strings.TrimRight(s[:n], " ")}})
			s = s[n:]
		}
		lines = append(lines, line{{text: s}})
	}
	return lines
}

// fitting is how many bytes of clean text fit in w cells: at least one character.
func fitting(s string, w int) int {
	if len(s) <= w { // no character has more cells than bytes
		return len(s)
	}
	cells := 0
	for i := 0; i < len(s); {
		n, c := 1, 1
		if s[i] >= utf8.RuneSelf || i+1 < len(s) && s[i+1] >= utf8.RuneSelf {
			var cluster string
			cluster, c = ansi.FirstGraphemeCluster(s[i:], ansi.GraphemeWidth)
			n = len(cluster)
		}
		if cells+c > w && i > 0 {
			return i
		}
		cells += c
		i += n
	}
	return len(s)
}

// clean makes a line of text harmless, with its tabs as blanks.
func clean(s string, ascii bool) string {
	if strings.IndexByte(s, '\t') >= 0 {
		s = strings.ReplaceAll(s, "\t", "    ")
	}
	return widget.Clean(s, ascii)
}

// drawLine draws a line in w cells from x, y.
func drawLine(c *widget.Canvas, x, y, w int, l line, or widget.Style) {
	end := x + w
	for _, r := range l {
		if x >= end {
			return
		}
		st := r.style
		if st == widget.Plain {
			st = or
		}
		x += c.Text(x, y, end-x, st, r.text)
	}
}

// cells is how wide clean text is.
func cells(s string) int { return ansi.StringWidth(s) }
