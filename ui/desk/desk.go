// Package desk is where operators act. It knows who is attached, what each may
// do, and does it in their name, whichever way they came: the dashboard and the
// one-shot commands, from a shell of this host and over SSH, all have a [Seat]
// here and nothing else to act with.
//
// Roles are enforced here and nowhere else. What is done carries the operator's
// name and address to where it is done, and is written to the audit there, before
// it happens and with its outcome. Who comes and goes, and whom a role kept from
// something, is written down by the desk itself.
//
// A desk remembers, for each operator, how they had their screen when the line
// was cut. All methods may be called at once; none of those that only tell
// something waits for anybody.
package desk

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"pilothouse/gateway/ledger"
)

// Operator is who acts. The zero value may do nothing.
type Operator struct {
	Name string
	Role Role
	From string // the address that they came from; "": this host
}

// Author is how they are named wherever it is told who did something.
func (o Operator) Author() string {
	if o.From == "" {
		return o.Name
	}
	return o.Name + " from " + o.From
}

// Options are what a desk needs besides the platform.
type Options struct {
	ReadOnly bool // everybody is a viewer
	// Note writes to the audit; nil: there is none.
	Note func(ctx context.Context, e ledger.Event) error
	Now  func() time.Time // nil: time.Now
}

// Desk is that of one process. New makes one.
type Desk struct {
	platform Platform
	opt      Options

	mu      sync.Mutex
	present map[*Seat]*Presence
	kept    map[string]State
	keptAt  map[string]time.Time
}

// New makes a desk at which one acts on a platform.
func New(p Platform, o Options) *Desk {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Desk{platform: p, opt: o, present: make(map[*Seat]*Presence), kept: make(map[string]State), keptAt: make(map[string]time.Time)}
}

// Seat gives an operator the means to act.
func (d *Desk) Seat(o Operator) *Seat {
	if d.opt.ReadOnly && o.Role.Valid() {
		o.Role = Viewer
	}
	return &Seat{desk: d, who: o}
}

// Presence is somebody who has a dashboard open.
type Presence struct {
	Operator
	Since time.Time
	View  string // that they look at
	Doing string // "restart chat", with its dialog open; "": they look
}

// Present are those who have a dashboard open, by when they came. Who has two has
// two entries.
func (d *Desk) Present() []Presence {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Presence, 0, len(d.present))
	for _, p := range d.present {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b Presence) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Enter tells that the operator opened a dashboard; leave that they closed it.
// Both are written to the audit. leave may be called twice.
func (s *Seat) Enter(ctx context.Context) (leave func()) {
	d := s.desk
	d.mu.Lock()
	d.present[s] = &Presence{Operator: s.who, Since: d.opt.Now()}
	d.mu.Unlock()
	detail := "role " + string(s.who.Role)
	d.note(ctx, s.who, "attach", "dashboard", detail)
	return sync.OnceFunc(func() {
		d.mu.Lock()
		delete(d.present, s)
		d.mu.Unlock()
		d.note(context.WithoutCancel(ctx), s.who, "detach", "dashboard", "")
	})
}

// Show tells what the operator looks at and does, as others see it.
func (s *Seat) Show(view, doing string) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	if p := s.desk.present[s]; p != nil {
		p.View, p.Doing = view, doing
	}
}

// Others are those who have a dashboard open besides this one.
func (s *Seat) Others() []Presence {
	d := s.desk
	d.mu.Lock()
	me := d.present[s]
	d.mu.Unlock()
	all := d.Present()
	if me == nil {
		return all
	}
	i := slices.IndexFunc(all, func(p Presence) bool { return p.Name == me.Name && p.From == me.From && p.Since.Equal(me.Since) })
	if i >= 0 {
		all = slices.Delete(all, i, i+1)
	}
	return all
}

// note writes to the audit. That it can't be is told where the ledger is looked
// at; an operator is not kept out for it.
func (d *Desk) note(ctx context.Context, o Operator, action, object, detail string) {
	if d.opt.Note != nil {
		_ = d.opt.Note(ctx, ledger.Event{Author: o.Author(), Action: action, Object: object, Detail: detail})
	}
}
