package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pilothouse/ui/desk"
)

// cancelFlags are the flags of "cancel".
type cancelFlags struct {
	org, reason string
	job         int
	asJSON      bool
}

func newCancel(opt OperationsOptions) *cobra.Command {
	f := &cancelFlags{}
	cmd := &cobra.Command{
		Use:   "cancel ID... | --org ORG | --job N",
		Short: "End requests or a job",
		Long: `End requests in flight at once, by their ids or all of an organisation, with an error
that says so to their clients; or end a job at the next step that it can end at.`,
		Example: `  pilothouse cancel 6f1d2c9a41e0b7d5 --reason "runs since yesterday"
  pilothouse cancel --org acme
  pilothouse cancel --job 12`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, opt, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.org, "org", "", "all requests of this organisation")
	flags.IntVar(&f.job, "job", 0, "the job with this id")
	flags.StringVar(&f.reason, "reason", "", "why requests are ended, for the audit")
	flags.BoolVar(&f.asJSON, "json", false, "print what was ended as JSON")
	return cmd
}

func (f *cancelFlags) run(cmd *cobra.Command, opt OperationsOptions, ids []string) error {
	reason, err := parseReason(f.reason)
	if err != nil {
		return err
	}
	job, org := cmd.Flags().Changed("job"), cmd.Flags().Changed("org")
	kinds := 0
	for _, is := range []bool{len(ids) > 0, org, job} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds == 0:
		return usagef("say what to end: the ids of requests, --org or --job")
	case kinds > 1:
		return usagef("ids of requests, --org and --job are three commands; give one after the other")
	case org && f.org == "":
		return usagef(`--org "" is no organisation; write its name`)
	case job && f.job <= 0:
		return usagef("--job %d is no job; to see their ids: pilothouse status", f.job)
	case job && reason != "":
		return usagef("--reason is kept of requests that are ended, not of a job; leave it out")
	}
	return opt.live(cmd, ids, func(ctx context.Context, p desk.Platform) error {
		out := cmd.OutOrStdout()
		switch {
		case job:
			if err := p.Jobs.CancelJob(f.job, ""); err != nil {
				return fmt.Errorf("cancel job %d: %w", f.job, err)
			}
			if f.asJSON {
				return encode(out, map[string]int{"job": f.job})
			}
			_, err := fmt.Fprintf(out, "job %d ends at the next step that it can end at\n", f.job)
			return err
		case org:
			n, err := p.Gateway.CancelOrg(ctx, f.org, "", reason)
			if err == nil && n == 0 {
				err = fmt.Errorf("no request of organisation %q is in flight", f.org)
			}
			return f.ended(out, n, err)
		}
		n, err := cancelRequests(ctx, p.Gateway, ids, reason)
		return f.ended(out, n, err)
	})
}

// cancelRequests ends requests by their ids, all that are there, and returns how many
// those were. One whose audit could not be written is ended all the same.
func cancelRequests(ctx context.Context, g desk.Gateway, ids []string, reason string) (int, error) {
	n, missing, failed := 0, []string(nil), error(nil)
	fail := func(err error) {
		if failed != nil {
			err = fmt.Errorf("%w; %w", failed, err) // on one line
		}
		failed = err
	}
	for _, id := range ids {
		found, err := g.CancelRequest(ctx, id, "", reason)
		if _, refused := errors.AsType[*desk.RefusedError](err); refused {
			return n, err // as all of them would be
		}
		if err != nil {
			fail(fmt.Errorf("cancel request %q: %w", id, err))
		}
		if found {
			n++
		} else if err == nil {
			missing = append(missing, strconv.Quote(id))
		}
	}
	if len(missing) > 0 {
		fail(fmt.Errorf("no request in flight has the id %s", strings.Join(missing, " or ")))
	}
	return n, failed
}

// ended says how many requests were ended, also if that failed halfway.
func (f *cancelFlags) ended(out io.Writer, n int, err error) error {
	if n == 0 {
		return err
	}
	if f.asJSON {
		return errors.Join(err, encode(out, map[string]int{"requests": n}))
	}
	text := "ended 1 request\n"
	if n > 1 {
		text = fmt.Sprintf("ended %d requests\n", n)
	}
	_, printed := io.WriteString(out, text)
	return errors.Join(err, printed)
}
