package play

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/widget"
)

// sqlPrompt asks something in the place of what is told between SQL and rows.
type sqlPrompt struct {
	kind promptKind
	line *editor // what is typed; nil: nothing is
	sure bool    // the button that does it has the keys, and not Cancel
}

type promptKind uint8

const (
	promptSave promptKind = iota
	promptExport
	promptRun
)

// maxName is the bytes of a query's name.
const maxName = 80

// askName asks under which name the query is to be kept.
func (p *SQL) askName() {
	line := newEditor(p.pic.theme, true, maxName)
	line.insert(headBytes(titleOf(p.question.text(), p.statement.text()), 40))
	p.leave()
	p.prompt = &sqlPrompt{kind: promptSave, line: line}
}

func (p *SQL) promptKeys() []key.Binding {
	k := &p.keys
	switch p.prompt.kind {
	case promptSave:
		return []key.Binding{help(k.Choose, "enter", "save"), k.Close}
	case promptExport:
		return []key.Binding{on(k.AsCSV, p.opts.CSV != nil), on(k.AsJSON, p.opts.JSON != nil), k.Close}
	}
	return []key.Binding{k.Choose, k.Other, k.Close}
}

// answer takes a key of the prompt.
func (p *SQL) answer(k tea.KeyPressMsg) {
	switch pr := p.prompt; pr.kind {
	case promptSave:
		p.answerName(k)
	case promptExport:
		switch {
		case key.Matches(k, p.keys.AsCSV) && p.opts.CSV != nil:
			p.export("csv")
		case key.Matches(k, p.keys.AsJSON) && p.opts.JSON != nil:
			p.export("json")
		}
	case promptRun:
		switch {
		case key.Matches(k, p.keys.Other):
			pr.sure = !pr.sure
		case key.Matches(k, p.keys.Choose):
			p.prompt = nil
			if pr.sure {
				p.run(true)
			}
		case k.String() == "q":
			p.prompt = nil
		}
	}
}

func (p *SQL) answerName(k tea.KeyPressMsg) {
	if k.Code != tea.KeyEnter {
		p.prompt.line.press(k)
		return
	}
	name := strings.TrimSpace(p.prompt.line.text())
	if name == "" {
		return
	}
	p.prompt = nil
	for i := range p.snap.Saved {
		if p.snap.Saved[i].Name == name {
			p.say("saved as %s, in the place of what was so called", name)
			p.sheet.Save(name)
			return
		}
	}
	p.say("saved as %s", name)
	p.sheet.Save(name)
}

// export wants the rows written to a file.
func (p *SQL) export(kind string) {
	p.prompt = nil
	if !p.exportable() {
		return
	}
	write := p.opts.CSV
	if kind == "json" {
		write = p.opts.JSON
	}
	var b strings.Builder
	if err := write(&b, p.snap.Result); err != nil {
		p.say("the rows can't be written: %s", oneLine(err.Error(), 256))
		return
	}
	var w Want
	w.File.Name = "sql-" + p.now.UTC().Format("20060102T150405Z") + "." + kind
	w.File.Text = b.String()
	if cut := p.snap.Result.Cut; cut != "" {
		w.Say = "not all rows are in the file: the result was cut at " + oneLine(cut, 40)
	}
	p.wants = append(p.wants, w)
}

// promptRows is how many rows a prompt takes.
func (p *SQL) promptRows() int {
	if p.prompt.kind == promptRun {
		return 2
	}
	return 1
}

// drawPrompt draws what is asked.
func (p *SQL) drawPrompt(c *widget.Canvas) {
	t := c.Theme
	switch pr := p.prompt; pr.kind {
	case promptSave:
		x := 1 + drawRuns(c, 1, 0, c.W-1, sqlRun{widget.Focused, "save as "})
		pr.line.draw(c, x, 0, c.W-x, 1, editorLook{focused: true, wrong: -1})
	case promptExport:
		runs := []sqlRun{{widget.Focused, "rows to a file: "}}
		if p.opts.CSV != nil {
			runs = append(runs, sqlRun{widget.Bold, p.keys.AsCSV.Help().Key}, sqlRun{widget.Plain, " CSV  "})
		}
		if p.opts.JSON != nil {
			runs = append(runs, sqlRun{widget.Bold, p.keys.AsJSON.Help().Key}, sqlRun{widget.Plain, " JSON  "})
		}
		drawRuns(c, 1, 0, c.W-1, append(runs, sqlRun{widget.Muted, "esc cancels"})...)
	case promptRun:
		why := "it may be expensive"
		if p.snap.Plan != nil && p.snap.Plan.Expensive != "" {
			why = oneLine(p.snap.Plan.Expensive, 512)
		}
		y := 0
		if c.H > 1 {
			drawRuns(c, 1, 0, c.W-1, sqlRun{widget.Warn, t.Warn + " " + why})
			y = 1
		}
		x := 1
		for i, label := range []string{"Cancel", "Run although it is expensive"} {
			text, st := "  "+label+"  ", widget.Plain
			if pr.sure == (i == 1) {
				text, st = "> "+label+" <", widget.Focused|widget.Inverse
			}
			if x < c.W {
				x += c.Text(x, y, c.W-x, st, text) + 3
			}
		}
	}
}
