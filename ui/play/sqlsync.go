package play

// push tells the sheet what was typed.
func (p *SQL) push() {
	question, sql := p.question.text(), p.statement.text()
	if question == p.told[0] && sql == p.told[1] {
		return
	}
	if question != p.told[0] {
		p.sheet.SetQuestion(question)
	}
	if sql != p.told[1] {
		p.sheet.SetSQL(sql)
	}
	p.told = [2]string{question, sql}
	if s := p.sheet.Snapshot(); s != nil {
		p.seen = [2]string{s.Question, s.SQL}
	}
}

// look reads the sheet, and takes in what has changed.
func (p *SQL) look(first bool) {
	s := p.sheet.Snapshot()
	if s == nil || !first && s.Version == p.snap.Version {
		return
	}
	was := p.snap
	p.snap = s
	p.pic.kept = false
	p.takeText(0, s.Question, p.question)
	if p.takeText(1, s.SQL, p.statement) {
		p.offer = nil
	}
	if s.Result != p.rows.res {
		p.rows.take(s.Result)
		p.resultOf = s.SQL
		p.cell, p.chartOff = nil, 0
		if s.Result != nil && (p.lower != lowerChart || p.chart() == nil) {
			p.lower = lowerRows
		}
	}
	if s.Source != was.Source {
		p.offer = nil
	}
	if s.Source != was.Source || s.Schema != was.Schema || s.Doing != was.Doing || len(s.Sources) != len(was.Sources) || first {
		p.tree.take(s)
	}
	p.shelf.take(s)
	if s.Held && !was.Held && !first { // it needs a second thought
		p.leave()
		p.prompt = &sqlPrompt{kind: promptRun}
	}
}

// takeText takes a text that another than this pane has changed, and tells whether
// it did.
func (p *SQL) takeText(i int, text string, e *editor) bool {
	changed := text != p.seen[i] && text != p.told[i]
	p.seen[i] = text
	if !changed {
		return false
	}
	e.set(text)
	if i == 1 && !p.typing {
		e.row, e.col = 0, 0 // it is read from its beginning
	}
	p.told[i] = e.text()
	return true
}
