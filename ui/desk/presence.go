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
	for p := range d.present {
		if p != me {
			all = append(all, *p)
		}
	}
	slices.SortFunc(all, func(a, b Presence) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.From, b.From))
	})
	return all
}

// Enter tells that the operator opened a dashboard; leave that they closed it.
// Both are written to the audit. leave may be called twice. A seat is at one
// dashboard at a time.
func (s *Seat) Enter(ctx context.Context) (leave func()) {
	d := s.desk
	p := &Presence{Operator: s.who, Since: d.opt.Now()}
	d.mu.Lock()
	d.present[p] = true
	s.here = p
	d.mu.Unlock()
	d.note(ctx, s.who, "attach", "dashboard", "as "+string(s.who.Role))
	return sync.OnceFunc(func() {
		d.mu.Lock()
		delete(d.present, p)
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
