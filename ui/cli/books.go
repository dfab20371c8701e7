package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
)

// Books are what a serving gateway knows of the use of it. Its methods may be
// called at once.
type Books interface {
	reader
	// Quotas returns the windows of every organisation as they are now, the
	// organisations by name.
	Quotas(ctx context.Context) ([]gateway.OrgQuotas, error)
	// Grant makes one and returns it with its id.
	Grant(ctx context.Context, g ledger.Grant) (ledger.Grant, error)
	Revoke(ctx context.Context, id, by string) (ledger.Grant, error)
}

// Record is what there is of the books when nothing serves. A *ledger.Ledger is
// one.
type Record interface {
	reader
	Close() error
}

// BooksOptions are what the commands usage, grant and events need from main. The
// process that serves sets Books and Operator; a shell sets the others.
type BooksOptions struct {
	Books    Books
	Operator string // who gives the command, for the audit

	// Drifts are the ledger held against the engines; the process that serves
	// sets it.
	Drifts func() []gateway.Drift

	Forward Forward
	// OpenLedger opens the ledger that is on the disk when nothing serves. The
	// command closes it.
	OpenLedger func(ctx context.Context) (Record, error)

	Clock func() time.Time // nil: time.Now
}

func (o *BooksOptions) now() time.Time { return utcNow(o.Clock) }

// live runs a command where the gateway is: here if this process serves, or
// else in the one that does.
func (o *BooksOptions) live(cmd *cobra.Command, args []string, run func(context.Context, Books) error) error {
	if o.Books != nil {
		return run(cmd.Context(), o.Books)
	}
	return o.Forward.command(cmd, args)
}

// reader is what Books and a Record have in common.
type reader interface {
	Usage(ctx context.Context, q ledger.Query) ([]ledger.Sum, error)
	// Grants returns the grants that are valid, or all there ever were.
	Grants(ctx context.Context, all bool) ([]ledger.Grant, error)
	// Audit returns what operators did last, newest first, at most so many.
	Audit(ctx context.Context, most int) ([]ledger.Event, error)
}

// onRecord is live for commands that need no more than what is on the disk:
// when nothing serves they read that themselves.
func (o *BooksOptions) onRecord(cmd *cobra.Command, args []string, run func(context.Context, reader) error) error {
	err := o.live(cmd, args, func(ctx context.Context, b Books) error { return run(ctx, b) })
	if !errors.Is(err, ErrNotServing) {
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
