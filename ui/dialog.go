package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// dialog is drawn over the view and has the keys while it is on top of the
// stack.
type dialog interface {
	bindings() []key.Binding
	// update takes a key in; done takes the dialog off the stack.
	update(tea.KeyPressMsg) (done bool, cmd tea.Cmd)
	// view is a block of at most w by h cells, its lines of one width.
	view(t *widget.Theme, w, h int) string
}

// confirmDialog asks before something that can't be taken back. Cancel has the
// focus when it opens.
type confirmDialog struct {
	keys   keyMap
	title  string
	lines  []string
	verb   string // on the other button
	yes    tea.Cmd
	chosen bool // the other button has the focus
}

func (d *confirmDialog) bindings() []key.Binding {
	return []key.Binding{d.keys.Next, d.keys.Accept, d.keys.Close}
}

func (d *confirmDialog) update(k tea.KeyPressMsg) (done bool, cmd tea.Cmd) {
	s := d.keys.Scrolling
	switch {
	case key.Matches(k, d.keys.Next, d.keys.Previous, s.Left, s.Right):
		d.chosen = !d.chosen
	case key.Matches(k, d.keys.Accept):
		if d.chosen {
			return true, d.yes
		}
		return true, nil
	case key.Matches(k, d.keys.Close):
		return true, nil
	}
	return false, nil
}

func (d *confirmDialog) view(t *widget.Theme, w, h int) string {
	wide := 34
	for _, l := range d.lines {
		wide = max(wide, t.Width(l))
	}
	bw, bh := min(w, wide+6), min(h, len(d.lines)+6)
	c := widget.NewCanvas(t, bw-2, bh-2)
	for i, l := range d.lines {
		c.Text(2, 1+i, bw-5, widget.Plain, l)
	}
	// The buttons come last, and stay when the text has no room.
	y := c.H - 2
	if c.H < 4 {
		y = c.H - 1
	}
	x := 2
	for i, label := range [...]string{"Cancel", d.verb} {
		style, text := widget.Plain, "  "+label+"  "
		if d.chosen == (i == 1) {
			style, text = widget.Focused|widget.Inverse, "> "+label+" <"
		}
		x += c.Text(x, y, c.W-x, style, text) + 3
	}
	return widget.Box(t, bw, bh, true, d.title, "", c.String())
}

// overlay draws a block over the middle of a screen of w by h.
func overlay(t *widget.Theme, screen, block string, w, h int) string {
	lines, over := strings.Split(screen, "\n"), strings.Split(block, "\n")
	bw := ansi.StringWidth(over[0])
	x, y := max(0, (w-bw)/2), max(0, (h-len(over))/2)
	for i, o := range over {
		if y+i >= len(lines) {
			break
		}
		under := lines[y+i]
		left, right := ansi.Truncate(under, x, ""), ansi.TruncateLeft(under, x+bw, "")
		// A wide character that the block cuts in half leaves a blank.
		left += "\x1b[m" + strings.Repeat(" ", max(0, x-ansi.StringWidth(left)))
		if n := max(0, w-x-bw); ansi.StringWidth(right) != n {
			right = ansi.TruncateLeft(right, ansi.StringWidth(right)-n+1, "")
			right = strings.Repeat(" ", max(0, n-ansi.StringWidth(right))) + right
		}
		lines[y+i] = left + o + right
	}
	return strings.Join(lines, "\n")
}
