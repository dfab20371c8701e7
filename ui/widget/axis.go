package widget

import "time"

// Mark is a moment on a time axis.
type Mark struct {
	At    time.Time
	Style Style
	Glyph string // one cell, from the theme or of ASCII
}

// EventMarks draws marks on the row y of a time axis: that of a graph of w cells
// with two samples of step seconds each, the last of them at end. Marks older
// than the graph are left out, one a sample ahead of its end is drawn there. Of
// several in one cell the gravest is drawn, then the newest. A label that a mark
// would cut goes whole.
func (c *Canvas) EventMarks(x, y, w, step int, end time.Time, marks []Mark) {
	if y < 0 || y >= c.H || w <= 0 || step <= 0 || len(marks) == 0 {
		return
	}
	best := make([]int, w) // by cell, an index into marks plus 1; 0: none
	last := end.Unix() / int64(step)
	for i := range marks {
		m := &marks[i]
		back := last - m.At.Unix()/int64(step) // in samples
		if back == -1 {
			back = 0
		}
		if back < 0 || back >= 2*int64(w) {
			continue
		}
		at := &best[w-1-int(back/2)]
		if *at == 0 || graver(m, &marks[*at-1]) {
			*at = i + 1
		}
	}
	for i, k := range best {
		if k > 0 {
			c.eraseWord(x+i, y, x, x+w)
		}
	}
	for i, k := range best {
		if k > 0 {
			m := &marks[k-1]
			c.Text(x+i, y, 1, m.Style, m.Glyph)
		}
	}
}

// graver tells whether a mark is to be drawn rather than another.
func graver(a, b *Mark) bool {
	if ga, gb := gravity(a.Style), gravity(b.Style); ga != gb {
		return ga > gb
	}
	return a.At.After(b.At)
}

func gravity(s Style) int {
	switch s & meaning {
	case Bad:
		return 4
	case Warn:
		return 3
	case Unknown:
		return 2
	case Good:
		return 1
	}
	return 0
}

// eraseWord blanks what is drawn at a cell and right beside it, up to a gap of two
// blanks, within from and to.
func (c *Canvas) eraseWord(x, y, from, to int) {
	from, to = max(from, 0), min(to, c.W)
	if x < from || x >= to {
		return
	}
	row := c.cells[y*c.W : (y+1)*c.W]
	blank := func(i int) bool { return i < from || i >= to || row[i].text == "" || row[i].text == " " }
	if blank(x) && blank(x-1) && blank(x+1) {
		return // there is none
	}
	first, last := x, x
	for first > from && !(blank(first-1) && blank(first-2)) {
		first--
	}
	for last < to-1 && !(blank(last+1) && blank(last+2)) {
		last++
	}
	for i := first; i <= last; i++ {
		row[i] = cell{}
	}
}

// ages are the distances between labels on a time axis.
var ages = [...]time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour,
}

// labelled is the cells that a label on the time axis and the gap behind it want.
const labelled = 12

// AgeAxis draws the time axis of a graph of w cells with two samples of step
// seconds each: a tick with its age at round ages, and last, "now" say, at the
// right end.
func (c *Canvas) AgeAxis(x, y, w, step int, last string) {
	if w <= 0 || step <= 0 {
		return
	}
	t := c.Theme
	c.Right(x, y, w, Muted, last)
	perCell := time.Duration(2*step) * time.Second
	by := ages[len(ages)-1]
	for _, a := range ages {
		if a >= labelled*perCell {
			by = a
			break
		}
	}
	end := w - t.Width(last) - 1
	for age := by; ; age += by {
		at := w - int((age+perCell/2)/perCell)
		if at < 0 {
			return
		}
		if label := t.Tick + Age(age); at+t.Width(label) < end {
			c.Text(x+at, y, w-at, Muted, label)
		}
	}
}
