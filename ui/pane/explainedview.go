package pane

import (
	"strings"

	"pilothouse/ui/widget"
)

const (
	explainedIndent = 12 + 2 + 11 + 1 // of the words: behind the time and the step
	explainedLeast  = 20              // cells that the words have at least, or else they are on lines of their own
)

// Draw draws it on all of a canvas, from a line on, and returns how many lines it
// has. What does not fit in a line goes on in the next.
func (x *Explained) Draw(c *widget.Canvas, from int) (lines int) {
	y := -from
	wrap := func(indent int, style widget.Style, text string) {
		for _, part := range fold(c.Theme, text, c.W-indent) {
			c.Text(indent, y, c.W-indent, style, part)
			y++
		}
	}
	wrap(0, widget.Plain, x.Who)
	wrap(0, widget.Bold, x.Verdict)
	y++
	indent := explainedIndent
	if c.W < indent+explainedLeast {
		indent = 2
	}
	for _, s := range x.Steps {
		c.Text(0, y, 12, widget.Muted, s.Time)
		c.Text(14, y, c.W-14, widget.Plain, s.Step)
		if indent < 14 {
			y++
		}
		wrap(indent, widget.Plain, s.Words)
	}
	y++
	c.Text(0, y, 8, widget.Muted, "answer")
	wrap(9, widget.Plain, x.Answer)
	return y + from
}

// fold breaks a text into lines of at most w cells, at spaces where there are any.
func fold(t *widget.Theme, text string, w int) (lines []string) {
	if w < 1 {
		return []string{""}
	}
	line, used := "", 0
	for word := range strings.SplitSeq(text, " ") {
		n := t.Width(word)
		if line != "" && used+1+n > w {
			lines, line, used = append(lines, line), "", 0
		}
		if line != "" {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}
