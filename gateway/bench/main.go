// Command bench measures what Pilothouse costs in front of a backend, beside
// nginx and HAProxy doing the same work and beside no gateway at all.
//
//	go run ./gateway/bench -pilothouse bin/pilothouse
//
// starts everything it needs on free loopback ports, runs six workloads against
// every target in interleaved rounds, prints Markdown tables and Pilothouse's
// goals, and ends it all. It needs Linux; nginx and HAProxy are installed from
// Debian's packages when they are missing and the user is root.
//
// # What is compared
//
// The backend is this program again, as a child process: vLLM's endpoints, event
// shapes and metrics, with answers rendered beforehand. Every event is one HTTP
// chunk and one write. Where a request asks for continuous_usage_stats each
// event carries usage, as vLLM's do, so that a gateway which asks for it pays
// for the larger events (-continuous-usage=false leaves them small).
//
// nginx runs one worker, HAProxy one thread; their configurations and
// Pilothouse's are in conf. All three check the client's key, which is made for
// the run and tried with a wrong one first, and count requests by address.
// Pilothouse does all else that it does in production too; the access log is off
// in all.
//
// # Figures
//
// CPU is the figure to go by: the processor time of the target's processes, user
// and system, from the scheduler's nanosecond counts under /proc, divided by the
// whole answers or by the events (all kinds) that arrived. It is given as median
// and range over the rounds, and as a multiple of nginx's in the same round.
// Backend, load and target share the machine, so units per second are the
// machine's and not the target's.
//
// "added" is a quantile less that of the direct connection in the same round.
// At a fixed rate latency counts from when a request was due. Of streams it is
// the time to the first event. Jitter is how far the gaps between events are from
// the interval. KB per stream is the growth of resident memory from after the
// warm-up to the peak, in fresh processes, with all streams open.
//
// An answer is bad unless it has status 200 and is what the backend says to such
// a request, byte for byte: cut, lost, repeated, damaged, reordered or added
// events all count.
//
// # Exit status
//
// 0: all goals met; 1: a goal missed, anything bad, or a server that could not
// run; 2: wrong usage. With -short the figures are too few to judge: only bad
// answers count.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// backendCommand is the argument that makes this program the backend.
const backendCommand = "backend"

// options are the command's flags.
type options struct {
	binary     string
	rounds     int
	duration   time.Duration
	workloads  []string
	targets    []string
	short      bool
	json       string
	continuous bool
}

// errUsage is what a command line is refused with; its message was printed.
var errUsage = errors.New("wrong usage")

func main() {
	if len(os.Args) > 1 && os.Args[1] == backendCommand {
		exit(runBackend(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if err == nil {
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	exit(err)
}

func exit(err error) {
	switch {
	case err == nil:
		os.Exit(0)
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var names []string
	for _, w := range workloads(0, false) {
		names = append(names, w.name)
	}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.binary, "pilothouse", "bin/pilothouse", "Pilothouse's `binary`")
	fs.IntVar(&o.rounds, "rounds", 5, "how often each target is measured")
	fs.DurationVar(&o.duration, "duration", 5*time.Second, "how long each measurement sends")
	chosen := fs.String("workloads", strings.Join(names, ","), "which to run")
	against := fs.String("targets", strings.Join([]string{direct, nginx, haproxy, pilothouse}, ","), "what to measure")
	fs.BoolVar(&o.short, "short", false, "a quick smoke: one round of a second, fewer streams, goals not judged")
	fs.StringVar(&o.json, "json", "", "append every measurement to this `file`, a JSON object a line")
	fs.BoolVar(&o.continuous, "continuous-usage", true, "the backend honours continuous_usage_stats")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	o.workloads, o.targets = strings.Split(*chosen, ","), strings.Split(*against, ",")
	if o.short {
		o.rounds, o.duration = 1, time.Second
	}
	if fs.NArg() > 0 || o.rounds < 1 || o.duration <= 0 {
		return o, fmt.Errorf("%w: want only flags, with -rounds 1 or more and -duration above 0", errUsage)
	}
	return o, nil
}

// run does what the options say: tables go to out, progress to log.
func run(ctx context.Context, o options, out, log io.Writer) (err error) {
	chosen, unknown := named(workloads(o.duration, o.short), o.workloads)
	if unknown != "" {
		return fmt.Errorf("%w: no workload %q", errUsage, unknown)
	}
	b := &bench{progress: log, continuous: o.continuous, key: newKey(), backendKey: newKey(), paths: map[string]string{}}
	if b.targets, err = pick(targets(o.binary), o.targets); err != nil {
		return err
	}
	if b.files, err = raiseFiles(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "pilothouse-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	var lines io.Writer = io.Discard
	if o.json != "" {
		f, err := os.OpenFile(o.json, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		lines = f
	}

	banners := []string{}
	for _, t := range b.targets {
		if t.program == "" {
			continue
		}
		if b.paths[t.name], err = t.find(ctx); err != nil {
			return err
		}
		banners = append(banners, t.banner(ctx, b.paths[t.name]))
	}
	fmt.Fprintf(out, "## Bench\n\n%s; %s.\n", machine(), strings.Join(banners, "; "))

	var verdicts []verdict
	var bad int64
	for _, w := range chosen {
		all, err := b.measure(ctx, w, o.rounds)
		if err != nil {
			return err
		}
		writeTable(out, w, all)
		verdicts = append(verdicts, judge(w, all)...)
		for _, s := range all {
			n, _ := s.bad()
			bad += n
			for _, r := range s.rounds {
				if err := json.NewEncoder(lines).Encode(r); err != nil {
					return fmt.Errorf("write %q: %w", o.json, err)
				}
			}
		}
	}
	writeVerdicts(out, verdicts)
	return outcome(verdicts, bad, o.short)
}

// pick takes targets by name, in the order of all.
func pick(all []target, names []string) (picked []target, err error) {
	known := map[string]bool{}
	for _, n := range names {
		known[n] = false
	}
	for _, t := range all {
		if _, ok := known[t.name]; ok {
			known[t.name] = true
			picked = append(picked, t)
		}
	}
	for _, n := range names {
		if !known[n] {
			return nil, fmt.Errorf("%w: no target %q", errUsage, n)
		}
	}
	return picked, nil
}
