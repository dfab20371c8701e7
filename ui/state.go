package ui

import (
	"fmt"
	"slices"

	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
)

// The place of the text that is typed into the filter, in what is kept.
const unsentFilter = "filter"

// keep remembers how the operator has the screen, for when the line is cut, and
// tells others what they look at.
func (m *Model) keep() {
	s := m.opts.Seat
	if s == nil {
		return
	}
	v := m.now()
	doing := ""
	if n := len(m.dialogs); n > 0 {
		doing = m.dialogs[n-1].doing()
	}
	s.Show(v.name, doing)
	st := desk.State{View: v.name, Full: m.full, Focus: make(map[string]string), Filters: make(map[string]string),
		Sorts: make(map[string]int), Unsent: make(map[string]string)}
	for _, v := range m.views {
		st.Focus[v.name] = fmt.Sprint(slices.Index(v.panes, v.chosen))
		for i, p := range v.panes {
			l, ok := p.(pane.List)
			if !ok {
				continue
			}
			at := placeOf(v, i)
			if f := l.Filter(); f != "" {
				st.Filters[at] = f
			}
			if l.Sort() != 0 {
				st.Sorts[at] = l.Sort()
			}
		}
	}
	if m.filter != nil {
		st.Unsent[unsentFilter] = m.filter.value()
	}
	s.Keep(st)
}

// placeOf names a pane in what is kept.
func placeOf(v *view, i int) string { return fmt.Sprintf("%s/%d", v.name, i) }

// restore shows the screen as the operator had it last.
func (m *Model) restore() {
	if m.opts.Seat == nil {
		return
	}
	st, _, ok := m.opts.Seat.Kept()
	if !ok {
		return
	}
	for at, v := range m.views {
		for i, p := range v.panes {
			if l, ok := p.(pane.List); ok {
				l.SetFilter(st.Filters[placeOf(v, i)])
				l.SetSort(st.Sorts[placeOf(v, i)])
			}
			if fmt.Sprint(i) == st.Focus[v.name] {
				m.chosen(v, p)
			}
		}
		if v.name == st.View {
			m.goTo(at)
		}
	}
	m.full = st.Full
	if text, ok := st.Unsent[unsentFilter]; ok && m.list() != nil {
		m.filter = newInput(text)
	}
	m.layout()
}
