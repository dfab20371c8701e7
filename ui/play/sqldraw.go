package play

import (
	"fmt"

	"pilothouse/ui/ask"
	"pilothouse/ui/widget"
)

// Sizes from which on there is more to see.
const (
	sqlSchemaW, sqlSchemaH = 96, 16  // the schema has a column
	sqlSideW, sqlSideH     = 168, 38 // plan and history have one
	sqlTallFrom            = 9       // rows: question, SQL and rows stand one below the other
)

// sqlShape is what the last drawing had room for.
type sqlShape struct {
	schema, side bool
	lowerH       int // rows of what is below the SQL
}

// View implements pane.Pane.
func (p *SQL) View(w, h int) string {
	pic := &p.pic
	if pic.kept && pic.w == w && pic.h == h {
		return pic.text
	}
	pic.canvas.Reset(pic.theme, w, h)
	p.paint(&pic.canvas)
	pic.w, pic.h, pic.text, pic.kept = w, h, pic.canvas.String(), true
	return pic.text
}

// field draws a part on a canvas of its own, so that nothing leaves its place.
func field(c *widget.Canvas, x, y, w, h int, draw func(*widget.Canvas)) {
	if w <= 0 || h <= 0 || x >= c.W || y >= c.H {
		return
	}
	sub := widget.NewCanvas(c.Theme, min(w, c.W-x), min(h, c.H-y))
	draw(sub)
	c.Lay(x, y, sub)
}

// has tells whether a part has the keys.
func (p *SQL) has(a part) bool { return p.focus && p.at == a && p.prompt == nil }

func (p *SQL) paint(c *widget.Canvas) {
	p.shape = sqlShape{schema: c.W >= sqlSchemaW && c.H >= sqlSchemaH, side: c.W >= sqlSideW && c.H >= sqlSideH}
	x, w := 0, c.W
	if p.shape.schema {
		n := max(28, min(40, c.W*26/100))
		field(c, 0, 0, n, c.H, p.paintSchema)
		rule(c, n)
		x, w = n+1, w-n-1
	}
	if p.shape.side {
		n := max(44, c.W/4)
		w -= n + 1
		rule(c, x+w)
		field(c, x+w+1, 0, n, c.H, p.paintSide)
	}
	field(c, x, 0, w, c.H, p.paintMain)
}

// rule draws a line between columns.
func rule(c *widget.Canvas, x int) {
	for y := range c.H {
		c.Text(x, y, 1, widget.Muted, c.Theme.Vertical)
	}
}

func (p *SQL) paintSchema(c *widget.Canvas) {
	heading(c, 0, 0, c.W, p.has(atSchema), "schema", "", p.keys.Schema.Help().Key)
	field(c, 1, 1, c.W-2, c.H-1, func(c *widget.Canvas) { p.tree.draw(c, p.has(atSchema)) })
}

// paintSide draws the plan above the history.
func (p *SQL) paintSide(c *widget.Canvas) {
	upper := c.H * 2 / 5
	heading(c, 0, 0, c.W, false, "plan", "", p.planNote(c.Theme))
	field(c, 0, 1, c.W-1, upper-1, p.paintPlan)
	heading(c, 0, upper, c.W, p.has(atShelf), "history", "", p.shelf.note())
	field(c, 0, upper+1, c.W-1, c.H-upper-1, func(c *widget.Canvas) { p.shelf.draw(c, p.now, p.has(atShelf)) })
}

func (p *SQL) paintMain(c *widget.Canvas) {
	if c.H < sqlTallFrom {
		p.paintFlat(c)
		return
	}
	status := p.status(c.Theme, c.W-1)
	n := max(1, len(status))
	if p.prompt != nil {
		n = p.promptRows()
	}
	rest := c.H - 3 - n // without the question and two headings
	least := 3
	if rest < 8 {
		least = 2
	}
	lines := len(p.statement.lines)
	if p.typing && p.at == atSQL {
		lines++ // one to go on in
	}
	sql := max(least, min(lines, rest*2/5))
	p.paintQuestion(c, 0)
	heading(c, 0, 1, c.W, p.has(atSQL), "SQL", "", p.statementNote(sql))
	cx, cy := 0, 0
	field(c, 0, 2, c.W, sql, func(c *widget.Canvas) { cx, cy = p.paintStatement(c) })
	y := 2 + sql
	field(c, 0, y, c.W, n, func(c *widget.Canvas) { p.paintStatus(c, status) })
	y += n
	p.shape.lowerH = c.H - y - 1
	field(c, 0, y+1, c.W, c.H-y-1, p.paintLower)
	name, about, note := p.lowerTitle(c.Theme) // which may depend on what had room
	heading(c, 0, y, c.W, p.lowerFocused(), name, about, note)
	if p.offer != nil {
		p.drawOffer(c, cx, 2+cy)
	}
}

// paintFlat draws what is worth most in a few rows: the question, what is asked or
// wrong, and of SQL and rows what has the keys.
func (p *SQL) paintFlat(c *widget.Canvas) {
	y := 0
	if c.H > 1 || p.at == atQuestion && p.prompt == nil {
		p.paintQuestion(c, 0)
		y++
	}
	var status [][]sqlRun
	if p.Busy() || p.snap.Err != nil { // the rest is worth less than a row of the result
		status = p.status(c.Theme, c.W-1)
	}
	if p.prompt != nil || len(status) > 0 && c.H-y > 2 {
		n := 1
		if p.prompt != nil {
			n = min(p.promptRows(), max(1, c.H-y))
		}
		field(c, 0, y, c.W, n, func(c *widget.Canvas) { p.paintStatus(c, status) })
		y += n
	}
	p.shape.lowerH = c.H - y
	if p.at == atSQL || p.at == atQuestion && p.snap.Result == nil && p.lower == lowerRows && len(p.suggested()) == 0 {
		cx, cy := 0, 0
		field(c, 0, y, c.W, c.H-y, func(c *widget.Canvas) { cx, cy = p.paintStatement(c) })
		if p.offer != nil {
			p.drawOffer(c, cx, y+cy)
		}
		return
	}
	field(c, 0, y, c.W, c.H-y, p.paintLower)
}

// paintQuestion draws the question's row.
func (p *SQL) paintQuestion(c *widget.Canvas, y int) {
	st, lead := widget.Bold, " "
	if p.has(atQuestion) {
		st, lead = widget.Focused|widget.Bold, c.Theme.Pointer
	}
	label := "question"
	if c.W < 40 {
		label = "?"
	}
	x := 1 + drawRuns(c, 1, y, c.W-1, sqlRun{widget.Focused, lead}, sqlRun{st, label}) + 1
	if x >= c.W {
		return
	}
	typing := p.has(atQuestion) && p.typing
	p.question.draw(c, x, y, c.W-x, 1, editorLook{focused: typing, wrong: -1})
	if p.question.empty() {
		hint := "enter: ask in plain words"
		if typing {
			hint = "ask in plain words"
			x++
		}
		c.Text(x, y, c.W-x, widget.Muted, hint)
	}
}

// statementNote tells what is not seen of the SQL.
func (p *SQL) statementNote(rows int) string {
	e := p.statement
	if n := len(e.lines); n > rows {
		return fmt.Sprintf("line %d of %d", e.row+1, n)
	}
	return ""
}

// colour makes the spans of the statement, if they aren't.
func (p *SQL) colour() {
	if p.coloured != p.statement.version || p.colours.kind != p.snap.Kind || p.colours.lexer == nil {
		p.colours.set(p.statement.text(), p.snap.Kind)
		p.coloured = p.statement.version
	}
}

// paintStatement draws the SQL, or what of it the model has written by now, and
// returns where the cursor is.
func (p *SQL) paintStatement(c *widget.Canvas) (cx, cy int) {
	s := p.snap
	typing := p.typing && p.at == atSQL
	if (s.Doing == ask.Asking || s.Doing == ask.Repairing) && s.Answer.SQL != "" && !typing {
		var h highlighter
		e := newEditor(c.Theme, false, maxSQL)
		e.set(s.Answer.SQL)
		h.set(e.text(), s.Kind)
		e.draw(c, 1, 0, c.W-1, c.H, editorLook{numbers: true, spans: h.line, wrong: -1})
		return 0, 0
	}
	p.colour()
	if p.statement.empty() && !typing {
		c.Text(1, 0, c.W-1, widget.Muted, "the model's answer comes here; w writes it by hand")
		return 0, 0
	}
	return p.statement.draw(c, 1, 0, c.W-1, c.H, editorLook{focused: p.has(atSQL) && p.typing, numbers: true, spans: p.colours.line, wrong: p.wrongAt()})
}
