package desk

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Presence is somebody who has a dashboard open.
type Presence struct {
	Operator
	Since time.Time
	View  string // that they look at
	Doing string // "restart chat", with its dialog open; "": they look
}

// Present are those who have a dashboard open, by when they came. Who has two has
// two entries.
func (d *Desk) Present() []Presence { return d.presentBut(nil) }

func (d *Desk) presentBut(me *Presence) []Presence {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Presence, 0, len(d.present))
	for _, p := range d.present {
		if p != me {
			all = append(all, *p)
		}
	}
	return all
}

// arrive puts somebody among those who are present, in their order. The caller has
// d.mu.
func (d *Desk) arrive(p *Presence) {
	at, _ := slices.BinarySearchFunc(d.present, p, func(a, b *Presence) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.From, b.From))
	})
	d.present = slices.Insert(d.present, at, p)
}

// Enter tells that the operator opened a dashboard; leave that they closed it.
// Both are written to the audit. leave may be called twice. A seat is at one
// dashboard at a time.
func (s *Seat) Enter(ctx context.Context) (leave func()) {
	d := s.desk
	p := &Presence{Operator: s.who, Since: d.opt.Now()}
	d.mu.Lock()
	d.arrive(p)
	s.here = p
	d.mu.Unlock()
	d.note(ctx, s.who, "attach", "dashboard", "as "+string(s.who.Role))
	return sync.OnceFunc(func() {
		d.mu.Lock()
		d.present = slices.DeleteFunc(d.present, func(other *Presence) bool { return other == p })
		if s.here == p {
			s.here = nil
		}
		d.mu.Unlock()
		d.note(ctx, s.who, "detach", "dashboard", "")
	})
}

// Show tells what the operator looks at and does, as others see it.
func (s *Seat) Show(view, doing string) {
	if s == nil {
		return
	}
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	if s.here != nil {
		s.here.View, s.here.Doing = view, doing
	}
}

// Others are those who have a dashboard open besides this one, by when they came.
func (s *Seat) Others() []Presence {
	if s == nil {
		return nil
	}
	s.desk.mu.Lock()
	me := s.here
	s.desk.mu.Unlock()
	return s.desk.presentBut(me)
}
