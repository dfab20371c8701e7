package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway"
	"pilothouse/ui/desk"
)

// Ledger is what there is of the books when nothing serves. A *ledger.Ledger is
// one.
type Ledger interface {
	desk.Record
	Close() error
}

// BooksOptions are what the commands usage, grant and events need from main. The
// process that serves sets Seat and Drifts; a shell sets the others.
type BooksOptions struct {
	Seat *desk.Seat // whoever gives the command; nil: this is a shell

	// Drifts are the ledger held against the engines.
	Drifts func() []gateway.Drift

	Forward Forward
	// OpenLedger opens the ledger that is on the disk when nothing serves. The
	// command closes it.
	OpenLedger func(ctx context.Context) (Ledger, error)

	Clock func() time.Time // nil: time.Now
}

func (o *BooksOptions) now() time.Time { return utcNow(o.Clock) }

// live runs a command where the gateway is: here if this process serves, or
// else in the one that does.
func (o *BooksOptions) live(cmd *cobra.Command, args []string, run func(context.Context, desk.Books) error) error {
	if o.Seat != nil {
		return run(cmd.Context(), o.Seat.Platform().Books)
	}
	return o.Forward.command(cmd, args)
}

// onRecord is live for commands that need no more than what is on the disk:
// when nothing serves they read that themselves.
func (o *BooksOptions) onRecord(cmd *cobra.Command, args []string, run func(context.Context, desk.Record) error) error {
	err := o.live(cmd, args, func(ctx context.Context, b desk.Books) error { return run(ctx, b) })
	if !errors.Is(err, desk.ErrNotServing) {
		return err
	}
	l, err := o.OpenLedger(cmd.Context())
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintln(cmd.ErrOrStderr(), "Nothing serves here; this is what the ledger on the disk holds."); err == nil {
		err = run(cmd.Context(), l)
	}
	return errors.Join(err, l.Close())
}

// unknownOrg is the error of a name that no organisation has.
func unknownOrg(name string, orgs []gateway.OrgQuotas) error {
	if len(orgs) == 0 {
		return usagef("there is no organisation yet; make one with: pilothouse key new --org NAME --name NAME")
	}
	names := make([]string, len(orgs))
	for i, o := range orgs {
		names[i] = o.Org
	}
	if best := nearest(name, names); best != "" {
		return usagef("there is no organisation %q; did you mean %q?", name, best)
	}
	return usagef("there is no organisation %q; to see all: pilothouse usage --windows", name)
}

// nearest is the one of names that may have been meant by name; "": none.
func nearest(name string, names []string) string {
	best, least := "", len([]rune(name))/3+2
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters must be added, left out or replaced to make b of
// a (Levenshtein's).
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range to {
			cost := diagonal
			if r != s {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(to)]
}
