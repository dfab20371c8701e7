package desk

import (
	"context"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
)

// Seat is one operator's means to act. Desk.Seat makes one; it is given back by
// nothing but being dropped. Where a method is told whose order it is, the seat's
// operator takes that place.
type Seat struct {
	desk *Desk
	who  Operator
}

// Operator is whose seat it is, with the role that is in force.
func (s *Seat) Operator() Operator { return s.who }

// Platform is the platform as the operator may act on it.
func (s *Seat) Platform() Platform {
	p := s.desk.platform
	in := Platform{Jobs: jobs{p.Jobs, s}, Drains: drains{p.Drains, s}, Logs: p.Logs, Pool: p.Pool}
	if p.Gateway != nil {
		in.Gateway = requests{p.Gateway, s}
	}
	if p.Books != nil {
		in.Books = books{p.Books, s}
	}
	return in
}

// Permit returns a *RefusedError unless the operator's role has what another may
// do, and writes down who was refused what.
func (s *Seat) Permit(ctx context.Context, needs Role, action, object string) error {
	if s.who.Role.May(needs) {
		return nil
	}
	err := &RefusedError{action, s.who.Role, needs}
	s.desk.note(ctx, s.who, action+" refused", object, err.Error())
	return err
}

type jobs struct {
	Jobs
	seat *Seat
}

func (j jobs) Begin(ctx context.Context, o backends.Order) (backends.Job, error) {
	if err := j.seat.Permit(ctx, Hand, string(o.Action), list(o.Names)); err != nil {
		return backends.Job{}, err
	}
	o.Author = j.seat.who.Author()
	return j.Jobs.Begin(ctx, o)
}

func (j jobs) CancelJob(id int, _ string) error {
	if err := j.seat.Permit(context.Background(), Hand, "cancel", jobName(id)); err != nil {
		return err
	}
	return j.Jobs.CancelJob(id, j.seat.who.Author())
}

type drains struct {
	Drains
	seat *Seat
}

func (d drains) Drain(ctx context.Context, o backends.Order) ([]string, error) {
	if err := d.seat.Permit(ctx, Hand, "drain", list(o.Names)); err != nil {
		return nil, err
	}
	o.Author = d.seat.who.Author()
	return d.Drains.Drain(ctx, o)
}

func (d drains) Undrain(ctx context.Context, o backends.Order) ([]string, error) {
	if err := d.seat.Permit(ctx, Hand, "undrain", list(o.Names)); err != nil {
		return nil, err
	}
	o.Author = d.seat.who.Author()
	return d.Drains.Undrain(ctx, o)
}

type requests struct {
	Gateway
	seat *Seat
}

func (r requests) CancelRequest(ctx context.Context, id, _, reason string) (bool, error) {
	if err := r.seat.Permit(ctx, Hand, "cancel", id); err != nil {
		return false, err
	}
	return r.Gateway.CancelRequest(ctx, id, r.seat.who.Author(), reason)
}

func (r requests) CancelOrg(ctx context.Context, org, _, reason string) (int, error) {
	if err := r.seat.Permit(ctx, Hand, "cancel", "org "+org); err != nil {
		return 0, err
	}
	return r.Gateway.CancelOrg(ctx, org, r.seat.who.Author(), reason)
}

type books struct {
	Books
	seat *Seat
}

func (b books) Grant(ctx context.Context, g ledger.Grant) (ledger.Grant, error) {
	if err := b.seat.Permit(ctx, Admin, "grant", "org "+g.Org); err != nil {
		return ledger.Grant{}, err
	}
	g.Author = b.seat.who.Author()
	return b.Books.Grant(ctx, g)
}

func (b books) Revoke(ctx context.Context, id, _ string) (ledger.Grant, error) {
	if err := b.seat.Permit(ctx, Admin, "revoke", id); err != nil {
		return ledger.Grant{}, err
	}
	return b.Books.Revoke(ctx, id, b.seat.who.Author())
}
