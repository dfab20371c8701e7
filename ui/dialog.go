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
	// update takes a key or pasted text in; done takes the dialog off the stack.
	update(tea.Msg) (done bool, cmd tea.Cmd)
	// view is a block of at most w by h cells, its lines of one width.
	view(t *widget.Theme, w, h int) string
	// doing is what others are told that the operator is about to do; "": they look.
	doing() string
}

// reading is what dialogs that only tell something have in common.
type reading struct{}

func (reading) doing() string { return "" }

// inset is the width of a box that would have as much as most, on a screen of w
// cells: where there is room it stands apart from the boxes behind it.
func inset(w, most int) int {
	if w >= 60 {
		w -= 4
	}
	return min(w, most)
}

// overlay draws a block over the middle of a screen of w by h, with a blank cell
// at either side where there is one: text that ends at a border reads on.
func overlay(t *widget.Theme, screen, block string, w, h int) string {
	lines, over := strings.Split(screen, "\n"), strings.Split(block, "\n")
	bw := ansi.StringWidth(over[0])
	x, y := max(0, (w-bw)/2), max(0, (h-len(over))/2)
	before, behind := strings.Repeat(" ", min(1, x)), strings.Repeat(" ", min(1, max(0, w-x-bw)))
	x, bw = x-len(before), bw+len(before)+len(behind)
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
		lines[y+i] = left + before + o + behind + right
	}
	return strings.Join(lines, "\n")
}
