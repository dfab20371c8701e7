package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// findingsDialog lists all findings as they were when it was opened, each in
// full, the most urgent first.
type findingsDialog struct {
	reading
	keys     keyMap
	findings []finding
	show     func(pane.Ref) bool // the thing in the view that has most to tell of it

	at  int // the one that is chosen
	off int // the first line drawn
}

func (d *findingsDialog) bindings() []key.Binding {
	s := d.keys.Scrolling
	return []key.Binding{s.Up, s.Down, d.keys.Accept, d.keys.Close}
}

func (d *findingsDialog) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return false, nil
	}
	s := d.keys.Scrolling
	switch {
	case key.Matches(k, d.keys.Close, d.keys.Findings):
		return true, nil
	case key.Matches(k, d.keys.Accept):
		d.show(d.findings[d.at].about)
		return true, nil
	case key.Matches(k, s.Up):
		d.at = max(0, d.at-1)
	case key.Matches(k, s.Down):
		d.at = min(len(d.findings)-1, d.at+1)
	case key.Matches(k, s.Top):
		d.at = 0
	case key.Matches(k, s.Bottom):
		d.at = len(d.findings) - 1
	}
	return false, nil
}

func (d *findingsDialog) view(t *widget.Theme, w, h int) string {
	type line struct {
		of         int
		style      widget.Style
		mark, text string
	}
	bw := min(w, 96)
	var lines []line
	first := 0
	for i, f := range d.findings {
		if i == d.at {
			first = len(lines)
		}
		mark := t.Mark(f.grade)
		// Cleaned first: what is wrapped must be what is drawn.
		for l := range strings.SplitSeq(ansi.Wrap(widget.Clean(f.full(), t.ASCII()), max(1, bw-8), ""), "\n") {
			lines = append(lines, line{i, f.grade, mark, l})
			mark = " "
		}
	}
	bh := min(h, len(lines)+2)
	rows := max(0, bh-2)
	d.off = max(0, min(max(d.off, first-rows+1), first, len(lines)-rows))
	c := widget.NewCanvas(t, bw-2, bh-2)
	for i := range rows {
		l := lines[d.off+i]
		c.Text(2, i, 1, l.style, l.mark)
		c.Text(4, i, c.W-4, widget.Plain, l.text)
		if l.of == d.at {
			c.Text(0, i, 1, widget.Focused, t.Pointer)
			c.Mark(0, i, c.W, widget.Selected)
		}
	}
	return widget.Box(t, bw, bh, true, widget.Title{Name: "findings", Note: "enter shows it"}, c.String())
}
