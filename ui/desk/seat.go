package desk

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
)

// Seat is one operator's means to act. Desk.Seat makes one; it is given back by
// nothing but being dropped. Of nil, which is nobody's, all methods may be called
// but Platform and Enter: it may do nothing.
type Seat struct {
	desk *Desk
	who  Operator
	here *Presence // of the dashboard that is open; the desk's lock is its own
}

// Operator is whose seat it is, with the role that is in force.
func (s *Seat) Operator() Operator {
	if s == nil {
		return Operator{}
	}
	return s.who
}

// May returns a *RefusedError unless the operator's role has what another may do.
// It is for saying so beforehand: nothing is written down.
func (s *Seat) May(needs Role, action string) error {
	if role := s.Operator().Role; !role.May(needs) {
		return &RefusedError{action, role, needs}
	}
	return nil
}

// Permit is May for what is about to be done, and writes down who was refused
// what.
func (s *Seat) Permit(ctx context.Context, needs Role, action, object string) error {
	err := s.May(needs, action)
	if err != nil && s != nil {
		s.desk.note(ctx, s.who, action+" refused", object, err.Error())
	}
	return err
}

// Note writes down what the operator did that is written down nowhere else.
func (s *Seat) Note(ctx context.Context, action, object, detail string) {
	if s != nil {
		s.desk.note(ctx, s.who, action, object, detail)
	}
}

// Platform is the platform as the operator may act on it. Where a method is told
// whose order it is, the seat's operator takes that place. What it holds has the
// methods that its interface has, and no others: each one is here.
func (s *Seat) Platform() Platform {
	p := s.desk.platform
	in := Platform{Jobs: jobs{p.Jobs, s}, Drains: drains{p.Drains, s}, Logs: logs{p.Logs}, Pool: pool{p.Pool}}
	if p.Gateway != nil {
		in.Gateway = requests{p.Gateway, s}
	}
	if p.Books != nil {
		in.Books = books{p.Books, s}
	}
	if p.Models != nil {
		in.Models = models{p.Models, s}
	}
	return in
}

type jobs struct {
	to   Jobs
	seat *Seat
}

func (j jobs) Preview(ctx context.Context, o backends.Order) ([]backends.Part, error) {
	o.Author = j.seat.who.Author()
	return j.to.Preview(ctx, o)
}

func (j jobs) Begin(ctx context.Context, o backends.Order) (backends.Job, error) {
	if err := j.seat.Permit(ctx, Hand, string(o.Action), list(o.Names)); err != nil {
		return backends.Job{}, err
	}
	o.Author = j.seat.who.Author()
	return j.to.Begin(ctx, o)
}

func (j jobs) Job(id int) (backends.Job, bool) { return j.to.Job(id) }

func (j jobs) CancelJob(id int, _ string) error {
	if err := j.seat.Permit(context.Background(), Hand, "cancel", fmt.Sprintf("job %d", id)); err != nil {
		return err
	}
	return j.to.CancelJob(id, j.seat.who.Author())
}

type drains struct {
	to   Drains
	seat *Seat
}

func (d drains) Drain(ctx context.Context, o backends.Order) ([]string, error) {
	if err := d.seat.Permit(ctx, Hand, "drain", list(o.Names)); err != nil {
		return nil, err
	}
	o.Author = d.seat.who.Author()
	return d.to.Drain(ctx, o)
}

func (d drains) Undrain(ctx context.Context, o backends.Order) ([]string, error) {
	if err := d.seat.Permit(ctx, Hand, "undrain", list(o.Names)); err != nil {
		return nil, err
	}
	o.Author = d.seat.who.Author()
	return d.to.Undrain(ctx, o)
}

type logs struct{ of Logs }

func (l logs) Logs(ctx context.Context, name string, o backends.LogOptions, each func(container string, l backends.LogLine)) error {
	return l.of.Logs(ctx, name, o, each)
}

type pool struct{ of Pool }

func (p pool) Snapshot() *backends.Snapshot { return p.of.Snapshot() }

type requests struct {
	to   Gateway
	seat *Seat
}

func (r requests) Snapshot() *gateway.Snapshot { return r.to.Snapshot() }

func (r requests) CancelRequest(ctx context.Context, id, _, reason string) (bool, error) {
	if err := r.seat.Permit(ctx, Hand, "cancel", id); err != nil {
		return false, err
	}
	return r.to.CancelRequest(ctx, id, r.seat.who.Author(), reason)
}

func (r requests) CancelOrg(ctx context.Context, org, _, reason string) (int, error) {
	if err := r.seat.Permit(ctx, Hand, "cancel", "org "+org); err != nil {
		return 0, err
	}
	return r.to.CancelOrg(ctx, org, r.seat.who.Author(), reason)
}

type books struct {
	to   Books
	seat *Seat
}

func (b books) Usage(ctx context.Context, q ledger.Query) ([]ledger.Sum, error) {
	return b.to.Usage(ctx, q)
}

func (b books) Grants(ctx context.Context, all bool) ([]ledger.Grant, error) {
	return b.to.Grants(ctx, all)
}

func (b books) Audit(ctx context.Context, most int) ([]ledger.Event, error) {
	return b.to.Audit(ctx, most)
}

func (b books) Quotas(ctx context.Context) ([]gateway.OrgQuotas, error) { return b.to.Quotas(ctx) }

func (b books) Grant(ctx context.Context, g ledger.Grant) (ledger.Grant, error) {
	if err := b.seat.Permit(ctx, Admin, "grant", "org "+g.Org); err != nil {
		return ledger.Grant{}, err
	}
	g.Author = b.seat.who.Author()
	return b.to.Grant(ctx, g)
}

func (b books) Revoke(ctx context.Context, id, _ string) (ledger.Grant, error) {
	if err := b.seat.Permit(ctx, Admin, "revoke", id); err != nil {
		return ledger.Grant{}, err
	}
	return b.to.Revoke(ctx, id, b.seat.who.Author())
}

type models struct {
	to   Models
	seat *Seat
}

func (m models) Ask(ctx context.Context, _, path string, body []byte) (*http.Response, error) {
	if err := m.seat.Permit(ctx, Hand, "ask", path); err != nil {
		return nil, err
	}
	return m.to.Ask(ctx, m.seat.who.Name, path, body)
}

func (m models) AskReplica(ctx context.Context, _, replicaURL, path string, body []byte) (*http.Response, error) {
	if err := m.seat.Permit(ctx, Hand, "ask", replicaURL); err != nil {
		return nil, err
	}
	return m.to.AskReplica(ctx, m.seat.who.Name, replicaURL, path, body)
}

// Ask has a model asked through the gateway, in the operator's name; see [Models].
func (s *Seat) Ask(ctx context.Context, path string, body []byte) (*http.Response, error) {
	m, err := s.models()
	if err != nil {
		return nil, err
	}
	return m.Ask(ctx, "", path, body)
}

// AskReplica has a replica asked, past the gateway, likewise.
func (s *Seat) AskReplica(ctx context.Context, replica, path string, body []byte) (*http.Response, error) {
	m, err := s.models()
	if err != nil {
		return nil, err
	}
	return m.AskReplica(ctx, "", replica, path, body)
}

func (s *Seat) models() (Models, error) {
	if s == nil {
		return nil, s.May(Hand, "ask")
	}
	if m := s.Platform().Models; m != nil {
		return m, nil
	}
	return nil, ErrNotServing
}

// list names what an order is about.
func list(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	return strings.Join(names, ", ")
}
