package play

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// Closed is a playground's pane where there is none for who looks: it says why.
type Closed struct {
	name, why string
	canvas    widget.Canvas
	theme     *widget.Theme
}

// NewClosed makes the pane of that name.
func NewClosed(t *widget.Theme, name, why string) *Closed {
	return &Closed{name: name, why: why, theme: t}
}

// Title implements pane.Pane.
func (c *Closed) Title() (name, note string) { return c.name, "" }

// Update implements pane.Pane.
func (c *Closed) Update(msg tea.Msg) {
	if m, ok := msg.(pane.Themed); ok {
		c.theme = m.Theme
	}
}

// View implements pane.Pane.
func (c *Closed) View(w, h int) string {
	c.canvas.Reset(c.theme, w, h)
	c.canvas.Text(1, 1, w-2, widget.Muted, c.why)
	return c.canvas.String()
}

// Keys implements pane.Pane.
func (c *Closed) Keys() []key.Binding { return nil }

// SetFocus implements pane.Pane.
func (c *Closed) SetFocus(bool) {}
