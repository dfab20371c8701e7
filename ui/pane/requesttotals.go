package pane

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// tally is how many requests there are of a kind.
type tally struct {
	name  string
	n     int
	style widget.Style // of the number, where there are any
	rare  bool         // not worth its place while there are none
}

// totals draws the head row: what the rows are, by phase or by how they ended,
// and whose. While the rows are all there are, those that ended have their
// place at the right.
func (p *Requests) totals(c *widget.Canvas) {
	x := 1
	ended := p.endings()
	if p.scope == failedOnly {
		x = p.tallies(c, x, append([]tally{{name: "failed", n: len(p.kept)}}, ended[1:]...))
		p.orgs(c, x, c.W-1, (*request).failed)
		return
	}
	x = p.tallies(c, x, p.phases())
	right := c.W - 1
	if p.scope == allRequests {
		n := tallied(c.Theme, p.endings())
		if at := right - n; at > x+8 {
			p.tallies(c, at, ended)
			right = at - 2
		}
	}
	which := (*request).inFlight
	if p.live == 0 {
		which = func(*request) bool { return true }
	}
	p.orgs(c, x, right, which)
}

// phases counts the requests in flight.
func (p *Requests) phases() []tally {
	var by [gateway.PhaseEnded]int
	for i := range p.kept {
		if r := &p.kept[i]; r.inFlight() {
			by[r.Phase]++
		}
	}
	all := tally{name: "in flight", n: p.live}
	if p.query.text == "" {
		all.rare = true // the title has it
		if p.snap.InFlight > p.live {
			all.name, all.rare = "of the oldest", false // the others are not listed
		} else {
			all.n = 0
		}
	}
	return []tally{
		all,
		{name: gateway.PhaseQueued.String(), n: by[gateway.PhaseQueued]},
		{name: gateway.PhasePrefill.String(), n: by[gateway.PhasePrefill]},
		{name: gateway.PhaseDecode.String(), n: by[gateway.PhaseDecode]},
		{name: gateway.PhaseAdmitted.String(), n: by[gateway.PhaseAdmitted], rare: true},
		{name: gateway.PhaseSending.String(), n: by[gateway.PhaseSending], rare: true},
	}
}

// endings counts those that ended.
func (p *Requests) endings() []tally {
	ok := tally{name: "ok"}
	refused := tally{name: "429", style: widget.Warn}
	wrong := tally{name: "4xx", style: widget.Warn, rare: true}
	broken := tally{name: "errors", style: widget.Bad}
	left := tally{name: "left", style: widget.Warn}                   // by their client
	stopped := tally{name: "stopped", style: widget.Warn, rare: true} // by an operator, or as the gateway ended
	for i := range p.kept {
		r := &p.kept[i]
		switch {
		case r.inFlight():
		case r.Status >= 500 || r.End == gateway.EndBackendFailed:
			broken.n++
		case r.Status == 429:
			refused.n++
		case r.Status >= 400:
			wrong.n++
		case r.End == gateway.EndInterrupted:
			stopped.n++
		case r.End == gateway.EndClientLeft:
			left.n++
		default:
			ok.n++
		}
	}
	return []tally{ok, refused, wrong, broken, left, stopped}
}

const tallyWidth = 3 // cells of a number, so that the next ones don't jump

// tallies draws counts, and returns the cell behind them.
func (p *Requests) tallies(c *widget.Canvas, x int, all []tally) int {
	for _, f := range all {
		if f.n == 0 && f.rare {
			continue
		}
		style := f.style
		if f.n == 0 || p.stale {
			style = widget.Plain
		}
		if mark := c.Theme.Mark(style); mark != " " {
			c.Text(x, 0, 1, style, mark)
		}
		if f.style != widget.Plain {
			x += 2
		}
		x += c.Text(x, 0, c.W-x, widget.Muted, f.name) + 1
		x += max(c.Text(x, 0, c.W-x, style|widget.Bold, strconv.Itoa(f.n)), tallyWidth) + 1
	}
	return x
}

// tallied is how many cells they take.
func tallied(t *widget.Theme, all []tally) int {
	n := 0
	for _, f := range all {
		if f.n == 0 && f.rare {
			continue
		}
		if f.style != widget.Plain {
			n += 2
		}
		n += t.Width(f.name) + 1 + max(len(strconv.Itoa(f.n)), tallyWidth) + 1
	}
	return n
}

// orgs draws, from x to right, whose some of the rows are, those with the most
// first, as many as fit; and how many there are where none does.
func (p *Requests) orgs(c *widget.Canvas, x, right int, which func(*request) bool) {
	all := p.byOrg(which)
	if len(all) == 0 {
		return
	}
	const most = 16 // cells of a name
	for i, f := range all {
		name, n := clip(c.Theme, f.name, most), strconv.Itoa(f.n)
		more := ""
		if rest := len(all) - i - 1; rest > 0 {
			more = "+" + strconv.Itoa(rest+1)
		}
		if need := 2 + c.Theme.Width(name) + 1 + max(len(n), tallyWidth); x+need+len(more)+1 > right {
			if more == "" {
				more = "+1"
			}
			if i == 0 {
				more = widget.Many(len(all), "org")
				if x+2+len(more)+1 > right {
					return
				}
				c.Text(x, 0, 1, widget.Muted, c.Theme.Dot)
			}
			c.Text(x+2, 0, right-x-2, widget.Muted, more)
			return
		}
		if i == 0 {
			c.Text(x, 0, 1, widget.Muted, c.Theme.Dot)
		}
		x += 2
		x += c.Text(x, 0, right-x, widget.Muted, name) + 1
		x += max(c.Text(x, 0, right-x, widget.Plain, n), tallyWidth) - 1
	}
}

// byOrg counts some of the rows by organisation, the most first.
func (p *Requests) byOrg(which func(*request) bool) []tally {
	at := make(map[string]int)
	var all []tally
	for i := range p.kept {
		r := &p.kept[i]
		if !which(r) {
			continue
		}
		k, ok := at[r.Org]
		if !ok {
			k = len(all)
			at[r.Org] = k
			name := r.Org
			if name == "" {
				name = "no key"
			}
			all = append(all, tally{name: name})
		}
		all[k].n++
	}
	slices.SortFunc(all, func(a, b tally) int { return cmp.Or(b.n-a.n, strings.Compare(a.name, b.name)) })
	return all
}
