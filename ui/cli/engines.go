package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway"
	"pilothouse/ui/desk"
)

// runEngines shows how far the ledger and the engines' own counts are apart,
// which only a serving process knows.
func (f *usageFlags) runEngines(cmd *cobra.Command, opt BooksOptions, args []string) error {
	for _, other := range []string{"by", "since", "until", "org", "key", "model", "csv"} {
		if cmd.Flags().Changed(other) {
			return usagef("--engines shows what engines have counted since their start; leave out --%s", other)
		}
	}
	return opt.live(cmd, args, func(context.Context, desk.Books) error {
		items := []driftItem{}
		for _, d := range opt.Drifts() {
			if f.backend == "" || d.Backend == f.backend {
				items = append(items, driftOf(&d))
			}
		}
		switch {
		case f.asJSON:
			return encode(cmd.OutOrStdout(), driftListing{items})
		case len(items) == 0:
			_, err := fmt.Fprintln(cmd.ErrOrStderr(), "No engine has told its counts and its start.")
			return err
		}
		return writeDrifts(cmd.OutOrStdout(), items)
	})
}

// driftListing is what "usage --engines --json" prints.
type driftListing struct {
	Engines []driftItem `json:"engines"`
}

type driftItem struct {
	Backend    string    `json:"backend"`
	Replica    string    `json:"replica"`
	Started    time.Time `json:"started"` // of the engine
	At         time.Time `json:"at"`      // of its counts
	Prompt     counted   `json:"prompt_tokens"`
	Completion counted   `json:"completion_tokens"`
	Suspicious bool      `json:"suspicious"`
}

type counted struct {
	Engine int64 `json:"engine"`
	Ledger int64 `json:"ledger"` // requests in flight included, as far as is known
	Drift  int64 `json:"drift"`  // above 0: the engine has counted more
}

func driftOf(d *gateway.Drift) driftItem {
	return driftItem{Backend: d.Backend, Replica: d.Replica, Started: d.Started.UTC(), At: d.At.UTC(), Suspicious: d.Suspicious(),
		Prompt:     counted{d.EnginePrompt, d.LedgerPrompt, d.Prompt()},
		Completion: counted{d.EngineGeneration, d.LedgerCompletion, d.Completion()}}
}

// writeDrifts writes a table, two lines a replica.
func writeDrifts(w io.Writer, items []driftItem) error {
	cols := []column{{"BACKEND", false}, {"REPLICA", false}, {"SINCE", false}, {"TOKENS", false}, {"ENGINE", true}, {"LEDGER", true}, {"DRIFT", true}, {"", false}}
	var rows [][]string
	for i := range items {
		it := &items[i]
		_, host, _ := strings.Cut(it.Replica, "://")
		note := ""
		if it.Suspicious {
			note = "look into it"
		}
		rows = append(rows,
			[]string{it.Backend, host, minute(it.Started), "prompt", digits(it.Prompt.Engine), digits(it.Prompt.Ledger), signed(it.Prompt.Drift), note},
			[]string{"", "", "", "completion", digits(it.Completion.Engine), digits(it.Completion.Ledger), signed(it.Completion.Drift), ""})
	}
	return writeColumns(w, cols, rows)
}

// signed is digits with a plus before what is above 0.
func signed(n int64) string {
	if n > 0 {
		return "+" + digits(n)
	}
	return digits(n)
}
