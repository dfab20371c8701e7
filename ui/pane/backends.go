package pane

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/widget"
)

// Backends shows a line per backend that joins all that is known of it: its
// state in a shape and a word, what it has to do in the gateway and in its
// engine, how fast it answers, its GPU and its container, and who uses it most.
// Under it come its replicas where it has several, and what is done about every
// bad state, or else its reason.
//
// Until a row is selected, where room is short the lines of healthy replicas go
// first, reasons next; where there are more backends than rows the worst come
// first.
type Backends struct {
	pic   picture
	data  Data
	rows  rows[backendRow]
	all   []backendRow
	part  []backendRow // of all, those that there is room for
	h     int          // of the last view; 0: there was none yet
	bare  bool         // there is no row for the names of the columns
	worst bool         // the worst come first, though no order was chosen
	focus bool
}

// NewBackends makes the pane.
func NewBackends(t *widget.Theme, keys Scrolling) *Backends {
	return &Backends{pic: picture{theme: t}, rows: newBackendRows(keys)}
}

func newBackendRows(keys Scrolling) rows[backendRow] {
	keys.Follow.SetHelp("esc", "select none")
	return rows[backendRow]{keys: keys, id: (*backendRow).ref, text: (*backendRow).text, orders: backendOrders(), below: func(v *backendRow) bool { return v.lone }}
}

// Rows are the lines that the pane can do with, and those that it would fill.
func (p *Backends) Rows() (least, full int) {
	if p.data.Pool == nil {
		return 1, 1
	}
	return max(1, len(p.data.Pool.Backends)), max(1, len(p.all)) + 1
}

// Title implements Pane.
func (p *Backends) Title() (name, note string) {
	if p.data.Pool == nil {
		return "backends", ""
	}
	return "backends", backendsNote(p.pic.theme, &p.rows, p.data, p.worst)
}

// backendsNote tells how old the data is, where it is, and what of a list is
// shown: "2 of 45 · worst first · /acme".
func backendsNote(t *widget.Theme, r *rows[backendRow], d Data, worst bool) string {
	var notes []string
	if age := d.Now.Sub(d.Pool.At); age >= Stale {
		notes = append(notes, widget.Age(age)+" old")
	}
	switch at, n := r.place(); {
	case !r.following():
		notes = append(notes, fmt.Sprintf("%d of %d", at, n))
	case r.filter != "":
		of := 0
		for i := range r.all {
			if !r.all[i].lone {
				of++
			}
		}
		notes = append(notes, fmt.Sprintf("%d of %d", n, of))
	}
	switch {
	case r.sort > 0:
		notes = append(notes, r.orders[r.sort].name)
	case worst:
		notes = append(notes, r.orders[worstFirst].name)
	}
	if r.filter != "" {
		notes = append(notes, "/"+r.filter)
	}
	return strings.Join(notes, " "+t.Dot+" ")
}

// Update implements Pane.
func (p *Backends) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		if sameBackends(p.data, msg) {
			p.data = msg
			return
		}
		p.pic.drop()
		p.data = msg
		p.all = joinBackends(msg, p.all)
		p.take()
	case tea.KeyPressMsg:
		if p.rows.following() {
			p.readAll()
		}
		if p.rows.press(msg) {
			p.pic.drop()
		}
		p.take()
	}
}

// sameBackends tells whether two moments give the same picture.
func sameBackends(a, b Data) bool {
	return a.Pool == b.Pool && a.Gateway == b.Gateway && a.GPUs == b.GPUs && a.Past == b.Past && a.Now.Unix() == b.Now.Unix()
}

// take gives the list the rows that there is room for; all, while somebody reads
// in them.
func (p *Backends) take() {
	p.rows.take(p.all)
	p.worst = false
	// The names of the columns have a row as long as no backend goes for it.
	need := len(p.rows.shown)
	if p.data.Pool != nil && p.rows.filter == "" {
		need = len(p.data.Pool.Backends)
	}
	p.bare = p.h <= need
	if p.h == 0 || !p.rows.following() || len(p.rows.shown) <= p.room() {
		return
	}
	p.without(2, 0)
	// Of the reasons the gravest stay, as many as there is room for.
	for least := 1; least < 10 && len(p.rows.shown) > p.room(); least++ {
		p.without(1, least)
	}
	if len(p.rows.shown) > p.room() && p.rows.sort == 0 {
		p.worst, p.rows.sort = true, worstFirst
		p.rows.arrange()
		p.rows.sort = 0
	}
}

// readAll gives the list all rows, for somebody who begins to read in them where
// the first one is that they see.
func (p *Backends) readAll() {
	var first Ref
	if len(p.rows.shown) > 0 {
		first = p.rows.row(0).ref()
	}
	p.rows.take(p.all)
	for i := range p.rows.shown {
		if p.rows.row(i).ref() == first {
			p.rows.index, p.rows.off = i, i
			return
		}
	}
}

// without leaves rows out of the list: those that are so easily spared, and reasons
// of states less grave than the least.
func (p *Backends) without(spare, least int) {
	p.part = p.part[:0]
	for i := range p.all {
		if v := &p.all[i]; v.spare < spare || v.spare == 1 && gravity(v.mark) >= least {
			p.part = append(p.part, *v)
		}
	}
	p.rows.take(p.part)
}

// room is how many of the rows backends get.
func (p *Backends) room() int {
	if p.bare {
		return p.h
	}
	return p.h - 1
}

// Keys implements Pane.
func (p *Backends) Keys() []key.Binding { return backendKeys(&p.rows) }

func backendKeys(r *rows[backendRow]) []key.Binding {
	if len(r.shown) == 0 {
		return nil
	}
	keys := r.keys.vertical()
	if !r.following() {
		keys = append([]key.Binding{r.keys.Follow}, keys...)
	}
	return keys
}

// SetFocus implements Pane.
func (p *Backends) SetFocus(on bool) {
	if p.focus != on {
		p.pic.drop()
	}
	p.focus = on
}

// View implements Pane.
func (p *Backends) View(w, h int) string {
	if h != p.h {
		p.h = h
		p.take()
	}
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		if emptyBackends(c, &p.rows, p.data) {
			return
		}
		drawBackends(c, &p.rows, 0, h, !p.bare, p.data, p.focus)
	})
}

// emptyBackends says why there is nothing to show, and whether that is so.
func emptyBackends[T any](c *widget.Canvas, r *rows[T], d Data) bool {
	switch {
	case d.Pool == nil:
		c.Text(1, 0, c.W-1, widget.Muted, "no data yet")
	case len(d.Pool.Backends) == 0:
		c.Text(1, 0, c.W-1, widget.Warn, c.Theme.Warn+" none configured")
	case len(r.shown) == 0:
		c.Text(1, 0, c.W-1, widget.Muted, "none of them matches")
	default:
		return false
	}
	return true
}

// drawBackends draws a list in h rows from y on, below the names of its columns
// where they are to be there.
func drawBackends(c *widget.Canvas, r *rows[backendRow], y, h int, heads bool, d Data, focus bool) {
	l := newBackendTable(c.Theme, c.W, !heads, func(each func(*backendRow)) {
		for i := range r.shown {
			each(r.row(i))
		}
	}, d)
	if heads {
		c.Heads(y, l.spans, l.cols)
		y, h = y+1, h-1
	}
	from, to := r.window(h)
	for i := from; i < to; i++ {
		v := r.row(i)
		l.row(c, y+i-from, v)
		if !r.following() && i == r.index {
			c.Text(0, y+i-from, 1, widget.Plain, c.Theme.Pointer)
			if focus {
				c.Mark(0, y+i-from, c.W, widget.Selected)
			}
		}
	}
}

// Selected, Select, Filter, SetFilter, Sort, SetSort, Sorts and Describe implement
// List.

// Selected implements List.
func (p *Backends) Selected() Ref { return p.rows.Selected() }

// Select implements List.
func (p *Backends) Select(to Ref) bool {
	p.rows.take(p.all)
	ok := p.rows.Select(to)
	p.take()
	p.pic.drop()
	return ok
}

// Filter implements List.
func (p *Backends) Filter() string { return p.rows.Filter() }

// SetFilter implements List.
func (p *Backends) SetFilter(s string) {
	p.rows.SetFilter(s)
	p.take()
	p.pic.drop()
}

// Sort implements List.
func (p *Backends) Sort() int { return p.rows.Sort() }

// SetSort implements List.
func (p *Backends) SetSort(i int) {
	p.rows.SetSort(i)
	p.take()
	p.pic.drop()
}

// Sorts implements List.
func (p *Backends) Sorts() []string { return p.rows.Sorts() }

// Describe implements List.
func (p *Backends) Describe() (title string, facts []Fact) {
	return describeBackend(p.pic.theme, p.rows.at(), p.data)
}
