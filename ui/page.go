package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// page is a window on lines that may be more than fit.
type page struct {
	off, lines, rows int // first line shown, lines in all, rows of the last view
}

// turn moves the window by a key.
func (p *page) turn(k tea.KeyPressMsg, keys keyMap) {
	s := keys.Scrolling
	switch {
	case key.Matches(k, s.Up):
		p.off--
	case key.Matches(k, s.Down):
		p.off++
	case key.Matches(k, s.PageUp):
		p.off -= p.rows
	case key.Matches(k, s.PageDown):
		p.off += p.rows
	case key.Matches(k, s.Top):
		p.off = 0
	case key.Matches(k, s.Bottom):
		p.off = p.lines
	}
	p.fit(p.lines, p.rows)
}

// fit takes the sizes of a view in and gives the note for its border.
func (p *page) fit(lines, rows int) string {
	p.lines, p.rows = lines, max(0, rows)
	p.off = max(0, min(p.off, p.lines-p.rows))
	if p.lines > p.rows {
		return "scroll for more"
	}
	return ""
}
