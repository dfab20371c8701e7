// Package pane has the panes of the dashboard, a file each.
//
// A pane draws what is inside one box. It is told everything by Update: the
// data (Data, on every tick of the dashboard and never in between), the theme
// (Themed), and the keys pressed while it has the focus. It asks nobody for
// anything, does no input or output, starts no goroutine, and takes the time
// from Data, so that the same messages always give the same picture.
//
// View is cheap when nothing happened: a pane keeps its last picture until its
// data, its theme, its size or its own state changes. The snapshots in Data are
// shared and immutable; a pane reads them and keeps no part of them beyond the
// next Data.
//
// What a client, a file or an engine named is drawn through widget.Canvas, which
// makes it harmless. What is not known is drawn as a dash, never as 0.
//
// A pane is not safe for concurrent use; the dashboard that made it owns it.
package pane

import (
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gpu"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// Pane is one part of a view.
type Pane interface {
	// Title is the pane's name and a note on its data, for its box's border.
	Title() (name, note string)
	// Update takes a message in. A pane has no commands of its own to run.
	Update(tea.Msg)
	// View is the picture: h lines of w cells, whatever w and h are.
	View(w, h int) string
	// Keys are the bindings that act on the pane while it has the focus, for
	// the last row and the help.
	Keys() []key.Binding
	// SetFocus tells whether the pane has the keys.
	SetFocus(bool)
}

// Data is one tick's view of the platform. A nil snapshot has not been
// published yet, or there is no such part.
type Data struct {
	Gateway *gateway.Snapshot
	Pool    *backends.Snapshot
	GPUs    *gpu.Snapshot
	Past    *past.Snapshot // what happened, and the books
	Trends  past.Trends    // nil: there are no series
	Now     time.Time      // when it was taken; in a rewound dashboard that moment
	Rewound bool           // it is not now
}

// Themed tells a pane to draw with another theme.
type Themed struct{ Theme *widget.Theme }

// Stale is the age from which on data that should be a second old is dimmed
// and said to be old.
const Stale = 5 * time.Second

// picture keeps the last drawing of a pane, and the canvas it was made on for the
// next one.
type picture struct {
	theme  *widget.Theme
	canvas widget.Canvas
	w, h   int
	text   string
	kept   bool
}

// draw gives the kept picture, or draws one of the given size. paint keeps no hold
// of the canvas.
func (p *picture) draw(w, h int, paint func(*widget.Canvas)) string {
	if p.kept && p.w == w && p.h == h {
		return p.text
	}
	p.canvas.Reset(p.theme, w, h)
	paint(&p.canvas)
	p.w, p.h, p.text, p.kept = w, h, p.canvas.String(), true
	return p.text
}

// drop forgets the kept picture.
func (p *picture) drop() { p.kept, p.text = false, "" }

// themed takes a theme in and tells whether the message was one.
func (p *picture) themed(msg tea.Msg) bool {
	if m, ok := msg.(Themed); ok {
		p.theme = m.Theme
		p.drop()
		return true
	}
	return false
}
