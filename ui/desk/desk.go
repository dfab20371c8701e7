// Package desk is where operators act. It knows who is attached, what each may
// do, and does it in their name, whichever way they came: the dashboard and the
// one-shot commands, from a shell of this host and over SSH, all have a [Seat]
// here and nothing else to act with.
//
// Roles are enforced here and nowhere else. What is done carries the operator's
// name and address to where it is done, and is written to the audit there, before
// it happens and with its outcome. Who comes and goes, and whom a role kept from
// something, is written down by the desk itself; an audit that can't be written
// keeps nobody out, and delays them by two seconds at most.
//
// A desk remembers, for each operator, how they had their screen when the line
// was cut. All methods may be called at once.
package desk

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pilothouse/gateway/ledger"
)

// ErrNotServing means that no process serves where one has to, to do what was
// asked for. The program's exit code is 3.
var ErrNotServing = errors.New("nothing serves here; start it with: pilothouse serve")

// Operator is who acts. The zero value may do nothing.
type Operator struct {
	Name string
	Role Role
	From string // the address that they came from, without a port; "": this host
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
	// Note writes to the audit; nil: there is none. Several may be written at once.
	Note func(ctx context.Context, e ledger.Event) error
	Log  *slog.Logger     // nil: none
	Now  func() time.Time // nil: time.Now
}

// Desk is that of one process. New makes one.
type Desk struct {
	platform Platform
	opt      Options
	log      *slog.Logger
	writing  chan struct{} // a place for each note that is being written

	mu      sync.Mutex
	present []*Presence // by when they came
	kept    map[string]keptState
}

// New makes a desk at which one acts on a platform.
func New(p Platform, o Options) *Desk {
	if o.Now == nil {
		o.Now = time.Now
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Desk{platform: p, opt: o, log: log, writing: make(chan struct{}, maxNotes),
		kept: make(map[string]keptState)}
}

// Seat gives an operator the means to act.
func (d *Desk) Seat(o Operator) *Seat {
	if d.opt.ReadOnly {
		o.Role = o.Role.AtMost(Viewer)
	}
	return &Seat{desk: d, who: o}
}

// Bounds of what the desk itself writes to the audit.
const (
	maxNotes  = 64              // at once
	maxObject = 200             // bytes of what was refused to somebody, who may have written anything
	noteTime  = 2 * time.Second // that an operator waits for it
)

// note writes to the audit, whether or not ctx has ended. Where that takes too
// long, it goes on behind the operator's back; what then comes to nothing is in
// the log.
func (d *Desk) note(ctx context.Context, o Operator, action, object, detail string) {
	if d.opt.Note == nil {
		return
	}
	if len(object) > maxObject {
		object = strings.ToValidUTF8(object[:maxObject], "") + "…"
	}
	e := ledger.Event{Author: o.Author(), Action: action, Object: object, Detail: detail}
	failed := func(err error) {
		d.log.Error("the audit could not be written", "operator", e.Author, "action", e.Action, "object", e.Object, "error", err)
	}
	select {
	case d.writing <- struct{}{}:
	default:
		failed(errCrowded)
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer func() { <-d.writing }()
		if err := d.opt.Note(context.WithoutCancel(ctx), e); err != nil {
			failed(err)
		}
	}()
	late := time.NewTimer(noteTime)
	defer late.Stop()
	select {
	case <-written:
	case <-late.C:
	}
}

var errCrowded = errors.New("too much waits to be written already")
