package play

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"

	"pilothouse/ui/ask"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// doingWords are what is under way, in words.
var doingWords = [...]string{ask.LookingUp: "looking up the tables", ask.Asking: "asking", ask.Explaining: "explaining", ask.Repairing: "repairing",
	ask.Planning: "planning", ask.Running: "running"}

// maxToldError is the bytes of an error that are told.
const maxToldError = 2048

// status are the rows between SQL and rows: what is under way, what went wrong, or
// what the model took for its answer.
func (p *SQL) status(t *widget.Theme, w int) [][]sqlRun {
	s := p.snap
	switch {
	case s.Doing != ask.Nothing:
		return [][]sqlRun{p.doing(t)}
	case s.Err != nil:
		return p.trouble(t, w)
	}
	var parts [][]sqlRun
	if s.Plan != nil && s.Plan.Expensive != "" && s.Result == nil {
		parts = append(parts, []sqlRun{{widget.Warn, t.Warn + " " + oneLine(s.Plan.Expensive, 512)}})
	}
	if s.Answer.Reasoning != "" {
		r := []sqlRun{{widget.Muted, reasonedNote(&s.Answer) + "; "}, {widget.Bold, p.keyOf(p.keys.Reasoning)}, {widget.Muted, " unfolds"}}
		if p.lower == lowerReasoning {
			r[2].text = " folds"
		}
		parts = append(parts, r)
	}
	parts = append(parts, answered(&s.Answer)...)
	if s.Plan != nil && !p.shape.side && p.lower != lowerPlan {
		if note := p.planNote(t); note != "" {
			parts = append(parts, []sqlRun{{widget.Muted, note + "; "}, {widget.Bold, p.keyOf(p.keys.Plan)}, {widget.Muted, " shows the plan"}})
		}
	}
	if len(parts) == 0 {
		return nil
	}
	var row []sqlRun
	used := 0
	for i, part := range parts { // as many as have room whole
		n := 0
		for _, r := range part {
			n += t.Width(r.text)
		}
		if i > 0 && used+n+3 > w-1 {
			break
		}
		if i > 0 {
			row = append(row, sqlRun{widget.Muted, " " + t.Dot + " "})
			used += 3
		}
		row, used = append(row, part...), used+n
	}
	return [][]sqlRun{row}
}

// keyOf is how a command is reached: while one types its key alone is a letter.
func (p *SQL) keyOf(b key.Binding) string {
	if p.Typing() {
		return p.keys.Leave.Help().Key + " " + b.Help().Key
	}
	return b.Help().Key
}

// answered tells what an answer took.
func answered(a *ask.Answer) [][]sqlRun {
	var parts [][]sqlRun
	if d := widget.Duration(a.TTFT); d != "" {
		parts = append(parts, []sqlRun{{widget.Muted, "first token " + d}})
	}
	if a.Completion > 0 {
		parts = append(parts, []sqlRun{{widget.Muted, fmt.Sprintf("%s + %s tokens", widget.Count(uint64(max(0, a.Prompt))), widget.Count(uint64(a.Completion)))}})
	}
	return parts
}

// reasonedNote tells how much a model reasoned.
func reasonedNote(a *ask.Answer) string {
	n := wordCount(a.Reasoning)
	note := "reasoned " + widget.Count(uint64(n)) + " word" + plural(n)
	if d := widget.Duration(a.Took); d != "" {
		note += ", " + d
	}
	return note
}

// wordCount counts words without keeping them.
func wordCount(s string) int {
	n, in := 0, false
	for i := range len(s) {
		blank := blankByte(s[i])
		if in == blank {
			in = !blank
			if in {
				n++
			}
		}
	}
	return n
}

// doing tells what is under way.
func (p *SQL) doing(t *widget.Theme) []sqlRun {
	s := p.snap
	word := "working"
	if int(s.Doing) < len(doingWords) {
		word = doingWords[s.Doing]
	}
	runs := []sqlRun{{widget.Warn, t.Half + " "}, {widget.Plain, word}}
	modelled := s.Doing == ask.Asking || s.Doing == ask.Explaining || s.Doing == ask.Repairing
	if modelled && s.Model != "" {
		runs = append(runs, sqlRun{widget.Plain, " " + oneLine(s.Model, 64)})
	}
	if since := p.now.Sub(s.Since); !s.Since.IsZero() && since >= time.Second {
		runs = append(runs, sqlRun{widget.Bold, "  " + widget.Age(since)})
	}
	if n := wordCount(s.Answer.Reasoning); n > 0 && modelled {
		runs = append(runs, sqlRun{widget.Muted, fmt.Sprintf(" %s reasoned %s word%s so far", t.Dot, widget.Count(uint64(n)), plural(n))})
	}
	return append(runs, sqlRun{widget.Muted, " " + t.Dot + " "}, sqlRun{widget.Bold, "esc"}, sqlRun{widget.Muted, " cancels"})
}

// reasonWords stand before what a database said.
var reasonWords = map[query.Reason]string{query.Refused: "refused: ", query.TimedOut: "took too long: ", query.Unreachable: "can't be reached: "}

// trouble tells what went wrong, and what can be done about it.
func (p *SQL) trouble(t *widget.Theme, w int) [][]sqlRun {
	const most = 3 // rows
	style, mark := widget.Bad, t.Bad
	text := oneLine(p.snap.Err.Error(), maxToldError)
	where := ""
	var err *query.Error
	if errors.As(p.snap.Err, &err) {
		text = reasonWords[err.Reason] + text
		if err.Reason == query.Cancelled {
			style, mark = widget.Warn, t.Warn
		}
		where = placeIn(p.snap.SQL, err.At)
	}
	lines, more := wrapped(t, text, max(1, w-3), most)
	var rows [][]sqlRun
	for i, l := range lines {
		lead := "  "
		if i == 0 {
			lead = mark + " "
		}
		if more && i == len(lines)-1 {
			l += t.Ellipsis
		}
		rows = append(rows, []sqlRun{{style, lead + l}})
	}
	if len(rows) == 0 {
		rows = append(rows, []sqlRun{{style, mark + " it failed, and nobody said why"}})
	}
	var tail []sqlRun
	if where != "" {
		tail = append(tail, sqlRun{widget.Plain, where})
	}
	switch {
	case p.repairable():
		tail = append(tail, sqlRun{widget.Bold, p.keyOf(p.keys.Repair)}, sqlRun{widget.Muted, " lets the model repair it"})
	case p.snap.Repaired:
		tail = append(tail, sqlRun{widget.Muted, "the model has been told"})
	}
	if len(tail) == 0 {
		return rows
	}
	if where != "" && len(tail) > 1 {
		tail = append(tail[:1], append([]sqlRun{{widget.Muted, " " + t.Dot + " "}}, tail[1:]...)...)
	}
	n := 3
	last := rows[len(rows)-1]
	for _, r := range tail {
		n += t.Width(r.text)
	}
	if len(rows) < most && t.Width(last[0].text)+n > w {
		return append(rows, append([]sqlRun{{widget.Plain, "  "}}, tail...))
	}
	rows[len(rows)-1] = append(append(last, sqlRun{widget.Muted, " " + t.Dot + " "}), tail...)
	return rows
}

// placeIn tells where in a text a byte is; "": it isn't.
func placeIn(text string, at int) string {
	if at < 0 || at > len(text) {
		return ""
	}
	before := text[:at]
	line := strings.Count(before, "\n")
	before = before[strings.LastIndexByte(before, '\n')+1:]
	column := len([]rune(before)) + 1
	if !strings.Contains(strings.TrimSpace(text), "\n") {
		return fmt.Sprintf("at column %d", column)
	}
	return fmt.Sprintf("at line %d, column %d", line+1, column)
}

// paintStatus draws the rows between SQL and rows.
func (p *SQL) paintStatus(c *widget.Canvas, status [][]sqlRun) {
	if p.prompt != nil {
		p.drawPrompt(c)
		return
	}
	for y, runs := range status {
		if y < c.H {
			drawRuns(c, 1, y, c.W-1, runs...)
		}
	}
}
