package widget

import "strings"

// Title is what stands in the upper border of a box: the key that leads to what is
// in it, if there is one, and its name in the left, a note in the right.
type Title struct{ Key, Name, Note string }

// Box frames a body with a border w by h cells. The body has h-2 lines of w-2 cells, as a Canvas
// makes them. A focused box has a pointer before its title and its border in
// the colour of focus. Below 2 by 2 it is blank.
func Box(t *Theme, w, h int, focused bool, title Title, body string) string {
	if w < 2 || h < 2 {
		return NewCanvas(t, w, h).String()
	}
	border := Muted
	if focused {
		border = Focused
	}
	upper, side := top(t, w, border, title), t.seq[border]+t.Vertical+"\x1b[m"
	var b strings.Builder
	b.Grow(len(upper) + len(body) + h*(2*len(side)+1) + w*len(t.Horizontal))
	b.WriteString(upper)
	if h > 2 {
		for line := range strings.SplitSeq(body, "\n") {
			b.WriteByte('\n')
			b.WriteString(side)
			b.WriteString(line)
			b.WriteString(side)
		}
	}
	b.WriteByte('\n')
	b.WriteString(t.seq[border])
	b.WriteString(t.BottomLeft)
	b.WriteString(strings.Repeat(t.Horizontal, w-2))
	b.WriteString(t.BottomRight)
	b.WriteString("\x1b[m")
	return b.String()
}

// usualWidth is above that of nearly all terminals.
const usualWidth = 256

// top draws the upper border.
func top(t *Theme, w int, border Style, title Title) string {
	c := Canvas{cells: make([]cell, 0, usualWidth)} // which needs no heap
	c.Reset(t, w, 1)
	for x := range w {
		c.put(x, 0, t.Horizontal, 1, border)
	}
	c.put(0, 0, t.TopLeft, 1, border)
	c.put(w-1, 0, t.TopRight, 1, border)
	if title.Name == "" || w < 8 {
		return c.String()
	}
	x := 2
	name, before := Bold, " "
	if border == Focused {
		name, before = Focused|Bold, t.Pointer
	}
	x += c.Text(x, 0, w-4, border, before)
	if title.Key != "" {
		x += c.Text(x, 0, w-x-2, Focused|Bold, title.Key)
		x += c.Text(x, 0, w-x-2, border, " ")
	}
	x += c.Text(x, 0, w-x-2, name, title.Name)
	x += c.Text(x, 0, w-x-2, Muted, " ")
	// The note is left out whole rather than cut: half a fact misleads.
	if n := t.Width(title.Note); n > 0 && x+n+5 <= w {
		c.Text(w-n-4, 0, n+2, Muted, " "+title.Note+" ")
	}
	return c.String()
}
