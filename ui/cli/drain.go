package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/backends"
	"pilothouse/ui/desk"
	"pilothouse/ui/widget"
)

// drainFlags are the flags of "drain" and "undrain".
type drainFlags struct {
	reason string
	last   bool
	wait   time.Duration // 0: don't
	asJSON bool
}

func newDrain(opt OperationsOptions) *cobra.Command {
	f := &drainFlags{}
	cmd := &cobra.Command{
		Use:   "drain NAME...",
		Short: "Take replicas out of work",
		Long: `Send nothing new to the replicas of a backend, or to single ones by their container's
name or their URL. What is in flight there may end, and their containers go on.
Standard output is their URLs.`,
		Example: `  pilothouse drain vllm-chat-2 --reason "GPU 1 is replaced" --wait=10m
  pilothouse undrain vllm-chat-2`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, opt, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.reason, "reason", "", "why, for the audit and for who wonders")
	flags.BoolVar(&f.last, "last", false, "even where no other replica can take over")
	flags.DurationVar(&f.wait, "wait", 0, "wait until nothing is in flight there, at most so long: --wait=10m; --wait alone is 5m")
	flags.Lookup("wait").NoOptDefVal = "5m"
	flags.BoolVar(&f.asJSON, "json", false, "print the replicas as JSON")
	return cmd
}

func newUndrain(opt OperationsOptions) *cobra.Command {
	f := &drainFlags{}
	cmd := &cobra.Command{
		Use:     "undrain NAME...",
		Short:   "Give drained replicas work again",
		Long:    `Send work again to replicas that were drained: little at first. Standard output is their URLs.`,
		Example: `  pilothouse undrain vllm-chat-2`,
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			reason, err := parseReason(f.reason)
			if err != nil {
				return err
			}
			return opt.live(cmd, args, func(ctx context.Context, p desk.Platform) error {
				urls, err := p.Drains.Undrain(ctx, backends.Order{Names: args, Reason: reason})
				if err != nil {
					return err
				}
				return f.write(cmd.OutOrStdout(), urls)
			})
		},
	}
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the audit")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the replicas as JSON")
	return cmd
}

// write prints the replicas.
func (f *drainFlags) write(w io.Writer, urls []string) error {
	if f.asJSON {
		return encode(w, map[string][]string{"replicas": list(urls)})
	}
	var b strings.Builder
	for _, u := range urls {
		b.WriteString(widget.Clean(u, false) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *drainFlags) run(cmd *cobra.Command, opt OperationsOptions, args []string) error {
	reason, err := parseReason(f.reason)
	if err == nil && cmd.Flags().Changed("wait") && f.wait <= 0 {
		err = usagef("--wait=%v is no time; write how long to wait, like --wait=30s or --wait=5m", f.wait)
	}
	if err != nil {
		return err
	}
	return opt.live(cmd, args, func(ctx context.Context, p desk.Platform) error {
		urls, err := p.Drains.Drain(ctx, backends.Order{Names: args, Last: f.last, Reason: reason})
		if err != nil {
			return err
		}
		if err = f.write(cmd.OutOrStdout(), urls); err != nil || f.wait == 0 {
			return err
		}
		return awaitDrained(ctx, cmd.ErrOrStderr(), p.Pool, urls, f.wait, opt.now)
	})
}

// awaitDrained returns when nothing is in flight any more with replicas that
// have just been drained, and with an error if that takes too long.
func awaitDrained(ctx context.Context, w io.Writer, pool desk.Pool, urls []string, within time.Duration, now func() time.Time) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	began := now()
	told, toldAt, left := "", time.Time{}, -1 // not known yet
	for {
		at := now()
		// A snapshot that was made before knows nothing of the drain.
		if snap := pool.Snapshot(); snap.At.After(began) {
			var back string
			if left, back = drainLeft(snap, urls); back != "" {
				return fmt.Errorf("wait for replica %q to drain: it was given work again", back)
			}
			if left == 0 {
				_, err := fmt.Fprintf(w, "%s drained in %s\n", at.UTC().Format(timeOfStep), took(at.Sub(began)))
				return err
			}
		}
		switch late := at.Sub(began) >= within; {
		case late && left < 0:
			return fmt.Errorf("wait for replicas to drain: how they are is not known after %s; they stay out of work", took(within))
		case late:
			return fmt.Errorf("wait for replicas to drain: %d requests are still in flight after %s; they go on, and the replicas stay out of work", left, took(within))
		}
		if note := fmt.Sprintf("%d in flight", left); left > 0 && note != told && at.Sub(toldAt) >= noteEvery {
			told, toldAt = note, at
			if _, err := fmt.Fprintf(w, "%s %s, %s left\n", at.UTC().Format(timeOfStep), note, took(within-at.Sub(began))); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for replicas to drain: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// drainLeft counts what is in flight with replicas, and tells of one that is not
// drained any more. One that was taken out of the configuration has nothing.
func drainLeft(snap *backends.Snapshot, urls []string) (left int, back string) {
	for i := range snap.Backends {
		for _, r := range snap.Backends[i].Replicas {
			switch {
			case !slices.Contains(urls, r.URL):
			case r.Drained == nil:
				return 0, r.URL
			default:
				left += r.InFlight
			}
		}
	}
	return left, ""
}
