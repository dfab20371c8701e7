package ui

import (
	"fmt"

	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// attached tells who else looks, at what.
func (m *Model) attached() dialog {
	me := m.opts.Seat.Operator()
	facts := []pane.Fact{{Label: "you", Text: me.Author() + ", " + string(me.Role)}}
	for _, p := range m.others {
		facts = append(facts, pane.Fact{Label: p.Name, Text: presenceWords(p, m.data)})
	}
	if len(m.others) == 0 {
		facts = append(facts, pane.Fact{Text: "Nobody else is attached."})
	}
	return &factsDialog{keys: m.keys, title: "who is attached", facts: facts}
}

func presenceWords(p desk.Presence, d pane.Data) string {
	from := p.From
	if from == "" {
		from = "this host"
	}
	text := fmt.Sprintf("%s, from %s for %s", p.Role, from, widget.Age(d.Now.Sub(p.Since)))
	if p.View != "" {
		text += ", looks at " + p.View
	}
	if p.Doing != "" {
		text += ", is about to " + p.Doing
	}
	return text
}
