package play

import "charm.land/bubbles/v2/key"

// ChatKeys are the bindings of the pane.
type ChatKeys struct {
	Send, NewLine, Type, Next, Previous, Stop key.Binding
	Explain, Edit, Again, Compare, Raw, Copy  key.Binding
	New, Rename, Delete, Open, Change, Burst  key.Binding
	PageUp, PageDown, Top, Bottom, Up, Down   key.Binding
	Left, Right, SheetClose                   key.Binding
}

func newChatKeys() ChatKeys {
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	return ChatKeys{
		Send:     bind("enter", "send", "enter"),
		NewLine:  bind("alt-enter", "new line", "alt+enter", "ctrl+j", "shift+enter"),
		Type:     bind("i", "type", "i", "enter"),
		Next:     bind("tab", "next part", "tab"),
		Previous: bind("shift-tab", "part before", "shift+tab"),
		Stop:     bind("esc", "stop, back", "esc"),

		Explain: bind("enter", "why", "enter"),
		Edit:    bind("e", "edit question", "e"),
		Again:   bind("a", "ask again", "a"),
		Compare: bind("c", "compare ways", "c"),
		Raw:     bind("v", "raw", "v"),
		Copy:    bind("y", "copy answer", "y"),
		Burst:   bind("B", "burst", "B"),

		New:    bind("n", "new", "n"),
		Rename: bind("r", "rename", "r"),
		Delete: bind("D", "delete", "D"),
		Open:   bind("enter", "open", "enter"),
		Change: bind("enter", "change", "enter"),

		PageUp:   bind("pgup", "page up", "pgup", "ctrl+b"),
		PageDown: bind("pgdn", "page down", "pgdown", "ctrl+f"),
		Top:      bind("g", "first", "g", "home"),
		Bottom:   bind("G", "last", "G", "end"),
		Up:       bind("up/k", "up", "up", "k"),
		Down:     bind("down/j", "down", "down", "j"),
		Left:     bind("left", "left", "left", "h"),
		Right:    bind("right", "right", "right", "l"),

		SheetClose: bind("esc", "close", "esc", "q"),
	}
}

// Keys are the bindings that act on the pane now.
func (c *Chat) Keys() []key.Binding {
	k := &c.keys
	moves := []key.Binding{k.Up, k.Down, k.PageUp, k.PageDown, k.Top, k.Bottom}
	parts := []key.Binding{k.Next, k.Previous}
	if c.Busy() || c.typing && c.part == chatEditor || c.again >= 0 || c.part == chatList || c.part == chatSettings {
		parts = append(parts, k.Stop)
	}
	switch {
	case c.opts.Room == nil:
		return nil
	case c.sheet != nil && c.sheet.do != nil:
		return []key.Binding{k.Send, k.Next, k.Left, k.Right, k.SheetClose}
	case c.sheet != nil:
		return append([]key.Binding{k.SheetClose, k.Copy}, moves...)
	case c.Typing():
		return append([]key.Binding{k.Send, k.NewLine, k.PageUp, k.PageDown}, parts...)
	case c.part == chatEditor:
		return append([]key.Binding{k.Type, k.PageUp, k.PageDown, k.New, k.Compare, k.Again, k.Raw, k.Copy, k.Burst}, parts...)
	case c.part == chatAnswers:
		return append(append([]key.Binding{k.Explain, k.Edit, k.Again, k.Compare, k.Raw, k.Copy, k.New, k.Burst}, parts...), append(moves, k.Left, k.Right)...)
	case c.part == chatList:
		return append(append([]key.Binding{k.Open, k.New, k.Rename, k.Delete}, parts...), moves...)
	}
	return append(append([]key.Binding{k.Change, k.Left, k.Right}, parts...), moves...)
}
