package cli

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/backends"
	"pilothouse/ui/desk"
	"pilothouse/ui/widget"
)

// logFlags are the flags of "logs".
type logFlags struct {
	follow, timestamps, asJSON bool
	tail                       int
	since                      string
}

func newLogs(opt OperationsOptions) *cobra.Command {
	f := &logFlags{}
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show what containers write",
		Long: `Show the log of a container, by its name or its replica's URL, or of all containers of
a backend: what they wrote to either output. Where there are several, each line begins
with its container's name.`,
		Example: `  pilothouse logs chat -f
  pilothouse logs vllm-chat-2 --since 10m --timestamps`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, opt, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on with what is written from now on")
	flags.IntVar(&f.tail, "tail", 100, "how many of the last lines; -1 is all, as with --since and without --tail")
	flags.StringVar(&f.since, "since", "", `only lines from then on: "10m" ago, "2026-11-22T18:00:00Z", "today"`)
	flags.BoolVar(&f.timestamps, "timestamps", false, "begin each line with its time, in UTC")
	flags.BoolVar(&f.asJSON, "json", false, "print a JSON object a line")
	return cmd
}

// options turns the flags into what is asked for.
func (f *logFlags) options(cmd *cobra.Command, now time.Time) (backends.LogOptions, error) {
	o := backends.LogOptions{Follow: f.follow, Tail: f.tail}
	switch {
	case f.tail < -1:
		return o, usagef("--tail %d is no number of lines; want 0 or more, or -1 for all", f.tail)
	case f.tail == -1, f.since != "" && !cmd.Flags().Changed("tail"):
		o.Tail = 0 // all
	case f.tail == 0:
		o.Tail = -1 // none
	}
	if f.since == "" {
		return o, nil
	}
	var err error
	o.Since, err = parseSince("--since", f.since, now)
	return o, err
}

func (f *logFlags) run(cmd *cobra.Command, opt OperationsOptions, args []string) error {
	o, err := f.options(cmd, opt.now())
	if err != nil {
		return err
	}
	err = opt.anywhere(cmd, args, func(ctx context.Context, p desk.Platform) error {
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		w := &logWriter{w: cmd.OutOrStdout(), flags: f, named: containers(p.Pool.Snapshot(), args[0]) > 1}
		err := p.Logs.Logs(ctx, args[0], o, func(container string, l backends.LogLine) {
			if err := w.line(container, l); err != nil {
				stop(err)
			}
		})
		if w.err != nil {
			return w.err // the other one is that it was stopped
		}
		return err
	})
	if opt.Forward != nil && f.follow && cmd.Context().Err() != nil {
		return nil // that is how following ends
	}
	return err
}

// containers counts those that a name stands for.
func containers(snap *backends.Snapshot, name string) int {
	n := 0
	for i := range snap.Backends {
		b := &snap.Backends[i]
		for j := range b.Replicas {
			if r := &b.Replicas[j]; r.Container != nil && (name == b.Name || isReplica(r, name)) {
				n++
			}
		}
	}
	return n
}

// isReplica tells whether a replica is called so: by its URL or its container.
func isReplica(r *backends.ReplicaStatus, name string) bool {
	return name == r.URL || r.Container != nil && name == r.Container.Name
}

// logWriter writes lines of logs, from any number of goroutines at once, until
// that fails.
type logWriter struct {
	w     io.Writer
	flags *logFlags
	named bool // lines begin with their containers' names

	mu  sync.Mutex
	err error
}

// logItem is what "logs --json" prints for each line.
type logItem struct {
	Container string     `json:"container"`
	Stream    string     `json:"stream"` // "stdout" or "stderr"
	At        *time.Time `json:"at"`
	Text      string     `json:"text"` // of up to 1 MiB
	Cut       int64      `json:"cut"`  // bytes that are missing at its end, which it says as well
}

func (w *logWriter) line(container string, l backends.LogLine) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
	case w.flags.asJSON:
		w.err = encode(w.w, logItem{container, l.Stream.String(), known(l.At), l.Text, l.Cut})
	default:
		var b bytes.Buffer
		if w.flags.timestamps {
			b.WriteString(l.At.UTC().Format("2006-01-02T15:04:05.000Z "))
		}
		if w.named {
			b.WriteString(widget.Clean(container, false) + " | ")
		}
		b.WriteString(widget.Clean(l.Text, false) + "\n")
		_, w.err = w.w.Write(b.Bytes())
	}
	return w.err
}
