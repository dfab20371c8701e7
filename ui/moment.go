package ui

import (
	"time"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// step is how far one key goes in time.
const step = 10 * time.Second

// read takes the platform as it is, or as it was.
func (m *Model) read() pane.Data {
	d := pane.Data{Now: m.clock()}
	if p := m.opts.Past; p != nil {
		d.Trends, d.Past = p, p.Snapshot()
		if !m.moment.IsZero() {
			if was, ok := p.At(m.moment); ok {
				d.Gateway, d.Pool, d.GPUs, d.Past = was.Gateway, was.Pool, was.GPUs, was.Past
				d.Now, d.Rewound = was.At, true
				return d
			}
			m.moment = time.Time{} // it is forgotten by now
		}
	}
	d.Gateway, d.Pool = m.opts.Gateway.Snapshot(), m.opts.Pool.Snapshot()
	if m.opts.GPUs != nil {
		d.GPUs = m.opts.GPUs.Snapshot()
	}
	return d
}

// rewind goes back in time, or forth where by is positive.
func (m *Model) rewind(by time.Duration) {
	if m.opts.Past == nil {
		m.say(widget.Warn, "nothing of the past is kept here")
		return
	}
	from := m.moment
	if from.IsZero() {
		if by > 0 {
			return
		}
		from = m.clock()
	}
	to := from.Add(by)
	if !to.Before(m.clock()) {
		m.toNow()
		return
	}
	if s := m.opts.Past.Snapshot(); s == nil || to.Before(s.Oldest) {
		m.say(widget.Warn, "nothing older is kept")
		return
	}
	m.moment = to
	m.refresh()
}

// toNow ends the look at the past.
func (m *Model) toNow() {
	m.moment = time.Time{}
	m.refresh()
}
