package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// screen is the width in cells that a table keeps to if it can.
const screen = 80

// column is one column of a table.
type column struct {
	head  string
	right bool // figures
}

// writeColumns writes a table with a line of headings, and what could harm a
// terminal made visible. Columns are two spaces apart; where that is wider than
// a screen, figures are one space from what is before them.
func writeColumns(w io.Writer, cols []column, rows [][]string) error {
	heads := make([]string, len(cols))
	for i, c := range cols {
		heads[i] = c.head
	}
	widths, total := make([]int, len(cols)), 2*(len(cols)-1)
	lines := append([][]string{heads}, rows...)
	for _, line := range lines {
		for i := range line {
			line[i] = widget.Clean(line[i], false)
			widths[i] = max(widths[i], ansi.StringWidth(line[i]))
		}
	}
	for _, n := range widths {
		total += n
	}
	var b strings.Builder
	for _, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			gap := 2
			switch {
			case i == 0:
				gap = 0
			case cols[i].right && total > screen:
				gap = 1
			}
			fill := strings.Repeat(" ", widths[i]-ansi.StringWidth(cell))
			text.WriteString(strings.Repeat(" ", gap))
			if cols[i].right {
				text.WriteString(fill + cell)
			} else {
				text.WriteString(cell + fill)
			}
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}
