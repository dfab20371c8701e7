package play

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/ask"
	"pilothouse/ui/pane"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// tree is the sources, and of the one in use its tables and their columns.
type tree struct {
	keys   pane.Scrolling
	open   map[string]bool // tables, by source and name, that were opened or closed
	roomy  bool            // there is room for all columns: the other tables are open
	snap   *ask.Snapshot
	narrow *editor // what tables and columns have to have in their names
	typing bool    // in narrow
	rows   []treeRow
	index  int // selected
	off, h int
	note   string // why there are no tables
}

// treeRow is a line of the tree.
type treeRow struct {
	source string
	table  *query.Table  // nil: it is a source
	column *query.Column // nil: it is a table
	open   bool
}

func newTree(keys pane.Scrolling, t *widget.Theme) *tree {
	return &tree{keys: keys, open: make(map[string]bool), narrow: newEditor(t, true, 200)}
}

func openKey(source, table string) string { return source + "\x00" + table }

// take makes the rows anew, and keeps the selected one.
func (t *tree) take(s *ask.Snapshot) {
	var was treeRow
	if t.index < len(t.rows) {
		was = t.rows[t.index]
	}
	t.rows, t.note, t.snap = t.rows[:0], "", s
	want := strings.ToLower(t.narrow.text())
	for _, source := range s.Sources {
		t.rows = append(t.rows, treeRow{source: source, open: source == s.Source})
		if source != s.Source {
			continue
		}
		switch {
		case s.Schema == nil && s.Doing == ask.LookingUp:
			t.note = "looking up the tables"
		case s.Schema == nil:
			t.note = "its tables are not known"
		case len(s.Schema.Tables) == 0:
			t.note = "it has no tables"
		default:
			t.tables(source, s.Schema, want)
		}
	}
	if was.source == "" {
		return
	}
	for i := range t.rows {
		if r := &t.rows[i]; r.same(&was) {
			t.index = i
			return
		}
	}
	t.index = max(0, min(t.index, len(t.rows)-1))
}

// same tells whether two rows are of the same thing, in whichever schema.
func (r *treeRow) same(o *treeRow) bool {
	return r.source == o.source && (r.table == nil) == (o.table == nil) && (r.column == nil) == (o.column == nil) &&
		(r.table == nil || r.table.Name == o.table.Name) && (r.column == nil || r.column.Name == o.column.Name)
}

// tables adds those that match, with the columns of the open ones.
func (t *tree) tables(source string, schema *query.Schema, want string) {
	for i := range schema.Tables {
		table := &schema.Tables[i]
		named := strings.Contains(strings.ToLower(table.Name), want)
		var columns []treeRow
		open, told := t.open[openKey(source, table.Name)]
		if !told {
			open = t.roomy
		}
		for j := range table.Columns {
			c := &table.Columns[j]
			found := want != "" && strings.Contains(strings.ToLower(c.Name), want)
			if open && named || found {
				columns = append(columns, treeRow{source: source, table: table, column: c})
			}
		}
		if named || len(columns) > 0 {
			t.rows = append(t.rows, treeRow{source: source, table: table, open: len(columns) > 0})
			t.rows = append(t.rows, columns...)
		}
	}
}

// at is the selected row; nil: there is none.
func (t *tree) at() *treeRow {
	if t.index < len(t.rows) {
		return &t.rows[t.index]
	}
	return nil
}

// press applies a key that moves.
func (t *tree) press(k tea.KeyPressMsg) bool {
	page := max(1, t.h-1)
	to := t.index
	switch {
	case key.Matches(k, t.keys.Up):
		to--
	case key.Matches(k, t.keys.Down):
		to++
	case key.Matches(k, t.keys.PageUp):
		to -= page
	case key.Matches(k, t.keys.PageDown):
		to += page
	case key.Matches(k, t.keys.Top):
		to = 0
	case key.Matches(k, t.keys.Bottom):
		to = len(t.rows) - 1
	default:
		return false
	}
	t.index = max(0, min(to, len(t.rows)-1))
	return true
}

// fold opens or closes what is selected: a table, or with a column its table.
func (t *tree) fold(open bool, s *ask.Snapshot) {
	r := t.at()
	if r == nil || r.table == nil {
		return
	}
	if r.column != nil && !open {
		for t.index > 0 && t.rows[t.index].column != nil {
			t.index--
		}
	}
	t.open[openKey(r.source, r.table.Name)] = open
	t.take(s)
}

// draw draws the rows, and below them what is known of the selected one.
func (t *tree) draw(c *widget.Canvas, focused bool) {
	y := 0
	if t.typing || !t.narrow.empty() {
		st := widget.Muted
		if t.typing {
			st = widget.Focused
		}
		c.Text(0, 0, c.W, st, "/")
		t.narrow.draw(c, 1, 0, c.W-1, 1, editorLook{focused: t.typing, wrong: -1})
		y++
	}
	t.makeRoom(c.H - aboutRows)
	about := t.about(c)
	t.h = max(0, c.H-y-len(about))
	t.off = max(t.off, t.index-t.h+1)
	t.off = max(0, min(t.off, t.index, len(t.rows)-t.h))
	for i := range min(t.h, len(t.rows)-t.off) {
		t.drawRow(c, y+i, &t.rows[t.off+i], focused && !t.typing && t.off+i == t.index)
	}
	if n := len(t.rows); t.note != "" && n < t.h {
		c.Text(2, y+n, c.W-2, widget.Muted, t.note)
	}
	for i, line := range about {
		c.Text(1, c.H-len(about)+i, c.W-1, widget.Muted, line)
	}
}

// aboutRows is the most that is told of the selected row, in rows.
const aboutRows = 4

// makeRoom opens the tables nobody has opened or closed where all have room in h rows.
func (t *tree) makeRoom(h int) {
	if t.snap == nil || t.snap.Schema == nil {
		return
	}
	n := len(t.snap.Sources)
	for i := range t.snap.Schema.Tables {
		n += 1 + len(t.snap.Schema.Tables[i].Columns)
	}
	if roomy := n <= h; roomy != t.roomy {
		t.roomy = roomy
		t.take(t.snap)
	}
}

// about are the lines that tell of the selected row.
func (t *tree) about(c *widget.Canvas) []string {
	r := t.at()
	if r == nil || r.table == nil || c.H < 12 {
		return nil
	}
	text := r.table.About
	if r.column != nil {
		text = r.column.About
		if r.column.NotNull && !r.column.PrimaryKey {
			text = strings.TrimSuffix("not null, "+text, ", ")
		}
		if text == "" {
			text = columnNote(r.column)
		}
	}
	if text == "" {
		return nil
	}
	lines, _ := wrapped(c.Theme, oneLine(text, 1024), max(1, c.W-1), aboutRows-1)
	return append([]string{""}, lines...)
}

func (t *tree) drawRow(c *widget.Canvas, y int, r *treeRow, selected bool) {
	x, name, note := 0, r.source, ""
	st := widget.Bold
	switch {
	case r.column != nil:
		x, name, note, st = 4, r.column.Name, columnNote(r.column), widget.Plain
	case r.table != nil:
		x, name, st = 1, r.table.Name, widget.Plain
		mark := "+"
		if r.open {
			mark = "-"
		}
		c.Text(x, y, 1, widget.Muted, mark)
		x += 2
		switch {
		case r.table.Rows >= 0:
			note = widget.Amount(r.table.Rows)
		case r.table.View:
			note = "view"
		default:
			note = c.Theme.None
		}
	case !r.open:
		st = widget.Muted
	}
	if r.column != nil && r.column.References != "" && x+lineCells(c.Theme, name, c.W)+lineCells(c.Theme, note, c.W) >= c.W {
		table, _, _ := strings.Cut(headBytes(r.column.References, 64), "(")
		note = "> " + table // where it leads is worth more than its type
	}
	used := lineCells(c.Theme, name, c.W)
	n := min(lineCells(c.Theme, note, c.W), max(0, c.W-x-used-1))
	front, _ := fitCells(c.Theme, name, max(0, c.W-x)+1)
	c.Text(x, y, c.W-x, st, name[:front])
	if n > 1 || n == c.Theme.Width(note) {
		c.Right(c.W-n, y, n, widget.Muted, note)
	}
	if selected {
		c.Mark(0, y, c.W, widget.Selected)
		if x > 0 {
			c.Text(0, y, 1, widget.Selected, c.Theme.Pointer)
		}
	}
}
