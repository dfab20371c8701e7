package pane

import (
	"fmt"
	"math"

	"pilothouse/ui/widget"
)

// The digest is what a small box has: the fullest windows, a line each, and who
// uses most now.

const (
	quotaWide = 64 // cells from which on windows stand beside each other

	digestUsers   = 9  // rows from which on the digest tells who uses most
	digestUsersOf = 4  // rows that it gives them
	digestMost    = 12 // rows that it asks for
)

// digestPick is a window that the digest shows.
type digestPick struct {
	row, window int // indices: of the rows shown, of its windows
	rank        int
	share       float64
}

// before tells whether a window is shown rather than another.
func (a digestPick) before(b digestPick) bool {
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	return a.share > b.share
}

// picks are the n windows that matter most: those that want a look, the fullest
// of each organisation, the others.
func (p *Quotas) picks(n int) []digestPick {
	best := make([]digestPick, 0, n+1)
	for i := range p.shown {
		r := p.row(i)
		tight := r.tightest()
		for j := range r.windows {
			w := &r.windows[j]
			if w.limit <= 0 {
				continue
			}
			k := digestPick{i, j, 3, w.share()}
			switch st := w.grade(); {
			case st == widget.Bad:
				k.rank = 0
			case st == widget.Warn:
				k.rank = 1
			case j == tight && r.ref.Kind == RefOrg:
				k.rank = 2
			}
			best = insertPick(best, k, n)
		}
	}
	return best
}

// insertPick adds to the n best so far.
func insertPick(best []digestPick, k digestPick, n int) []digestPick {
	if n <= 0 || len(best) == n && !k.before(best[n-1]) {
		return best
	}
	best = append(best, k)
	for i := len(best) - 1; i > 0 && best[i].before(best[i-1]); i-- {
		best[i], best[i-1] = best[i-1], best[i]
	}
	return best[:min(n, len(best))]
}

// Rows are the lines that the digest can do with, and those that it would fill,
// at a width.
func (p *Quotas) Rows(int) (least, full int) {
	if p.past == nil || len(p.all) == 0 {
		return 1, 1
	}
	windows := 0
	for i := range p.all {
		for j := range p.all[i].windows {
			if p.all[i].windows[j].limit > 0 {
				windows++
			}
		}
	}
	windows = max(1, min(windows, digestMost-digestUsersOf))
	return min(3, windows), windows + digestUsersOf
}

// digest draws it from line y on, in h lines.
func (p *Quotas) digest(c *widget.Canvas, y, h int) {
	if len(p.shown) == 0 {
		c.Text(1, y, c.W-2, widget.Muted, p.nothing())
		return
	}
	room := h
	if h >= digestUsers && len(p.users.all) > 0 {
		room -= digestUsersOf
	}
	picks := p.picks(room)
	rest, most := p.others(picks)
	if rest > 0 && room > 1 {
		picks = picks[:min(len(picks), room-1)]
		rest, most = p.others(picks)
	}
	fields := layNarrow(c.W - 1)
	line, above := y, -1
	p.inOrder(picks, func(i, j int) {
		r := p.row(i)
		switch {
		case i == above:
		case above >= 0 && p.row(above).org == r.org:
			p.name(c, fields.name.X, line, fields.name.W, r, false)
		default:
			p.name(c, fields.name.X, line, fields.name.W, r, true)
		}
		p.narrowWindow(c, line, &fields, &r.windows[j])
		line, above = line+1, i
	})
	if rest > 0 && line < y+h {
		c.Text(1, line, c.W-2, widget.Muted, moreOrgs(rest, most, len(picks) > 0))
		line++
	}
	if room < h {
		p.topUsers(c, 1, line+1, c.W-2, y+h-line-1, "")
	}
}

// inOrder calls f with the picked rows and windows as they are in the list.
func (p *Quotas) inOrder(picks []digestPick, f func(row, window int)) {
	for done, last := 0, (digestPick{row: -1}); done < len(picks); done++ {
		next := digestPick{row: math.MaxInt}
		for _, k := range picks {
			later := k.row > last.row || k.row == last.row && k.window > last.window
			if later && (k.row < next.row || k.row == next.row && k.window < next.window) {
				next = k
			}
		}
		f(next.row, next.window)
		last = next
	}
}

// others counts the organisations that are not among those picked, and tells the
// largest share of theirs; below 0: they have no limits.
func (p *Quotas) others(picks []digestPick) (n int, most float64) {
	picked := make([]bool, p.orgs)
	for _, k := range picks {
		picked[p.row(k.row).org] = true
	}
	most = -1
	for i := range p.shown {
		if r := p.row(i); !picked[r.org] {
			picked[r.org] = true
			n, most = n+1, max(most, r.full)
		}
	}
	return n, most
}

// moreOrgs says what is not shown.
func moreOrgs(n int, most float64, more bool) string {
	text := fmt.Sprintf("%d org", n)
	if more {
		text = fmt.Sprintf("+%d more org", n)
	}
	if n != 1 {
		text += "s"
	}
	switch {
	case most < 0 && n == 1:
		return text + " without limits"
	case most < 0:
		return text + ", none with limits"
	case most >= 1:
		return text
	}
	// A round bound at or above the largest.
	bound := 5 * (math.Floor(100*most/5) + 1)
	if n == 1 {
		return fmt.Sprintf("%s, below %.0f%%", text, bound)
	}
	return fmt.Sprintf("%s, all below %.0f%%", text, bound)
}
