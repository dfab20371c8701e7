package pane

import (
	"math"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// Traffic shows the history of requests and tokens per second, side by side
// or one above the other, and the totals since the start.
type Traffic struct {
	pic      picture
	snap     *gateway.Snapshot
	requests []float64 // a value a second, newest last
	tokens   []float64
	errors   []float64
	now      time.Time
}

// NewTraffic makes the pane.
func NewTraffic(t *widget.Theme) *Traffic {
	return &Traffic{pic: picture{theme: t}}
}

// The graphs stand side by side from this width on, unless there are so many
// rows that one above the other both are high enough.
const (
	sideBySide = 66
	stacked    = 16
)

// Rows are the lines that the pane can do with, and those that it would like,
// at a width.
func (p *Traffic) Rows(w int) (least, full int) {
	if w >= sideBySide {
		return 3, 8
	}
	return 2, 11
}

// Title implements Pane.
func (p *Traffic) Title() (name, note string) {
	if p.snap == nil {
		return "traffic", ""
	}
	note = "up " + widget.Age(p.snap.At.Sub(p.snap.Started))
	if age := p.now.Sub(p.snap.At); age >= Stale {
		note = widget.Age(age) + " old"
	}
	return "traffic", note
}

// Update implements Pane.
func (p *Traffic) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	d, ok := msg.(Data)
	if !ok {
		return
	}
	p.now = d.Now
	if d.Gateway == p.snap {
		return
	}
	p.pic.drop()
	p.snap = d.Gateway
	p.requests, p.tokens, p.errors = p.requests[:0], p.tokens[:0], p.errors[:0]
	if p.snap == nil {
		return
	}
	for _, h := range p.snap.History {
		p.requests = append(p.requests, float64(h.Requests))
		p.tokens = append(p.tokens, float64(h.Tokens))
		p.errors = append(p.errors, float64(h.Errors))
	}
}

// Keys implements Pane.
func (p *Traffic) Keys() []key.Binding { return nil }

// SetFocus implements Pane.
func (p *Traffic) SetFocus(bool) {}

// View implements Pane.
func (p *Traffic) View(w, h int) string {
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		if p.snap == nil {
			c.Text(1, 0, w-1, widget.Muted, "no data yet")
			return
		}
		// The totals have the last row, unless the graphs need it more.
		room := h
		if h >= 3 {
			room--
			p.totals(c, h-1)
		}
		if w >= sideBySide && h < stacked {
			half := (w - 2) / 2
			p.graph(c, 0, 0, half, room, "req/s", p.snap.Now.Requests, p.requests, 4, p.errors)
			p.graph(c, half+1, 0, w-half-2, room, "tok/s", p.snap.Now.Tokens, p.tokens, 20, nil)
			return
		}
		upper := (room + 1) / 2
		if room < 6 {
			upper = room
		}
		p.graph(c, 0, 0, w-1, upper, "req/s", p.snap.Now.Requests, p.requests, 4, p.errors)
		if upper < room {
			p.graph(c, 0, upper, w-1, room-upper, "tok/s", p.snap.Now.Tokens, p.tokens, 20, nil)
		}
	})
}

// graph draws one history: a heading with what it is now where there is room,
// the curve with its scale, and the time axis. Seconds with errors are marked
// on the upper edge.
func (p *Traffic) graph(c *widget.Canvas, x, y, w, h int, unit string, now float64, all []float64, least float64, errors []float64) {
	const scale = 7
	if h <= 0 || w <= scale {
		return
	}
	t := c.Theme
	head, axis := 0, 0
	if h >= 3 {
		axis = 1
	}
	if h >= 5 {
		head = 1
	}
	gw, gh := w-scale, h-head-axis
	step := widget.Step(len(all), gw)
	end := p.snap.At.Unix()
	s := widget.Bucket(all, end, step)
	top := widget.Scale(s[max(0, len(s)-2*gw):], least)
	switch {
	case head == 1:
		n := c.Text(x+scale, y, gw, widget.Bold, unit)
		c.Text(x+scale+n+2, y, gw-n-2, widget.Plain, widget.Figure(now)+" now")
	case gh >= 2:
		c.Text(x+1, y+gh/2, 5, widget.Muted, unit)
	}
	y += head
	c.Right(x, y, scale-2, widget.Muted, widget.Figure(top))
	c.Text(x+scale-1, y, 1, widget.Muted, t.AxisEnd)
	for i := 1; i < gh; i++ {
		c.Text(x+scale-1, y+i, 1, widget.Muted, t.Vertical)
	}
	if gh >= 2 {
		if head == 1 || gh >= 3 {
			c.Right(x, y+gh-1, scale-2, widget.Muted, "0")
		}
		c.Text(x+scale-1, y+gh-1, 1, widget.Muted, t.AxisEnd)
	}
	c.Graph(x+scale, y, gw, gh, widget.Plain, s, top)
	marks(c, x+scale, y, gw, widget.Bucket(errors, end, step))
	if axis == 1 {
		c.TimeAxis(x+scale, y+gh, gw, step)
	}
}

// marks draws the mark of trouble over each cell with errors.
func marks(c *widget.Canvas, x, y, w int, errors widget.Series) {
	for cx := range w {
		i := len(errors) - 2*(w-cx)
		for _, k := range [...]int{i, i + 1} {
			if k >= 0 && k < len(errors) && errors[k] > 0 && !math.IsNaN(errors[k]) {
				c.Text(x+cx, y, 1, widget.Bad, c.Theme.Bad)
			}
		}
	}
}

// totals draws the counts since the start, as many as fit.
func (p *Traffic) totals(c *widget.Canvas, y int) {
	t := p.snap.Totals
	x := 1
	for _, f := range [...]struct {
		name  string
		n     uint64
		style widget.Style
	}{
		{"ok", t.Status2xx, widget.Plain},
		{"429", t.Status429, widget.Plain},
		{"4xx", t.Status4xx, widget.Plain},
		{"5xx", t.Status5xx, widget.Plain},
		{"left", t.ClientLeft, widget.Plain},
		{"prompt tokens", t.PromptTokens, widget.Plain},
		{"generated", t.CompletionTokens, widget.Plain},
	} {
		n := widget.Count(f.n)
		if x+len(f.name)+1+len(n) > c.W-1 {
			return
		}
		x += c.Text(x, y, c.W-x, widget.Muted, f.name) + 1
		// Room for four digits, so that the next ones don't jump.
		x += max(c.Text(x, y, c.W-x, f.style, n), 5) + 2
	}
}
