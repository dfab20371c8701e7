package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/ui/desk"
)

// The scripts' program and the process that serves it find one another here,
// in the current directory.
const scriptSocket = "control.sock"

// TestMain lets the scripts run a program that has the commands of this package
// alone, on keys.toml and the control socket in the current directory.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pilothouse": func() {
		root := &cobra.Command{Use: "pilothouse", SilenceUsage: true, SilenceErrors: true}
		shell := BooksOptions{
			Forward:    through(scriptSocket),
			OpenLedger: func(context.Context) (Ledger, error) { return onDisk("ledger") },
			Clock:      func() time.Time { return noon },
		}
		root.AddCommand(NewKey(KeyOptions{File: func() (string, error) { return "keys.toml", nil }}),
			NewUsage(shell), NewGrant(shell))
		err := root.ExecuteContext(context.Background())
		var exit *ExitError
		switch code := testCode(err); {
		case err == nil:
		case errors.As(err, &exit):
			os.Exit(code)
		case code == 2:
			fmt.Fprintln(os.Stderr, "usage:", err)
			os.Exit(code)
		default:
			fmt.Fprintln(os.Stderr, "failed:", err)
			os.Exit(code)
		}
	}})
}

// stopKey is where a script keeps how to end what it serves.
type stopKey struct{}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: func(env *testscript.Env) error { env.Values[stopKey{}] = new(func()); return nil },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serveScript,
			"id-from-stdout": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Setenv("ID", strings.TrimSpace(ts.ReadFile("stdout")))
			},
			"stop": func(ts *testscript.TestScript, _ bool, _ []string) { (*ts.Value(stopKey{}).(*func()))() },
		},
	})
}

// serveScript serves a script's commands from the test's own process, as
// another user's command line would find it, until "stop" or the script's end.
func serveScript(ts *testscript.TestScript, _ bool, _ []string) {
	books, err := onDisk(ts.MkAbs("ledger"))
	ts.Check(err)
	end, err := serving(ts.MkAbs(scriptSocket), func(ctx context.Context, seat *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
		opt := BooksOptions{Seat: seatAt(desk.Platform{Books: books}, seat.Operator().Name, seat.Operator().Role), Clock: func() time.Time { return noon }}
		return Run(ctx, args, out, errOut, testCode, NewUsage(opt), NewGrant(opt))
	})
	ts.Check(err)
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			ts.Check(errors.Join(end(), books.Close()))
		}
	}
	*ts.Value(stopKey{}).(*func()) = stop
	ts.Defer(stop)
}

// diskBooks are books on a ledger, with the quotas of a test. A ledger that is
// new has two requests in it.
type diskBooks struct {
	*ledger.Ledger
	quotas []gateway.OrgQuotas
}

func onDisk(dir string) (*diskBooks, error) {
	_, err := os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	l, err := ledger.Open(ledger.Options{Dir: dir, Clock: func() time.Time { return noon }})
	if err != nil {
		return nil, err
	}
	for n := range 2 {
		if !made {
			break
		}
		row := ledger.Row{ID: fmt.Sprint("r", n), Arrived: noon.Add(-time.Hour), Sent: noon.Add(-time.Hour), Ended: noon.Add(-time.Minute),
			Org: "acme", Key: "k1", Model: "m\x1b[2J", Backend: "b1", Replica: "http://b1", Status: 200,
			Prompt: 1500, Completion: 250, Cached: 500, Counted: true, End: ledger.Done}
		if err := l.End(nil, &row); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return &diskBooks{l, quotas().orgs}, nil
}

func (b *diskBooks) Quotas(context.Context) ([]gateway.OrgQuotas, error) { return b.quotas, nil }

func (b *diskBooks) Grant(ctx context.Context, g ledger.Grant) (ledger.Grant, error) {
	return b.AddGrant(ctx, g)
}

func (b *diskBooks) Revoke(ctx context.Context, id, by string) (ledger.Grant, error) {
	return b.RevokeGrant(ctx, id, by)
}
