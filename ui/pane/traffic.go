package pane

import (
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// Traffic shows requests and tokens per second, side by side or one above the
// other, over the last quarter of an hour or the last day; with the seconds in
// which answers failed or were refused, and what happened meanwhile; and the
// totals since the start.
type Traffic struct {
	pic     picture
	spans   key.Binding
	day     bool // the last day is asked for
	snap    *gateway.Snapshot
	past    *past.Snapshot
	trends  past.Trends
	now     time.Time
	rewound bool
	stale   bool

	seconds [curves][]float64 // of the gateway's history, newest last
	reach   time.Duration     // of the last graph; 0: there was none yet
	marks   []widget.Mark
}

// The curves that there are.
const (
	requestCurve = iota // answers per second
	tokenCurve          // generated per second
	errorCurve          // answers that failed, per second
	refusedCurve        // answers that refused, per second
	curves
)

// NewTraffic makes the pane.
func NewTraffic(t *widget.Theme) *Traffic {
	return &Traffic{pic: picture{theme: t}, spans: key.NewBinding(key.WithKeys("t"), key.WithHelp("t", gpuHours.name))}
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
	dot := " " + p.pic.theme.Dot + " "
	if p.stale {
		return "traffic", widget.Age(p.now.Sub(p.snap.At)) + " old"
	}
	note = widget.Age(p.span())
	// A note that doesn't fit is left out whole.
	room := p.pic.w - len("traffic") - 8 - p.pic.theme.Width(dot+note)
	if event := p.newest(room); event != "" {
		return "traffic", event + dot + note
	}
	return "traffic", note + dot + "up " + widget.Age(p.snap.At.Sub(p.snap.Started))
}

// Update implements Pane.
func (p *Traffic) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		p.mark() // with the theme's shapes
		return
	}
	switch msg := msg.(type) {
	case Data:
		p.take(msg)
	case tea.KeyPressMsg:
		if key.Matches(msg, p.spans) && p.trends != nil {
			p.day = !p.day
			p.spans.SetHelp("t", reachOf(!p.day).name)
			p.pic.drop()
		}
	}
}

func (p *Traffic) take(d Data) {
	if d.Gateway != p.snap || d.Past != p.past || d.Rewound != p.rewound || (d.Trends == nil) != (p.trends == nil) {
		p.pic.drop()
	}
	p.now, p.rewound, p.trends = d.Now, d.Rewound, d.Trends
	stale := d.Gateway != nil && d.Now.Sub(d.Gateway.At) >= Stale
	if stale != p.stale {
		p.stale = stale
		p.pic.drop()
	}
	if d.Past != p.past {
		p.past = d.Past
		p.mark()
	}
	if d.Gateway == p.snap {
		return
	}
	p.snap = d.Gateway
	for i := range p.seconds {
		p.seconds[i] = p.seconds[i][:0]
	}
	if p.snap == nil {
		return
	}
	for i := range p.snap.History {
		h := &p.snap.History[i]
		for k, n := range [curves]int{h.Requests, h.Tokens, h.Errors, h.Refused} {
			p.seconds[k] = append(p.seconds[k], float64(n))
		}
	}
}

// span is how far back the graphs reach.
func (p *Traffic) span() time.Duration {
	switch {
	case p.longer():
		return day
	case p.reach > 0:
		return p.reach
	}
	return quarter
}

// longer tells whether the last day is shown.
func (p *Traffic) longer() bool { return p.day && p.trends != nil }

// Keys implements Pane.
func (p *Traffic) Keys() []key.Binding {
	if p.trends == nil {
		return nil
	}
	return []key.Binding{p.spans}
}

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
		requests := graph{unit: "req/s", now: p.snap.Now.Requests, of: requestCurve, least: 4, marked: true}
		tokens := graph{unit: "tok/s", now: p.snap.Now.Tokens, of: tokenCurve, least: 20}
		axis := room >= 3
		if w >= sideBySide && h < stacked {
			half := (w - 1) / 2
			p.graph(c, 0, 0, half, room, axis, requests)
			p.graph(c, half+1, 0, w-half-1, room, axis, tokens)
			return
		}
		// Both have the time axis below them.
		upper := room
		if room >= 5 {
			upper = room / 2
		}
		p.graph(c, 0, 0, w, upper, axis && upper == room, requests)
		if upper < room {
			p.graph(c, 0, upper, w, room-upper, axis, tokens)
		}
	})
}

// totals draws the counts since the start, as many as fit, and what went wrong
// within the graph's time.
func (p *Traffic) totals(c *widget.Canvas, y int) {
	t := p.snap.Totals
	x := 1
	put := func(name string, n uint64, style widget.Style) bool {
		text := widget.Count(n)
		if x+len(name)+1+len(text) > c.W-1 {
			return false
		}
		x += c.Text(x, y, c.W-x, widget.Muted, name) + 1
		// Room for four digits, so that the next ones don't jump.
		x += max(c.Text(x, y, c.W-x, style, text)+1, 5) + 1
		return true
	}
	_ = put("ok", t.Status2xx, widget.Plain) && put("429", t.Status429, widget.Plain) && put("4xx", t.Status4xx, widget.Plain) &&
		put("5xx", t.Status5xx, widget.Plain) && put("left", t.ClientLeft, widget.Plain) && p.lately(c, &x, y) &&
		put("prompt tokens", t.PromptTokens, widget.Plain) && put("generated", t.CompletionTokens, widget.Plain)
}

// lately draws how many answers failed and were refused in the last 15 minutes.
func (p *Traffic) lately(c *widget.Canvas, x *int, y int) bool {
	sums := [2]float64{}
	for i, curve := range [...]int{errorCurve, refusedCurve} {
		for _, n := range p.seconds[curve] {
			sums[i] += n
		}
	}
	failed, refused := widget.Count(uint64(sums[0])), widget.Count(uint64(sums[1]))
	const most = 50 // cells of all that follows
	if len(p.seconds[errorCurve]) == 0 || *x+most > c.W-1 {
		return true
	}
	put := func(st widget.Style, text string, w int) { *x += max(c.Text(*x, y, c.W-*x, st, text), w) + 1 }
	style := func(n float64, s widget.Style) widget.Style {
		if n > 0 {
			return s
		}
		return widget.Plain
	}
	bad, warn := style(sums[0], widget.Bad), style(sums[1], widget.Warn)
	put(widget.Muted, c.Theme.Dot+" 15 min:", 0)
	put(bad, c.Theme.Mark(bad), 1)
	put(widget.Muted, "errors", 0)
	put(bad, failed, 5)
	put(warn, c.Theme.Mark(warn), 1)
	put(widget.Muted, "refused", 0)
	put(warn, refused, 5)
	return true
}
