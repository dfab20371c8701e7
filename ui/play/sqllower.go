package play

import (
	"fmt"
	"strings"

	"pilothouse/ui/ask"
	"pilothouse/ui/widget"
)

// lowerFocused tells whether what is below the SQL has the keys.
func (p *SQL) lowerFocused() bool {
	return p.has(atRows) || p.has(atSchema) && !p.shape.schema || p.has(atShelf) && !p.shape.side
}

// plans tells whether the plan is shown: where it was asked for, and while a statement
// runs and there is no room for it elsewhere, so that what is coming is known first.
func (p *SQL) plans() bool {
	s := p.snap
	return p.lower == lowerPlan || p.lower == lowerRows && s.Doing == ask.Running && s.Plan != nil && !p.shape.side
}

// lowerTitle heads what is below the SQL.
func (p *SQL) lowerTitle(t *widget.Theme) (name, about, note string) {
	dot := " " + t.Dot + " "
	switch {
	case p.at == atSchema && !p.shape.schema:
		return "schema", oneLine(p.snap.Source, 64), ""
	case p.at == atShelf && !p.shape.side:
		return "history", "", p.shelf.note()
	case p.plans():
		return "plan", "", p.planNote(t)
	case p.lower == lowerReasoning:
		return "reasoning", "", reasonedNote(&p.snap.Answer)
	case p.lower == lowerWords:
		return "in words", "", ""
	}
	note = p.resultNote(t)
	if p.rows.empty() {
		return "rows", "", note
	}
	at := fmt.Sprintf("row %s of %s", widget.Count(uint64(p.rows.row+1)), widget.Count(uint64(len(p.rows.res.Rows))))
	col := p.rows.res.Columns[p.rows.col]
	column := strings.TrimSpace(oneLine(col.Name, 40) + " " + strings.ToLower(oneLine(col.Type, 24)))
	switch {
	case p.cell != nil:
		return "cell", oneLine(col.Name, 40) + ", " + at, p.cell.note()
	case p.lower == lowerChart:
		if ch := p.chart(); ch != nil {
			cols := p.rows.res.Columns
			return "chart", oneLine(cols[ch.figure].Name, 40) + " by " + ch.heading(cols), note
		}
		return "chart", "", note
	case p.has(atRows):
		about = at + dot + column
	}
	return "rows", about, note
}

// resultNote tells how many rows there are, whether that is all, and how long it took.
func (p *SQL) resultNote(*widget.Theme) string {
	r := p.snap.Result
	if r == nil {
		return ""
	}
	note := rowCount(len(r.Rows))
	if p.resultOf != p.snap.SQL {
		note = "of an earlier SQL: " + note
	}
	if r.Cut != "" {
		note += ", cut at " + oneLine(r.Cut, 40)
	}
	if d := widget.Duration(r.Took); d != "" {
		note += "; " + d
	}
	return widget.Clean(note, true)
}

// paintLower draws what is below the SQL.
func (p *SQL) paintLower(c *widget.Canvas) {
	switch {
	case p.at == atSchema && !p.shape.schema:
		field(c, 1, 0, c.W-1, c.H, func(c *widget.Canvas) { p.tree.draw(c, p.has(atSchema)) })
	case p.at == atShelf && !p.shape.side:
		p.shelf.draw(c, p.now, p.has(atShelf))
	case p.plans():
		p.paintPlan(c)
	case p.lower == lowerReasoning:
		p.paintText(c, p.snap.Answer.Reasoning)
	case p.lower == lowerWords:
		p.paintText(c, p.snap.Words)
	case p.cell != nil:
		p.cell.draw(c)
	case p.lower == lowerChart:
		if ch := p.chart(); ch != nil {
			p.rows.h = c.H
			p.chartOff = max(0, min(p.chartOff, len(p.snap.Result.Rows)-c.H))
			ch.draw(c, p.snap.Result, p.chartOff)
		}
	default:
		p.paintRows(c)
	}
}

// paintRows draws the rows, or what there is to say of none.
func (p *SQL) paintRows(c *widget.Canvas) {
	switch r := p.snap.Result; {
	case r == nil && len(p.suggested()) > 0:
		p.paintStart(c)
	case r == nil && !p.statement.empty() && !p.Busy():
		runs := p.keys.Run
		if p.typing {
			runs = p.keys.RunNow
		}
		drawRuns(c, 1, 0, c.W-1, sqlRun{widget.Bold, runs.Help().Key}, sqlRun{widget.Muted, " runs it"})
	case r == nil:
	case len(r.Columns) == 0:
		c.Text(1, 0, c.W-1, widget.Muted, "it gave no rows")
	default:
		p.rows.draw(c, p.has(atRows))
		if len(r.Rows) == 0 {
			c.Text(1, 1, c.W-1, widget.Muted, "no row matches")
		}
	}
}

// paintStart draws the questions to begin with.
func (p *SQL) paintStart(c *widget.Canvas) {
	list := p.suggested()
	y := 0
	if c.H > len(list) {
		c.Text(1, 0, c.W-1, widget.Muted, "to begin with")
		y++
	}
	for i, q := range list {
		if y+i >= c.H {
			return
		}
		c.Text(3, y+i, c.W-3, widget.Plain, oneLine(q, 1024))
		if i == p.pick && p.has(atRows) {
			c.Text(1, y+i, 1, widget.Plain, c.Theme.Pointer)
			c.Mark(0, y+i, c.W, widget.Selected)
		}
	}
}

// paintText draws a text that scrolls.
func (p *SQL) paintText(c *widget.Canvas, text string) {
	if p.text == nil || p.text.text != text {
		v := &viewer{keys: p.keys.Scrolling, text: text}
		if p.text != nil {
			v.off = p.text.off
			v.w, v.starts = c.W-2, []int{0}
		}
		p.text = v
	}
	if text == "" {
		c.Text(1, 0, c.W-1, widget.Muted, c.Theme.None)
		return
	}
	p.text.draw(c)
}
