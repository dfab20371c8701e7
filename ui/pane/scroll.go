package pane

import (
	"fmt"

	"charm.land/bubbles/v2/key"
)

// scroll is a position in a list of lines that has no selection.
type scroll struct {
	off int
}

// move applies a key to a list of n lines in a window of h; it tells whether
// it was one of its keys.
func (s *scroll) move(k fmt.Stringer, m Scrolling, n, h int) bool {
	switch {
	case key.Matches(k, m.Up):
		s.off--
	case key.Matches(k, m.Down):
		s.off++
	case key.Matches(k, m.PageUp):
		s.off -= max(1, h-1)
	case key.Matches(k, m.PageDown):
		s.off += max(1, h-1)
	case key.Matches(k, m.Top):
		s.off = 0
	case key.Matches(k, m.Bottom):
		s.off = n
	default:
		return false
	}
	s.clamp(n, h)
	return true
}

// clamp keeps the window full.
func (s *scroll) clamp(n, h int) { s.off = max(0, min(s.off, n-h)) }
