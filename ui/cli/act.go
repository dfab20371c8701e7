package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/backends"
	"pilothouse/ui/desk"
	"pilothouse/ui/widget"
)

// acting is a command that begins a job.
type acting struct {
	action   backends.Action
	done     string // what has been done when it ended well
	short    string
	long     string
	example  string
	optional bool // names may be left out: all
	drains   bool // it takes replicas out of work
}

var actions = [...]acting{
	{action: backends.ActUp, done: "brought up", optional: true, drains: true,
		short: "Make the containers as they are configured, and have them serve",
		long: `Make what containers are missing, make those anew whose configuration has changed,
start those that don't run, and wait until each serves: of all backends, or of those
named. A container that is as it should be is left alone.`,
		example: `  pilothouse up --dry-run
  pilothouse up chat --reason "new image"`},
	{action: backends.ActDown, done: "taken down", optional: true, drains: true,
		short: "Remove the containers",
		long: `Let the requests in flight end, and stop and remove the containers: of all backends,
or of those named. Images and volumes stay.`,
		example: `  pilothouse down
  pilothouse down chat --last --drain 2m`},
	{action: backends.ActStart, done: "started",
		short: "Start containers, and have them serve",
		long: `Start the containers of backends or single replicas, and wait until each serves its
model and has answered a request.`,
		example: `  pilothouse start vllm-chat-2`},
	{action: backends.ActStop, done: "stopped", drains: true,
		short: "Drain and stop containers",
		long: `Let the requests in flight of backends or single replicas end, and stop their
containers. They stay stopped until they are started.`,
		example: `  pilothouse stop vllm-chat-2 --reason "GPU 1 is replaced"`},
	{action: backends.ActRestart, done: "restarted", drains: true,
		short: "Restart containers, one after the other",
		long: `Drain a replica, restart its container, wait until it serves its model and has
answered a request, and give it work again; then the next one. Where a step fails it
stops there, and the replica gets no work.`,
		example: `  pilothouse restart chat
  pilothouse restart vllm-chat-2 --drain 2m --reason "hung after 9 days"`},
}

// jobsLong is what is to know about all of them.
const jobsLong = `

It is a job of the process that serves, and goes on there if this command is broken off:
pilothouse status shows it, pilothouse cancel --job ends it. Where nothing serves, it is
done from here, and ends with this command. A NAME is a backend, or a replica by its
container's name or its URL.`

// actFlags are the flags of an acting command.
type actFlags struct {
	what   *acting
	drain  time.Duration
	reason string
	last   bool
	asJSON bool
	detach bool
	dryRun bool
	live   bool // standard error is a terminal, wherever this runs
}

func newAct(opt OperationsOptions, a *acting) *cobra.Command {
	f := &actFlags{what: a}
	use, names := string(a.action)+" NAME...", usage(cobra.MinimumNArgs(1))
	if a.optional {
		use, names = string(a.action)+" [NAME...]", nil
	}
	cmd := &cobra.Command{Use: use, Short: a.short, Long: a.long + jobsLong, Example: a.example, Args: names,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, opt, args) }}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.reason, "reason", "", "why, for the audit")
	if a.drains {
		flags.DurationVar(&f.drain, "drain", 0, "how long requests in flight have to end (default: the backend's drain_timeout)")
		flags.BoolVar(&f.last, "last", false, "even where no other replica can take over")
	}
	flags.BoolVar(&f.dryRun, "dry-run", false, "show what would be done, and do nothing")
	flags.BoolVar(&f.detach, "detach", false, "print the job's id and wait for nothing")
	flags.BoolVar(&f.asJSON, "json", false, "print the job as JSON when it has ended")
	flags.BoolVar(&f.live, "live", false, "write progress for a terminal")
	_ = flags.MarkHidden("live") // the flag exists, so this cannot fail
	return cmd
}

// order turns the flags into an order without an author.
func (f *actFlags) order(cmd *cobra.Command, names []string) (backends.Order, error) {
	o := backends.Order{Action: f.what.action, Names: names, Drain: f.drain, Last: f.last}
	// Without names it is plain that nothing stays to take over.
	o.Last = o.Last || o.Action == backends.ActDown && len(names) == 0
	switch {
	case cmd.Flags().Changed("drain") && f.drain <= 0:
		return o, usagef("--drain %v is no time; write how long requests have to end, like 30s or 5m", f.drain)
	case f.detach && f.dryRun:
		return o, usagef("--dry-run begins nothing that --detach could leave alone; choose one")
	}
	var err error
	o.Reason, err = parseReason(f.reason)
	return o, err
}

func (f *actFlags) run(cmd *cobra.Command, opt OperationsOptions, args []string) error {
	o, err := f.order(cmd, args)
	if err != nil {
		return err
	}
	if opt.Live {
		_ = cmd.Flags().Set("live", "true") // a flag of newAct's: this cannot fail
	}
	errOut, here := &jobWatcher{to: cmd.ErrOrStderr()}, opt.Forward == nil
	cmd.SetErr(errOut)
	err = opt.anywhere(cmd, args, func(ctx context.Context, p desk.Platform) error {
		if !here && f.detach {
			return fmt.Errorf("--detach leaves the job to the process that serves: %w", desk.ErrNotServing)
		}
		here = true
		return f.act(ctx, cmd, &opt, p.Jobs, o)
	})
	if err != nil && !here && errOut.job > 0 && cmd.Context().Err() != nil {
		erase := ""
		if opt.Live {
			erase = eraseLine
		}
		_, _ = fmt.Fprintf(errOut, "%sThe job goes on; pilothouse status shows it, pilothouse cancel --job %d ends it.\n", erase, errOut.job)
	}
	return err
}

// jobWatcher is a standard error on which the id of a job goes by, on a line of
// its own, however that is cut up.
type jobWatcher struct {
	to   io.Writer
	line []byte // what has come of the last line; no more of it than matters
	job  int    // 0: none yet
}

func (w *jobWatcher) Write(p []byte) (int, error) {
	for rest := p; w.job == 0 && len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		w.line = append(w.line, line[:min(len(line), max(0, maxJobLine-len(w.line)))]...)
		if whole || len(w.line) == maxJobLine {
			_, _ = fmt.Sscanf(string(w.line), "job %d:", &w.job) // anything else is no such line
		}
		if whole {
			w.line = w.line[:0]
		}
		rest = after
	}
	return w.to.Write(p)
}

// maxJobLine is more than is needed to read the id in a line that tells of a job.
const maxJobLine = 64

// act has the order carried out, and follows that.
func (f *actFlags) act(ctx context.Context, cmd *cobra.Command, opt *OperationsOptions, jobs desk.Jobs, o backends.Order) error {
	out, errOut := cmd.OutOrStdout(), cmd.ErrOrStderr()
	up := o.Action == backends.ActUp
	if f.dryRun || up {
		parts, err := jobs.Preview(ctx, o)
		switch {
		case err != nil:
			return err
		case f.dryRun && f.asJSON:
			return encode(out, planListing{o.Action, partItems(parts)})
		case f.dryRun:
			return writePlan(out, parts)
		}
		// Who may not is told so below, and nothing else.
		if opt.Seat == nil || opt.Seat.May(desk.Hand, string(o.Action)) == nil {
			if err = writePlan(errOut, parts); err != nil {
				return err
			}
		}
	}
	job, err := jobs.Begin(ctx, o)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(errOut, "job %d: %s\n", job.ID, widget.Clean(ordered(job.Action, job.Names), false)); err == nil && !up {
		err = writePlan(errOut, job.Parts)
	}
	switch {
	case err != nil:
		return err
	case f.detach && f.asJSON:
		return encode(out, newJobItem(&job))
	case f.detach:
		_, err = fmt.Fprintln(out, job.ID)
		return err
	}
	if job, err = follow(ctx, jobs, job.ID, &progress{w: errOut, live: f.live, now: opt.now}); err != nil {
		return err
	}
	if f.asJSON {
		if err = encode(out, newJobItem(&job)); err != nil {
			return err
		}
	}
	if err = outcome(&job); err != nil || f.asJSON {
		return err
	}
	_, err = fmt.Fprintln(out, widget.Clean(f.summary(&job), false))
	return err
}

// ordered is what a job was asked to do, as it was typed: "restart chat".
func ordered(a backends.Action, names []string) string {
	return strings.Join(append([]string{string(a)}, names...), " ")
}

// summary is what a job that ended well has done: "chat restarted in 1m32s".
func (f *actFlags) summary(j *backends.Job) string {
	names, idle := strings.Join(j.Names, ", "), true
	if names == "" {
		names = "everything"
	}
	for i := range j.Parts {
		idle = idle && len(j.Parts[i].Steps) == 0
	}
	if idle {
		return names + ": there was nothing to do"
	}
	return fmt.Sprintf("%s %s in %s", names, f.what.done, took(j.Ended.Sub(j.Began)))
}

// outcome is the error of a job that did not end well.
func outcome(j *backends.Job) error {
	if j.State == backends.Done {
		return nil
	}
	state := string(j.State)
	if j.State != backends.Failed {
		state = "was " + state
	}
	if j.Err != "" {
		state += ": " + j.Err
	}
	return fmt.Errorf("job %d (%s) %s", j.ID, ordered(j.Action, j.Names), state)
}
