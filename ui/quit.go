package ui

import (
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// quit asks whether to stop: this process serves as well as shows.
func (m *Model) quit() dialog {
	facts := []pane.Fact{{Text: "This process is the gateway. Stopping it refuses new requests and lets those in flight end first."}}
	if g := m.data.Gateway; g != nil {
		facts = append(facts, pane.Fact{}, pane.Fact{Text: widget.Count(uint64(max(0, g.InFlight))) + " in flight now."})
	}
	f := &form{keys: m.keys, title: "stop pilothouse?", about: "stop the gateway", verb: "Stop", facts: facts,
		do: func([]string) (tea.Cmd, error) { return tea.Quit, nil }}
	if m.opts.Detachable {
		f.more, f.also = "Detach, go on serving", func() tea.Cmd {
			m.detached = true
			return tea.Quit
		}
	}
	return f.opened()
}
