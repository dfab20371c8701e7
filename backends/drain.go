package backends

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Drain takes replicas out of work, at once: nothing new is sent to them, and
// what they have may end. It returns their URLs. The order's Action is nothing.
// One that can't be written down is an error, though it is in force: it ends
// with the process.
func (l *Lifecycle) Drain(_ context.Context, o Order) ([]string, error) {
	return l.turn(o, "drain", &Drained{At: l.pool.now(), By: o.Author, Reason: o.Reason})
}

// Undrain takes replicas in again, whoever drained them. Those that a job has are
// the job's.
func (l *Lifecycle) Undrain(_ context.Context, o Order) ([]string, error) {
	o.Last = true // nobody is taken away
	return l.turn(o, "undrain", nil)
}

// turn drains or, with nil, undrains replicas on an operator's word.
func (l *Lifecycle) turn(o Order, verb string, to *Drained) ([]string, error) {
	if len(o.Names) == 0 {
		return nil, nothingNamed(verb)
	}
	ts, err := l.find(o.Names)
	if err != nil {
		return nil, err
	}
	l.o.Note(o.Author, verb, o.object(), o.Reason)
	urls, err := l.retireAll(ts, o.Last, to)
	if came := strings.Join(urls, ", "); err == nil {
		l.o.Note(o.Author, verb+"ed", o.object(), came)
	} else {
		l.o.Note(o.Author, verb+" failed", o.object(), err.Error())
	}
	l.pool.publish()
	if urls != nil {
		l.o.Log.Info(verb, "replicas", urls, "operator", o.Author, "reason", o.Reason)
	}
	if urls != nil && err != nil {
		err = fmt.Errorf("write down the %s, which is in force: %w", verb, err)
	}
	return urls, err
}

// object is what an order is about, in the audit's words.
func (o *Order) object() string { return cmp.Or(strings.Join(o.Names, ", "), "everything") }

func nothingNamed(verb string) *OrderError {
	return &OrderError{Name: verb, Why: "nothing is named", Remedy: "name a backend, or a container"}
}

// retireAll drains or undrains replicas, unless a job has one of them or, but for
// last, the last one that serves is among them.
func (l *Lifecycle) retireAll(ts []target, last bool, to *Drained) (urls []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.free(ts); err != nil {
		return nil, err
	}
	if !last {
		if err := l.spared(ts); err != nil {
			return nil, err
		}
	}
	for _, t := range ts {
		urls = append(urls, t.r.URL)
		t.r.retire(to)
	}
	l.save()
	return urls, l.saving
}

// retire drains a replica, or with nil takes it in again.
func (l *Lifecycle) retire(r *Replica, d *Drained) {
	l.mu.Lock()
	r.retire(d)
	l.save()
	l.mu.Unlock()
	l.pool.publish()
}

// free returns an error where a job has one of the replicas.
func (l *Lifecycle) free(ts []target) error {
	for _, t := range ts {
		if j := l.taking[t.r]; j != nil {
			return &OrderError{Name: cmp.Or(t.name, t.r.URL), Busy: true,
				Why:    fmt.Sprintf("job %d (%s, by %s) has it since %s", j.id, j.order.Action, j.order.Author, j.is.Began.UTC().Format("15:04:05")),
				Remedy: fmt.Sprintf("wait for it, or end it: pilothouse cancel --job %d", j.id)}
		}
	}
	return nil
}

// spared returns an error where a backend that serves would have no replica left
// without these.
func (l *Lifecycle) spared(ts []target) error {
	for _, t := range ts {
		goes := func(r *Replica) bool { return slices.ContainsFunc(ts, func(o target) bool { return o.r == r }) }
		serves, stays := 0, 0
		for _, r := range t.b.replicas {
			if r.serves() {
				serves++
				if !goes(r) {
					stays++
				}
			}
		}
		if serves > 0 && stays == 0 {
			return &OrderError{Name: t.b.Name, Last: true, Why: "no other replica of it can take its requests: they would be refused until it is back"}
		}
	}
	return nil
}

// operators tells whether it is an operator's drain, and no job's.
func (d *Drained) operators() bool { return d != nil && d.Job == 0 }

// words say who drained a replica, and why.
func (d *Drained) words() string {
	s := "drained"
	if d.By != "" {
		s += " by " + d.By
	}
	if d.Reason != "" {
		s += ": " + d.Reason
	}
	return s
}
