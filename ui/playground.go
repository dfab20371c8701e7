package ui

import (
	"context"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/ui/ask"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/play"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// What a playground begins goes on without any screen; its pane only looks at how
// far that has come, more often than at the platform.
const playPeriod = period / 10

// playTick asks for another look at what a playground does.
type playTick struct{}

// newPlaygrounds makes the panes of views 7 and 8.
func (m *Model) newPlaygrounds() {
	why := "no gateway serves"
	if s := m.opts.Seat; s == nil || s.May(desk.Hand, "ask") != nil {
		why = "asking models and databases is for operators and admins"
	}
	m.chat, m.sql = play.NewClosed(m.theme, viewNames[atChat], why), play.NewClosed(m.theme, viewNames[atSQL], why)
	if m.opts.Chat != nil {
		m.chat = play.NewChat(m.theme, play.ChatOptions{Room: m.opts.Chat, Queued: m.queued})
	}
	if m.opts.Sheet == nil {
		return
	}
	m.sql = play.NewSQL(m.opts.Sheet, play.SQLOptions{
		CSV:       func(w io.Writer, r *query.Result) error { return r.WriteCSV(w) },
		JSON:      func(w io.Writer, r *query.Result) error { return r.WriteJSON(w) },
		Suggested: func(s *ask.Snapshot) []string { return s.Suggested },
	})
	m.sql.Update(pane.Themed{Theme: m.theme})
}

// queued is how long a request stood in line; false: that isn't told.
func (m *Model) queued(id string) (time.Duration, bool) {
	if m.opts.Explainer == nil {
		return 0, false
	}
	e, ok := m.opts.Explainer.Explain(id)
	if !ok {
		return 0, false
	}
	for _, s := range e.Steps {
		switch s := s.(type) {
		case gateway.Queued:
			return s.Waited, true
		case gateway.Picked: // it stood in none
			return 0, true
		}
	}
	return 0, false
}

// playground is the focused pane, if it is one; nil: it isn't.
func (m *Model) playground() play.Playground {
	p, _ := m.now().focus.(play.Playground)
	return p
}

// typing tells whether keys are text of a playground's.
func (m *Model) typing() bool {
	p := m.playground()
	return p != nil && p.Typing()
}

// watch asks for the next look at a playground that is busy, once.
func (m *Model) watch() tea.Cmd {
	if p := m.playground(); m.watching || p == nil || !p.Busy() {
		return nil
	}
	m.watching = true
	return tea.Tick(playPeriod, func(time.Time) tea.Msg { return playTick{} })
}

// lookIn has the focused playground look at what it does.
func (m *Model) lookIn() {
	m.watching = false
	if p := m.playground(); p != nil {
		p.Update(play.Beat{Now: m.clock()})
		m.dirty = true
	}
}

// grantWants does what the focused playground wants done.
func (m *Model) grantWants() tea.Cmd {
	p := m.playground()
	if p == nil {
		return nil
	}
	var cmds []tea.Cmd
	for _, w := range p.Wants() {
		if w.Say != "" {
			m.say(widget.Plain, w.Say)
		}
		if w.Explain.ID != "" {
			m.explain(w.Explain)
		}
		if w.Clipboard != "" {
			m.say(widget.Plain, "sent to the terminal's clipboard, where it allows that")
			cmds = append(cmds, copied(w.Clipboard))
		}
		if w.File.Name != "" {
			cmds = append(cmds, m.saveText(w.File.Name, w.File.Text))
		}
	}
	return tea.Batch(cmds...)
}

// saveText writes a file on the gateway's host, for those who may.
func (m *Model) saveText(name, text string) tea.Cmd {
	switch {
	case m.opts.SaveText == nil || m.opts.Seat == nil:
		m.say(widget.Warn, "nothing can be saved from this screen")
		return nil
	case !m.opts.Seat.Operator().Role.May(desk.Hand):
		m.say(widget.Warn, "saving on the gateway's host "+needs(desk.Hand, m.opts.Seat.Operator().Role))
		return nil
	}
	save := m.opts.SaveText
	return m.ask(0, func(context.Context) func(*Model) tea.Cmd {
		path, err := save(name, text)
		return outcome("saved "+path+" on the gateway's host", err)
	})
}

// paste takes text in that the terminal says was pasted: all of it into a
// playground, a line of it where a line is typed, and nothing elsewhere.
func (m *Model) paste(p tea.PasteMsg) {
	if m.filter == nil && len(m.dialogs) == 0 && m.typing() {
		m.playground().Paste(p.Content)
		return
	}
	p.Content, _, _ = strings.Cut(p.Content, "\n")
	switch {
	case m.filter != nil:
		m.filter.press(p)
		if l := m.list(); l != nil {
			l.SetFilter(m.filter.value())
		}
	case len(m.dialogs) > 0:
		m.dialogs[len(m.dialogs)-1].update(p)
	}
}
