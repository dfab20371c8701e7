package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/desk"
)

// mostEvents is the most that are shown: more is for a query of the ledger.
const mostEvents = 10_000

// NewEvents makes the command that lists what operators did.
func NewEvents(opt BooksOptions) *cobra.Command {
	var most int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "events",
		Short: "List what operators did",
		Long: `List what operators did, newest last: each action before it was done, and again with
what came of it. Where nothing serves it is what the ledger on the disk holds.`,
		Example: `  pilothouse events
  pilothouse events --last 1000 --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 1 || most > mostEvents {
				return usagef("--last %d is out of range; want 1 to %d", most, mostEvents)
			}
			return opt.onRecord(cmd, args, func(ctx context.Context, books desk.Record) error {
				events, err := books.Audit(ctx, most)
				if err != nil {
					return err
				}
				events = slices.Clone(events) // whosever they are
				slices.Reverse(events)
				return writeEvents(cmd, events, asJSON)
			})
		},
	}
	cmd.Flags().IntVar(&most, "last", 100, "how many of the latest")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeEvents(cmd *cobra.Command, events []ledger.Event, asJSON bool) error {
	switch {
	case asJSON:
		return encode(cmd.OutOrStdout(), struct {
			Events []ledger.Event `json:"events"`
		}{list(events)})
	case len(events) == 0:
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), "No events.")
		return err
	}
	rows := make([][]string, len(events))
	for i, e := range events {
		rows[i] = []string{e.At.UTC().Format("2006-01-02 15:04:05"), e.Author, e.Action, e.Object, e.Detail}
	}
	return writeColumns(cmd.OutOrStdout(), []column{{"TIME (UTC)", false}, {"BY", false}, {"ACTION", false}, {"OF", false}, {"DETAIL", false}}, rows)
}
