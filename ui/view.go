package ui

import (
	"slices"

	"pilothouse/ui/pane"
)

// viewNames are the views in the order of their keys.
var viewNames = []string{"overview", "gpus", "backends", "requests", "quotas", "logs", "chat", "sql"}

// The views, by their places in viewNames.
const (
	atOverview = iota
	atGPUs
	atBackends
	atRequests
	atQuotas
	atLogs
	atChat
	atSQL
)

// view is one of the screens that a digit leads to.
type view struct {
	name   string
	panes  []pane.Pane // all there are, in the order of the focus
	focus  pane.Pane
	chosen pane.Pane // what the user gave the focus to, shown or not
	// arrange lays them out in w by h cells, for the tier of the whole screen.
	arrange func(t tier, w, h int) []slot
}

// newViews makes the views of the dashboard's panes.
func (m *Model) newViews() {
	over := &view{name: viewNames[atOverview], arrange: m.overview,
		panes: []pane.Pane{m.gpus, m.backends, m.traffic, m.quotas, m.events, m.requests, m.logs}}
	over.focus, over.chosen = m.backends, m.backends
	m.views = []*view{over}
	for i, main := range []pane.Pane{m.gpuView, m.backendView, m.requestView, m.quotaView, m.logs, m.chat, m.sql} {
		v := &view{name: viewNames[i+1], panes: []pane.Pane{main}, focus: main, chosen: main}
		if i+1 < atLogs { // the others need all the room for themselves
			v.panes = append(v.panes, m.events, m.logs)
		}
		v.arrange = func(t tier, w, h int) []slot { return m.single(v.panes, t, w, h) }
		m.views = append(m.views, v)
	}
}

// single gives a view's first pane all the room, or three quarters of it where
// there is much.
func (m *Model) single(panes []pane.Pane, t tier, w, h int) []slot {
	if t != large || len(panes) == 1 {
		return []slot{{pane: panes[0], w: w, h: h}}
	}
	side := w / 4
	return append([]slot{{pane: panes[0], w: w - side, h: h}}, m.beside(w-side, side, h)...)
}

// beside is what stands beside everything where there is much room: what happened,
// and the end of a log.
func (m *Model) beside(x, w, h int) []slot {
	upper := h / 2
	return []slot{{pane: m.events, x: x, w: w, h: upper}, {pane: m.logs, x: x, y: upper, w: w, h: h - upper}}
}

// shows tells whether a pane is on the screen.
func (m *Model) shows(p pane.Pane) bool {
	return slices.ContainsFunc(m.slots, func(s slot) bool { return s.pane == p })
}

// now is the view that is shown.
func (m *Model) now() *view { return m.views[m.at] }

// goTo shows a view, and gives up what was full screen.
func (m *Model) goTo(at int) {
	if at < 0 || at >= len(m.views) {
		return
	}
	m.now().focus.SetFocus(false)
	m.at, m.full = at, false
	m.now().focus.SetFocus(true)
	m.inform()
	m.layout()
}

// reveal shows a thing in the view that has most to tell of it, selected there;
// it tells whether there is one.
func (m *Model) reveal(r pane.Ref) bool {
	at := map[pane.RefKind]int{pane.RefGPU: atGPUs, pane.RefBackend: atBackends, pane.RefReplica: atBackends, pane.RefRequest: atRequests,
		pane.RefOrg: atQuotas, pane.RefKey: atQuotas, pane.RefGrant: atQuotas, pane.RefLog: atLogs}[r.Kind]
	if at == 0 {
		return false
	}
	m.goTo(at)
	v := m.now()
	m.chosen(v, v.panes[0])
	if l, ok := v.panes[0].(pane.List); ok && !l.Select(r) && l.Filter() != "" {
		l.SetFilter("") // what hides it is not what was asked for
		l.Select(r)
	}
	m.layout()
	return true
}

// turn moves the focus among the panes that are shown; in full screen, where
// each has all the room, among all.
func (m *Model) turn(by int) {
	v := m.now()
	var at []pane.Pane
	if m.full {
		for _, p := range v.panes {
			if p != m.gpus || m.gpus.Present() {
				at = append(at, p)
			}
		}
	} else {
		for _, s := range m.slots {
			at = append(at, s.pane)
		}
	}
	if i := slices.Index(at, v.focus); i >= 0 {
		m.chosen(v, at[(i+by+len(at))%len(at)])
	}
	m.layout()
}

// chosen gives a pane the focus because the user wants it.
func (m *Model) chosen(v *view, p pane.Pane) {
	v.chosen = p
	m.setFocus(v, p)
}

func (m *Model) setFocus(v *view, p pane.Pane) {
	if p == v.focus {
		return
	}
	v.focus.SetFocus(false)
	v.focus = p
	p.SetFocus(v == m.now())
}

// layout places the panes for the size and the data. The focus is where the
// user put it, or on the last pane shown while that one has no place.
func (m *Model) layout() {
	v, w, h := m.now(), m.w, m.h-m.framed()
	if m.full {
		m.slots = []slot{{pane: v.focus, w: w, h: h}}
		return
	}
	m.slots = v.arrange(tierOf(m.w, m.h), w, h)
	to := v.focus
	for _, s := range m.slots {
		if to = s.pane; to == v.chosen {
			break
		}
	}
	m.setFocus(v, to)
}

// list is the focused pane, if it has rows.
func (m *Model) list() pane.List {
	l, _ := m.now().focus.(pane.List)
	return l
}

// subject is what keys act on: the selected row of the focused pane, or else
// what the most urgent finding is about.
func (m *Model) subject() pane.Ref {
	if l := m.list(); l != nil && l.Selected() != (pane.Ref{}) {
		return l.Selected()
	}
	if len(m.findings) > 0 {
		return m.findings[0].about
	}
	return pane.Ref{}
}
