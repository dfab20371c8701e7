package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// Jobs do something to replicas and their containers. A *backends.Lifecycle has
// them, and is [Drains] and [Logs], too. The methods may be called at once.
type Jobs interface {
	// Preview returns what Begin would do, and does nothing.
	Preview(ctx context.Context, o backends.Order) ([]backends.Part, error)
	// Begin looks at the containers, starts the job and returns it. The job goes
	// on when ctx has ended.
	Begin(ctx context.Context, o backends.Order) (backends.Job, error)
	Job(id int) (backends.Job, bool)
	// CancelJob has one end at its next step; [backends.ErrNoJob]: none is under way.
	CancelJob(id int, by string) error
}

// Drains take replicas out of work and in again. An order's action means
// nothing here. They return the URLs of the replicas, and wait for nothing.
type Drains interface {
	Drain(ctx context.Context, o backends.Order) ([]string, error)
	Undrain(ctx context.Context, o backends.Order) ([]string, error)
}

// Logs tells the lines of a container's log, or of those of all replicas of a
// backend. It returns when each has been told all that was asked for, or ctx ends.
type Logs interface {
	Logs(ctx context.Context, name string, o backends.LogOptions, each func(container string, l backends.LogLine)) error
}

// Pool is what the backends are like; a *backends.Pool.
type Pool interface {
	Snapshot() *backends.Snapshot
}

// Gateway is what serves; a *gateway.Gateway. What it ends it also writes down.
type Gateway interface {
	Snapshot() *gateway.Snapshot
	// CancelRequest ends one; false: none of that id is in flight.
	CancelRequest(ctx context.Context, id, by, reason string) (bool, error)
	// CancelOrg ends all of an organisation, and returns how many those were.
	CancelOrg(ctx context.Context, org, by, reason string) (int, error)
}

// Operations are what is seen of, and done to, all that runs.
type Operations struct {
	Jobs    Jobs
	Drains  Drains
	Logs    Logs
	Pool    Pool
	Gateway Gateway // nil: none serves, only the containers are there
}

// OperationsOptions are what the commands of [NewOperations] need from main. The
// process that serves sets Operations and Operator; a shell sets the others, and
// Operator for what it does itself.
type OperationsOptions struct {
	Operations Operations
	Operator   string // who gives the command, for the audit

	Forward Forward // nil: this is the process that serves
	// Local makes the operations that need no gateway, for when none serves. The
	// command closes them. Nil: there are none.
	Local func(ctx context.Context) (Operations, io.Closer, error)
	Live  bool // standard error is a terminal on which a line can be written over

	Clock func() time.Time // nil: time.Now
}

func (o *OperationsOptions) now() time.Time { return utcNow(o.Clock) }

// NewOperations makes the commands status, up, down, start, stop, restart,
// drain, undrain, logs and cancel.
func NewOperations(opt OperationsOptions) []*cobra.Command {
	cmds := []*cobra.Command{newStatus(opt)}
	for i := range actions {
		cmds = append(cmds, newAct(opt, &actions[i]))
	}
	cmds = append(cmds, newDrain(opt), newUndrain(opt), newLogs(opt), newCancel(opt))
	for _, c := range cmds {
		c.SetFlagErrorFunc(wrongFlag)
	}
	return cmds
}

// live runs a command where the gateway is: here if this process serves, or
// else in the one that does. Who breaks it off in a shell needs no error for it.
func (o *OperationsOptions) live(cmd *cobra.Command, args []string, run func(context.Context, Operations) error) error {
	if o.Forward == nil {
		return explained(run(cmd.Context(), o.Operations))
	}
	err := o.Forward.command(cmd, args)
	if err != nil && cmd.Context().Err() != nil {
		err = &ExitError{Code: 1}
	}
	return err
}

// anywhere is live for commands that need no gateway: when nothing serves, they
// run here.
func (o *OperationsOptions) anywhere(cmd *cobra.Command, args []string, run func(context.Context, Operations) error) error {
	err := o.live(cmd, args, run)
	if !errors.Is(err, ErrNotServing) || o.Forward == nil || o.Local == nil {
		return err
	}
	ops, closer, err := o.Local(cmd.Context())
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintln(cmd.ErrOrStderr(), "Nothing serves here; doing it from here."); err == nil {
		err = run(cmd.Context(), ops)
	}
	return explained(errors.Join(err, closer.Close()))
}

// toldError is an error whose text does no harm to a terminal.
type toldError struct{ err error }

func (e *toldError) Error() string { return widget.Clean(e.err.Error(), false) }

func (e *toldError) Unwrap() error { return e.err }

// explained makes an error fit to be printed, and says of an order that was
// refused how it would not be.
func explained(err error) error {
	if err == nil {
		return nil
	}
	if o, refused := errors.AsType[*backends.OrderError](err); refused && o.Last {
		err = fmt.Errorf("%w; add --last to do it all the same", err)
	}
	return &toldError{err}
}

// parseReason reads why something is done.
func parseReason(s string) (string, error) {
	s = strings.TrimSpace(s)
	if n := len([]rune(s)); n > maxReason {
		return "", usagef("--reason has %d characters; the most is %d", n, maxReason)
	}
	return s, nil
}
