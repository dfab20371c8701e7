package ui

import "pilothouse/ui/pane"

// tray has the lines that wait to be taken. The oldest go where it is full.
type tray struct {
	lines   []pane.LogLine
	bytes   int
	dropped int
}

func (t *tray) put(l pane.LogLine) {
	t.lines = append(t.lines, l)
	t.bytes += len(l.Text)
	for len(t.lines) > feedLines || t.bytes > feedBytes && len(t.lines) > 1 {
		t.bytes -= len(t.lines[0].Text)
		t.lines[0] = pane.LogLine{} // the slice goes on holding the array
		t.lines = t.lines[1:]
		t.dropped++
	}
}

// miss counts lines that are missing behind those in it. As they can be told of
// only before, those go.
func (t *tray) miss(n int) {
	n += len(t.lines) + t.dropped
	*t = tray{dropped: n}
}

// empty takes all out, and how many were dropped before them.
func (t *tray) empty() (lines []pane.LogLine, dropped int) {
	lines, dropped = t.lines, t.dropped
	*t = tray{}
	return lines, dropped
}
