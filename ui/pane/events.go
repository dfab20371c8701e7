package pane

import (
	"cmp"
	"strconv"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// Events lists what happened, the newest on top. Of the selected one all is
// told, over as many lines as that takes.
type Events struct {
	rows[eventRow]
	pic    picture
	focus  bool
	past   *past.Snapshot
	newest *past.Event // what the rows were made of
	now    time.Time
	dated  bool // some are not of today
}

// eventRow is an event and its number among those of the same moment, the first
// to be written being 0.
type eventRow struct {
	*past.Event
	nth int
}

// eventOrders are the ways to sort.
var eventOrders = [...]order[eventRow]{
	{name: "newest first"}, // as they come
	{"gravest first", func(a, b *eventRow) int { return cmp.Compare(b.gravity(), a.gravity()) }},
}

// gravity is how grave an event is; what is good is no graver than what is plain.
func (r *eventRow) gravity() past.Grade {
	if r.Grade == past.Good {
		return past.Plain
	}
	return r.Grade
}

// NewEvents makes the pane.
func NewEvents(t *widget.Theme, keys Scrolling) *Events {
	return &Events{
		pic:  picture{theme: t},
		rows: rows[eventRow]{keys: keys, id: (*eventRow).ref, text: (*eventRow).filtered, orders: eventOrders[:]},
	}
}

// ref names an event by its place in time.
func (r *eventRow) ref() Ref {
	id := strconv.FormatInt(r.At.UnixNano(), 10)
	if r.nth > 0 {
		id += "." + strconv.Itoa(r.nth)
	}
	return Ref{Kind: RefEvent, Name: r.Object, ID: id}
}

// eventHead is how much of a text is looked at: more is never shown.
const eventHead = 16 << 10

// filtered is what filters are looked for in.
func (r *eventRow) filtered() string {
	return string(r.Kind) + " " + r.Object + " " + eventGrade(r.Grade) + " " + r.Text[:min(len(r.Text), eventHead)]
}

// eventGrade and eventStyle are what a grade is called, and how it looks.

func eventGrade(g past.Grade) string {
	switch g {
	case past.Good:
		return "good"
	case past.Warn:
		return "warning"
	case past.Bad:
		return "bad"
	}
	return "note"
}

func eventStyle(g past.Grade) widget.Style {
	switch g {
	case past.Good:
		return widget.Good
	case past.Warn:
		return widget.Warn
	case past.Bad:
		return widget.Bad
	}
	return widget.Plain
}

// eventMark is the shape and the style of a grade where every event has a shape.
func eventMark(t *widget.Theme, g past.Grade) (string, widget.Style) {
	st := eventStyle(g)
	if st == widget.Plain {
		return t.Dot, st
	}
	return t.Mark(st), st
}

// Rows are the lines that the pane can do with, and those that it would like: no more
// than there are events.
func (p *Events) Rows() (least, full int) {
	n := 0
	if p.past != nil {
		n = len(p.past.Events)
	}
	return 2, min(max(n, 2), 5)
}

// Title implements Pane.
func (p *Events) Title() (name, note string) {
	return "events", listedNote(&p.rows, " "+p.pic.theme.Dot+" ")
}

// Update implements Pane.
func (p *Events) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		p.see(&msg)
	case tea.KeyPressMsg:
		if p.press(msg) {
			p.pic.drop()
		}
	}
}

// see takes a tick's data in. Mostly nothing has happened.
func (p *Events) see(d *Data) {
	var newest *past.Event
	n := 0
	if d.Past != nil {
		if n = len(d.Past.Events); n > 0 {
			newest = &d.Past.Events[0]
		}
	}
	today := d.Now.UTC().Truncate(quotaDay)
	if newest == p.newest && n == len(p.all) && (p.past == nil) == (d.Past == nil) && today.Equal(p.now.UTC().Truncate(quotaDay)) {
		p.past, p.now = d.Past, d.Now
		return
	}
	p.pic.drop()
	p.past, p.now, p.newest = d.Past, d.Now, newest
	all := p.all[:0]
	for i := range n {
		all = append(all, eventRow{Event: &d.Past.Events[i]})
	}
	p.dated = false
	for i := n - 1; i >= 0; i-- {
		if i < n-1 && all[i].At.Equal(all[i+1].At) {
			all[i].nth = all[i+1].nth + 1
		}
		p.dated = p.dated || !p.today(all[i].At)
	}
	p.take(all)
}

// today tells whether a moment is of the same day as now is.
func (p *Events) today(t time.Time) bool {
	return t.UTC().Truncate(quotaDay).Equal(p.now.UTC().Truncate(quotaDay))
}

// Keys implements Pane.
func (p *Events) Keys() []key.Binding {
	if p.following() {
		return p.keys.vertical()
	}
	return append([]key.Binding{p.keys.Follow}, p.keys.vertical()...)
}

// SetFocus implements Pane.
func (p *Events) SetFocus(on bool) {
	if p.focus != on {
		p.pic.drop()
	}
	p.focus = on
}

// Select, SetFilter, SetSort and Describe implement List.

func (p *Events) Select(to Ref) bool {
	p.pic.drop()
	return p.rows.Select(to)
}

func (p *Events) SetFilter(s string) {
	p.pic.drop()
	p.rows.SetFilter(s)
}

func (p *Events) SetSort(i int) {
	p.pic.drop()
	p.rows.SetSort(i)
}

func (p *Events) Describe() (title string, facts []Fact) {
	r := p.at()
	if r == nil {
		return "", nil
	}
	return "event of " + quotaStamp(r.At), []Fact{
		{Label: "what", Text: r.Text},
		{Label: "of", Text: r.Object},
		{Label: "kind", Text: string(r.Kind)},
		{Label: "grade", Text: eventGrade(r.Grade)},
		{Label: "when", Text: widget.Age(p.now.Sub(r.At)) + " ago"},
	}
}
