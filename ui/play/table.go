package play

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// table shows a result's rows. Whatever a result holds, drawing it costs what is
// visible of it.
type table struct {
	keys  pane.Scrolling
	theme *widget.Theme
	res   *query.Result // nil: none

	row, col int   // selected
	top      int   // the first row shown
	left     int   // the first column shown, besides a fixed one
	fixed    bool  // the first column stays where it is
	widths   []int // cells by column, of what has been seen of it: columns only grow while one scrolls
	h, w     int   // rows and cells of the last drawing
}

// tableColumn is where a column came to lie.
type tableColumn struct{ at, x, w int }

// take shows another result, from its first cell on.
func (t *table) take(res *query.Result) {
	if res == t.res {
		return
	}
	t.res, t.row, t.col, t.top, t.left = res, 0, 0, 0, 0
	t.widths = nil
	if res != nil {
		t.widths = make([]int, len(res.Columns))
	}
}

// empty tells whether there is nothing to select.
func (t *table) empty() bool {
	return t.res == nil || len(t.res.Rows) == 0 || len(t.res.Columns) == 0
}

// value is a cell; a row that is short of columns has NULLs.
func (t *table) value(row, col int) query.Value {
	if t.res == nil || row >= len(t.res.Rows) || col >= len(t.res.Rows[row]) {
		return query.Value{Null: true}
	}
	return t.res.Rows[row][col]
}

// press applies a key, and tells whether it was one of the table's.
func (t *table) press(k tea.KeyPressMsg) bool {
	if t.empty() {
		return false
	}
	page := max(1, t.h-1)
	switch {
	case key.Matches(k, t.keys.Up):
		t.row--
	case key.Matches(k, t.keys.Down):
		t.row++
	case key.Matches(k, t.keys.PageUp):
		t.row -= page
	case key.Matches(k, t.keys.PageDown):
		t.row += page
	case key.Matches(k, t.keys.Top):
		t.row = 0
	case key.Matches(k, t.keys.Bottom):
		t.row = len(t.res.Rows) - 1
	case key.Matches(k, t.keys.Left):
		t.col--
	case key.Matches(k, t.keys.Right):
		t.col++
	default:
		return false
	}
	t.settle()
	return true
}

// settle keeps the selected cell one that there is, in the window.
func (t *table) settle() {
	h := max(1, t.h)
	t.row = max(0, min(t.row, len(t.res.Rows)-1))
	t.col = max(0, min(t.col, len(t.res.Columns)-1))
	t.top = max(t.top, t.row-h+1)
	t.top = max(0, min(t.top, t.row, len(t.res.Rows)-h))
}

// Cells that columns take.
const (
	tableGap    = 2
	leastColumn = 4
	mostColumn  = 44 // unless there is room left
)

// measure is the cells that a column needs, of most, for its head and the rows shown.
func (t *table) measure(col, most int) int {
	n := max(lineCells(t.theme, t.res.Columns[col].Name, most), leastColumn)
	for i := t.top; i < min(t.top+t.h, len(t.res.Rows)) && n < most; i++ {
		n = max(n, lineCells(t.theme, shownValue(t.value(i, col)), most))
	}
	return min(n, most)
}

// width is the cells of a column.
func (t *table) width(col int) int {
	most := max(leastColumn, min(mostColumn, t.w-2))
	t.widths[col] = max(min(t.widths[col], most), t.measure(col, most))
	return t.widths[col]
}

// lay places the columns in the window, so that the selected one is in it.
func (t *table) lay() []tableColumn {
	first := 0
	if t.fixed {
		first = 1
	}
	t.left = max(first, t.left)
	if t.col < t.left && t.col >= first {
		t.left = t.col
	}
	if !t.fixed {
		t.left = min(t.left, t.col)
	}
	for {
		cols := t.from()
		last := cols[len(cols)-1]
		if t.col < t.left || t.left >= t.col || last.at > t.col || last.at == t.col && last.w >= t.widths[last.at] {
			return t.stretch(cols)
		}
		t.left++
	}
}

// from places columns from the first one shown on.
func (t *table) from() []tableColumn {
	var cols []tableColumn
	x := 1
	add := func(col int) bool {
		w := t.width(col)
		room := t.w - x
		if len(cols) > 0 && room < min(w, leastColumn+2) {
			return false
		}
		cols = append(cols, tableColumn{col, x, max(0, min(w, room))})
		x += w + tableGap
		return x < t.w
	}
	if t.fixed && !add(0) {
		return cols
	}
	for col := t.left; col < len(t.res.Columns) && add(col); col++ {
	}
	return cols
}

// stretch gives the cells that are left over to columns that are wider than they
// were made.
func (t *table) stretch(cols []tableColumn) []tableColumn {
	last := &cols[len(cols)-1]
	free := t.w - last.x - last.w
	if last.at != len(t.res.Columns)-1 {
		return cols
	}
	for i := range cols {
		if c := &cols[i]; free > 0 && t.widths[c.at] >= mostColumn {
			more := t.measure(c.at, c.w+free) - c.w
			c.w += more
			for j := i + 1; j < len(cols); j++ {
				cols[j].x += more
			}
			free -= more
		}
	}
	return cols
}

// draw draws the head and as many rows as there is room for.
func (t *table) draw(c *widget.Canvas, focused bool) {
	t.theme, t.w, t.h = c.Theme, c.W, max(0, c.H-1)
	if t.res == nil || len(t.res.Columns) == 0 || c.W < 2 || c.H < 1 {
		return
	}
	t.settleIfAny()
	cols := t.lay()
	for _, k := range cols {
		st := widget.Muted
		if k.at == t.col && focused {
			st = widget.Bold
		}
		t.cell(c, 0, k, st, t.res.Columns[k.at].Name)
	}
	if t.fixed && len(cols) > 1 {
		for y := range c.H {
			c.Text(cols[1].x-tableGap, y, 1, widget.Muted, c.Theme.Vertical)
		}
	}
	if last := cols[len(cols)-1]; last.at < len(t.res.Columns)-1 && c.W > 2 {
		c.Text(c.W-1, 0, 1, widget.Muted, c.Theme.Arrow)
	}
	for i := range min(t.h, len(t.res.Rows)-t.top) {
		t.drawRow(c, 1+i, t.top+i, cols, focused)
	}
}

func (t *table) settleIfAny() {
	if !t.empty() {
		t.settle()
	}
}

func (t *table) drawRow(c *widget.Canvas, y, row int, cols []tableColumn, focused bool) {
	for _, k := range cols {
		v := t.value(row, k.at)
		st := widget.Plain
		if v.Null {
			st = widget.Muted
		}
		t.cell(c, y, k, st, shownValue(v))
	}
	if row != t.row {
		return
	}
	c.Text(0, y, 1, widget.Plain, c.Theme.Pointer)
	if !focused {
		return
	}
	c.Mark(0, y, c.W, widget.Selected)
	for _, k := range cols {
		if k.at == t.col {
			c.Mark(k.x, y, k.w, widget.Inverse)
		}
	}
}

// cell draws a field, numbers at the right. Of a text no more is read than is drawn.
func (t *table) cell(c *widget.Canvas, y int, k tableColumn, st widget.Style, text string) {
	n, used := fitCells(c.Theme, text, k.w+1)
	text = text[:n]
	if t.res.Columns[k.at].Numeric && used <= k.w {
		c.Text(k.x+k.w-used, y, used, st, text)
		return
	}
	if strings.IndexByte(text, '\t') >= 0 {
		text = untabbed(text)
	}
	c.Text(k.x, y, k.w, st, text)
}

// shownValue is a cell's text. A text that reads NULL stands in quotes, so that it is
// told from none where there is no colour.
func shownValue(v query.Value) string {
	switch {
	case v.Null:
		return "NULL"
	case len(v.Text) == 4 && strings.EqualFold(v.Text, "null"):
		return `"` + v.Text + `"`
	}
	return v.Text
}

// cellText is the selected cell as the database gave it; ok: there is one.
func (t *table) cellText() (text string, ok bool) {
	if t.empty() {
		return "", false
	}
	return t.value(t.row, t.col).Text, true
}

// rowText is the selected row, its cells set apart by tabs: what would be taken for
// the end of one is a blank.
func (t *table) rowText() string {
	var b strings.Builder
	for col := range t.res.Columns {
		if col > 0 {
			b.WriteByte('\t')
		}
		b.WriteString(strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(t.value(t.row, col).Text))
	}
	return b.String()
}
