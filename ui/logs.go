package ui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// showLogs shows the container log of a thing.
func (m *Model) showLogs(r pane.Ref) {
	name := m.containerOf(r)
	if name == "" {
		m.say(widget.Plain, "nothing with a container is selected: choose a row with the arrows")
		return
	}
	m.goTo(atLogs)
	m.logs.SelectSource(name)
	m.askLog()
}

// containerOf is the name of the container that a thing runs in; "": none is known.
func (m *Model) containerOf(r pane.Ref) string {
	if r.Kind == pane.RefLog {
		return r.ID
	}
	if m.data.Pool == nil {
		return ""
	}
	for i := range m.data.Pool.Backends {
		b := &m.data.Pool.Backends[i]
		for j := range b.Replicas {
			c := b.Replicas[j].Container
			if c == nil {
				continue
			}
			switch {
			case r.Kind == pane.RefReplica && b.Replicas[j].URL == r.ID,
				(r.Kind == pane.RefBackend || r.Kind == pane.RefGPU) && b.Name == r.Name,
				r.Kind == pane.RefRequest && m.replicaOf(r) == b.Replicas[j].URL:
				return c.Name
			}
		}
	}
	return ""
}

// replicaOf is where a request is, or was.
func (m *Model) replicaOf(r pane.Ref) string {
	g := m.data.Gateway
	if g == nil {
		return ""
	}
	for i := range g.Live {
		if g.Live[i].ID == r.ID && g.Live[i].Start.Equal(r.Start) {
			return g.Live[i].Replica
		}
	}
	for i := range g.Recent {
		if g.Recent[i].ID == r.ID && g.Recent[i].Start.Equal(r.Start) {
			return g.Recent[i].Replica
		}
	}
	return ""
}

// askLog has the feed read what the logs' pane wants, while that is shown.
func (m *Model) askLog() {
	if m.feed == nil {
		return
	}
	q, ok := m.logs.Query()
	if !ok || !m.shows(m.logs) {
		q = pane.LogQuery{}
	}
	m.feed.ask(q)
}

// takeLog gives the logs' pane what was read since, unless the picture is held.
func (m *Model) takeLog() {
	if m.feed == nil || m.paused {
		return
	}
	m.askLog()
	if b, ok := m.feed.take(); ok && m.shows(m.logs) {
		m.logs.Update(b)
		m.dirty = true
	}
}

// logTick asks for another look at a log that goes on.
type logTick struct{}

// between are the looks at a log between two ticks, so that it runs on smoothly.
func (m *Model) between() tea.Cmd {
	if q, ok := m.logs.Query(); m.feed == nil || m.at != atLogs || !ok || !q.Follow {
		return nil
	}
	var looks []tea.Cmd
	for i := range 3 {
		looks = append(looks, tea.Tick(period*time.Duration(i+1)/4, func(time.Time) tea.Msg { return logTick{} }))
	}
	return tea.Batch(looks...)
}

// saveLog writes what the logs' pane shows into a file of the gateway's host.
func (m *Model) saveLog() tea.Cmd { return m.saveText(m.logs.Save()) }
