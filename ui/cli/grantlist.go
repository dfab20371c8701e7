package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/desk"
	"pilothouse/ui/widget"
)

func newGrantList(opt BooksOptions) *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the grants that are valid",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return opt.onRecord(cmd, args, func(ctx context.Context, books desk.Record) error {
				grants, err := books.Grants(ctx, all)
				switch {
				case err != nil:
					return err
				case asJSON:
					return encode(cmd.OutOrStdout(), grantItems(grants, opt.now()))
				case len(grants) == 0:
					_, err = fmt.Fprintln(cmd.ErrOrStderr(), "No grants.")
					return err
				}
				return writeGrants(cmd.OutOrStdout(), grants, all, opt.now())
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that ended or were revoked, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// grantListing is what "grant list --json" prints.
type grantListing struct {
	Grants []grantItem `json:"grants"`
}

type grantItem struct {
	ledger.Grant
	State string `json:"state"`
}

// The states of a grant in a listing, and stateValid.
const (
	stateEnded   = "ended"
	stateRevoked = "revoked"
)

func grantState(g ledger.Grant, now time.Time) string {
	switch {
	case !g.Revoked.IsZero():
		return stateRevoked
	case !g.Until.After(now):
		return stateEnded
	}
	return stateValid
}

func grantItems(grants []ledger.Grant, now time.Time) grantListing {
	items := make([]grantItem, len(grants))
	for i, g := range grants {
		items[i] = grantItem{g, grantState(g, now)}
	}
	return grantListing{items}
}

func writeGrants(w io.Writer, grants []ledger.Grant, all bool, now time.Time) error {
	cols := []column{{"ID", false}, {"ORG", false}, {"AMOUNT", true}, {"OF", false}, {"UNTIL", false}, {"BY", false}}
	if all {
		cols = append(cols, column{"STATE", false})
	}
	cols = append(cols, column{"REASON", false})
	rows := make([][]string, len(grants))
	for i, g := range grants {
		rows[i] = []string{g.ID, g.Org, digits(g.Amount), words(g.Window), minute(g.Until), g.Author}
		if all {
			rows[i] = append(rows[i], grantState(g, now))
		}
		rows[i] = append(rows[i], g.Reason)
	}
	return writeColumns(w, cols, rows)
}

func newGrantRevoke(opt BooksOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "End a grant at once",
		Long: `End a grant at once. What was used of it stays used: where that is more than the
quota, requests are refused until the window begins anew.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return opt.live(cmd, args, func(ctx context.Context, books desk.Books) error {
				g, err := books.Revoke(ctx, args[0], "")
				if _, unknown := errors.AsType[*ledger.NoGrantError](err); unknown {
					return usagef("%w; to see all: pilothouse grant list --all", err)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "revoked %s: %s of %s\n",
					widget.Clean(g.ID, false), granted(g), widget.Clean(g.Org, false))
				return err
			})
		},
	}
	return cmd
}
