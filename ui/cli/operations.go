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
	"pilothouse/ui/desk"
	"pilothouse/ui/widget"
)

// OperationsOptions are what the commands of [NewOperations] need from main. The
// process that serves sets Seat; a shell sets the others.
type OperationsOptions struct {
	Seat *desk.Seat // whoever gives the command

	Forward Forward // nil: this is the process that serves
	// Local makes a seat for what needs no gateway, for when none serves. The
	// command closes what it needs. Nil: there is none.
	Local func(ctx context.Context) (*desk.Seat, io.Closer, error)
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
func (o *OperationsOptions) live(cmd *cobra.Command, args []string, run func(context.Context, desk.Platform) error) error {
	if o.Forward == nil {
		return explained(run(cmd.Context(), o.Seat.Platform()))
	}
	err := o.Forward.command(cmd, args)
	if err != nil && cmd.Context().Err() != nil {
		err = &ExitError{Code: 1}
	}
	return err
}

// anywhere is live for commands that need no gateway: when nothing serves, they
// run here.
func (o *OperationsOptions) anywhere(cmd *cobra.Command, args []string, run func(context.Context, desk.Platform) error) error {
	err := o.live(cmd, args, run)
	if !errors.Is(err, desk.ErrNotServing) || o.Forward == nil || o.Local == nil {
		return err
	}
	seat, closer, err := o.Local(cmd.Context())
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintln(cmd.ErrOrStderr(), "Nothing serves here; doing it from here."); err == nil {
		err = run(cmd.Context(), seat.Platform())
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
