package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/ui/desk"
)

// testBooks are books with what a test puts there.
type testBooks struct {
	asked  ledger.Query // the last
	sums   []ledger.Sum
	orgs   []gateway.OrgQuotas
	grants []ledger.Grant
	events []ledger.Event // newest first
	err    error          // of every call
	closed bool
}

func (b *testBooks) Usage(_ context.Context, q ledger.Query) ([]ledger.Sum, error) {
	b.asked = q
	return b.sums, b.err
}

func (b *testBooks) Quotas(context.Context) ([]gateway.OrgQuotas, error) { return b.orgs, b.err }

func (b *testBooks) Grants(context.Context, bool) ([]ledger.Grant, error) { return b.grants, b.err }

func (b *testBooks) Audit(_ context.Context, most int) ([]ledger.Event, error) {
	return b.events[:min(most, len(b.events))], b.err
}

func (b *testBooks) Grant(_ context.Context, g ledger.Grant) (ledger.Grant, error) {
	g.ID = fmt.Sprintf("g%d", len(b.grants)+1)
	b.grants = append(b.grants, g)
	return g, b.err
}

func (b *testBooks) Revoke(_ context.Context, id, by string) (ledger.Grant, error) {
	for i := range b.grants {
		if g := &b.grants[i]; g.ID == id {
			g.Revoked, g.Revoker = noon, by
			return *g, b.err
		}
	}
	return ledger.Grant{}, errors.New("no such grant")
}

func (b *testBooks) Close() error {
	b.closed = true
	return b.err
}

// options are those of the serving process.
func (b *testBooks) options() BooksOptions {
	return BooksOptions{Seat: seatAt(desk.Platform{Books: b}, "anna", desk.Admin), Clock: func() time.Time { return noon }}
}

// testCode is main's exitCode, as far as these commands need it.
func testCode(err error) int {
	var wrong *UsageError
	var exit *ExitError
	var refused *desk.RefusedError
	switch {
	case errors.As(err, &refused):
		return 4
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &wrong):
		return 2
	case errors.Is(err, desk.ErrNotServing):
		return 3
	}
	return 1
}

// runBooks runs a command line as a process with these options does.
func runBooks(t *testing.T, opt BooksOptions, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	_, code = Run(t.Context(), args, &o, &e, testCode, NewUsage(opt), NewGrant(opt), NewEvents(opt))
	return o.String(), e.String(), code
}

// A command runs where the gateway is; a shell's only there, unless the ledger
// on the disk will do.
func TestForward(t *testing.T) {
	serving := &testBooks{sums: []ledger.Sum{{Org: "acme", Requests: 7}}, orgs: []gateway.OrgQuotas{{Org: "acme"}}}
	var line []string
	shell := BooksOptions{Clock: func() time.Time { return noon }}
	shell.Forward = func(_ context.Context, args []string, out, errOut io.Writer) (int, error) {
		line = args
		opt := serving.options()
		_, code := Run(t.Context(), args, out, errOut, testCode, NewUsage(opt), NewGrant(opt), NewEvents(opt))
		return code, nil
	}
	args := []string{"usage", "--by", "day,org", "--since=7d", "--model", "-x,\ny", "--json"}
	want, _, _ := runBooks(t, serving.options(), args...)
	asked := serving.asked
	got, errOut, code := runBooks(t, shell, args...)
	if got != want || code != 0 || errOut != "" || asked.Model != "-x,\ny" || fmt.Sprint(serving.asked) != fmt.Sprint(asked) {
		t.Errorf("a shell's usage: code %d, %q %q, want %q; asked %v, want %v", code, got, errOut, want, serving.asked, asked)
	}
	if line[len(line)-1] != "--" || strings.Contains(strings.Join(line, " "), "until") {
		t.Errorf("sent %q; want the flags that were set, and the end of flags", line)
	}
	if _, errOut, code := runBooks(t, shell, "grant", "revoke", "-g1"); code != 2 || errOut == "" {
		t.Errorf("an id like a flag: code %d, %q", code, errOut)
	}
	if _, errOut, code := runBooks(t, shell, "grant", "revoke", "g1"); code != 1 || !strings.Contains(errOut, "no such grant") {
		t.Errorf("a command that fails there: code %d, %q, want its own", code, errOut)
	}

	disk := &testBooks{sums: []ledger.Sum{{Org: "acme", Requests: 3}}}
	shell.Forward = func(context.Context, []string, io.Writer, io.Writer) (int, error) { return 0, desk.ErrNotServing }
	shell.OpenLedger = func(context.Context) (Ledger, error) { return disk, nil }
	out, errOut, code := runBooks(t, shell, "usage", "--csv")
	if code != 0 || !strings.HasPrefix(out, "org,requests,") || !strings.Contains(out, "\nacme,3,") ||
		!strings.Contains(errOut, "Nothing serves here") || !disk.closed {
		t.Errorf("nothing serves: code %d, output %q, errors %q, closed %v", code, out, errOut, disk.closed)
	}
	for _, args := range [][]string{{"usage", "--windows"}, {"grant", "revoke", "g1"},
		{"grant", "--org=acme", "--tokens=5M", "--until=1d", "--reason=x"}} {
		if out, errOut, code := runBooks(t, shell, args...); code != 3 || out != "" || !strings.Contains(errOut, "nothing serves here") {
			t.Errorf("%q where nothing serves: code %d, %q %q", args, code, out, errOut)
		}
	}
	disk.err = errors.New("damaged")
	if _, errOut, code := runBooks(t, shell, "usage"); code != 1 || !strings.Contains(errOut, "damaged") {
		t.Errorf("a ledger that fails: code %d, %q", code, errOut)
	}
}

func TestBooksUsageErrors(t *testing.T) {
	b := &testBooks{orgs: []gateway.OrgQuotas{{Org: "acme", Windows: []quota.Window{{Name: quota.TokensPerDay, Limit: 1}, {Name: quota.RequestsPerDay}}}, {Org: "Ärzte"}}}
	grant := []string{"grant", "--org=acme", "--tokens=5M", "--until=1d", "--reason=x"}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"usage", "more"}, "unknown command"},
		{[]string{"usage", "--more"}, "unknown flag"},
		{[]string{"usage", "--by", "org,week"}, `no sums are kept by "week"`},
		{[]string{"usage", "--by", "org,"}, `no sums are kept by ""`},
		{[]string{"usage", "--by", "day,month"}, "choose one"},
		{[]string{"usage", "--since", "later"}, "--since"},
		{[]string{"usage", "--until", "later"}, "--until"},
		{[]string{"usage", "--since", "1h", "--until", "2h"}, "no time between"},
		{[]string{"usage", "--since", "2026-11-23"}, "no time between"},
		{[]string{"usage", "--json", "--csv"}, "choose one"},
		{[]string{"usage", "--windows", "--csv"}, "leave out --csv"},
		{[]string{"usage", "--windows", "--since", "today"}, "leave out --since"},
		{[]string{"usage", "--windows", "--org", "acne"}, `no organisation "acne"; did you mean "acme"?`},
		{[]string{"grant"}, "--org"},
		{[]string{"grant", "make"}, "unknown command"},
		{[]string{"grant", "--org=acme"}, "--tokens or --requests"},
		{[]string{"grant", "--org=acme", "--tokens=1", "--requests=1"}, "two grants"},
		{[]string{"grant", "--org=acme", "--tokens=1"}, "--until"},
		{[]string{"grant", "--org=acme", "--tokens=1", "--until=1d"}, "--reason"},
		{[]string{"grant", "--org=acme", "--tokens=1", "--until=1d", "--reason= "}, "--reason"},
		{append(grant, "--window=week"), "--window"},
		{append(grant, "--tokens=many"), `--tokens "many"`},
		{append(grant, "--until=2026-11-22"), "has passed"},
		{append(grant, "--reason="+strings.Repeat("ä", maxReason+1)), "501 characters"},
		{append(grant, "--org=arzte"), `did you mean "Ärzte"?`},
		{append(grant, "--org=zebra"), "to see all: pilothouse usage --windows"},
		{append(grant, "--org=Ärzte"), `"Ärzte" has no limit of tokens a day`},
		{append(grant, "--window=month"), `"acme" has no limit of tokens a month`},
		{[]string{"grant", "--org=acme", "--requests=1", "--until=1d", "--reason=x"}, "no limit of requests a day"},
		{[]string{"grant", "revoke"}, "accepts 1 arg"},
		{[]string{"grant", "list", "x"}, "unknown command"},
		{[]string{"more"}, "unknown command"},
	} {
		out, errOut, code := runBooks(t, b.options(), tc.args...)
		if code != 2 || out != "" || !strings.Contains(errOut, tc.want) {
			t.Errorf("%q: code %d, %q %q, want 2 and %q", tc.args, code, out, errOut, tc.want)
		}
	}
	if len(b.grants) != 0 {
		t.Errorf("grants were made: %v", b.grants)
	}
	if _, errOut, _ := runBooks(t, (&testBooks{}).options(), grant...); !strings.Contains(errOut, "no organisation yet") {
		t.Errorf("without organisations: %q", errOut)
	}
}

// A command line without words is help, not the process's own command line.
func TestRunNothing(t *testing.T) {
	own := os.Args
	os.Args = []string{own[0], "--nonesuch"}
	defer func() { os.Args = own }()
	var out bytes.Buffer
	if _, code := Run(t.Context(), nil, &out, io.Discard, testCode, NewUsage((&testBooks{}).options())); code != 0 || !strings.Contains(out.String(), "usage") {
		t.Errorf("code %d, %q", code, &out)
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"acme", "acne", 1}, {"kitten", "sitting", 3}, {"Ärzte", "arzte", 1}, {"abc", "ca", 3}} {
		if got := distance(tc.a, tc.b); got != tc.want {
			t.Errorf("distance of %q and %q: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
