package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Forward runs a command line, without the program's name, in the process that
// serves. Its error is [desk.ErrNotServing] when there is none.
type Forward func(ctx context.Context, args []string, out, errOut io.Writer) (int, error)

// ExitError is a command that failed in the process that serves, which has
// printed why: print nothing, and exit with Code.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("the command ended with exit code %d", e.Code) }

// command runs there what was called here.
func (f Forward) command(cmd *cobra.Command, args []string) error {
	code, err := f(cmd.Context(), commandLine(cmd, args), cmd.OutOrStdout(), cmd.ErrOrStderr())
	if err == nil && code != 0 {
		err = &ExitError{Code: code}
	}
	return err
}

// commandLine is what was called, without the program's name and the flags that
// every command has: those say where to find the process that will read it.
func commandLine(cmd *cobra.Command, args []string) []string {
	line := strings.Fields(cmd.CommandPath())[1:]
	own := cmd.LocalNonPersistentFlags()
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if own.Lookup(f.Name) != nil {
			line = append(line, "--"+f.Name+"="+f.Value.String())
		}
	})
	return append(append(line, "--"), args...)
}

// Run runs a command line, without the program's name, on commands: for the
// process that serves. It returns the name of the command that ran, "" where none
// is known, and its exit code, which exitCode has for an error.
func Run(ctx context.Context, args []string, out, errOut io.Writer, exitCode func(error) int, commands ...*cobra.Command) (name string, code int) {
	root := &cobra.Command{Use: "pilothouse", Short: "Commands to a gateway that serves",
		Args: usage(cobra.NoArgs), SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(commands...)
	root.SetArgs(append([]string{}, args...)) // nil would be the process's own
	root.SetIn(strings.NewReader(""))
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	if cmd != root {
		name = strings.TrimPrefix(cmd.CommandPath(), root.Name()+" ")
	}
	if err == nil {
		return name, 0
	}
	_, _ = fmt.Fprintf(errOut, "pilothouse: %v\n", err) // a client that left can't be told
	return name, exitCode(err)
}

func wrongFlag(_ *cobra.Command, err error) error { return &UsageError{Err: err} }

// utcNow reads a clock; nil is time.Now.
func utcNow(clock func() time.Time) time.Time {
	if clock == nil {
		clock = time.Now
	}
	return clock().UTC()
}
