package play

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
)

// local does what a key means to the part that has the keys; false: nothing.
func (p *SQL) local(k tea.KeyPressMsg) bool {
	enter := key.Matches(k, p.keys.Enter)
	switch p.at {
	case atQuestion:
		if enter {
			p.typing = true
		}
		return enter
	case atSQL:
		return p.localSQL(k, enter)
	case atSchema:
		return p.localSchema(k, enter)
	case atShelf:
		return p.localShelf(k, enter)
	}
	return p.localRows(k, enter)
}

func (p *SQL) localSQL(k tea.KeyPressMsg, enter bool) bool {
	s := p.keys.Scrolling
	e := p.statement
	switch {
	case enter:
		p.typing = true
	case key.Matches(k, p.keys.Copy):
		p.copy("the SQL", e.text())
	case key.Matches(k, s.Up):
		e.vertical(-1)
	case key.Matches(k, s.Down):
		e.vertical(1)
	case key.Matches(k, s.PageUp):
		e.vertical(-8)
	case key.Matches(k, s.PageDown):
		e.vertical(8)
	case key.Matches(k, s.Top):
		e.move("ctrl+home")
	case key.Matches(k, s.Bottom):
		e.move("ctrl+end")
	default:
		return false
	}
	return true
}

func (p *SQL) localSchema(k tea.KeyPressMsg, enter bool) bool {
	r := p.tree.at()
	switch {
	case p.tree.press(k):
	case key.Matches(k, p.keys.Narrow):
		p.tree.typing = true
	case r == nil:
		return false
	case enter && r.table == nil:
		p.use(r.source)
	case enter && r.column == nil:
		p.tree.fold(!r.open, p.snap)
	case enter:
		p.tree.fold(false, p.snap)
	case key.Matches(k, p.keys.Insert):
		p.insertName(r)
	case key.Matches(k, p.keys.Right):
		p.tree.fold(true, p.snap)
	case key.Matches(k, p.keys.Left):
		p.tree.fold(false, p.snap)
	case key.Matches(k, p.keys.Copy):
		p.copy("the name", r.name())
	default:
		return false
	}
	return true
}

// name is what a row of the tree is called.
func (r *treeRow) name() string {
	switch {
	case r.column != nil:
		return r.column.Name
	case r.table != nil:
		return r.table.Name
	}
	return r.source
}

// insertName puts a table's or column's name into the SQL.
func (p *SQL) insertName(r *treeRow) {
	if r.table == nil {
		return
	}
	c := completing{kind: p.snap.Kind}
	name := c.quoted(r.table.Name)
	if r.column != nil {
		name = c.quotedPart(r.column.Name)
	}
	if wordEnd(p.statement.lines[p.statement.row][:p.statement.col]) {
		name = " " + name
	}
	p.statement.insert(name)
	p.say("put into the SQL at its cursor")
}

func (p *SQL) localShelf(k tea.KeyPressMsg, enter bool) bool {
	sh := &p.shelf
	switch {
	case sh.press(k):
	case enter && sh.name() != "":
		p.sheet.Load(sh.name())
		p.at = atSQL
	case enter && sh.count() > 0:
		p.sheet.Recall(sh.index - len(sh.saved))
		p.at = atSQL
	case key.Matches(k, p.keys.Forget) && sh.name() != "":
		p.say("%s is forgotten", oneLine(sh.name(), 64))
		p.sheet.Forget(sh.name())
	default:
		return false
	}
	return true
}

func (p *SQL) localRows(k tea.KeyPressMsg, enter bool) bool {
	switch {
	case p.lower == lowerChart:
		return p.localChart(k)
	case p.lower == lowerPlan:
		return p.scrollPlan(k)
	case p.lower != lowerRows:
		return p.text != nil && p.text.press(p.pic.theme, k)
	case p.rows.empty():
		return p.localSuggested(k, enter)
	case enter:
		p.openCell()
	case key.Matches(k, p.keys.Copy):
		text, _ := p.rows.cellText()
		p.copy("the cell", text)
	case key.Matches(k, p.keys.CopyRow):
		p.copy("the row", p.rows.rowText())
	case key.Matches(k, p.keys.Fix):
		p.rows.fixed = !p.rows.fixed
	default:
		return p.rows.press(k)
	}
	return true
}

// localSuggested chooses among the questions to begin with.
func (p *SQL) localSuggested(k tea.KeyPressMsg, enter bool) bool {
	list := p.suggested()
	switch {
	case len(list) == 0:
		return false
	case enter:
		p.question.set(list[p.pick])
		p.ask()
	case key.Matches(k, p.keys.Up):
		p.pick = max(0, p.pick-1)
	case key.Matches(k, p.keys.Down):
		p.pick = min(p.pick+1, len(list)-1)
	default:
		return false
	}
	return true
}

// localChart scrolls bars.
func (p *SQL) localChart(k tea.KeyPressMsg) bool {
	n, page := 0, max(1, p.rows.h)
	if p.rows.res != nil {
		n = len(p.rows.res.Rows)
	}
	return scrolled(k, p.keys.Scrolling, &p.chartOff, n, page)
}

func (p *SQL) scrollPlan(k tea.KeyPressMsg) bool {
	n := 0
	if p.snap.Plan != nil {
		n = len(p.snap.Plan.Lines)
	}
	return scrolled(k, p.keys.Scrolling, &p.planOff, n, max(1, p.shape.lowerH))
}

// scrolled applies a key to the first of n lines shown in a window of h.
func scrolled(k tea.KeyPressMsg, s pane.Scrolling, off *int, n, h int) bool {
	switch {
	case key.Matches(k, s.Up):
		*off--
	case key.Matches(k, s.Down):
		*off++
	case key.Matches(k, s.PageUp):
		*off -= max(1, h-1)
	case key.Matches(k, s.PageDown):
		*off += max(1, h-1)
	case key.Matches(k, s.Top):
		*off = 0
	case key.Matches(k, s.Bottom):
		*off = n
	default:
		return false
	}
	*off = max(0, min(*off, n-h))
	return true
}
