package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
)

// site is a platform that notes what is done to it, and by whom, and an audit.
type site struct {
	mu    sync.Mutex
	done  []string
	notes []ledger.Event
	err   error // of writing to the audit
}

func (s *site) did(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, fmt.Sprintf(format, a...))
}

func (s *site) note(_ context.Context, e ledger.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, e)
	return s.err
}

// told are the audit's lines since the last call.
func (s *site) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, e := range s.notes {
		lines = append(lines, fmt.Sprintf("%s: %s %s: %s", e.Author, e.Action, e.Object, e.Detail))
	}
	s.notes = nil
	return lines
}

func (s *site) Preview(_ context.Context, o backends.Order) ([]backends.Part, error) {
	s.did("preview by %s", o.Author)
	return nil, nil
}

func (s *site) Begin(_ context.Context, o backends.Order) (backends.Job, error) {
	s.did("%s %v by %s", o.Action, o.Names, o.Author)
	return backends.Job{ID: 7}, nil
}

func (s *site) Job(int) (backends.Job, bool) { s.did("job"); return backends.Job{}, true }

func (s *site) CancelJob(id int, by string) error { s.did("cancel job %d by %s", id, by); return nil }

func (s *site) Drain(_ context.Context, o backends.Order) ([]string, error) {
	s.did("drain %v by %s", o.Names, o.Author)
	return nil, nil
}

func (s *site) Undrain(_ context.Context, o backends.Order) ([]string, error) {
	s.did("undrain %v by %s", o.Names, o.Author)
	return nil, nil
}

func (s *site) Logs(context.Context, string, backends.LogOptions, func(string, backends.LogLine)) error {
	s.did("logs")
	return nil
}

func (s *site) Usage(context.Context, ledger.Query) ([]ledger.Sum, error) {
	s.did("usage")
	return nil, nil
}

func (s *site) Grants(context.Context, bool) ([]ledger.Grant, error) {
	s.did("grants")
	return nil, nil
}

func (s *site) Audit(context.Context, int) ([]ledger.Event, error) { s.did("audit"); return nil, nil }

func (s *site) Quotas(context.Context) ([]gateway.OrgQuotas, error) { s.did("quotas"); return nil, nil }

func (s *site) Grant(_ context.Context, g ledger.Grant) (ledger.Grant, error) {
	s.did("grant %s by %s", g.Org, g.Author)
	return g, nil
}

func (s *site) Revoke(_ context.Context, id, by string) (ledger.Grant, error) {
	s.did("revoke %s by %s", id, by)
	return ledger.Grant{}, nil
}

func (s *site) CancelRequest(_ context.Context, id, by, _ string) (bool, error) {
	s.did("cancel %s by %s", id, by)
	return true, nil
}

func (s *site) CancelOrg(_ context.Context, org, by, _ string) (int, error) {
	s.did("cancel all of %s by %s", org, by)
	return 1, nil
}

func (s *site) Ask(_ context.Context, operator, path string, body []byte) (*http.Response, error) {
	s.did("ask %s %s by %s", path, body, operator)
	return &http.Response{}, nil
}

func (s *site) AskReplica(_ context.Context, operator, replicaURL, path string, body []byte) (*http.Response, error) {
	s.did("ask %s %s %s by %s", replicaURL, path, body, operator)
	return &http.Response{}, nil
}

// What has a Snapshot of its own.
type (
	sitePool    struct{ *site }
	siteGateway struct{ *site }
)

func (p sitePool) Snapshot() *backends.Snapshot   { p.did("pool"); return nil }
func (g siteGateway) Snapshot() *gateway.Snapshot { g.did("snapshot"); return nil }

func (s *site) platform() Platform {
	return Platform{Jobs: s, Drains: s, Logs: s, Pool: sitePool{s}, Gateway: siteGateway{s}, Books: s, Models: s}
}

func (s *site) desk(o Options) *Desk {
	o.Note = s.note
	return New(s.platform(), o)
}

// deed is one thing that can be done at a seat. The author whom its caller names
// is not the one who does it.
type deed struct {
	name  string
	needs Role
	do    func(Platform) error
	did   string // by ana
	told  string // of a refusal: its action and object
}

func deeds(ctx context.Context) []deed {
	order := backends.Order{Action: backends.ActRestart, Names: []string{"chat", "sql"}, Author: "mallory"}
	all := []deed{
		{"Preview", Viewer, func(p Platform) error { _, err := p.Jobs.Preview(ctx, order); return err }, "preview by ana from 203.0.113.9", ""},
		{"Job", Viewer, func(p Platform) error { p.Jobs.Job(7); return nil }, "job", ""},
		{"Logs", Viewer, func(p Platform) error { return p.Logs.Logs(ctx, "chat", backends.LogOptions{}, nil) }, "logs", ""},
		{"Pool", Viewer, func(p Platform) error { p.Pool.Snapshot(); return nil }, "pool", ""},
		{"Gateway", Viewer, func(p Platform) error { p.Gateway.Snapshot(); return nil }, "snapshot", ""},
		{"Usage", Viewer, func(p Platform) error { _, err := p.Books.Usage(ctx, ledger.Query{}); return err }, "usage", ""},
		{"Grants", Viewer, func(p Platform) error { _, err := p.Books.Grants(ctx, true); return err }, "grants", ""},
		{"Audit", Viewer, func(p Platform) error { _, err := p.Books.Audit(ctx, 1); return err }, "audit", ""},
		{"Quotas", Viewer, func(p Platform) error { _, err := p.Books.Quotas(ctx); return err }, "quotas", ""},

		{"CancelJob", Hand, func(p Platform) error { return p.Jobs.CancelJob(7, "mallory") }, "cancel job 7 by ana from 203.0.113.9", "cancel refused job 7"},
		{"Drain", Hand, func(p Platform) error { _, err := p.Drains.Drain(ctx, order); return err }, "drain [chat sql] by ana from 203.0.113.9", "drain refused chat, sql"},
		{"Undrain", Hand, func(p Platform) error { _, err := p.Drains.Undrain(ctx, order); return err }, "undrain [chat sql] by ana from 203.0.113.9", "undrain refused chat, sql"},
		{"CancelRequest", Hand, func(p Platform) error { _, err := p.Gateway.CancelRequest(ctx, "r1", "mallory", "why"); return err }, "cancel r1 by ana from 203.0.113.9", "cancel refused r1"},
		{"CancelOrg", Hand, func(p Platform) error { _, err := p.Gateway.CancelOrg(ctx, "acme", "mallory", "why"); return err }, "cancel all of acme by ana from 203.0.113.9", "cancel refused org acme"},

		{"Ask", Hand, func(p Platform) error { _, err := p.Models.Ask(ctx, "mallory", "/v1/x", []byte("{}")); return err }, "ask /v1/x {} by ana", "ask refused /v1/x"},
		{"AskReplica", Hand, func(p Platform) error {
			_, err := p.Models.AskReplica(ctx, "mallory", "http://r", "/v1/x", []byte("{}"))
			return err
		}, "ask http://r /v1/x {} by ana", "ask refused http://r"},

		{"Grant", Admin, func(p Platform) error {
			_, err := p.Books.Grant(ctx, ledger.Grant{Org: "acme", Author: "mallory"})
			return err
		}, "grant acme by ana from 203.0.113.9", "grant refused org acme"},
		{"Revoke", Admin, func(p Platform) error { _, err := p.Books.Revoke(ctx, "g1", "mallory"); return err }, "revoke g1 by ana from 203.0.113.9", "revoke refused g1"},
	}
	for _, a := range []backends.Action{backends.ActUp, backends.ActDown, backends.ActStart, backends.ActStop, backends.ActRestart} {
		all = append(all, deed{"Begin " + string(a), Hand, func(p Platform) error {
			_, err := p.Jobs.Begin(ctx, backends.Order{Action: a, Author: "mallory"})
			return err
		}, string(a) + " [] by ana from 203.0.113.9", string(a) + " refused all"})
	}
	return all
}

// Whatever can be done, each role may do what is its own and nothing else; who did
// it is who sits there; and a refusal is in the audit, whether or not its client
// has gone meanwhile.
func TestRoles(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, role := range []Role{"", "boss", Viewer, Hand, Admin} {
		for _, readOnly := range []bool{false, true} {
			in := role
			if readOnly && role.Valid() {
				in = Viewer
			}
			for _, c := range deeds(gone) {
				s := &site{}
				seat := s.desk(Options{ReadOnly: readOnly}).Seat(Operator{"ana", role, "203.0.113.9"})
				if got := seat.Operator(); got.Role != in || got.Name != "ana" {
					t.Fatalf("%s sits there as %+v", role, got)
				}
				err := c.do(seat.Platform())
				told := s.told()
				if c.needs == Viewer || in.May(c.needs) {
					if err != nil || !slices.Equal(s.done, []string{c.did}) || told != nil {
						t.Errorf("%s by a %q: %v, did %q, told %q", c.name, in, err, s.done, told)
					}
					continue
				}
				var refused *RefusedError
				if !errors.As(err, &refused) || refused.Needs != c.needs || refused.Role != in || s.done != nil {
					t.Errorf("%s by a %q: %v, did %q", c.name, in, err, s.done)
				}
				if want := fmt.Sprintf("ana from 203.0.113.9: %s: %v", c.told, err); !slices.Equal(told, []string{want}) {
					t.Errorf("%s by a %q: told %q, want %q", c.name, in, told, want)
				}
			}
		}
	}
}

// The table of TestRoles has every method that there is; and nothing else can be
// reached through what a seat hands out.
func TestEveryMethod(t *testing.T) {
	known := map[string]bool{}
	for _, d := range deeds(t.Context()) {
		name, _, _ := strings.Cut(d.name, " ")
		known[name] = true
	}
	p := (&site{}).desk(Options{}).Seat(Operator{"ana", Viewer, ""}).Platform()
	parts := reflect.ValueOf(p)
	for i := range parts.NumField() {
		field := parts.Type().Field(i)
		made := parts.Field(i).Elem().Type()
		if made.NumMethod() != field.Type.NumMethod() {
			t.Errorf("%s of a seat is a %v with %d methods, of an interface with %d", field.Name, made, made.NumMethod(), field.Type.NumMethod())
		}
		for m := range field.Type.Methods() {
			name := m.Name
			if name == "Snapshot" {
				name = field.Name
			}
			if !known[name] {
				t.Errorf("%s.%s: no test knows who may", field.Name, m.Name)
			}
		}
	}
	bare := New(Platform{Jobs: &site{}}, Options{}).Seat(Operator{"ana", Admin, ""}).Platform()
	if bare.Gateway != nil || bare.Books != nil || bare.Models != nil {
		t.Error("a platform where nothing serves has a gateway")
	}
}

func TestMay(t *testing.T) {
	ranks := []Role{Viewer, Hand, Admin}
	for i, r := range ranks {
		for j, needs := range ranks {
			if r.May(needs) != (i >= j) {
				t.Errorf("a %s may what a %s may: %v", r, needs, r.May(needs))
			}
			if got := r.AtMost(needs); got != ranks[min(i, j)] {
				t.Errorf("%s, %s at most, is %s", r, needs, got)
			}
		}
		for _, none := range []Role{"", "root"} {
			if r.May(none) || none.May(r) || none.Valid() || none.AtMost(r) != none || r.AtMost(none) != none {
				t.Errorf("%q is a role beside %s", none, r)
			}
		}
	}
	s := &site{}
	seat := s.desk(Options{}).Seat(Operator{"ana", Viewer, ""})
	err := seat.May(Hand, "restart")
	if err == nil || err.Error() != "refused: restart needs the role operator, and yours is viewer" || seat.May(Viewer, "look") != nil || s.told() != nil {
		t.Errorf("got %v, told %q", err, s.told())
	}
	if err := seat.Permit(t.Context(), Hand, "chat", strings.Repeat("ä", maxObject)); err == nil {
		t.Error("permitted")
	}
	if told := s.told(); len(told) != 1 || len(told[0]) > maxObject+200 || !strings.HasPrefix(told[0], "ana: chat refused ää") || !strings.Contains(told[0], "ä…: refused: chat needs") {
		t.Errorf("told %q", told)
	}
	var nobody *Seat
	if err := nobody.Permit(t.Context(), Viewer, "look", "x"); err == nil || err.Error() != "refused: look needs the role viewer, and yours is none" {
		t.Errorf("nobody: %v", err)
	}
	nobody.Keep(State{})
	nobody.Show("x", "y")
	if _, _, ok := nobody.Kept(); ok || nobody.Others() != nil || nobody.Operator() != (Operator{}) {
		t.Error("nobody is somebody")
	}
}
