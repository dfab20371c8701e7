package ui

import (
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/widget"
)

// input is a line that is being typed.
type input struct {
	line textinput.Model
}

// maxInput is how many characters a line takes.
const maxInput = 500

func newInput(value string) *input {
	in := &input{line: textinput.New()}
	in.line.CharLimit = maxInput
	in.line.KeyMap.Paste.SetEnabled(false) // it would be the clipboard of this host, not of the terminal's
	in.line.SetValue(value)
	in.line.CursorEnd()
	in.line.Focus()
	return in
}

// press takes a key in.
func (in *input) press(k tea.Msg) { in.line, _ = in.line.Update(k) }

func (in *input) value() string { return in.line.Value() }

// draw shows the end of the line that has the cursor, in w cells.
func (in *input) draw(c *widget.Canvas, x, y, w int, st widget.Style, focused bool) {
	runes := []rune(in.value())
	at := min(in.line.Position(), len(runes))
	from := 0
	for from < at && c.Theme.Width(string(runes[from:at])) > w-2 {
		from++
	}
	n := c.Text(x, y, w, st, string(runes[from:]))
	if focused {
		cursor := x + c.Theme.Width(string(runes[from:at]))
		if cursor >= x+n {
			c.Text(cursor, y, 1, st, " ")
		}
		c.Mark(cursor, y, 1, widget.Inverse)
	}
}
