package ui

import (
	"time"

	"pilothouse/ui/widget"
)

// flash is the outcome of the last action, for some seconds.
type flash struct {
	text  string
	style widget.Style
	until time.Time
}

const flashTime = 8 * time.Second

// say shows an outcome.
func (m *Model) say(st widget.Style, text string) {
	m.flash = flash{text: text, style: st, until: m.clock().Add(flashTime)}
	m.dirty = true
}

// below is what stands in the row above the keys, in place of the view: what is
// being typed, or the outcome of the last action; false: neither.
func (m *Model) below() (string, bool) {
	switch {
	case m.filter != nil:
		c := widget.NewCanvas(m.theme, m.w, 1)
		x := 1 + c.Text(1, 0, m.w-1, widget.Focused|widget.Bold, "/")
		hint := "enter keeps it, esc clears it"
		room := m.w - x - 1
		if room > 60 {
			room -= len(hint) + 2
			c.Text(x+room+2, 0, len(hint), widget.Muted, hint)
		}
		m.filter.draw(c, x, 0, room, widget.Plain, true)
		return c.String(), true
	case m.flash.text != "":
		c := widget.NewCanvas(m.theme, m.w, 1)
		mark := m.theme.Mark(m.flash.style)
		x := 1 + c.Text(1, 0, m.w-1, m.flash.style, mark+" ")
		c.Text(x, 0, m.w-x-1, m.flash.style, m.flash.text)
		return c.String(), true
	}
	return "", false
}
