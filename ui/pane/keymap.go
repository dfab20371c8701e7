package pane

import "charm.land/bubbles/v2/key"

// Scrolling are the keys that move in a list.
type Scrolling struct {
	Up, Down, PageUp, PageDown, Top, Bottom, Left, Right, Follow key.Binding
}

// NewScrolling gives the usual keys.
func NewScrolling() Scrolling {
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	return Scrolling{
		Up:       bind("up/k", "up", "up", "k"),
		Down:     bind("down/j", "down", "down", "j"),
		PageUp:   bind("pgup", "page up", "pgup", "ctrl+b"),
		PageDown: bind("pgdn", "page down", "pgdown", "ctrl+f"),
		Top:      bind("g", "first", "g", "home"),
		Bottom:   bind("G", "last", "G", "end"),
		Left:     bind("left", "columns to the left", "left"), // h would go with l, which leads to logs
		Right:    bind("right", "columns to the right", "right"),
		Follow:   bind("esc", "follow the newest", "esc"),
	}
}

// vertical are those of a list that has no selection.
func (s Scrolling) vertical() []key.Binding {
	return []key.Binding{s.Up, s.Down, s.PageUp, s.PageDown, s.Top, s.Bottom}
}
