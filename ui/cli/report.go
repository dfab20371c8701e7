package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/ui/desk"
)

// NewUsage makes the command "usage".
func NewUsage(opt BooksOptions) *cobra.Command {
	f := &usageFlags{}
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Show what organisations, keys, models and backends have used",
		Long: `Show the requests that arrived in a span of time, and their tokens: of each
organisation today, if nothing else is asked for. Sums are kept by the hour; a
span is widened to whole ones. All times are in UTC.

CACHED is the share of the prompt tokens that the engine's prefix cache held,
EST. the share of the requests whose tokens are estimates, as the engine never
told them. FAILED requests were broken off by a backend or by the gateway's end.

With --windows: what is used and reserved of each quota right now. With --engines:
the tokens that each engine has counted itself since its start, beside those that
the ledger has for it.`,
		Example: `  pilothouse usage --by org,model --since month
  pilothouse usage --by day --org acme --since 2026-11-01 --until 2026-12-01 --csv
  pilothouse usage --windows`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.asJSON && f.asCSV {
				return usagef("--json and --csv are two formats; choose one")
			}
			switch {
			case f.windows && f.engines:
				return usagef("--windows and --engines are two tables; choose one")
			case f.windows:
				return f.runWindows(cmd, opt, args)
			case f.engines:
				return f.runEngines(cmd, opt, args)
			}
			return f.run(cmd, opt, args)
		},
	}
	cmd.SetFlagErrorFunc(wrongFlag)
	f.add(cmd)
	return cmd
}

// usageFlags are the flags of "usage".
type usageFlags struct {
	by, since, until         string
	org, key, model, backend string
	asJSON, asCSV            bool
	windows, engines         bool
}

func (f *usageFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.by, "by", "org", "what to tell apart, with commas: org, key, model, backend, and one of hour, day and month; \"\" sums everything")
	flags.StringVar(&f.since, "since", "today", `from when on: "2026-11-22" (0:00), "2026-11-22T18:00:00Z", "today", "yesterday", "month", or so long ago "7d", "12h"`)
	flags.StringVar(&f.until, "until", "", "until when, written the same; that moment is not in it (default: now)")
	flags.StringVar(&f.org, "org", "", "of this organisation only")
	flags.StringVar(&f.key, "key", "", "of the key with this id only")
	flags.StringVar(&f.model, "model", "", "of this model only")
	flags.StringVar(&f.backend, "backend", "", "of this backend only")
	flags.BoolVar(&f.windows, "windows", false, "show the quotas as they are now")
	flags.BoolVar(&f.engines, "engines", false, "hold the ledger against the engines' own counts")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	flags.BoolVar(&f.asCSV, "csv", false, "print CSV; a text that a spreadsheet would take for a formula begins with an apostrophe")
	// The flag exists, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(
		[]string{"org", "key", "model", "backend", "hour", "day", "month"}, cobra.ShellCompDirectiveNoFileComp))
}

// query turns the flags into what is asked of the ledger.
func (f *usageFlags) query(now time.Time) (ledger.Query, error) {
	q := ledger.Query{Org: f.org, Key: f.key, Model: f.model, Backend: f.backend}
	var err error
	if q.By, err = parseBy(f.by); err != nil {
		return q, err
	}
	if q.Since, err = parseSince("--since", f.since, now); err != nil {
		return q, err
	}
	q.Since = q.Since.Truncate(time.Hour)
	q.Until = now
	if f.until != "" {
		if q.Until, err = parseSince("--until", f.until, now); err != nil {
			return q, err
		}
	}
	if !q.Since.Before(q.Until) {
		return q, usagef("there is no time between --since %s and --until %s",
			q.Since.Format(time.RFC3339), q.Until.Format(time.RFC3339))
	}
	return q, nil
}

// dimensions are all that sums may be told apart by, in the order of columns,
// which is that of sorting.
var dimensions = [...]ledger.Dimension{ledger.ByHour, ledger.ByDay, ledger.ByMonth,
	ledger.ByOrg, ledger.ByKey, ledger.ByModel, ledger.ByBackend}

// parseBy reads dimensions and puts them into the order of columns. A key has
// its organisation with it.
func parseBy(s string) ([]ledger.Dimension, error) {
	asked := make(map[ledger.Dimension]bool)
	for name := range strings.SplitSeq(s, ",") {
		d := ledger.Dimension(strings.TrimSpace(name))
		if d == "" && s == "" {
			break
		}
		if !slices.Contains(dimensions[:], d) {
			return nil, usagef("--by %q: no sums are kept by %q; want some of org, key, model, backend, hour, day, month", s, name)
		}
		asked[d] = true
	}
	var by []ledger.Dimension
	spans := 0
	for _, d := range dimensions {
		if !asked[d] {
			continue
		}
		if isSpan(d) {
			spans++
		}
		by = append(by, d)
	}
	if spans > 1 {
		return nil, usagef("--by %q: choose one of hour, day and month", s)
	}
	if asked[ledger.ByKey] && !asked[ledger.ByOrg] {
		by = slices.Insert(by, slices.Index(by, ledger.ByKey), ledger.ByOrg)
	}
	return by, nil
}

func isSpan(d ledger.Dimension) bool {
	return d == ledger.ByHour || d == ledger.ByDay || d == ledger.ByMonth
}

func (f *usageFlags) run(cmd *cobra.Command, opt BooksOptions, args []string) error {
	q, err := f.query(opt.now())
	if err != nil {
		return err
	}
	return opt.onRecord(cmd, args, func(ctx context.Context, books desk.Record) error {
		sums, err := books.Usage(ctx, q)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		switch {
		case f.asJSON:
			orgs, err := f.orgs(ctx, books)
			if err != nil {
				return err
			}
			return writeSumsJSON(out, q, sums, orgs)
		case f.asCSV:
			return writeSumsCSV(out, q.By, sums)
		case len(sums) == 0:
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "No requests between %s and %s.\n", minute(q.Since), minute(q.Until))
			return err
		}
		return writeSums(out, q.By, sums)
	})
}

// orgs are the quotas of those asked for, where a gateway serves.
func (f *usageFlags) orgs(ctx context.Context, r desk.Record) ([]orgItem, error) {
	books, ok := r.(desk.Books)
	if !ok {
		return nil, nil
	}
	orgs, err := books.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	grants, err := books.Grants(ctx, false)
	if err != nil {
		return nil, err
	}
	orgs = slices.DeleteFunc(slices.Clone(orgs), func(o gateway.OrgQuotas) bool { return f.org != "" && o.Org != f.org })
	return orgItems(orgs, grants), nil
}

// minute writes a moment for people.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }
