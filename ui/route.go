package ui

import (
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// press routes a key: to the way out, to what is being typed, to the dialog on
// top, to the focused pane, to the dashboard.
func (m *Model) press(k tea.KeyPressMsg) tea.Cmd {
	m.dirty = true
	switch {
	case key.Matches(k, m.keys.Interrupt):
		return tea.Quit
	case key.Matches(k, m.keys.Redraw):
		return func() tea.Msg { return redraw{} }
	case m.filter != nil:
		m.typed(k)
		return nil
	case len(m.dialogs) > 0:
		return m.tell(k)
	case m.now().focus == m.logs && key.Matches(k, m.logs.LogKeys().Save):
		return m.saveLog()
	case m.typing(), m.claimed(k):
		m.now().focus.Update(k)
		m.askLog()
		return m.grantWants()
	}
	if cmd, ok := m.view(k); ok {
		return cmd
	}
	if a := m.actionOf(k); a != nil {
		return m.begin(a, m.subject())
	}
	return nil
}

// global does what a key means to the dashboard, even where the focused pane has a
// use of its own for it.
func (m *Model) global(k tea.KeyPressMsg) tea.Cmd {
	if cmd, ok := m.view(k); ok {
		return cmd
	}
	return m.press(k)
}

// tell gives the dialog on top a message, and takes it off when it is done.
func (m *Model) tell(msg tea.Msg) tea.Cmd {
	top := m.dialogs[len(m.dialogs)-1]
	done, cmd := top.update(msg)
	if done {
		m.shut(top) // it may have opened another one
	}
	return cmd
}

// open puts a dialog on top.
func (m *Model) open(d dialog) { m.dialogs = append(m.dialogs, d) }

// claimed tells whether the focused pane has a use of its own for a key.
func (m *Model) claimed(k tea.KeyPressMsg) bool {
	for _, b := range m.now().focus.Keys() {
		if key.Matches(k, b) {
			return true
		}
	}
	return false
}

// view does what a key asks of the view; false: it is not one of those keys.
func (m *Model) view(k tea.KeyPressMsg) (tea.Cmd, bool) {
	for i, b := range m.keys.Views {
		if key.Matches(k, b) {
			m.goTo(i)
			m.askLog()
			return nil, true
		}
	}
	switch {
	case key.Matches(k, m.keys.NextView):
		m.goTo((m.at + 1) % len(m.views))
		m.askLog()
	case key.Matches(k, m.keys.PrevView):
		m.goTo((m.at + len(m.views) - 1) % len(m.views))
		m.askLog()
	case key.Matches(k, m.keys.Quit), key.Matches(k, m.keys.Scrolling.Follow):
		return m.back(key.Matches(k, m.keys.Quit)), true
	case key.Matches(k, m.keys.Help):
		m.open(m.help())
	case key.Matches(k, m.keys.Palette):
		m.open(m.palette())
	case key.Matches(k, m.keys.Findings):
		m.open(&findingsDialog{keys: m.keys, findings: m.findings, show: m.reveal})
	case key.Matches(k, m.keys.Try):
		m.open(&tryDialog{keys: m.keys, command: curl(m.opts, m.data)})
	case key.Matches(k, m.keys.Next):
		m.turn(1)
	case key.Matches(k, m.keys.Previous):
		m.turn(-1)
	case key.Matches(k, m.keys.Full):
		m.full = !m.full
		m.layout()
	case key.Matches(k, m.keys.Mouse):
		m.mouse = !m.mouse
	default:
		return m.looking(k)
	}
	return nil, true
}

// looking does what a key asks of what is looked at.
func (m *Model) looking(k tea.KeyPressMsg) (tea.Cmd, bool) {
	l := m.list()
	switch {
	case key.Matches(k, m.keys.Pause):
		if m.paused = !m.paused; !m.paused {
			m.refresh()
		}
	case key.Matches(k, m.keys.Refresh):
		m.refresh()
	case key.Matches(k, m.keys.Earlier):
		m.rewind(-step)
	case key.Matches(k, m.keys.Later):
		m.rewind(step)
	case key.Matches(k, m.keys.Now):
		m.toNow()
	case key.Matches(k, m.keys.Filter) && l != nil:
		m.filter = newInput(l.Filter())
	case key.Matches(k, m.keys.Sort) && l != nil && len(l.Sorts()) > 1:
		at := (l.Sort() + 1) % len(l.Sorts())
		l.SetSort(at)
		m.say(widget.Plain, "sorted: "+l.Sorts()[at])
	case key.Matches(k, m.keys.NextMatch) && l != nil:
		l.Update(tea.KeyPressMsg{Code: tea.KeyDown})
	case key.Matches(k, m.keys.PrevMatch) && l != nil:
		l.Update(tea.KeyPressMsg{Code: tea.KeyUp})
	case key.Matches(k, m.keys.Copy) && l != nil:
		return m.copy(l), true
	case key.Matches(k, m.keys.Describe) && l != nil:
		m.describe(l)
	case key.Matches(k, m.keys.Logs):
		m.showLogs(m.subject())
	case key.Matches(k, m.keys.Enter):
		m.enter()
	default:
		return nil, false
	}
	return nil, true
}

// back gives up the full screen, the past, a filter and the view, in this order,
// and then asks whether to quit, if that was the key.
func (m *Model) back(quit bool) tea.Cmd {
	l := m.list()
	switch {
	case m.full:
		m.full = false
		m.layout()
	case !m.moment.IsZero():
		m.toNow()
	case !quit && l != nil && l.Filter() != "":
		l.SetFilter("")
	case !quit && m.playground() != nil: // esc may have come too late to cancel
	case m.at != atOverview:
		m.goTo(atOverview)
	case quit && m.opts.Attached:
		return tea.Quit
	case quit:
		m.open(m.quit())
	}
	return nil
}

// typed takes a key of the filter in. What is typed filters at once.
func (m *Model) typed(k tea.KeyPressMsg) {
	l := m.list()
	switch {
	case k.Code == tea.KeyEnter || l == nil:
		m.filter = nil
	case k.Code == tea.KeyEscape:
		m.filter = nil
		l.SetFilter("")
	default:
		m.filter.press(k)
		l.SetFilter(m.filter.value())
	}
}

// copy sends the selected row to the terminal's clipboard.
func (m *Model) copy(l pane.List) tea.Cmd {
	title, facts := l.Describe()
	if len(facts) == 0 {
		m.say(widget.Plain, "nothing is selected: choose a row with the arrows")
		return nil
	}
	if l == m.logs {
		m.say(widget.Plain, "the line was sent to the terminal's clipboard, where it allows that")
		return copied(m.logs.Copy())
	}
	m.say(widget.Plain, "sent to the terminal's clipboard, where it allows that")
	return copied(plainFacts(title, facts))
}

// describe shows all that is known of the selected row.
func (m *Model) describe(l pane.List) {
	title, facts := l.Describe()
	if len(facts) == 0 {
		m.say(widget.Plain, "nothing is selected: choose a row with the arrows")
		return
	}
	m.open(&factsDialog{keys: m.keys, title: title, facts: facts})
}

// enter opens what is selected: a request's explanation, the view that has most
// to tell of a thing; where nothing is, why there is a finding.
func (m *Model) enter() {
	r := pane.Ref{}
	if l := m.list(); l != nil {
		r = l.Selected()
	}
	switch {
	case r.Kind == pane.RefRequest:
		m.explain(r)
	case r.Kind == pane.RefJob:
		m.open(m.progress(r))
	case r != (pane.Ref{}) && m.at == atOverview && m.reveal(r):
	case r != (pane.Ref{}):
		m.describe(m.list())
	case len(m.findings) > 0:
		m.open(&findingsDialog{keys: m.keys, findings: m.findings, show: m.reveal})
	}
}

// point does what the mouse asks: the wheel scrolls the pane under it, a click
// gives it the focus.
func (m *Model) point(msg tea.MouseMsg) tea.Cmd {
	at := msg.Mouse()
	for _, s := range m.slots {
		y := at.Y - m.above()
		if at.X < s.x || at.X >= s.x+s.w || y < s.y || y >= s.y+s.h {
			continue
		}
		m.dirty = true
		switch msg := msg.(type) {
		case tea.MouseClickMsg:
			m.chosen(m.now(), s.pane)
		case tea.MouseWheelMsg:
			code := tea.KeyDown
			if msg.Button == tea.MouseWheelUp {
				code = tea.KeyUp
			}
			s.pane.Update(tea.KeyPressMsg{Code: code})
		}
	}
	return nil
}

// above is how many rows of the frame stand above the view.
func (m *Model) above() int {
	n := m.framed()
	if m.h >= keysFrom {
		n--
	}
	return n
}

// waitLimit bounds what is asked of others from a screen.
const waitLimit = 30 * time.Second
