package play

import (
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/ask"
	"pilothouse/ui/pane"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// Sheet is one operator's work on the sources: an ask.Sheet, whose doc tells what
// its methods do. None of them blocks. Most of them start something, which shows in
// Snapshot; it is the whole of what the pane does to the world, so it is one
// interface, whatever its length.
type Sheet interface {
	Snapshot() *ask.Snapshot
	Use(source string)
	SetQuestion(text string)
	SetSQL(text string)
	Ask()
	Explain()
	Repair()
	Plan()
	Run(sure bool)
	Cancel()
	Save(name string)
	Forget(name string)
	Recall(i int)
	Load(name string)
}

// SQLOptions are what the pane is made with. What is nil there isn't.
type SQLOptions struct {
	CSV, JSON func(io.Writer, *query.Result) error // to export rows
	Suggested func(*ask.Snapshot) []string         // questions to begin with
}

// part is what of the pane has the keys.
type part int

const (
	atQuestion part = iota
	atSQL
	atRows // what stands below the SQL: rows, or another of lowers
	atSchema
	atShelf
)

// lower is what stands below the SQL.
type lower int

const (
	lowerRows lower = iota
	lowerChart
	lowerPlan
	lowerReasoning
	lowerWords
)

// SQL is the playground of questions and SQL: a question becomes SQL by a model, and
// SQL rows, with the tables that there are beside it. It holds no truth but what is
// being typed: that is told to the sheet with each key, and taken from it where
// another changed it, which undo takes back.
type SQL struct {
	sheet Sheet
	opts  SQLOptions
	keys  sqlKeys
	pic   sqlPicture
	snap  *ask.Snapshot
	now   time.Time
	focus bool

	at     part
	typing bool // in the question or the SQL
	lower  lower

	question, statement *editor
	told, seen          [2]string // question and SQL: what the sheet was told, and what it had then
	colours             highlighter
	coloured            int        // the statement's version that they are of
	offer               *offer     // nil: no completion is offered
	prompt              *sqlPrompt // nil: nothing is asked
	rows                table
	resultOf            string  // the SQL that gave the result
	cell                *viewer // the cell that is open; nil: none
	chartOff            int
	charted             charted
	text                *viewer // reasoning or words, drawn last
	planOff             int
	tree                *tree
	shelf               shelf
	pick                int // of the suggested questions

	wants []Want

	shape sqlShape // of the last drawing
}

// sqlPicture keeps the last drawing.
type sqlPicture struct {
	theme  *widget.Theme
	canvas widget.Canvas
	w, h   int
	text   string
	kept   bool
}

// NewSQL makes the pane on a sheet.
func NewSQL(sheet Sheet, opts SQLOptions) *SQL {
	t := widget.NewTheme(widget.Look{})
	keys := newSQLKeys()
	p := &SQL{sheet: sheet, opts: opts, keys: keys, snap: &ask.Snapshot{}, coloured: -1,
		question: newEditor(t, true, maxQuestion), statement: newEditor(t, false, maxSQL),
		rows: table{keys: keys.Scrolling, theme: t}, tree: newTree(keys.Scrolling, t), shelf: shelf{keys: keys.Scrolling}}
	p.pic.theme = t
	p.look(true)
	return p
}

// Title implements pane.Pane.
func (p *SQL) Title() (name, note string) {
	dot := " " + p.pic.theme.Dot + " "
	var parts []string
	s := p.snap
	if s.Source != "" {
		parts = append(parts, widget.Clean(oneLine(s.Source, 64), p.pic.theme.ASCII()))
	}
	if s.Kind != "" && string(s.Kind) != s.Source {
		parts = append(parts, string(s.Kind))
	}
	if s.Schema != nil {
		n := len(s.Schema.Tables)
		parts = append(parts, fmt.Sprintf("%d table%s", n, plural(n)))
	}
	return "sql", strings.Join(parts, dot)
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// SetFocus implements pane.Pane. Who comes back isn't typing.
func (p *SQL) SetFocus(on bool) {
	if !on {
		p.leave()
		p.prompt = nil
	}
	p.focus = on
	p.pic.kept = false
}

// leave ends typing and what belongs to it.
func (p *SQL) leave() { p.typing, p.tree.typing, p.offer = false, false, nil }

// Typing implements Playground.
func (p *SQL) Typing() bool {
	return p.typing || p.tree.typing || p.prompt != nil && p.prompt.line != nil
}

// Busy implements Playground.
func (p *SQL) Busy() bool { return p.snap.Doing != ask.Nothing }

// Wants implements Playground.
func (p *SQL) Wants() []Want {
	w := p.wants
	p.wants = nil
	return w
}

// Paste implements Playground. What is pasted where nothing is typed is dropped:
// it would be taken for keys.
func (p *SQL) Paste(text string) {
	switch {
	case p.prompt != nil:
		if p.prompt.line != nil {
			p.prompt.line.insert(text)
		}
	case p.tree.typing:
		p.tree.narrow.insert(text)
		p.tree.take(p.snap)
	case p.typing && p.at == atQuestion:
		p.question.insert(text)
	case p.typing:
		p.offer = nil
		p.statement.insert(text)
	default:
		return
	}
	p.pic.kept = false
	p.push()
}

// Update implements pane.Pane.
func (p *SQL) Update(msg tea.Msg) {
	switch m := msg.(type) {
	case pane.Themed:
		t := m.Theme
		p.pic.theme, p.pic.kept = t, false
		p.question.theme, p.statement.theme, p.tree.narrow.theme, p.rows.theme = t, t, t, t
		for _, v := range []*viewer{p.cell, p.text} {
			if v != nil {
				v.starts = nil // what an ASCII theme escapes is wider
			}
		}
		if p.prompt != nil && p.prompt.line != nil {
			p.prompt.line.theme = t
		}
	case pane.Data:
		day := p.now.UTC().YearDay() != m.Now.UTC().YearDay()
		p.now = m.Now
		p.look(false)
		if p.Busy() || day {
			p.pic.kept = false
		}
	case Beat:
		p.now = m.Now
		p.look(false)
		p.pic.kept = false
	case tea.KeyPressMsg:
		p.look(false)
		p.press(m)
		p.push()
		p.look(false)
		p.pic.kept = false
	}
}

// charted is a picture that was made of a result.
type charted struct {
	of    *query.Result
	col   int
	chart *chart
}

// chart is the picture of the result; nil: there is none of it.
func (p *SQL) chart() *chart {
	if c := &p.charted; c.of != p.snap.Result || c.col != p.rows.col {
		*c = charted{p.snap.Result, p.rows.col, newChart(p.snap.Result, p.rows.col)}
	}
	return p.charted.chart
}

// say puts a line on the flash.
func (p *SQL) say(format string, args ...any) {
	p.wants = append(p.wants, Want{Say: fmt.Sprintf(format, args...)})
}

// busy says why nothing is begun.
func (p *SQL) busy() { p.say("something is under way: esc cancels it") }

// suggested are the questions to begin with, where there is nothing else to see.
func (p *SQL) suggested() []string {
	if s := p.snap; p.opts.Suggested == nil || p.lower != lowerRows || s.Result != nil || s.Err != nil || !p.question.empty() || !p.statement.empty() || s.Doing == ask.Asking {
		return nil
	}
	list := p.opts.Suggested(p.snap)
	p.pick = max(0, min(p.pick, len(list)-1))
	return list
}

// run starts the statement.
func (p *SQL) run(sure bool) {
	p.push()
	if strings.TrimSpace(p.statement.text()) == "" {
		p.say("there is no SQL to run: ask a question, or write some")
		return
	}
	if p.Busy() {
		p.busy()
		return
	}
	if p.lower != lowerChart {
		p.lower = lowerRows
	}
	p.cell = nil
	p.sheet.Run(sure)
}

// ask gives the question to the model.
func (p *SQL) ask() {
	p.push()
	if strings.TrimSpace(p.question.text()) == "" {
		p.say("there is no question to ask")
		return
	}
	if p.Busy() {
		p.busy()
		return
	}
	p.leave()
	p.lower = lowerRows
	p.sheet.Ask()
}
