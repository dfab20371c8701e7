package pane

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// BackendView is the view of the backends: all of them and their replicas, and
// below them everything that is known of the selected one, or else of the worst,
// with its history.
type BackendView struct {
	pic   picture
	span  key.Binding
	data  Data
	rows  rows[backendRow]
	all   []backendRow
	day   bool // the graphs reach back a day, not 15 minutes
	focus bool
}

// NewBackendView makes the view.
func NewBackendView(t *widget.Theme, keys Scrolling) *BackendView {
	return &BackendView{pic: picture{theme: t}, rows: newBackendRows(keys),
		span: key.NewBinding(key.WithKeys("t"), key.WithHelp("t", gpuHours.name))}
}

// Title implements Pane.
func (p *BackendView) Title() (name, note string) {
	if p.data.Pool == nil {
		return "backends", ""
	}
	if note = backendsNote(p.pic.theme, &p.rows, p.data, false); note == "" {
		replicas := 0
		for i := range p.data.Pool.Backends {
			replicas += len(p.data.Pool.Backends[i].Replicas)
		}
		note = plainCount(len(p.data.Pool.Backends), "backend") + ", " + plainCount(replicas, "replica")
	}
	return "backends", note
}

// plainCount counts things of a name that only takes an s.
func plainCount(n int, name string) string {
	if n == 1 {
		return "1 " + name
	}
	return widget.Count(uint64(max(0, n))) + " " + name + "s"
}

// Update implements Pane.
func (p *BackendView) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		same := sameBackends(p.data, msg)
		p.data = msg
		if !same {
			p.pic.drop()
			p.all = joinBackends(msg, p.all)
			p.rows.take(p.all)
		}
	case tea.KeyPressMsg:
		switch {
		case key.Matches(msg, p.span):
			p.day = !p.day
			p.span.SetHelp("t", reachOf(!p.day).name)
			p.pic.drop()
		case p.rows.press(msg):
			p.pic.drop()
		}
	}
}

// Keys implements Pane.
func (p *BackendView) Keys() []key.Binding { return append(backendKeys(&p.rows), p.span) }

// SetFocus implements Pane.
func (p *BackendView) SetFocus(on bool) {
	if p.focus != on {
		p.pic.drop()
	}
	p.focus = on
}

// View implements Pane.
func (p *BackendView) View(w, h int) string {
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		if emptyBackends(c, &p.rows, p.data) {
			return
		}
		list := p.listRows(h)
		drawBackends(c, &p.rows, 0, list, list > 1, p.data, p.focus)
		if v := p.shown(); v != nil && h > list {
			p.detail(c, list, h-list, v)
		}
	})
}

// The detail gets at least so many rows where the view has enough for both.
const (
	leastDetail = 7
	leastList   = 3
)

// listRows is how many of h rows the list has, the names of its columns among
// them: all it needs, unless the detail had too little then. It depends on what
// there is, not on what is selected, so that nothing moves with the selection.
func (p *BackendView) listRows(h int) int {
	need := len(p.rows.shown) + 1
	if h-need >= leastDetail && need <= h*2/3 {
		return need
	}
	return min(h, need, max(leastList, min(h-leastDetail, h/2)))
}

// shown is the row that the detail is of: the selected one, or else the worst
// backend of those listed. A backend with one replica is shown whole, whichever
// of its rows is selected.
func (p *BackendView) shown() *backendRow {
	v := p.rows.at()
	if v == nil {
		for i := range p.rows.shown {
			if k := p.rows.row(i); v == nil || k.rank.gravity > v.rank.gravity {
				v = k
			}
		}
	}
	return wholeBackend(p.all, v)
}

// wholeBackend is the row of a backend for that of its only replica, and any
// other row itself.
func wholeBackend(all []backendRow, v *backendRow) *backendRow {
	if v == nil || !v.lone {
		return v
	}
	return wholeOf(all, v)
}

// wholeOf is the row of the backend that a row is of.
func wholeOf(all []backendRow, v *backendRow) *backendRow {
	for i := range all {
		if all[i].b == v.b && all[i].r == nil {
			return &all[i]
		}
	}
	return v
}

// job is the job under way for a row; nil: none is.
func (p *BackendView) job(v *backendRow) *backends.Job {
	rs := v.replicas()
	for i := range rs {
		if j, _ := replicaJob(p.data.Pool, &rs[i]); j != nil {
			return j
		}
	}
	return nil
}

// Selected implements List.
func (p *BackendView) Selected() Ref { return p.rows.Selected() }

// Select implements List.
func (p *BackendView) Select(to Ref) bool {
	p.pic.drop()
	return p.rows.Select(to)
}

// Filter implements List.
func (p *BackendView) Filter() string { return p.rows.Filter() }

// SetFilter implements List.
func (p *BackendView) SetFilter(s string) {
	p.rows.SetFilter(s)
	p.pic.drop()
}

// Sort implements List.
func (p *BackendView) Sort() int { return p.rows.Sort() }

// SetSort implements List.
func (p *BackendView) SetSort(i int) {
	p.rows.SetSort(i)
	p.pic.drop()
}

// Sorts implements List.
func (p *BackendView) Sorts() []string { return p.rows.Sorts() }

// Describe implements List.
func (p *BackendView) Describe() (title string, facts []Fact) {
	return describeBackend(p.pic.theme, wholeBackend(p.all, p.rows.at()), p.data)
}
