package pane

import (
	"strconv"
	"strings"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// gpuSheet draws all there is of one device in a box of any size: what is wrong,
// its gauges with their history, facts, who is on it, its XIDs.
type gpuSheet struct {
	p      *GPUView
	c      *widget.Canvas
	d      *gpuDevice
	x, y   int
	w, h   int
	picked bool // it is selected

	notes []gpuLine
	facts []gpuFact
}

// From what width on a sheet has two columns, and what its parts take.
const (
	gpuTwoColumns = 110
	gpuLabel      = 7
	gpuFactLabel  = 10
	gpuFactWidth  = 28
	gpuScale      = 4 // cells of a graph's scale
)

// prepare gathers what there is to say.
func (s *gpuSheet) prepare() {
	s.facts = gpuFacts(make([]gpuFact, 0, 32), s.c.Theme, s.d)
	for i := range s.d.found {
		f := &s.d.found[i]
		if f.Kind == gpu.Error { // the list of XIDs tells more
			continue
		}
		style := widget.Warn
		switch {
		case f.Grave:
			style = widget.Bad
		case f.Kind == gpu.Stale:
			style = widget.Unknown
		}
		s.notes = append(s.notes, gpuLine{mark: style, style: style, text: gpuUnnamed(s.d.g, f.Text)})
	}
}

// gpuUnnamed is a finding's text without the device's name, which is above it.
func gpuUnnamed(g *gpu.GPU, text string) string {
	rest, ok := strings.CutPrefix(text, "gpu "+strconv.Itoa(g.Index))
	if ok && g.Host != "" {
		if rest, ok = strings.CutPrefix(rest, " on "); ok {
			rest, ok = strings.CutPrefix(rest, g.Host)
		}
	}
	if !ok {
		return text
	}
	return strings.TrimLeft(rest, ": ")
}

// draw draws the sheet. even tells what others beside it have: at least so many
// rows of notes, and graphs of at most so many.
func (s *gpuSheet) draw(even gpuPlan) {
	s.head(s.y)
	if s.h < 2 || s.w < 4 {
		return
	}
	n := s.plan(even)
	y := s.y + 1
	for i := range min(n.notes, len(s.notes)) {
		s.notes[i].draw(s.c, s.x+1, y+i, s.w-1)
	}
	y += n.notes
	x, w := s.x, s.w
	if left, right := s.columns(); right > 0 {
		s.gauges(x, y, left, n)
		x, w = x+left+gpuCardGap, right
	} else {
		y = s.gauges(x, y, w, n)
	}
	y = s.drawFacts(x, y, w, n)
	y = s.people(x, y, w, n.people)
	s.xids(x, y, w, n.xids)
}

// columns is how wide the gauges are and what stands beside them; 0: nothing.
func (s *gpuSheet) columns() (left, right int) {
	if s.w < gpuTwoColumns {
		return s.w, 0
	}
	left = min(s.w*5/9, s.w-2*gpuFactWidth-gpuCardGap)
	return left, s.w - left - gpuCardGap
}

// head draws a rule with the device's name, what slows it, and how it is.
func (s *gpuSheet) head(y int) {
	c, d, g := s.c, s.d, s.d.g
	for x := s.x; x < s.x+s.w; x++ {
		c.Text(x, y, 1, widget.Muted, c.Theme.Horizontal)
	}
	x, end := s.x+1, s.x+s.w-1
	put := func(style widget.Style, text string) { x += c.Text(x, y, max(0, end-x), style, text) }
	if s.picked {
		put(widget.Plain, c.Theme.Pointer)
	} else {
		put(widget.Plain, " ")
	}
	put(d.state, c.Theme.Mark(d.state)+" ")
	put(widget.Bold, place(g)+" "+short(g.Name)+" ")
	if g.Serves != "" {
		put(widget.Plain, " "+gpuClip(g.Serves, 40)+" ")
	}
	s.badges(put)
	state := d.note
	if held := strings.Join((g.Throttle & gpuHeld).Reasons(), ", "); state == held {
		state = "" // the badges say so
	}
	if n := c.Theme.Width(gpuClip(state, s.w)) + 2; state != "" && x+n <= end {
		c.Text(end-n, y, n, d.state, " "+state+" ")
	}
	if s.picked && s.p.focus && s.p.grid > 0 {
		c.Mark(s.x, y, s.w, widget.Selected)
	}
}

// badges are the reasons why the device runs below its clock.
func (s *gpuSheet) badges(put func(widget.Style, string)) {
	d := s.d
	for i, r := range d.g.Throttle.Reasons() {
		style := widget.Muted
		if i < len((d.g.Throttle&gpuHeld).Reasons()) && d.style == widget.Plain { // those come first
			style = widget.Warn
		}
		put(widget.Plain, " ")
		put(style|widget.Inverse, " "+r+" ")
		put(widget.Plain, " ")
	}
}

// gpuBelow tells whether a fact has a place below its gauge, of which each has so
// many rows.
func gpuBelow(facts []gpuFact, i, each int) bool {
	f := &facts[i]
	if f.of == 0 {
		return false
	}
	before := 0
	for k := range i {
		if facts[k].of == f.of {
			before++
		}
	}
	return before < each-1
}

// factRows is how many rows the facts fill that have no other place.
func (s *gpuSheet) factRows(each int) int {
	n, across := 0, s.across()
	for i := range s.facts {
		if !gpuBelow(s.facts, i, each) {
			n++
		}
	}
	return (n + across - 1) / across
}

// across is how many facts stand side by side.
func (s *gpuSheet) across() int {
	left, right := s.columns()
	if right > 0 {
		return max(1, right/gpuFactWidth)
	}
	return max(1, left/gpuFactWidth)
}

// drawFacts draws as many facts as fit, row by row; the last has the rest of its row.
func (s *gpuSheet) drawFacts(x, y, w int, plan gpuPlan) int {
	n, across, last := 0, s.across(), len(s.facts)-1
	for i := range s.facts {
		if n == plan.facts*across {
			break
		}
		if gpuBelow(s.facts, i, plan.each) {
			continue
		}
		from, to := gpuShareOut(w, across, n%across)
		if i == last {
			to = w // a uuid needs it
		}
		s.fact(x+from+1, y+n/across, to-from-2, &s.facts[i])
		n++
	}
	return y + plan.facts
}

// fact draws one, in w cells.
func (s *gpuSheet) fact(x, y, w int, f *gpuFact) {
	c := s.c
	c.Text(x, y, min(gpuFactLabel, w), widget.Muted, f.label)
	text, style := f.text, f.style
	switch {
	case text == "":
		text, style = c.Theme.None, widget.Muted
	case text == gpuUnsupported:
		style = widget.Muted
	case f.at.IsZero():
	case s.d.style != widget.Plain:
		if style == widget.Plain {
			style = s.d.style
		}
	default:
		if age := s.p.now.Sub(f.at); age >= gpuLate {
			text, style = text+" "+widget.Age(age)+" ago", widget.Muted
		}
	}
	c.Text(x+gpuFactLabel, y, w-gpuFactLabel, style, text)
}

func (s *gpuSheet) people(x, y, w, rows int) int {
	if rows > 0 {
		// Marks stand before the column of the facts' values.
		s.c.Text(x+1, y, gpuLabel-1, widget.Muted, "on it")
		s.d.people(s.c, x+gpuFactLabel-1, y, w-gpuFactLabel, rows, s.p.now)
	}
	return y + rows
}

func (s *gpuSheet) xids(x, y, w, rows int) {
	if rows <= 0 {
		return
	}
	s.c.Text(x+1, y, gpuLabel-1, widget.Muted, "xids")
	room := w - gpuFactLabel
	for i, l := range gpuXIDLines(s.c.Theme, s.d, s.p.now, room, rows) {
		l.draw(s.c, x+gpuFactLabel-1, y+i, room)
	}
}
