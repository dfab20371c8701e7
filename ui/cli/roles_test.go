package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/ui/ask"
	"pilothouse/ui/desk"
	"pilothouse/ui/query"
	"pilothouse/ui/sshd"
)

// served are all commands that the process that serves runs for a seat.
func served(seat *desk.Seat) []*cobra.Command {
	books := BooksOptions{Seat: seat, Drifts: func() []gateway.Drift { return nil }}
	return append(NewOperations(OperationsOptions{Seat: seat}), NewUsage(books), NewGrant(books), NewEvents(books), NewRequests(RequestsOptions{Requests: noRequests{}}),
		NewAsk(AskOptions{Seat: seat, Models: seat, Serving: func() []ask.Model { return []ask.Model{{Name: "m"}} }, Sources: []query.Source{noSource{}}}))
}

// noRequests is a gateway to which nobody came.
type noRequests struct{}

func (noRequests) Requests() (live, ended []gateway.Record)   { return nil, nil }
func (noRequests) Explain(string) (gateway.Explanation, bool) { return gateway.Explanation{}, false }

// noSource is a database that tells who looked.
type noSource struct{}

func (noSource) Name() string     { return "usage" }
func (noSource) Kind() query.Kind { return query.Ledger }
func (noSource) Close() error     { return nil }

var errNoSource = errors.New("it is away")

func (noSource) Schema(context.Context) (*query.Schema, error)     { return nil, errNoSource }
func (noSource) Plan(context.Context, string) (*query.Plan, error) { return nil, errNoSource }
func (noSource) Run(context.Context, string, query.Bounds) (*query.Result, error) {
	return nil, errNoSource
}

// leaves are the full names of the commands that can be run.
func leaves(cmds []*cobra.Command) (names []string) {
	for _, c := range cmds {
		if c.Runnable() {
			names = append(names, c.CommandPath())
		}
		names = append(names, leaves(c.Commands())...)
	}
	return names
}

// Each command that can be run for somebody does nothing that their role may not,
// and ends with code 4 where it would.
func TestRoles(t *testing.T) {
	lines := []struct {
		line  string
		needs desk.Role
	}{
		{"status", desk.Viewer}, {"logs chat", desk.Viewer}, {"usage", desk.Viewer}, {"usage --windows", desk.Viewer}, {"usage --engines", desk.Viewer}, {"events", desk.Viewer}, {"requests", desk.Viewer},
		{"grant list --all", desk.Viewer}, {"up --dry-run", desk.Viewer},
		{"up", desk.Hand}, {"up chat --detach --json", desk.Hand}, {"down", desk.Hand}, {"start chat", desk.Hand}, {"stop chat --last", desk.Hand}, {"restart chat", desk.Hand},
		{"drain chat", desk.Hand}, {"undrain chat", desk.Hand},
		{"cancel r1", desk.Hand}, {"cancel r3 r1 r2", desk.Hand}, {"cancel --org acme", desk.Hand}, {"cancel --job 12", desk.Hand},
		{"ask how many", desk.Hand},
		{"grant --org acme --tokens 5 --until 1h --reason x", desk.Admin}, {"grant revoke g1", desk.Admin},
	}
	for _, name := range leaves(served(seatAt(desk.Platform{}, "anna", desk.Viewer))) {
		if !slices.ContainsFunc(lines, func(l struct {
			line  string
			needs desk.Role
		}) bool {
			return l.line == name || strings.HasPrefix(l.line, name+" ")
		}) {
			t.Errorf("no test knows who may %s", name)
		}
	}
	for _, c := range lines {
		for _, role := range []desk.Role{"", desk.Viewer, desk.Hand, desk.Admin} {
			o, b := platformOf(""), &testBooks{orgs: []gateway.OrgQuotas{{Org: "acme", Windows: []quota.Window{{Name: quota.TokensPerDay, Limit: 7}}}}, grants: []ledger.Grant{{ID: "g1", Org: "acme"}}}
			p := o.platform()
			p.Books = b
			audited := ""
			d := desk.New(p, desk.Options{Note: func(_ context.Context, e ledger.Event) error { audited += e.Action + "\n"; return nil }})
			var out, errOut bytes.Buffer
			_, code := Run(t.Context(), strings.Fields(c.line), &out, &errOut, testCode, served(d.Seat(desk.Operator{Name: "anna", Role: role}))...)
			done := strings.Contains(errOut.String(), errNoSource.Error()) || len(o.orders) > 0 || len(o.said) > 0 || len(b.grants) > 1 || b.grants[0].Revoker != ""
			switch may := c.needs == desk.Viewer || role.May(c.needs); {
			case may && (code == 4 || audited != "" || done != (c.needs != desk.Viewer)):
				t.Errorf("%s by a %q: code %d, %q, done %v, audited %q", c.line, role, code, &errOut, done, audited)
			case !may && out.Len() > 0, !may && strings.Count(errOut.String(), "\n") > 1: // a plan, say
				t.Errorf("%s by a %q: %q, %q", c.line, role, &out, &errOut)
			case !may && (code != 4 || done || strings.Count(audited, "refused\n") != 1 || !strings.Contains(errOut.String(), "refused: ")):
				t.Errorf("%s by a %q: code %d, %q, done %v, audited %q", c.line, role, code, &errOut, done, audited)
			}
		}
	}
}

// A shell of this host is its user, with all roles, unless it asks for less; its
// outputs are one where they end in the same place.
func TestSocketSeat(t *testing.T) {
	path := socketIn(t)
	serve(t, path, func(_ context.Context, seat *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
		for range 50 {
			fmt.Fprintln(out, seat.Operator().Role)
			fmt.Fprintln(errOut, args)
		}
		return "x", 7
	})
	for readOnly, role := range map[bool]string{false: "admin", true: "viewer"} {
		var out, errOut, both bytes.Buffer
		args := []string{"a b", "", "'"}
		want := [2]string{role + "\n", fmt.Sprintln(args)}
		code, err := sshd.Call(t.Context(), path, args, sshd.CallOptions{ReadOnly: readOnly, Out: &out, ErrOut: &errOut})
		if code != 7 || err != nil || out.String() != strings.Repeat(want[0], 50) || errOut.String() != strings.Repeat(want[1], 50) {
			t.Errorf("read-only %v: %d, %v, %q, %q", readOnly, code, err, &out, &errOut)
		}
		code, err = sshd.Call(t.Context(), path, args, sshd.CallOptions{ReadOnly: readOnly, Out: broken{io.ErrClosedPipe}, ErrOut: &both, OneOutput: true})
		if code != 7 || err != nil || both.String() != strings.Repeat(want[0]+want[1], 50) {
			t.Errorf("in one: %d, %v, %q", code, err, &both)
		}
	}
}

// The name of what ran is a command's; what is not known has none: it may be a
// secret.
func TestRunNames(t *testing.T) {
	for line, want := range map[string]string{
		"status": "status", "grant list --all": "grant list", "restart": "restart", "grant --nonsense": "grant",
		"": "", "hunter2": "", "hunter2 status": "", "--help": "", "status hunter2": "status",
	} {
		p := platformOf("").platform()
		p.Books = &testBooks{}
		got, _ := Run(t.Context(), strings.Fields(line), io.Discard, io.Discard, testCode, served(seatAt(p, "anna", desk.Viewer))...)
		if got != want {
			t.Errorf("%q is told of as %q, want %q", line, got, want)
		}
	}
}
