// Package shell is the command line's end of the control plane: what is typed on
// the host of a gateway goes to the process that serves, through its control
// socket, and the terminal there gets its dashboard. What needs no gateway is done
// here where none serves.
//
// Whoever can open the socket, or the state directory, may do everything, unless
// they ask to only look.
package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/term"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
	"pilothouse/ui/cli"
	"pilothouse/ui/desk"
	"pilothouse/ui/sshd"
)

// What the process that serves has in its state directory.
const (
	Socket    = "control.sock"
	LedgerDir = "ledger"
)

// Shell is the command line of this process. All fields are required; the
// functions are called when a command runs.
type Shell struct {
	StateDir func() (string, error)
	Backends func() ([]backends.Config, backends.LifecycleOptions, error) // that are configured
	ReadOnly func() bool                                                  // whoever gives a command only looks
}

// Operator is who uses this process.
func Operator() desk.Operator {
	return desk.Operator{Name: sshd.UserName(uint32(os.Geteuid())), Role: desk.Admin}
}

// OnTerminal returns an error unless there is a terminal to show the dashboard on.
func OnTerminal() error {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return &cli.UsageError{Err: errors.New("the dashboard needs a terminal; to serve without one: pilothouse serve")}
	}
	return nil
}

// Attach shows the dashboard of the process that serves. The error is
// [desk.ErrNotServing] when none does.
func (s *Shell) Attach(ctx context.Context) error {
	if err := OnTerminal(); err != nil {
		return err
	}
	path, err := s.file(Socket)
	if err != nil {
		return err
	}
	code, err := sshd.Attach(ctx, path, sshd.Terminal{In: os.Stdin, Out: os.Stdout, Environ: os.Environ(), ReadOnly: s.ReadOnly()})
	if err == nil && code != 0 {
		err = &cli.ExitError{Code: code} // it has been told there
	}
	return err
}

func (s *Shell) file(name string) (string, error) {
	dir, err := s.StateDir()
	return filepath.Join(dir, name), err
}

// forward has a command line run in the process that serves.
func (s *Shell) forward(ctx context.Context, args []string, out, errOut io.Writer) (int, error) {
	path, err := s.file(Socket)
	if err != nil {
		return 0, err
	}
	return sshd.Call(ctx, path, args, sshd.CallOptions{ReadOnly: s.ReadOnly(), Out: out, ErrOut: errOut, OneOutput: oneOutput()})
}

// oneOutput tells whether this process's two outputs end in the same place: a
// terminal, as a rule.
func oneOutput() bool {
	out, err := os.Stdout.Stat()
	if err != nil {
		return false
	}
	errOut, err := os.Stderr.Stat()
	return err == nil && os.SameFile(out, errOut)
}

// Books are the options of commands about usage.
func (s *Shell) Books() cli.BooksOptions {
	return cli.BooksOptions{
		Forward: s.forward,
		OpenLedger: func(context.Context) (cli.Ledger, error) {
			dir, err := s.file(LedgerDir)
			if err != nil {
				return nil, err
			}
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("open the ledger: there is none at %s; name the configuration that it belongs to with --config", strconv.Quote(dir))
			}
			return ledger.Open(ledger.Options{Dir: dir})
		},
	}
}

// Requests are the options of the command about requests.
func (s *Shell) Requests() cli.RequestsOptions { return cli.RequestsOptions{Forward: s.forward} }

// Ask are the options of the command that asks a database.
func (s *Shell) Ask() cli.AskOptions { return cli.AskOptions{Forward: s.forward} }

// Operations are the options of commands about backends.
func (s *Shell) Operations() cli.OperationsOptions {
	return cli.OperationsOptions{
		Forward: s.forward, Local: s.withoutGateway,
		Live: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb",
	}
}

// Permit refuses an action on this host's files to those who only look.
func (s *Shell) Permit(action string) error {
	return s.seat(desk.Platform{}).May(desk.Admin, action)
}

// seat is the user's, at what is in this process alone.
func (s *Shell) seat(p desk.Platform) *desk.Seat {
	return desk.New(p, desk.Options{ReadOnly: s.ReadOnly()}).Seat(Operator())
}
