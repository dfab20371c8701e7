package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// findingsDialog lists all findings as they were when it was opened, each in
// full, the most urgent first.
type findingsDialog struct {
	keys     keyMap
	findings []finding
	page     page
}

func (d *findingsDialog) bindings() []key.Binding {
	return []key.Binding{d.keys.Close, d.keys.Scrolling.Up, d.keys.Scrolling.Down}
}

func (d *findingsDialog) update(k tea.KeyPressMsg) (done bool, cmd tea.Cmd) {
	if key.Matches(k, d.keys.Close, d.keys.Findings, d.keys.Accept) {
		return true, nil
	}
	d.page.turn(k, d.keys)
	return false, nil
}

func (d *findingsDialog) view(t *widget.Theme, w, h int) string {
	type line struct {
		style      widget.Style
		mark, text string
	}
	bw := min(w, 90)
	var lines []line
	for _, f := range d.findings {
		mark := t.Mark(f.grade)
		// Cleaned first: what is wrapped must be what is drawn.
		for l := range strings.SplitSeq(ansi.Wrap(widget.Clean(f.text, t.ASCII()), max(1, bw-8), ""), "\n") {
			lines = append(lines, line{f.grade, mark, l})
			mark = " "
		}
	}
	bh := min(h, len(lines)+2)
	note := d.page.fit(len(lines), bh-2)
	c := widget.NewCanvas(t, bw-2, bh-2)
	for i := range d.page.rows {
		l := lines[d.page.off+i]
		c.Text(2, i, 1, l.style, l.mark)
		c.Text(4, i, c.W-4, widget.Plain, l.text)
	}
	return widget.Box(t, bw, bh, true, "findings", note, c.String())
}
