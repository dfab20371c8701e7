package play

import (
	"charm.land/bubbles/v2/key"

	"pilothouse/ui/ask"
	"pilothouse/ui/pane"
)

// sqlKeys are the keys of the SQL playground.
type sqlKeys struct {
	pane.Scrolling

	// While nothing is typed.
	Enter, Question, Write, Run, Explain, Repair, Plan, Reasoning, Schema, Shelf, Save key.Binding
	Export, Chart, Fix, Source, Copy, CopyRow, Request, Narrow, Insert, Forget         key.Binding
	Next, Previous, Back, Cancel                                                       key.Binding

	// While something is.
	Ask, RunNow, Complete, Offer, Undo, Leave key.Binding

	// In a prompt.
	AsCSV, AsJSON, Choose, Other, Close key.Binding
}

// newSQLKeys gives the usual keys. Ctrl-r and alt-enter both run: a terminal may keep
// one of them for itself, and ctrl-enter most can't tell from enter.
func newSQLKeys() sqlKeys {
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	return sqlKeys{
		Scrolling: pane.NewScrolling(),
		Enter:     bind("enter", "open", "enter"),
		Question:  bind("a", "ask", "a"),
		Write:     bind("w", "write SQL", "w"),
		Run:       bind("x", "run", "x", "ctrl+r", "alt+enter"),
		Explain:   bind("e", "explain the SQL", "e"),
		Repair:    bind("t", "let the model repair it", "t"),
		Plan:      bind("p", "plan", "p"),
		Reasoning: bind("r", "reasoning", "r"),
		Schema:    bind("d", "schema", "d"),
		Shelf:     bind("h", "history, saved", "h"),
		Save:      bind("s", "save the query", "s"),
		Export:    bind("v", "rows to a file", "v"),
		Chart:     bind("c", "chart", "c"),
		Fix:       bind("z", "first column stays", "z"),
		Source:    bind("n", "next source", "n"),
		Copy:      bind("y", "copy", "y"),
		CopyRow:   bind("ctrl-y", "copy the row", "ctrl+y"),
		Request:   bind("o", "the model's request", "o"),
		Narrow:    bind("/", "narrow", "/"),
		Insert:    bind("i", "into the SQL", "i"),
		Forget:    bind("delete", "forget it", "delete", "backspace"),
		Next:      bind("tab", "next part", "tab"),
		Previous:  bind("shift-tab", "previous part", "shift+tab"),
		Back:      bind("esc", "back", "esc", "q"),
		Cancel:    bind("esc", "cancel", "esc"),

		Ask:      bind("enter", "ask", "enter"),
		RunNow:   bind("ctrl-r", "run", "ctrl+r", "alt+enter"),
		Complete: bind("tab", "complete, or next part", "tab"),
		Offer:    bind("ctrl-space", "what fits", "ctrl+space", "ctrl+@"),
		Undo:     bind("ctrl-z", "undo", "ctrl+z"),
		Leave:    bind("esc", "stop typing", "esc"),

		AsCSV:  bind("c", "as CSV", "c"),
		AsJSON: bind("j", "as JSON", "j"),
		Choose: bind("enter", "choose", "enter"),
		Other:  bind("tab", "the other", "tab", "left", "right", "shift+tab"),
		Close:  bind("esc", "cancel", "esc"),
	}
}

// Keys implements pane.Pane: those that have a meaning now. What is disabled would
// have one if there were something to do it to.
func (p *SQL) Keys() []key.Binding {
	k := &p.keys
	switch {
	case p.prompt != nil:
		return p.promptKeys()
	case p.offer != nil:
		return []key.Binding{help(k.Choose, "enter", "take it"), help(k.Complete, "tab", "next"), help(k.Previous, "shift-tab", "previous"), k.Close}
	case p.Typing():
		return p.typingKeys()
	case p.cell != nil:
		return append([]key.Binding{k.Back, k.Copy}, moving(k.Scrolling, true)...)
	}
	own := p.partKeys()
	keys := make([]key.Binding, 0, len(own)+24)
	switch back := k.Back; {
	case p.Busy() && p.deep():
		back.SetKeys("q") // esc has something better to do
		keys = append(keys, k.Cancel, help(back, "q", "back"))
	case p.Busy():
		keys = append(keys, k.Cancel)
	case p.deep():
		keys = append(keys, back)
	}
	keys = append(keys, own...)
	s, idle, sql := p.snap, !p.Busy(), !p.statement.empty()
	keys = append(keys,
		on(k.Question, true), on(k.Run, idle && sql), on(k.Repair, p.repairable()), on(k.Write, true),
		on(k.Schema, true), on(k.Shelf, true), on(k.Explain, sql && (idle || s.Words != "")), on(k.Plan, sql && (idle || s.Plan != nil)),
		on(k.Reasoning, s.Answer.Reasoning != ""), on(k.Save, sql), on(k.Export, p.exportable()),
		on(k.Chart, p.chart() != nil), on(k.Source, idle && len(s.Sources) > 1),
		on(k.Request, s.Answer.RequestID != ""), k.Next, k.Previous)
	return keys
}

// on is a binding that works or doesn't.
func on(b key.Binding, works bool) key.Binding {
	b.SetEnabled(works)
	return b
}

// help is a binding under another description.
func help(b key.Binding, name, desc string) key.Binding {
	b.SetHelp(name, desc)
	return b
}

// moving are the keys that move.
func moving(s pane.Scrolling, vertical bool) []key.Binding {
	keys := []key.Binding{s.Up, s.Down, s.PageUp, s.PageDown, s.Top, s.Bottom}
	if !vertical {
		keys = append(keys, s.Left, s.Right)
	}
	return keys
}

// typingKeys are those of what is being typed.
func (p *SQL) typingKeys() []key.Binding {
	k := &p.keys
	leave := k.Leave
	if p.Busy() {
		leave = k.Cancel
	}
	switch {
	case p.tree.typing:
		return []key.Binding{help(k.Choose, "enter", "keep"), help(k.Close, "esc", "all again")}
	case p.at == atQuestion:
		return []key.Binding{on(k.Ask, !p.Busy()), on(k.RunNow, !p.Busy() && !p.statement.empty()), k.Next, k.Previous, leave, k.Undo}
	}
	return []key.Binding{on(k.RunNow, !p.Busy()), k.Complete, k.Offer, k.Previous, leave, k.Undo}
}

// partKeys are those of the part that has the keys.
func (p *SQL) partKeys() []key.Binding {
	k := &p.keys
	switch p.at {
	case atQuestion:
		return []key.Binding{help(k.Enter, "enter", "type")}
	case atSQL:
		return append([]key.Binding{help(k.Enter, "enter", "type"), on(help(k.Copy, "y", "copy the SQL"), !p.statement.empty())}, moving(k.Scrolling, true)...)
	case atSchema:
		return append([]key.Binding{help(k.Enter, "enter", "open, close"), k.Narrow, k.Insert, k.Copy}, moving(k.Scrolling, false)...)
	case atShelf:
		return append([]key.Binding{on(help(k.Enter, "enter", "load it"), p.shelf.count() > 0), on(k.Forget, p.shelf.name() != "")}, moving(k.Scrolling, true)...)
	}
	switch {
	case p.lower != lowerRows:
		return moving(k.Scrolling, true)
	case !p.rows.empty():
		return append([]key.Binding{help(k.Enter, "enter", "the cell"), help(k.Copy, "y", "copy the cell"), k.CopyRow, k.Fix}, moving(k.Scrolling, false)...)
	case len(p.suggested()) > 0:
		return append([]key.Binding{help(k.Enter, "enter", "ask this")}, moving(k.Scrolling, true)...)
	}
	return nil
}

// deep tells whether there is something that esc goes back from.
func (p *SQL) deep() bool {
	return p.cell != nil || p.lower != lowerRows || p.at == atSchema && !p.shape.schema || p.at == atShelf && !p.shape.side || !p.tree.narrow.empty() && p.at == atSchema
}

// repairable tells whether the model may be told of the error.
func (p *SQL) repairable() bool {
	return p.snap.Err != nil && !p.snap.Repaired && !p.Busy() && !p.statement.empty()
}

// exportable tells whether there are rows for a file.
func (p *SQL) exportable() bool {
	return p.snap.Result != nil && len(p.snap.Result.Columns) > 0 && (p.opts.CSV != nil || p.opts.JSON != nil)
}

// nextSource is the one behind that in use.
func nextSource(s *ask.Snapshot) string {
	for i, name := range s.Sources {
		if name == s.Source {
			return s.Sources[(i+1)%len(s.Sources)]
		}
	}
	if len(s.Sources) > 0 {
		return s.Sources[0]
	}
	return ""
}
