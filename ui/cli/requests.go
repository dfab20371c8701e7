package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// Requests are those in flight and those that ended lately; a *gateway.Gateway
// has them. Its methods may be called at once.
type Requests interface {
	// Requests returns those in flight, oldest first, and those that are kept
	// after their end, newest first.
	Requests() (live, ended []gateway.Record)
	// Explain explains the newest of an id; false: none is known.
	Explain(id string) (gateway.Explanation, bool)
}

// RequestsOptions are what the command requests needs from main. The process that
// serves sets Requests; a shell sets Forward.
type RequestsOptions struct {
	Requests Requests
	Forward  Forward

	Clock func() time.Time // nil: time.Now
}

// requestsFlags are the flags of "requests".
type requestsFlags struct {
	org, backend, status string
	live, asJSON         bool
	limit                int
}

// NewRequests makes the command that lists requests, and explains one.
func NewRequests(opt RequestsOptions) *cobra.Command {
	f := &requestsFlags{}
	cmd := &cobra.Command{
		Use:   "requests [ID]",
		Short: "List requests, or explain one",
		Long: fmt.Sprintf(`List the requests in flight, oldest first, and those that have ended, newest first.
With an ID: every decision that was taken about the newest request of that id, with its
numbers: why it was refused, what it waited for, which replica it was given to.

The last %s requests are kept after their end, in memory. All times are in UTC.`, digits(gateway.Kept)),
		Example: `  pilothouse requests --status 429 --org acme
  pilothouse requests 7f3a91c2
  pilothouse requests --live --json | jq -r '.requests[].id'`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, opt, args) },
	}
	cmd.SetFlagErrorFunc(wrongFlag)
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.org, "org", "", "of this organisation only")
	flags.StringVar(&f.backend, "backend", "", "of this backend only")
	flags.StringVar(&f.status, "status", "", `with this status only: "429", or a class of them: "5xx"`)
	flags.BoolVar(&f.live, "live", false, "in flight only")
	flags.IntVar(&f.limit, "limit", 50, "how many at most")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f *requestsFlags) run(cmd *cobra.Command, opt RequestsOptions, args []string) error {
	if err := f.check(cmd, args); err != nil {
		return err
	}
	if opt.Requests == nil {
		return opt.Forward.command(cmd, args)
	}
	if len(args) > 0 {
		return f.explain(cmd, opt.Requests, args[0])
	}
	return f.list(cmd, opt)
}

// check returns an error where flags make no sense.
func (f *requestsFlags) check(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		for _, other := range []string{"org", "backend", "status", "live", "limit"} {
			if cmd.Flags().Changed(other) {
				return usagef("--%s chooses from the list; leave it out to explain a request", other)
			}
		}
		return nil
	}
	switch _, _, ok := statuses(f.status); {
	case !ok:
		return usagef(`--status %q is no status; write "429", or "5xx" for all from 500 to 599`, f.status)
	case f.live && f.status != "":
		return usagef("--live lists requests in flight, which have no status yet; leave out --status")
	case f.limit < 1:
		return usagef("--limit %d is out of range; want 1 or more", f.limit)
	}
	return nil
}

// statuses is the range that --status names; all of them where it names none.
func statuses(s string) (least, most int, ok bool) {
	if s == "" {
		return 0, 999, true
	}
	if class, is := strings.CutSuffix(strings.ToLower(s), "xx"); is {
		n, err := strconv.Atoi(class)
		return n * 100, n*100 + 99, err == nil && n >= 1 && n <= 5
	}
	n, err := strconv.Atoi(s)
	return n, n, err == nil && n >= 100 && n <= 599
}

// wants tells whether a request is to be listed.
func (f *requestsFlags) wants(r *gateway.Record) bool {
	least, most, _ := statuses(f.status)
	return (f.org == "" || r.Org == f.org) && (f.backend == "" || r.Backend == f.backend) && r.Status >= least && r.Status <= most
}

func (f *requestsFlags) list(cmd *cobra.Command, opt RequestsOptions) error {
	live, ended := opt.Requests.Requests()
	if f.live {
		ended = nil
	}
	all := slices.DeleteFunc(slices.Concat(live, ended), func(r gateway.Record) bool { return !f.wants(&r) })
	all = all[:min(len(all), f.limit)]
	switch {
	case f.asJSON:
		return encode(cmd.OutOrStdout(), newRequestListing(utcNow(opt.Clock), all))
	case len(all) == 0:
		_, err := fmt.Fprintf(cmd.ErrOrStderr(), "No such requests among those in flight and the last %s.\n", digits(gateway.Kept))
		return err
	}
	return writeRequests(cmd.OutOrStdout(), all)
}

func writeRequests(w io.Writer, all []gateway.Record) error {
	cols := []column{{"TIME (UTC)", false}, {"ORG/KEY", false}, {"MODEL", false}, {"BACKEND", false}, {"STATUS", false},
		{"TTFT", true}, {"TOOK", true}, {"IN", true}, {"OUT", true}, {"ID", false}}
	rows := make([][]string, len(all))
	for i := range all {
		r := &all[i]
		who := none
		if r.Org != "" {
			who = r.Org + "/" + r.KeyName
		}
		rows[i] = []string{r.Start.UTC().Format(time.TimeOnly), who, cmp.Or(r.Model, none), cmp.Or(r.Backend, none), statusOf(r),
			cmp.Or(widget.Duration(r.First), none), cmp.Or(widget.Duration(r.Duration), none), tokensOf(r.Prompt), tokensOf(r.Output), r.ID}
	}
	return writeColumns(w, cols, rows)
}

// statusOf is the status with its code; of a request in flight, its phase.
func statusOf(r *gateway.Record) string {
	if r.Status == 0 {
		return r.Phase.String()
	}
	return strings.TrimSpace(strconv.Itoa(r.Status) + " " + r.Code)
}

func tokensOf(n int) string {
	if n == 0 {
		return none
	}
	return digits(int64(n))
}

// explain explains one request.
func (f *requestsFlags) explain(cmd *cobra.Command, known Requests, id string) error {
	e, ok := known.Explain(id)
	switch {
	case !ok:
		return &toldError{fmt.Errorf("no request %q is in flight or among the last %s that ended, which are all that are kept; to see them: pilothouse requests",
			id, digits(gateway.Kept))}
	case f.asJSON:
		return encode(cmd.OutOrStdout(), newExplanationListing(&e))
	}
	return writeExplanation(cmd.OutOrStdout(), &e)
}

// writeExplanation writes an explanation for people.
func writeExplanation(w io.Writer, e *gateway.Explanation) error {
	x := pane.Explain(e)
	var head strings.Builder
	line := func(format string, a ...any) {
		head.WriteString(widget.Clean(fmt.Sprintf(format, a...), false) + "\n")
	}
	line("request %s: %s", x.ID, x.Why)
	line("%s   %s", x.Who, e.Start.UTC().Format(time.DateOnly))
	line("%s", x.Verdict)
	line("")
	for _, s := range x.Steps {
		line("%s  %-10s  %s", s.Time, s.Step, s.Words)
	}
	line("")
	line("answer  %s", x.Answer)
	_, err := io.WriteString(w, head.String())
	return err
}
