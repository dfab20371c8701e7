package pane

import (
	"slices"
	"sort"
)

// placedLine is where a line is on the screen: rows of it from y on, the first of
// which is the one behind those skipped.
type placedLine struct {
	at            int // of those shown
	y, skip, rows int
	wrapped       wrappedLine
}

// filtered tells whether only lines that match are shown.
func (p *Logs) filtered() bool { return p.filter.re != nil && !p.context }

// atHead tells whether the first line is followed rather than the newest.
func (p *Logs) atHead() bool { return logRanges[p.part].head && !p.back }

// count is how many lines are shown, if there is room: those that match, and in a
// rewound dashboard those up to its moment.
func (p *Logs) count() int {
	n := len(p.buf.all)
	if p.rewound {
		n = p.buf.until(p.now)
	}
	if !p.filtered() {
		return n
	}
	seqs := p.hits.seqs
	if n == len(p.buf.all) {
		return len(seqs)
	}
	i, _ := slices.BinarySearch(seqs, p.buf.first()+uint64(n))
	return i
}

// line is the i-th of those shown.
func (p *Logs) line(i int) *logEntry {
	if p.filtered() {
		return p.buf.by(p.hits.seqs[i])
	}
	return &p.buf.all[i]
}

// find is where a line is among those shown, or the one behind it, or the last.
func (p *Logs) find(seq uint64) int {
	n := p.count()
	i := sort.Search(n, func(i int) bool { return p.line(i).seq >= seq })
	return max(0, min(i, n-1))
}

// wrappedLine is the text of a line and where it breaks.
type wrappedLine struct {
	text string
	at   [][2]int
	more bool // there is more of it than is in the rows
}

// rows is how many rows the i-th line shown takes, and how it is wrapped, if it is:
// to at most half of the screen.
func (p *Logs) rows(i int) (int, wrappedLine) {
	if !p.wrap {
		return 1, wrappedLine{}
	}
	most := max(1, p.linesH/2)
	text, more := firstCells(p.pic.theme, p.line(i).text(), p.textW*most)
	at, rest := wrapCells(text, p.textW, most)
	return len(at), wrappedLine{text, at, more || rest}
}

// arrange places the lines in the window of the last view. The selected one keeps
// its row as far as the window can be filled around it.
func (p *Logs) arrange() {
	p.placed = p.placed[:0]
	n := p.count()
	if n == 0 || p.linesH <= 0 || p.textW <= 0 {
		return
	}
	at, y := n-1, 0
	switch {
	case p.sel != 0:
		at = p.find(p.sel)
		rows, _ := p.rows(at)
		y = max(0, min(p.row, p.linesH-rows))
	case p.atHead():
		at = 0
	default:
		rows, _ := p.rows(at)
		y = p.linesH - rows
	}
	p.up(at, y)
	p.down(n)
	if short := p.linesH - p.below(); short > 0 && p.placed[0].at+p.placed[0].skip > 0 {
		// There is more above than there is below.
		p.placed = p.placed[:0]
		p.up(at, y+short)
		p.down(n)
	}
	if p.sel == 0 {
		return
	}
	for _, l := range p.placed {
		if l.at == at {
			p.row = l.y
		}
	}
}

// up places a line at a row and those above it, and moves all up where there
// aren't enough.
func (p *Logs) up(at, y int) {
	first := y
	for i := at; ; i-- {
		rows, wrapped := p.rows(i)
		if i < at {
			first -= rows
		}
		p.placed = append(p.placed, placedLine{at: i, y: first, rows: rows, wrapped: wrapped})
		if first <= 0 || i == 0 {
			break
		}
	}
	slices.Reverse(p.placed)
	for i := range p.placed {
		l := &p.placed[i]
		if first > 0 {
			l.y -= first
		}
		if l.y < 0 {
			l.skip = -l.y
			l.rows, l.y = l.rows-l.skip, 0
		}
	}
}

// down places those below.
func (p *Logs) down(n int) {
	for y := p.below(); y < p.linesH; {
		i := p.placed[len(p.placed)-1].at + 1
		if i >= n {
			return
		}
		rows, wrapped := p.rows(i)
		p.placed = append(p.placed, placedLine{at: i, y: y, rows: rows, wrapped: wrapped})
		y += rows
	}
}

// below is the row behind the last line.
func (p *Logs) below() int {
	l := p.placed[len(p.placed)-1]
	return l.y + l.rows
}
