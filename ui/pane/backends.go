package pane

import (
	"fmt"
	"strconv"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// Backends shows a line per backend: its state in a shape and a word, and what
// the gateway measures of it. Under it come its replicas where it has several,
// and the reason of every bad state. Where room is short the lines of healthy
// replicas go first, reasons next.
type Backends struct {
	pic    picture
	keys   Scrolling
	pool   *backends.Snapshot
	rates  map[string]gateway.Rates
	served *gateway.Snapshot
	now    time.Time
	scroll scroll
	h      int
}

// NewBackends makes the pane.
func NewBackends(t *widget.Theme, keys Scrolling) *Backends {
	return &Backends{pic: picture{theme: t}, keys: keys}
}

// Rows are the lines that the pane can do with, and those that it would fill.
func (p *Backends) Rows() (least, full int) {
	if p.pool == nil {
		return 1, 1
	}
	return max(1, len(p.pool.Backends)), max(1, len(p.lines(1<<30))) + 1
}

// Title implements Pane.
func (p *Backends) Title() (name, note string) {
	if p.pool == nil {
		return "backends", ""
	}
	name = fmt.Sprintf("%d backends", len(p.pool.Backends))
	if len(p.pool.Backends) == 1 {
		name = "1 backend"
	}
	if age := p.now.Sub(p.pool.At); age >= Stale {
		note = widget.Age(age) + " old"
	}
	return name, note
}

// Update implements Pane.
func (p *Backends) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		if msg.Pool != p.pool || msg.Gateway != p.served || msg.Now.Unix() != p.now.Unix() {
			p.pic.drop()
		}
		p.pool, p.served, p.now, p.rates = msg.Pool, msg.Gateway, msg.Now, nil
		if msg.Gateway != nil {
			p.rates = msg.Gateway.Backends
		}
	case tea.KeyPressMsg:
		if p.pool != nil && p.scroll.move(msg, p.keys, len(p.lines(1<<30)), p.room(p.h)) {
			p.pic.drop()
		}
	}
}

// Keys implements Pane.
func (p *Backends) Keys() []key.Binding {
	if p.pool == nil || len(p.lines(1<<30)) <= p.room(p.h) {
		return nil
	}
	return p.keys.vertical()
}

// SetFocus implements Pane.
func (p *Backends) SetFocus(bool) {}

var backendColumns = [...]widget.Column{
	{Width: 1}, // mark
	{Head: "backend", Width: 11, Max: 26},
	{Head: "state", Width: 9, Max: 10, Worth: 20},
	{Head: "for", Width: 6, Right: true, Worth: 6},
	{Head: "run", Width: 4, Right: true, Worth: 19},
	{Head: "req/s", Width: 5, Right: true, Worth: 16},
	{Head: "tok/s", Width: 5, Right: true, Worth: 15},
	{Head: "ttft p50", Width: 8, Right: true, Worth: 14},
	{Head: "p95", Width: 6, Right: true, Worth: 17},
	{Head: "err/s", Width: 5, Right: true, Worth: 18},
	{Head: "per tok", Width: 7, Right: true, Worth: 5},
	{Head: "sent", Width: 9, Right: true, Worth: 4},
	{Head: "failed", Width: 7, Right: true, Worth: 3},
	{Head: "idle", Width: 4, Right: true, Worth: 1},
	{Head: "model", Width: 16, Max: 60, Worth: 2},
}

// backendLine is a backend, one of its replicas, or the reason of a state.
type backendLine struct {
	b      *backends.BackendStatus
	r      *backends.ReplicaStatus // nil: the backend itself
	reason bool                    // the reason alone, of a backend with one replica
	spare  int                     // what goes first where room is short: the higher the sooner
}

// lines are those to draw in h rows.
func (p *Backends) lines(h int) []backendLine {
	var all []backendLine
	for i := range p.pool.Backends {
		b := &p.pool.Backends[i]
		all = append(all, backendLine{b: b})
		for j := range b.Replicas {
			r := &b.Replicas[j]
			bad := r.State != backends.Healthy && r.Reason != ""
			switch {
			case len(b.Replicas) == 1 && bad:
				all = append(all, backendLine{b: b, r: r, reason: true, spare: 1})
			case len(b.Replicas) > 1 && bad:
				all = append(all, backendLine{b: b, r: r, spare: 1})
			case len(b.Replicas) > 1:
				all = append(all, backendLine{b: b, r: r, spare: 2})
			}
		}
	}
	for spare := 2; spare > 0 && len(all) > h; spare-- {
		kept := all[:0]
		for _, l := range all {
			if l.spare < spare {
				kept = append(kept, l)
			}
		}
		all = kept
	}
	return all
}

// room is how many of h rows lines get: the names of the columns have one as
// long as no backend goes for it.
func (p *Backends) room(h int) int {
	if h > len(p.pool.Backends) {
		return h - 1
	}
	return h
}

// View implements Pane.
func (p *Backends) View(w, h int) string {
	p.h = h
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		if p.pool == nil {
			c.Text(1, 0, w-1, widget.Muted, "no data yet")
			return
		}
		if len(p.pool.Backends) == 0 {
			c.Text(1, 0, w-1, widget.Warn, c.Theme.Warn+" none configured")
			return
		}
		spans := widget.Fit(backendColumns[:], w-2)
		for i := range spans {
			spans[i].X++
		}
		room := p.room(h)
		y := h - room
		if y > 0 {
			c.Heads(0, spans, backendColumns[:])
		}
		lines := p.lines(room)
		if p.scroll.off > 0 { // somebody reads on: nothing is left out
			lines = p.lines(1 << 30)
		}
		p.scroll.clamp(len(lines), room)
		for i := range min(room, len(lines)-p.scroll.off) {
			p.line(c, y+i, spans, lines[p.scroll.off+i])
		}
	})
}

func (p *Backends) line(c *widget.Canvas, y int, spans []widget.Span, l backendLine) {
	if l.r != nil {
		p.replica(c, y, spans, l)
		return
	}
	st, word, since := Condition(l.b)
	rates, seen := p.rates[l.b.Name]
	running, idle, sent, failed := 0, 0, uint64(0), uint64(0)
	for i := range l.b.Replicas {
		r := &l.b.Replicas[i]
		running, idle, sent, failed = running+r.InFlight, idle+r.Idle, sent+r.Requests, failed+r.Failures
	}
	for _, s := range spans {
		col, text, style := backendColumns[s.Col], "", widget.Plain
		switch col.Head {
		case "":
			text, style = c.Theme.Mark(st), st
			if word == "draining" {
				text = c.Theme.Drain
			}
		case "backend":
			text, style = l.b.Name, widget.Bold
		case "state":
			text, style = word, st
		case "for":
			if !since.IsZero() {
				text = widget.Age(p.now.Sub(since))
			}
		case "run":
			text = strconv.Itoa(running)
		case "model":
			text, style = l.b.Model, widget.Muted
		case "idle":
			text = strconv.Itoa(idle)
		case "sent":
			text = widget.Count(sent)
		case "failed":
			text = widget.Count(failed)
		default:
			if seen {
				text, style = rateCell(col.Head, rates)
			}
		}
		c.Cell(y, s, col, style, text)
	}
}

// rateCell is a measured column of a backend.
func rateCell(head string, r gateway.Rates) (string, widget.Style) {
	switch head {
	case "req/s":
		return widget.Figure(r.Requests), widget.Plain
	case "tok/s":
		return widget.Figure(r.Tokens), widget.Plain
	case "ttft p50":
		return widget.Duration(r.FirstP50), widget.Plain
	case "p95":
		return widget.Duration(r.FirstP95), widget.Plain
	case "per tok":
		return widget.Duration(r.PerTokP50), widget.Plain
	case "err/s":
		if r.Errors > 0 {
			return widget.Figure(r.Errors), widget.Bad
		}
		return widget.Figure(r.Errors), widget.Plain
	}
	return "", widget.Plain
}
