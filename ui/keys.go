package ui

import (
	"charm.land/bubbles/v2/key"

	"pilothouse/ui/pane"
)

// keyMap is every key of the dashboard. The last row and the help are made
// from it.
type keyMap struct {
	Help, Quit, Next, Previous, Full, Pause, Findings, Try, Refresh, Redraw, Interrupt key.Binding

	Accept, Close, Copy key.Binding // in dialogs

	Scrolling pane.Scrolling
}

// findingsKey is named in the attention row too.
const findingsKey = "!"

func newKeyMap(demo, attached bool) keyMap {
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	k := keyMap{
		Help:      bind("?", "help", "?"),
		Quit:      bind("q", "quit", "q"),
		Next:      bind("tab", "next pane", "tab"),
		Previous:  bind("shift-tab", "previous pane", "shift+tab"),
		Full:      bind("f", "full screen", "f"),
		Pause:     bind("space", "pause", "space"),
		Findings:  bind(findingsKey, "findings", findingsKey),
		Try:       bind("c", "curl", "c"),
		Refresh:   bind("ctrl-r", "refresh", "ctrl+r"),
		Redraw:    bind("ctrl-l", "redraw", "ctrl+l"),
		Interrupt: bind("ctrl-c", "stop at once", "ctrl+c"),

		Accept: bind("enter", "choose", "enter"),
		Close:  bind("esc", "close", "esc", "q"),
		Copy:   bind("y", "copy", "y"),

		Scrolling: pane.NewScrolling(),
	}
	k.Try.SetEnabled(demo)
	if attached {
		k.Interrupt.SetHelp("ctrl-c", "leave at once")
	}
	return k
}

// global are the keys that work whatever has the focus.
func (k keyMap) global() []key.Binding {
	return []key.Binding{k.Help, k.Quit, k.Next, k.Full, k.Pause, k.Findings, k.Try, k.Previous, k.Refresh, k.Redraw, k.Interrupt}
}
