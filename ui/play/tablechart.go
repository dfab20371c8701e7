package play

import (
	"math"
	"strconv"
	"strings"
	"time"

	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// chart is a picture of a result: a bar for each row, or a line where the first
// column goes on from row to row, as times do.
type chart struct {
	label, figure int   // columns
	names         []int // columns that name a bar together, label the first of them
	line          bool
	at            []float64 // where the rows lie on a line
	values        []float64 // NaN: not known
	low, high     float64   // of the values; low is at most 0 of bars
	known         int
}

// newChart makes a picture of two columns: a column of numbers, the selected one where
// it has numbers, and one that names or orders them. Where more columns have text all of
// them are the name. nil: there are none such.
func newChart(r *query.Result, selected int) *chart {
	if r == nil || len(r.Columns) < 2 || len(r.Rows) == 0 {
		return nil
	}
	ch := &chart{figure: -1}
	if selected < len(r.Columns) && r.Columns[selected].Numeric && selected > 0 {
		ch.figure = selected
	}
	for i := len(r.Columns) - 1; i > 0 && ch.figure < 0; i-- {
		if r.Columns[i].Numeric {
			ch.figure = i
		}
	}
	switch {
	case ch.figure >= 0:
	case r.Columns[0].Numeric: // the figure stands before its name
		ch.figure, ch.label = 0, 1
	default:
		return nil
	}
	ch.read(r)
	if ch.known == 0 {
		return nil
	}
	ch.names = []int{ch.label}
	for i := range r.Columns {
		if i != ch.label && i != ch.figure && !r.Columns[i].Numeric {
			ch.names = append(ch.names, i)
		}
	}
	ch.line = len(ch.names) == 1 && ch.order(r)
	return ch
}

// text is a cell, of which a number or a time needs no more than this.
func (ch *chart) text(r *query.Result, row, col int) (s string, ok bool) {
	const most = 64
	if col >= len(r.Rows[row]) || r.Rows[row][col].Null {
		return "", false
	}
	return headBytes(r.Rows[row][col].Text, most), true
}

// read reads the figures.
func (ch *chart) read(r *query.Result) {
	ch.values = make([]float64, len(r.Rows))
	for i := range r.Rows {
		v := math.NaN()
		if s, ok := ch.text(r, i, ch.figure); ok {
			if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && !math.IsInf(f, 0) {
				v = f
			}
		}
		ch.values[i] = v
		if math.IsNaN(v) {
			continue
		}
		if ch.known == 0 {
			ch.low, ch.high = v, v
		}
		ch.known++
		ch.low, ch.high = min(ch.low, v), max(ch.high, v)
	}
}

// The forms of times in results.
var timeForms = [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04", "2006-01-02T15", "2006-01-02", "2006-01"}

// order tells whether the rows go on in time or by number, and learns where they lie.
func (ch *chart) order(r *query.Result) bool {
	const least = 3 // points, for a line to tell anything
	if len(r.Rows) < least {
		return false
	}
	ch.at = make([]float64, len(r.Rows))
	form := ""
	up := 0
	for i := range r.Rows {
		s, ok := ch.text(r, i, ch.label)
		if !ok {
			return false
		}
		if r.Columns[ch.label].Numeric {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
				return false
			}
			ch.at[i] = f
		} else {
			var when time.Time
			if when, form, ok = readTime(s, form); !ok {
				return false
			}
			ch.at[i] = float64(when.Unix()) + float64(when.Nanosecond())/1e9
		}
		if i > 0 && ch.at[i] > ch.at[i-1] {
			up++
		}
		if i > 0 && ch.at[i] < ch.at[i-1] {
			up--
		}
	}
	if steps := len(r.Rows) - 1; up != steps && up != -steps {
		return false // numbers that don't go on are names
	}
	return ch.at[0] != ch.at[len(ch.at)-1]
}

// readTime reads a time in the form that the one before had, or in any.
func readTime(s, form string) (time.Time, string, bool) {
	if form != "" {
		t, err := time.Parse(form, s)
		return t, form, err == nil
	}
	for _, f := range timeForms {
		if t, err := time.Parse(f, s); err == nil {
			return t, f, true
		}
	}
	return time.Time{}, "", false
}

// draw draws the picture; off is the first bar.
func (ch *chart) draw(c *widget.Canvas, r *query.Result, off int) {
	if ch.line {
		ch.drawLine(c, r)
		return
	}
	ch.drawBars(c, r, off)
}

// drawBars draws a row for each, with its name, its bar and its figure.
func (ch *chart) drawBars(c *widget.Canvas, r *query.Result, off int) {
	names, figures := leastColumn, leastColumn
	last := min(len(r.Rows), off+c.H)
	for i := off; i < last; i++ {
		names = max(names, min(lineCells(c.Theme, ch.name(r, i), c.W/3), c.W/3))
		s, _ := ch.text(r, i, ch.figure)
		figures = max(figures, min(lineCells(c.Theme, s, c.W/3), c.W/3))
	}
	top := max(math.Abs(ch.low), math.Abs(ch.high))
	bar := c.W - names - figures - 6
	for i := off; i < last; i++ {
		y := i - off
		name, st := ch.name(r, i), widget.Plain
		if _, ok := ch.text(r, i, ch.label); !ok {
			st = widget.Muted
		}
		n, _ := fitCells(c.Theme, name, names+1)
		c.Text(1, y, names, st, name[:n])
		figure, ok := ch.text(r, i, ch.figure)
		if !ok {
			figure = c.Theme.None
		}
		c.Right(names+3, y, figures, widget.Plain, figure)
		style := widget.Fill
		if ch.values[i] < 0 {
			style = widget.Warn // to the other side; the sign says it too
		}
		c.Bar(names+figures+5, y, bar, style, math.Abs(ch.values[i])/max(top, math.SmallestNonzeroFloat64))
	}
}

// name is what a bar is called.
func (ch *chart) name(r *query.Result, row int) string {
	parts := make([]string, len(ch.names))
	for i, col := range ch.names {
		v := query.Value{Null: true}
		if col < len(r.Rows[row]) {
			v = r.Rows[row][col]
		}
		v.Text = headBytes(v.Text, 256)
		parts[i] = shownValue(v)
	}
	return strings.Join(parts, ", ")
}

// heading names the columns that name the bars.
func (ch *chart) heading(cols []query.ResultColumn) string {
	names := make([]string, len(ch.names))
	for i, col := range ch.names {
		names[i] = oneLine(cols[col].Name, 40)
	}
	return strings.Join(names, ", ")
}

// drawLine draws the figures from left to right, with where they begin and end.
func (ch *chart) drawLine(c *widget.Canvas, r *query.Result) {
	base := min(ch.low, 0)
	top := widget.Scale(widget.Series{ch.high - base}, 0)
	upper, lower := trimmedFigure(base+top), trimmedFigure(base)
	gutter := max(lineCells(c.Theme, upper, 12), lineCells(c.Theme, lower, 12)) + 2
	w, h := c.W-gutter-1, c.H-1
	if w < 4 || h < 1 {
		return
	}
	c.Right(0, 0, gutter-1, widget.Muted, upper)
	c.Text(gutter-1, 0, 1, widget.Muted, c.Theme.AxisEnd)
	for y := 1; y < h; y++ {
		c.Text(gutter-1, y, 1, widget.Muted, c.Theme.Vertical)
	}
	if h > 1 {
		c.Right(0, h-1, gutter-1, widget.Muted, lower)
		c.Text(gutter-1, h-1, 1, widget.Muted, c.Theme.AxisEnd)
	}
	c.Graph(gutter, 0, w, h, widget.Plain, ch.samples(2*w, base), top)
	first, last := ch.name(r, 0), ch.name(r, len(r.Rows)-1)
	if ch.at[0] > ch.at[len(ch.at)-1] {
		first, last = last, first
	}
	half := w/2 - 1
	n, _ := fitCells(c.Theme, first, half+1)
	c.Text(gutter, h, half, widget.Muted, first[:n])
	n, _ = fitCells(c.Theme, last, half+1)
	c.Right(gutter+w-half, h, half, widget.Muted, last[:n])
}

// samples are the figures above base at n places from the first to the last, on the
// way between those known.
func (ch *chart) samples(n int, base float64) widget.Series {
	s := make(widget.Series, n)
	last := len(ch.at) - 1
	from, to := ch.at[0], ch.at[last]
	k := 0 // the row before the place
	for i := range s {
		x := from + (to-from)*float64(i)/float64(max(1, n-1))
		for k < last-1 && (to > from) == (ch.at[k+1] <= x) {
			k++
		}
		share := (x - ch.at[k]) / (ch.at[k+1] - ch.at[k])
		share = min(max(share, 0), 1)
		a, b := ch.values[k], ch.values[k+1]
		switch {
		case math.IsNaN(a) && share > 0.99:
			a = b
		case math.IsNaN(b) && share < 0.01:
			b = a
		}
		at := i
		if to < from { // the newest stands first: it is drawn last
			at = n - 1 - i
		}
		s[at] = a + (b-a)*share - base
	}
	return s
}

// trimmedFigure writes a round figure of an axis.
func trimmedFigure(f float64) string {
	if a := math.Abs(f); a >= 1000 && a < 1e15 {
		s := widget.Figure(a)
		if f < 0 {
			s = "-" + s
		}
		return s
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}
