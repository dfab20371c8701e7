package ui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// formWidth is that of a form, inputWidth that of what is typed in it, and
// shortInput the least of that which hints leave.
const (
	formWidth  = 80
	inputWidth = 34
	shortInput = 12
)

// view has blank lines around what it tells, what it asks and its buttons, as far
// as there is room. Where there is none, what it tells is cut, and what is worst
// stays.
func (f *form) view(t *widget.Theme, w, h int) string {
	bw := inset(w, formWidth)
	told, wrong := f.told(t, bw-6), f.complaint(t, bw-8)
	asked := len(f.fields) + len(wrong)
	free := max(0, h-2-asked-1) // rows that are left to tell, and for blank lines
	if len(told) > free {
		told = direst(t, told, free)
	}
	gap := gaps(free-len(told), len(told) > 0 && asked > 0)
	bh := min(h, gap.rows+len(told)+asked+1+2)
	c := widget.NewCanvas(t, bw-2, bh-2)
	y := gap.above
	for _, l := range told {
		l.draw(c, y)
		y++
	}
	y = f.ask(c, y+gap.between)
	for i, l := range wrong {
		if i == 0 {
			c.Text(0, y, 1, widget.Bad, t.Bad)
		}
		c.Text(2, y, c.W-3, widget.Bad, l)
		y++
	}
	f.buttons(c, min(y+gap.before, c.H-1))
	note := ""
	if f.looking {
		note = "looking"
	}
	return widget.Box(t, bw, bh, true, widget.Title{Name: f.title, Note: note}, c.String())
}

// blanks are the blank lines of a form.
type blanks struct{ above, between, before, rows int }

// gaps shares so many rows out, those first that are worth most: the one before
// the buttons, the one between what is told and what is asked, if there is both,
// that above all, and that below.
func gaps(rows int, both bool) (g blanks) {
	for _, of := range []*int{&g.before, &g.between, &g.above, new(int)} {
		if g.rows >= rows || of == &g.between && !both {
			continue
		}
		*of = 1
		g.rows++
	}
	return g
}

// toldLine is a line of what a form tells.
type toldLine struct {
	factLine
	grade tellGrade
	mark  string
}

// tellGrade is how much a line is worth where there is no room for all, the most
// first.
type tellGrade int

const (
	tellGrave tellGrade = iota // nobody would be left to serve
	tellFact
	tellWhat // which containers it is about, say: the title has their name
)

// told is what will come of it, in lines of w cells.
func (f *form) told(t *widget.Theme, w int) (lines []toldLine) {
	facts, grade := f.facts, tellWhat
	if f.tell != nil {
		facts = f.tell()
	}
	for _, l := range factLines(t, facts, w) {
		mark := ""
		if l.label != "" {
			if grade = tellFact; l.grave {
				grade, mark = tellGrave, t.Bad
			}
		}
		lines = append(lines, toldLine{l, grade, mark})
	}
	return lines
}

// direst are n of some lines, the gravest first; the last one shows that there are
// more.
func direst(t *widget.Theme, lines []toldLine, n int) []toldLine {
	lines = slices.Clone(lines)
	slices.SortStableFunc(lines, func(a, b toldLine) int { return cmp.Compare(a.grade, b.grade) })
	if lines = lines[:n]; n > 0 {
		lines[n-1].text += t.Ellipsis
	}
	return lines
}

func (l *toldLine) draw(c *widget.Canvas, y int) {
	label, text := widget.Muted, widget.Plain
	if l.grade == tellGrave {
		label, text = widget.Bad, widget.Bad
	}
	c.Text(0, y, 1, text, l.mark)
	c.Text(2, y, max(0, l.at-2), label, l.label)
	c.Text(2+l.at, y, c.W-3-l.at, text, l.text)
}

// complaint is why it can't be done as it stands, in lines of w cells.
func (f *form) complaint(t *widget.Theme, w int) []string {
	if f.wrong == "" {
		return nil
	}
	return strings.Split(ansi.Wrap(widget.Clean(f.wrong, t.ASCII()), max(1, w), ""), "\n")
}

// ask draws the fields from a row on, as many as the buttons leave room for, with
// the one that has the focus, and returns the row below them.
func (f *form) ask(c *widget.Canvas, y int) int {
	label, room := 0, inputWidth
	for _, fi := range f.fields {
		label = max(label, c.Theme.Width(widget.Clean(fi.label, c.Theme.ASCII())))
	}
	for _, fi := range f.fields { // a hint is worth more than room for a long text
		room = min(room, max(shortInput, c.W-label-11-c.Theme.Width(fi.hint)))
	}
	n := min(len(f.fields), max(0, c.H-1-y))
	from := max(0, min(f.at+1, len(f.fields))-n)
	if f.at >= len(f.fields) {
		from = len(f.fields) - n // the name that has to be typed is the last one
	}
	for i := from; i < from+n; i++ {
		fi, focused := f.fields[i], f.at == i
		style := widget.Muted
		if focused {
			style = widget.Focused
			c.Text(0, y, 1, style, c.Theme.Pointer)
		}
		c.Text(2, y, label, style, fi.label)
		fi.draw(c, 2+label+2, y, room, focused)
		y++
	}
	return y
}

// draw shows a field between brackets that are w cells apart, with its hint where
// that fits, or how far the name is that has to be typed.
func (fi *field) draw(c *widget.Canvas, x, y, w int, focused bool) {
	w = min(w, c.W-x-4)
	if w < 1 {
		return
	}
	st := widget.Plain
	if focused {
		st = widget.Focused
	}
	c.Text(x, y, 1, st, "[")
	fi.in.draw(c, x+2, y, w, widget.Plain, focused)
	c.Text(x+w+3, y, 1, st, "]")
	hint, style := fi.hint, widget.Muted
	if typed := fi.typed(); fi.must != "" && typed != "" {
		switch {
		case typed == fi.must:
			hint, style = c.Theme.Good+" right", widget.Good
		case !strings.HasPrefix(fi.must, typed):
			hint, style = c.Theme.Bad+" not its name", widget.Bad
		}
	}
	if room := c.W - x - w - 6; c.Theme.Width(hint) <= room {
		c.Text(x+w+5, y, room, style, hint)
	}
}

// labels are those of the buttons.
func (f *form) labels() []string {
	labels := []string{"Cancel", f.verb}
	if f.no != "" {
		labels[0] = f.no
	}
	if f.more != "" {
		labels = append(labels, f.more)
	}
	return labels
}

// buttons draws them; that which does it is faint until it can.
func (f *form) buttons(c *widget.Canvas, y int) {
	x := 2
	for i, label := range f.labels() {
		style, text := widget.Plain, "  "+label+"  "
		switch {
		case f.at == len(f.fields)+i:
			style, text = widget.Focused|widget.Inverse, "> "+label+" <"
		case i == 1 && !f.ready():
			style = widget.Muted
		}
		x += c.Text(x, y, c.W-x, style, text) + 3
	}
}
