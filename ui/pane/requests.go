package pane

import (
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// Requests lists the requests: unless it is sorted otherwise, those in flight
// first, the oldest on top, then those that ended, the newest on top.
//
// Until a key moves in it the list follows the newest, and requests in flight
// take at most half of the rows, so that there is always something to read of
// how they end. From the first move on a request is selected: it keeps its
// place on the screen while others come and go.
//
// Requests that want a look are marked: those that run away, take long, or
// stand still.
type Requests struct {
	pic   picture
	keys  Scrolling
	turn  key.Binding // to the next scope
	snap  *gateway.Snapshot
	pace  pace
	all   []request // Live, then Recent
	kept  []request // those of all that the scope and the filter let through
	list  rows[request]
	scope scope
	query query
	live  int   // how many of kept are in flight
	top   []int // the rows of the window while it follows the newest
	pan   int   // columns left out at the left
	stale bool
	age   time.Duration // of the data
	focus bool
}

// request is a row.
type request struct {
	*gateway.Record
	rate  float64       // tokens per second now; NaN: not known
	still time.Duration // since a stream's last token, as far as that was seen
}

func (r *request) inFlight() bool { return r.Phase != gateway.PhaseEnded }

// ref names a request. Its time has one form, wherever it has been stored.
func (r *request) ref() Ref {
	return Ref{Kind: RefRequest, ID: r.ID, Start: r.Start.Round(0).UTC(), Name: r.Org}
}

// scope is which requests are listed.
type scope int

const (
	allRequests scope = iota
	inFlightOnly
	failedOnly
	scopes
)

func (s scope) holds(r *request) bool {
	switch s {
	case inFlightOnly:
		return r.inFlight()
	case failedOnly:
		return r.failed()
	}
	return true
}

// NewRequests makes the pane.
func NewRequests(t *widget.Theme, keys Scrolling) *Requests {
	return &Requests{
		pic: picture{theme: t}, keys: keys,
		turn: key.NewBinding(key.WithKeys("a"), key.WithHelp("a", "in flight, failed, all")),
		list: rows[request]{keys: keys, id: (*request).ref, orders: requestOrders},
	}
}

// Title implements Pane.
func (p *Requests) Title() (name, note string) {
	if p.snap == nil {
		return "requests", ""
	}
	t := p.pic.theme
	var notes []string
	if p.stale {
		notes = append(notes, widget.Age(p.age)+" old")
	}
	switch shown := len(p.list.shown); {
	case p.Selecting():
		notes = append(notes, of(p.list.index+1, shown))
	case shown < len(p.all):
		notes = append(notes, of(shown, len(p.all)))
	}
	switch p.scope {
	case inFlightOnly:
		notes = append(notes, "in flight only")
	case failedOnly:
		notes = append(notes, "failed only")
	}
	if p.query.text != "" {
		notes = append(notes, "/"+clip(t, p.query.text, 24))
	}
	if p.list.sort > 0 {
		notes = append(notes, "by "+requestOrders[p.list.sort].name)
	}
	return "requests " + t.Dot + " " + widget.Count(uint64(max(0, p.snap.InFlight))) + " in flight", strings.Join(notes, " "+t.Dot+" ")
}

// of writes a share, or a place: 3 of 45.
func of(n, all int) string { return widget.Count(uint64(n)) + " of " + widget.Count(uint64(all)) }

// clip is text cut to w cells.
func clip(t *widget.Theme, s string, w int) string {
	used := 0
	for i, r := range s {
		if used += t.Width(string(r)); used > w {
			return s[:i] + t.Ellipsis
		}
	}
	return s
}

// Selecting tells whether a request is selected.
func (p *Requests) Selecting() bool { return !p.list.following() }

// Update implements Pane.
func (p *Requests) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		p.take(msg.Gateway)
		p.grow(msg.Now)
	case tea.KeyPressMsg:
		p.press(msg)
	}
}

// grow takes the time: data grow old.
func (p *Requests) grow(now time.Time) {
	p.age = 0
	if p.snap != nil {
		p.age = now.Sub(p.snap.At)
	}
	if stale := p.age >= Stale; stale != p.stale {
		p.stale = stale
		p.pic.drop()
	}
}

// take replaces the rows.
func (p *Requests) take(s *gateway.Snapshot) {
	if s == p.snap {
		return
	}
	p.snap, p.all = s, p.all[:0]
	p.pace.begin(s)
	if s != nil {
		for i := range s.Live {
			p.all = append(p.all, p.pace.of(&s.Live[i]))
		}
		for i := range s.Recent {
			p.all = append(p.all, request{Record: &s.Recent[i]})
		}
	}
	sel := p.list.sel
	p.sift()
	if p.Selecting() && p.list.sel != sel && p.list.sort == 0 && !p.known(sel) {
		// It fell off the end of the list: the end is where the reader stays.
		p.list.choose(len(p.list.shown) - 1)
	}
}

// known tells whether there is such a request, shown or not.
func (p *Requests) known(ref Ref) bool {
	return slices.ContainsFunc(p.all, func(r request) bool { return r.ref() == ref })
}

// sift fills the list with what the scope and the filter let through. The list
// has no filter of its own: words of this one have a field that they are looked
// for in.
func (p *Requests) sift() {
	p.kept, p.live = p.kept[:0], 0
	for i := range p.all {
		r := &p.all[i]
		if p.scope.holds(r) && p.query.matches(r) {
			p.kept = append(p.kept, *r)
			if r.inFlight() {
				p.live++
			}
		}
	}
	p.list.take(p.kept)
	p.pic.drop()
}

// press applies a key.
func (p *Requests) press(k tea.KeyPressMsg) {
	switch {
	case key.Matches(k, p.turn):
		p.scope = (p.scope + 1) % scopes
		p.sift()
	case key.Matches(k, p.keys.Left):
		p.pan = max(0, p.pan-1)
	case key.Matches(k, p.keys.Right):
		p.pan++ // bounded where the width is known
	case !p.list.press(k):
		return
	}
	p.pic.drop()
}

// Keys implements Pane.
func (p *Requests) Keys() []key.Binding {
	keys := []key.Binding{p.turn, p.keys.Up, p.keys.Down, p.keys.PageUp, p.keys.PageDown, p.keys.Top, p.keys.Bottom, p.keys.Left, p.keys.Right}
	if p.Selecting() {
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
