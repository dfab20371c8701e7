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
	"pilothouse/gateway/quota"
	"pilothouse/ui/desk"
	"pilothouse/ui/widget"
)

// NewGrant makes the command "grant" with list and revoke under it.
func NewGrant(opt BooksOptions) *cobra.Command {
	f := &grantFlags{}
	cmd := &cobra.Command{
		Use:   "grant",
		Short: "Give an organisation more for a while",
		Long: `Add to one quota of an organisation until a moment that you choose. The serving
gateway takes it at once, and a fleet within seconds. Standard output is the
grant's id. Who made a grant and why is kept.`,
		Example: `  pilothouse grant --org acme --tokens 5M --until 12h --reason "quarter's end"
  pilothouse grant --org acme --requests 50k --window month --until 2026-12-01 --reason migration`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, opt, args) },
	}
	cmd.SetFlagErrorFunc(wrongFlag)
	f.add(cmd)
	cmd.AddCommand(newGrantList(opt), newGrantRevoke(opt))
	return cmd
}

// grantFlags are the flags of "grant".
type grantFlags struct{ org, tokens, requests, window, until, reason string }

func (f *grantFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.org, "org", "", "organisation that gets it (required)")
	flags.StringVar(&f.tokens, "tokens", "", `tokens to add: "5000000", "5_000_000", "5M", "500k"`)
	flags.StringVar(&f.requests, "requests", "", "requests to add, written the same; one of the two is required")
	flags.StringVar(&f.window, "window", "day", "quota to add to: that of the day, or of the month")
	flags.StringVar(&f.until, "until", "", `when the grant ends: "2027-01-31" (0:00 UTC), "2027-01-31T18:00:00Z", or from now "7d", "12h" (required)`)
	flags.StringVar(&f.reason, "reason", "", "why, for the audit (required)")
	// The flag exists, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("window", cobra.FixedCompletions([]string{"day", "month"}, cobra.ShellCompDirectiveNoFileComp))
}

// maxReason is the most characters that a reason may have.
const maxReason = 500

// grant turns the flags into a grant without an author.
func (f *grantFlags) grant(now time.Time) (ledger.Grant, error) {
	g := ledger.Grant{Org: f.org, Reason: strings.TrimSpace(f.reason), Made: now}
	switch {
	case f.org == "":
		return g, usagef("say who gets it, with --org")
	case f.tokens == "" && f.requests == "":
		return g, usagef("say how much, with --tokens or --requests")
	case f.tokens != "" && f.requests != "":
		return g, usagef("--tokens and --requests are two grants; make one after the other")
	case f.until == "":
		return g, usagef(`say when it ends, with --until: "2027-01-31", "2027-01-31T18:00:00Z", "7d" or "12h"`)
	case g.Reason == "":
		return g, usagef("say why, with --reason; it is kept for the audit")
	case len([]rune(g.Reason)) > maxReason:
		return g, usagef("--reason has %d characters; the most is %d", len([]rune(g.Reason)), maxReason)
	case f.window != "day" && f.window != "month":
		return g, usagef(`--window %q is none; want "day" or "month"`, f.window)
	}
	what, flag, amount := "tokens", "--tokens", f.tokens
	if f.requests != "" {
		what, flag, amount = "requests", "--requests", f.requests
	}
	g.Window = what + "_per_" + f.window
	var err error
	if g.Amount, err = parseAmount(flag, amount); err != nil {
		return g, err
	}
	g.Until, err = parseUntil("--until", f.until, now)
	return g, err
}

func (f *grantFlags) run(cmd *cobra.Command, opt BooksOptions, args []string) error {
	g, err := f.grant(opt.now())
	if err != nil {
		return err
	}
	return opt.live(cmd, args, func(ctx context.Context, books desk.Books) error {
		orgs, err := books.Quotas(ctx)
		if err != nil {
			return err
		}
		if err := grantable(g, orgs); err != nil {
			return err
		}
		if g, err = books.Grant(ctx, g); err != nil {
			return err
		}
		if _, err = fmt.Fprintln(cmd.OutOrStdout(), g.ID); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s has %s until %s.\n",
			widget.Clean(g.Org, false), granted(g), minute(g.Until))
		return err
	})
}

// grantable returns an error unless a grant would change something.
func grantable(g ledger.Grant, orgs []gateway.OrgQuotas) error {
	i := slices.IndexFunc(orgs, func(o gateway.OrgQuotas) bool { return o.Org == g.Org })
	if i < 0 {
		return unknownOrg(g.Org, orgs)
	}
	if !slices.ContainsFunc(orgs[i].Windows, func(w quota.Window) bool {
		return w.Key == "" && w.Name == g.Window && w.Limit > 0
	}) {
		return usagef("%q has no limit of %s: there is nothing to add to", g.Org, words(g.Window))
	}
	return nil
}

// granted says what a grant gives: "5,000,000 more tokens a day".
func granted(g ledger.Grant) string {
	what, span, _ := strings.Cut(g.Window, "_per_")
	return fmt.Sprintf("%s more %s a %s", digits(g.Amount), what, span)
}

// words writes a window's name for people: "tokens a day".
func words(window string) string { return strings.Replace(window, "_per_", " a ", 1) }
