package play

import (
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/ask"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// shelf is what was kept under names, and what was run.
type shelf struct {
	keys    pane.Scrolling
	saved   []ask.Saved
	history []ask.Entry
	index   int // of all, saved ones first
	off, h  int
}

// take keeps the selection at its thing where new entries come in above it.
func (s *shelf) take(snap *ask.Snapshot) {
	if s.index > 0 && s.index >= len(s.saved) {
		s.index += len(snap.Saved) - len(s.saved)
		if n := len(snap.History) - len(s.history); n > 0 && s.index > len(snap.Saved) {
			s.index += n
		}
	}
	s.saved, s.history = snap.Saved, snap.History
	s.index = max(0, min(s.index, s.count()-1))
}

func (s *shelf) count() int { return len(s.saved) + len(s.history) }

// press applies a key that moves.
func (s *shelf) press(k tea.KeyPressMsg) bool {
	page := max(1, s.h-1)
	to := s.index
	switch {
	case key.Matches(k, s.keys.Up):
		to--
	case key.Matches(k, s.keys.Down):
		to++
	case key.Matches(k, s.keys.PageUp):
		to -= page
	case key.Matches(k, s.keys.PageDown):
		to += page
	case key.Matches(k, s.keys.Top):
		to = 0
	case key.Matches(k, s.keys.Bottom):
		to = s.count() - 1
	default:
		return false
	}
	s.index = max(0, min(to, s.count()-1))
	return true
}

// name is that of the selected query; "": none that has one is selected.
func (s *shelf) name() string {
	if s.index < len(s.saved) {
		return s.saved[s.index].Name
	}
	return ""
}

// draw draws a row for each.
func (s *shelf) draw(c *widget.Canvas, now time.Time, focused bool) {
	if s.count() == 0 {
		c.Text(1, 0, c.W-1, widget.Muted, "nothing has been run, and nothing saved")
		return
	}
	s.h = c.H
	s.off = max(s.off, s.index-s.h+1)
	s.off = max(0, min(s.off, s.index, s.count()-s.h))
	for y := range min(s.h, s.count()-s.off) {
		i := s.off + y
		if i < len(s.saved) {
			s.drawSaved(c, y, &s.saved[i])
		} else {
			drawEntry(c, y, &s.history[i-len(s.saved)], now)
		}
		if focused && i == s.index {
			c.Text(0, y, 1, widget.Plain, c.Theme.Pointer)
			c.Mark(0, y, c.W, widget.Selected)
		}
	}
}

// titleOf is what a query is known by: its question, or else its SQL.
func titleOf(question, sql string) string {
	if q := oneLine(question, 512); q != "" {
		return q
	}
	return oneLine(sql, 512)
}

func (s *shelf) drawSaved(c *widget.Canvas, y int, q *ask.Saved) {
	x := 1 + drawRuns(c, 1, y, min(24, c.W-1), sqlRun{widget.Bold, oneLine(q.Name, 128)}) + 2
	c.Text(x, y, c.W-x, widget.Muted, titleOf(q.Question, q.SQL))
}

// drawEntry draws what was run: when, what, and what came of it.
func drawEntry(c *widget.Canvas, y int, e *ask.Entry, now time.Time) {
	form := "15:04"
	if y, m, d := e.At.UTC().Date(); now.UTC().Day() != d || now.UTC().Month() != m || now.UTC().Year() != y {
		form = "01-02"
	}
	c.Text(1, y, 5, widget.Muted, e.At.UTC().Format(form))
	st := widget.Plain
	came := rowCount(e.Rows)
	if d := widget.Duration(e.Took); d != "" {
		came += "  " + d
	}
	if e.Failed != "" {
		st, came = widget.Bad, c.Theme.Bad+" failed"
		if c.W > 90 {
			came = c.Theme.Bad + " " + oneLine(e.Failed, 256)
		}
	}
	end := c.W
	if n := min(c.Theme.Width(came), c.W/3); c.W > 44 {
		style := widget.Muted
		if e.Failed != "" {
			style = widget.Bad
		}
		c.Right(c.W-n, y, n, style, came)
		end -= n + 2
		st = widget.Plain
	}
	x := 8
	if c.W > 90 {
		x += c.Text(x, y, 12, widget.Muted, oneLine(e.Source, 64)) + 2
	}
	if end > x {
		c.Text(x, y, end-x, st, titleOf(e.Question, e.SQL))
	}
}

// rowCount writes how many rows there are.
func rowCount(n int) string {
	if n == 1 {
		return "1 row"
	}
	return widget.Count(uint64(max(0, n))) + " rows"
}

// note tells how much is on the shelf.
func (s *shelf) note() string {
	var parts []string
	if n := len(s.saved); n > 0 {
		parts = append(parts, fmt.Sprintf("%d saved", n))
	}
	if n := len(s.history); n > 0 {
		parts = append(parts, fmt.Sprintf("%d run", n))
	}
	return strings.Join(parts, ", ")
}
