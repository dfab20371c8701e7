package play

import (
	"errors"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/ask"
	"pilothouse/ui/pane"
	"pilothouse/ui/query"
)

// maxCopied is the most that is given to a terminal's clipboard, in bytes: terminals
// drop what is longer.
const maxCopied = 64 << 10

// press gives a key to what is on top.
func (p *SQL) press(k tea.KeyPressMsg) {
	switch {
	case k.Code == tea.KeyEscape:
		p.escape()
	case p.prompt != nil:
		p.answer(k)
	case p.offer != nil && p.choosing(k):
	case p.tree.typing:
		p.narrowing(k)
	case key.Matches(k, p.keys.RunNow):
		p.run(false)
	case p.typing:
		p.typed(k)
	case p.cell != nil:
		p.reading(k)
	case p.local(k):
	default:
		p.command(k)
	}
}

// escape takes off what is on top: what is offered or asked, what is under way, what
// is open, typing.
func (p *SQL) escape() {
	switch {
	case p.offer != nil:
		p.offer = nil
	case p.prompt != nil:
		p.prompt = nil
	case p.tree.typing:
		p.tree.typing = false
		p.widen()
	case p.Busy():
		p.sheet.Cancel()
	case p.typing:
		p.leave()
	default:
		p.back()
	}
}

// back closes what is open.
func (p *SQL) back() {
	switch {
	case p.cell != nil:
		p.cell = nil
	case p.at == atSchema && !p.tree.narrow.empty():
		p.widen()
	case p.at == atSchema && !p.shape.schema, p.at == atShelf && !p.shape.side:
		p.at = atRows
	default:
		p.lower = lowerRows
	}
}

// widen shows all tables again.
func (p *SQL) widen() {
	p.tree.narrow.set("")
	p.tree.take(p.snap)
}

// narrowing takes a key of the schema's filter.
func (p *SQL) narrowing(k tea.KeyPressMsg) {
	switch k.String() {
	case "enter", "tab", "down":
		p.tree.typing = false
		if p.tree.index == 0 && len(p.tree.rows) > 1 {
			p.tree.index = 1
		}
		return
	}
	p.tree.narrow.press(k)
	p.tree.take(p.snap)
}

// typed takes a key of the question or the SQL.
func (p *SQL) typed(k tea.KeyPressMsg) {
	switch {
	case k.String() == "tab":
		if p.at == atSQL && p.completeWord() {
			return
		}
		p.turn(1)
	case k.String() == "shift+tab":
		p.turn(-1)
	case p.at == atQuestion && k.Code == tea.KeyEnter:
		p.ask()
	case p.at == atQuestion && k.Code == tea.KeyDown:
		p.turn(1)
	case p.at == atQuestion:
		p.question.press(k)
	case key.Matches(k, p.keys.Offer):
		p.openOffer(true)
	default:
		p.statement.press(k)
	}
}

// turn moves the keys among the parts that are shown. Where text is, it is typed.
func (p *SQL) turn(by int) {
	parts := make([]part, 0, 5)
	if p.shape.schema {
		parts = append(parts, atSchema)
	}
	parts = append(parts, atQuestion, atSQL, atRows)
	if p.shape.side {
		parts = append(parts, atShelf)
	}
	at := 0
	for i, q := range parts {
		if q == p.at || (p.at == atSchema || p.at == atShelf) && q == atRows {
			at = i
			if q == p.at {
				break
			}
		}
	}
	p.leave()
	p.at = parts[(at+by+len(parts))%len(parts)]
	p.typing = p.at == atQuestion || p.at == atSQL
}

// reading takes a key of a cell that is open.
func (p *SQL) reading(k tea.KeyPressMsg) {
	switch {
	case key.Matches(k, p.keys.Back), key.Matches(k, p.keys.Enter):
		p.cell = nil
	case key.Matches(k, p.keys.Copy):
		text, _ := p.rows.cellText()
		p.copy("the cell", text)
	case key.Matches(k, p.keys.Left), key.Matches(k, p.keys.Right): // the cell beside it
		p.rows.press(k)
		p.openCell()
	default:
		p.cell.press(p.pic.theme, k)
	}
}

// openCell shows the selected cell whole.
func (p *SQL) openCell() {
	if text, ok := p.rows.cellText(); ok {
		if p.rows.value(p.rows.row, p.rows.col).Null {
			text = "NULL"
		}
		p.cell = newViewer(p.keys.Scrolling, text)
	}
}

// use changes to another source.
func (p *SQL) use(source string) {
	switch {
	case source == "" || source == p.snap.Source:
	case p.Busy():
		p.busy()
	default:
		p.sheet.Use(source)
	}
}

// copy sends a text to the terminal's clipboard.
func (p *SQL) copy(what, text string) {
	switch {
	case len(text) > maxCopied:
		p.say("%s is too long for a terminal's clipboard: %s writes rows to a file", what, p.keys.Export.Help().Key)
	case text == "":
		p.say("%s is empty", what)
	default:
		p.wants = append(p.wants, Want{Clipboard: text, Say: what + " was sent to the terminal's clipboard, where it allows that"})
	}
}

// command does what a key means whatever has the keys.
func (p *SQL) command(k tea.KeyPressMsg) {
	keys := &p.keys
	sql := strings.TrimSpace(p.statement.text()) != ""
	switch {
	case key.Matches(k, keys.Next):
		p.turn(1)
	case key.Matches(k, keys.Previous):
		p.turn(-1)
	case key.Matches(k, keys.Question):
		p.at, p.typing = atQuestion, true
	case key.Matches(k, keys.Write):
		p.at, p.typing = atSQL, true
	case key.Matches(k, keys.Run):
		p.run(false)
	case key.Matches(k, keys.Repair) && p.repairable():
		p.sheet.Repair()
	case key.Matches(k, keys.Schema):
		p.toggle(atSchema)
	case key.Matches(k, keys.Shelf):
		p.toggle(atShelf)
	case key.Matches(k, keys.Explain) && sql:
		if p.snap.Words == "" {
			p.sheet.Explain()
		}
		p.show(lowerWords)
	case key.Matches(k, keys.Plan) && sql:
		p.plan()
	case key.Matches(k, keys.Reasoning) && p.snap.Answer.Reasoning != "":
		p.show(lowerReasoning)
	case key.Matches(k, keys.Chart) && (p.lower == lowerChart || p.chart() != nil):
		p.chartOff = 0
		p.show(lowerChart)
	default:
		p.seldom(k, sql)
	}
}

// seldom does what is asked for less often.
func (p *SQL) seldom(k tea.KeyPressMsg, sql bool) {
	keys := &p.keys
	switch {
	case key.Matches(k, keys.Save) && sql:
		p.askName()
	case key.Matches(k, keys.Export) && p.exportable():
		p.prompt = &sqlPrompt{kind: promptExport}
	case key.Matches(k, keys.Source):
		p.use(nextSource(p.snap))
	case key.Matches(k, keys.Request) && p.snap.Answer.RequestID != "":
		p.wants = append(p.wants, Want{Explain: pane.Ref{Kind: pane.RefRequest, ID: p.snap.Answer.RequestID}})
	case key.Matches(k, keys.Back):
		p.back()
	}
}

// toggle gives the keys to a part, or back to the rows.
func (p *SQL) toggle(to part) {
	if p.at == to {
		p.at = atRows
		return
	}
	p.at = to
}

// show shows something below the SQL, or the rows again.
func (p *SQL) show(what lower) {
	p.at, p.text, p.cell = atRows, nil, nil
	if p.lower == what {
		p.lower = lowerRows
		return
	}
	p.lower = what
}

// plan shows the plan, and has one made where there is none.
func (p *SQL) plan() {
	if p.snap.Plan == nil {
		p.sheet.Plan()
	}
	p.planOff = 0
	if !p.shape.side {
		p.show(lowerPlan)
	}
}

// wrongAt is the byte of the SQL at which the database stumbled; -1: not known.
func (p *SQL) wrongAt() int {
	var err *query.Error
	if errors.As(p.snap.Err, &err) && p.snap.Doing == ask.Nothing && p.statement.text() == p.snap.SQL {
		return err.At
	}
	return -1
}
