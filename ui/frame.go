package ui

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// draw makes the whole screen: m.h lines of m.w cells.
func (m *Model) draw() string {
	if m.w <= 0 || m.h <= 0 {
		return ""
	}
	rows := make([]string, 0, m.h)
	rows = append(rows, m.statusRow())
	if a := m.attentionRow(); a != "" && m.h > 1 {
		rows = append(rows, a)
	}
	room := m.h - m.framed()
	if room > 0 {
		rows = append(rows, m.middle(room)...)
	}
	if line, ok := m.below(); ok && len(rows) > 1 {
		rows[len(rows)-1] = line
	}
	if m.h >= keysFrom {
		rows = append(rows, keysRow(m.theme, m.w, m.working(), m.helpKey()))
	}
	screen := strings.Join(rows, "\n")
	h := m.h
	if m.h >= keysFrom {
		h-- // the keys stay in sight
	}
	for _, d := range m.dialogs {
		screen = overlay(m.theme, screen, d.view(m.theme, m.w, h), m.w, m.h)
	}
	return screen
}

// middle draws the boxes into h rows.
func (m *Model) middle(h int) []string {
	rows := make([]string, h)
	used := make([]int, h)
	for _, s := range m.slots {
		body := s.pane.View(s.w-border, s.h-border)
		name, note := s.pane.Title() // which may depend on what had room
		box := widget.Box(m.theme, s.w, s.h, s.pane == m.now().focus && len(m.dialogs) == 0, widget.Title{Key: m.leads(s.pane), Name: name, Note: note}, body)
		y := s.y
		for line := range strings.SplitSeq(box, "\n") {
			rows[y] += line
			used[y] += s.w
			y++
		}
	}
	for i := range rows {
		if n := m.w - used[i]; n > 0 {
			rows[i] += strings.Repeat(" ", n)
		}
	}
	return rows
}

// hint is a key of the last row.
type hint struct {
	key, desc string
	off       bool // it does nothing for this role, or now
}

// working are the keys that work now, and those that would for another role.
func (m *Model) working() []hint {
	switch n := len(m.dialogs); {
	case m.filter != nil:
		return nil
	case n > 0:
		return hints(m.dialogs[n-1].bindings())
	case m.typing(): // all others are text
		return hints(m.own())
	}
	k := &m.keys
	views := k.Views
	switch {
	case len(m.free(views)) < len(views): // the digits mean something else here
		views = []key.Binding{key.NewBinding(key.WithKeys("q"), key.WithHelp(k.Quit.Help().Key, viewNames[atOverview])),
			key.NewBinding(key.WithKeys("]"), key.WithHelp(k.PrevView.Help().Key+" "+k.NextView.Help().Key, "views"))}
	case m.w < 150: // eight names would leave no room for what the view has
		views = []key.Binding{key.NewBinding(key.WithKeys("1"), key.WithHelp(fmt.Sprintf("1-%d", len(m.views)), "views"))}
	}
	act, idle := m.acting()
	return slices.Concat(hints(views), act, hints(m.own()), hints(m.free([]key.Binding{k.Next, k.Enter, k.Filter, k.Palette, k.Findings, k.Try,
		k.Sort, k.Describe, k.Copy, k.Logs, k.Full, k.Pause, k.Earlier, k.Later, k.Quit})), idle)
}

func hints(keys []key.Binding) (all []hint) {
	for _, b := range keys {
		if b.Enabled() {
			all = append(all, hint{key: b.Help().Key, desc: b.Help().Desc})
		}
	}
	return all
}

// acting are the keys that do something to the subject, those of other roles
// dimmed; and, for where there is room to spare, those that there is nothing to do
// for now.
func (m *Model) acting() (all, idle []hint) {
	r := m.subject()
	for i := range actions {
		a := &actions[i]
		if a.key == nil || !slices.Contains(a.kinds, r.Kind) || m.opts.Seat == nil {
			continue
		}
		h := a.key(&m.keys).Help()
		switch why := m.refusal(a, r); {
		case why == "":
			all = append(all, hint{key: h.Key, desc: h.Desc})
		case m.opts.Seat.May(a.role, a.name) != nil:
			all = append(all, hint{h.Key, h.Desc + ": " + string(a.role) + "s only", true})
		case m.moment.IsZero():
			idle = append(idle, hint{h.Key, h.Desc + ": " + why, true})
		}
	}
	return all, idle
}

// useful are those of some bindings of actions that do something to a thing now;
// others are left out.
func (m *Model) useful(r pane.Ref, all ...key.Binding) []key.Binding {
	return slices.DeleteFunc(all, func(b key.Binding) bool {
		for i := range actions {
			if a := &actions[i]; a.key != nil && a.key(&m.keys).Help() == b.Help() {
				return m.refusal(a, r) != ""
			}
		}
		return false
	})
}

// leads is the key that leads to the view of a pane's things; "": there is none.
func (m *Model) leads(p pane.Pane) string {
	at := 0
	switch p {
	case m.gpus, m.gpuView:
		at = atGPUs
	case m.backends, m.backendView:
		at = atBackends
	case m.requests, m.requestView:
		at = atRequests
	case m.quotas, m.quotaView:
		at = atQuotas
	case m.logs:
		at = atLogs
	default:
		return ""
	}
	return m.keys.Views[at].Help().Key
}

// free are those of some bindings that the focused pane has no use of its own for.
func (m *Model) free(all []key.Binding) []key.Binding {
	taken := make(map[string]bool)
	for _, b := range m.now().focus.Keys() {
		if b.Enabled() {
			for _, k := range b.Keys() {
				taken[k] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(b key.Binding) bool {
		return !slices.ContainsFunc(b.Keys(), func(k string) bool { return !taken[k] })
	})
}

// helpKey is the key of the help, where it works.
func (m *Model) helpKey() *key.Binding {
	if m.filter != nil || len(m.dialogs) > 0 {
		return nil
	}
	return &m.keys.Help
}

// own are the keys of the focused pane, but for those that every list has.
func (m *Model) own() []key.Binding {
	s := m.keys.Scrolling
	usual := []key.Binding{s.Up, s.Down, s.PageUp, s.PageDown, s.Top, s.Bottom, s.Left, s.Right}
	return slices.DeleteFunc(slices.Clone(m.now().focus.Keys()), func(b key.Binding) bool {
		return slices.ContainsFunc(usual, func(u key.Binding) bool { return u.Help() == b.Help() })
	})
}
