package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"

	"pilothouse/ui/widget"
)

// draw makes the whole screen: m.h lines of m.w cells.
func (m *Model) draw() string {
	if m.w <= 0 || m.h <= 0 {
		return ""
	}
	rows := make([]string, 0, m.h)
	rows = append(rows, statusRow(m.theme, m.w, m.opts, m.data, m.findings, m.paused))
	if a := attentionRow(m.theme, m.w, m.opts, m.data, m.findings); a != "" && m.h > 1 {
		rows = append(rows, a)
	}
	room := m.h - m.framed()
	if room > 0 {
		rows = append(rows, m.middle(room)...)
	}
	if m.h >= keysFrom {
		rows = append(rows, keysRow(m.theme, m.w, m.working()))
	}
	screen := strings.Join(rows, "\n")
	for _, d := range m.dialogs {
		screen = overlay(m.theme, screen, d.view(m.theme, m.w, m.h), m.w, m.h)
	}
	return screen
}

// middle draws the boxes into h rows.
func (m *Model) middle(h int) []string {
	rows := make([]string, h)
	for _, s := range m.slots {
		name, note := s.pane.Title()
		box := widget.Box(m.theme, s.w, s.h, s.pane == m.focus, name, note, s.pane.View(s.w-border, s.h-border))
		y := s.y
		for line := range strings.SplitSeq(box, "\n") {
			rows[y] += line
			y++
		}
	}
	blank := ""
	for i := range rows {
		if rows[i] == "" {
			if blank == "" {
				blank = strings.Repeat(" ", m.w)
			}
			rows[i] = blank
		}
	}
	return rows
}

// working are the keys that work now.
func (m *Model) working() []key.Binding {
	if n := len(m.dialogs); n > 0 {
		return m.dialogs[n-1].bindings()
	}
	all := m.keys.global()
	return append(all[:7:7], m.focus.Keys()...)
}
