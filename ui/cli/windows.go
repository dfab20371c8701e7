package cli

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/ui/desk"
)

// runWindows shows the quotas as they are now, which only a serving process knows.
func (f *usageFlags) runWindows(cmd *cobra.Command, opt BooksOptions, args []string) error {
	for _, other := range []string{"by", "since", "until", "key", "model", "backend", "csv"} {
		if cmd.Flags().Changed(other) {
			return usagef("--windows shows the quotas as they are now; leave out --%s", other)
		}
	}
	return opt.live(cmd, args, func(ctx context.Context, books desk.Books) error {
		orgs, err := books.Quotas(ctx)
		if err != nil {
			return err
		}
		if f.org != "" {
			one := slices.IndexFunc(orgs, func(o gateway.OrgQuotas) bool { return o.Org == f.org })
			if one < 0 {
				return unknownOrg(f.org, orgs)
			}
			orgs = orgs[one : one+1]
		}
		grants, err := books.Grants(ctx, false)
		if err != nil {
			return err
		}
		if f.asJSON {
			return encode(cmd.OutOrStdout(), windowListing{At: opt.now().Truncate(time.Second), Orgs: orgItems(orgs, grants)})
		}
		return writeWindows(cmd.OutOrStdout(), orgItems(orgs, grants))
	})
}

// windowListing is what "usage --windows --json" prints.
type windowListing struct {
	At   time.Time `json:"at"`
	Orgs []orgItem `json:"orgs"`
}

// orgItem is one organisation as GET /v1/usage shows it, and what was granted.
type orgItem struct {
	Object  string       `json:"object"` // "usage"
	Org     string       `json:"org"`
	Windows []windowItem `json:"windows"`
}

type windowItem struct {
	gateway.UsageWindow
	Remaining *int64 `json:"remaining"` // null: no limit
	Granted   int64  `json:"granted"`   // of the limit
}

func orgItems(orgs []gateway.OrgQuotas, grants []ledger.Grant) []orgItem {
	items := make([]orgItem, len(orgs))
	for i, o := range orgs {
		items[i] = orgItem{Object: "usage", Org: o.Org, Windows: []windowItem{}}
		for _, w := range o.Windows {
			item := windowItem{UsageWindow: gateway.UsageWindow{Name: w.Name, Key: w.Key, Used: w.Used, Reserved: w.Reserved, Limit: w.Limit, ResetsAt: w.ResetsAt.UTC()}}
			if w.Limit > 0 {
				left := w.Remaining()
				item.Remaining = &left
				for _, g := range grants {
					if w.Key == "" && g.Org == o.Org && g.Window == w.Name {
						item.Granted += g.Amount
					}
				}
			}
			items[i].Windows = append(items[i].Windows, item)
		}
	}
	return items
}

// writeWindows writes a table, with columns for keys and grants if there are any.
func writeWindows(w io.Writer, orgs []orgItem) error {
	has := func(f func(windowItem) bool) bool {
		return slices.ContainsFunc(orgs, func(o orgItem) bool { return slices.ContainsFunc(o.Windows, f) })
	}
	keyed := has(func(i windowItem) bool { return i.Key != "" })
	granted := has(func(i windowItem) bool { return i.Granted > 0 })
	cols := []column{{"ORG", false}}
	if keyed {
		cols = append(cols, column{"KEY", false})
	}
	cols = append(cols, column{"WINDOW", false}, column{"USED", true}, column{"RESERVED", true},
		column{"LIMIT", true}, column{"RESETS", false})
	if granted {
		cols = append(cols, column{"GRANTED", true})
	}
	var rows [][]string
	for _, o := range orgs {
		for _, it := range o.Windows {
			row := []string{o.Org}
			if keyed {
				row = append(row, cmp.Or(it.Key, none))
			}
			limit := none
			if it.Limit > 0 {
				limit = digits(it.Limit)
			}
			row = append(row, it.Name, digits(it.Used), digits(it.Reserved), limit, shortly(it.ResetsAt))
			switch {
			case it.Granted > 0:
				row = append(row, "+"+digits(it.Granted))
			case granted:
				row = append(row, none)
			}
			rows = append(rows, row)
		}
	}
	return writeColumns(w, cols, rows)
}

// shortly writes a moment for people: a date alone is its beginning in UTC.
func shortly(t time.Time) string {
	t = t.UTC()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return minute(t)
}
