package pane

import (
	"fmt"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// Requests lists the requests: those in flight first, the oldest on top, then
// those that ended, the newest on top.
//
// Until a key moves in it the list follows the newest, and requests in flight
// take at most half of the rows, so that there is always something to read of
// how they end. From the first move on a request is selected: it keeps its
// place on the screen while others come and go.
type Requests struct {
	pic   picture
	keys  Scrolling
	snap  *gateway.Snapshot
	rows  []*gateway.Record // into snap: Live, then Recent
	live  int               // how many of rows are in flight
	sel   requestID         // the zero value: none, follow
	index int               // of the selected one in rows
	off   int               // the first row drawn
	pan   int               // columns left out at the left
	h     int               // rows of the last view that hold requests
	focus bool
}

// requestID tells requests apart; clients may choose the same ID twice.
type requestID struct {
	id    string
	start time.Time
}

func idOf(r *gateway.Record) requestID { return requestID{r.ID, r.Start} }

// NewRequests makes the pane.
func NewRequests(t *widget.Theme, keys Scrolling) *Requests {
	return &Requests{pic: picture{theme: t}, keys: keys}
}

// Title implements Pane.
func (p *Requests) Title() (name, note string) {
	if p.snap == nil {
		return "requests", ""
	}
	name = fmt.Sprintf("requests %s %d in flight", p.pic.theme.Dot, p.snap.InFlight)
	if p.following() {
		return name, ""
	}
	return name, fmt.Sprintf("%d of %d", p.index+1, len(p.rows))
}

func (p *Requests) following() bool { return p.sel == requestID{} }

// Selecting tells whether a request is selected.
func (p *Requests) Selecting() bool { return !p.following() }

// Update implements Pane.
func (p *Requests) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		p.take(msg.Gateway)
	case tea.KeyPressMsg:
		p.press(msg)
	}
}

// take replaces the rows and finds the selected request among them.
func (p *Requests) take(s *gateway.Snapshot) {
	if s == p.snap {
		return
	}
	p.pic.drop()
	p.snap, p.rows, p.live = s, p.rows[:0], 0
	if s != nil {
		for i := range s.Live {
			p.rows = append(p.rows, &s.Live[i])
		}
		p.live = len(p.rows)
		for i := range s.Recent {
			p.rows = append(p.rows, &s.Recent[i])
		}
	}
	if p.following() {
		return
	}
	line := p.index - p.off // on the screen
	for i, r := range p.rows {
		if idOf(r) == p.sel {
			p.index, p.off = i, i-line
			p.settle()
			return
		}
	}
	// It fell off the end of the list: the end is where the reader stays.
	p.choose(len(p.rows) - 1)
}

// press applies a key.
func (p *Requests) press(k tea.KeyPressMsg) {
	page := max(1, p.h-1)
	at := p.index
	switch {
	case key.Matches(k, p.keys.Follow):
		p.sel, p.index, p.off = requestID{}, 0, 0
		p.pic.drop()
		return
	case key.Matches(k, p.keys.Left):
		p.pan = max(0, p.pan-1)
		p.pic.drop()
		return
	case key.Matches(k, p.keys.Right):
		p.pan++ // bounded where the width is known
		p.pic.drop()
		return
	case key.Matches(k, p.keys.Up):
		at--
	case key.Matches(k, p.keys.Down):
		if !p.following() {
			at++
		}
	case key.Matches(k, p.keys.PageUp):
		at -= page
	case key.Matches(k, p.keys.PageDown):
		at += page
	case key.Matches(k, p.keys.Top):
		at = 0
	case key.Matches(k, p.keys.Bottom):
		at = len(p.rows) - 1
	default:
		return
	}
	p.choose(at)
	p.pic.drop()
}

// choose selects the nearest there is to row i.
func (p *Requests) choose(i int) {
	if len(p.rows) == 0 {
		p.sel, p.index, p.off = requestID{}, 0, 0
		return
	}
	p.index = max(0, min(i, len(p.rows)-1))
	p.sel = idOf(p.rows[p.index])
	p.settle()
}

// settle keeps the selected row in the window and the window full.
func (p *Requests) settle() {
	h := max(1, p.h)
	p.off = max(p.off, p.index-h+1)
	p.off = max(0, min(p.off, p.index, len(p.rows)-h))
}

// Keys implements Pane.
func (p *Requests) Keys() []key.Binding {
	keys := []key.Binding{p.keys.Up, p.keys.Down, p.keys.PageUp, p.keys.PageDown, p.keys.Top, p.keys.Bottom, p.keys.Left, p.keys.Right}
	if !p.following() {
		keys = append([]key.Binding{p.keys.Follow}, keys...)
	}
	return keys
}

// SetFocus implements Pane.
func (p *Requests) SetFocus(on bool) {
	if p.focus != on {
		p.pic.drop()
	}
	p.focus = on
}

// View implements Pane.
func (p *Requests) View(w, h int) string {
	if n := max(0, h-1); n != p.h {
		p.h = n
		if !p.following() {
			p.settle()
		}
	}
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		cols := requestColumns[:]
		spans := p.spans(w - 2)
		c.Heads(0, spans, cols)
		switch {
		case p.snap == nil:
			c.Text(1, 1, w-1, widget.Muted, "no data yet")
			return
		case len(p.rows) == 0:
			c.Text(1, 1, w-1, widget.Muted, "none yet")
			return
		}
		for i, at := range p.window(h - 1) {
			r := p.rows[at]
			p.row(c, i+1, spans, r)
			if !p.following() && at == p.index {
				c.Text(0, i+1, 1, widget.Plain, c.Theme.Pointer)
				if p.focus {
					c.Mark(0, i+1, w, widget.Selected)
				}
			}
		}
	})
}

// window is the indices of the rows to draw in h lines.
func (p *Requests) window(h int) []int {
	var at []int
	if p.following() {
		live := p.live
		if recent := len(p.rows) - p.live; live+recent > h {
			live = min(live, max(h/2, h-recent))
		}
		for i := range min(h, live) {
			at = append(at, i)
		}
		for i := p.live; i < len(p.rows) && len(at) < h; i++ {
			at = append(at, i)
		}
		return at
	}
	for i := p.off; i < len(p.rows) && len(at) < h; i++ {
		at = append(at, i)
	}
	return at
}
