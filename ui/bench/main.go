// Bench measures what attached dashboards cost, in three parts:
//
//   - dashboards: processor time and bytes per second of each, at three sizes, on
//     the demo and its traffic; the time from a key to what it changes; the memory that
//     each adds, and how it grows over -watch;
//   - btop: the same of btop over OpenSSH's server, on the same host and traffic;
//   - answers: how long the gateway's answers take with none and with many attached,
//     in turns, beside how much turns of one kind differ among each other.
//
// To run it:
//
//	go run ./ui/bench -pilothouse bin/pilothouse
//
// Dashboards and btop are watched by the same client, in this process: its time is
// not counted, and it asks both servers for the same cipher. Processor time is the
// kernel's count for a whole process, in nanoseconds. What nobody looks at costs is
// measured before and after each size, and taken off.
//
// A key's time ends with the first bytes after which its change stands on the screen,
// which is a text that is gone or there. Bytes that come sooner may be what a program
// draws by itself: they count for nothing. Keys go to all points of the time between
// two such drawings.
//
// Memory is what the kernel counts as resident. A dashboard's is what the gateway's
// process has more with all of them than without, divided by their number: with
// garbage that is not yet collected, and of a demo that has run for 100 seconds, which
// its own heap takes to reach its size. With dashboards it takes a minute again. btop's
// is its process's and that of sshd's session; what both map counts once. Its anonymous
// part is what one more would take beside it: the rest is files, which they would share.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

var sizes = [...]struct{ w, h int }{{80, 24}, {120, 40}, {200, 60}}

// Goals, at 120 by 40.
const (
	goalCore  = 0.5  // % of one
	goalBytes = 2048 // a second
)

var parts = []string{"dashboards", "btop", "answers"}

// plan is what is measured.
type plan struct {
	binary   string
	parts    []string
	span     time.Duration // of each measurement
	watch    time.Duration // how long memory is watched, at 120x40
	sessions int           // dashboards at once, in the first part
	many     int           // in the last
	turns    int           // with as many, and as many without
	rate     int           // requests a second
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == audience {
		if err := watch(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	p := plan{}
	flag.StringVar(&p.binary, "pilothouse", "bin/pilothouse", "the `program` to measure")
	chosen := flag.String("parts", strings.Join(parts, ","), "what to measure")
	flag.DurationVar(&p.span, "for", 12*time.Second, "how long each measurement takes; half of it for a turn of answers")
	flag.DurationVar(&p.watch, "watch", 20*time.Second, "how long memory is watched beyond the measurement, at 120x40")
	flag.IntVar(&p.sessions, "sessions", 30, "dashboards attached at once; the more, the less the demo's own ups and downs count")
	flag.IntVar(&p.many, "many", 50, "dashboards attached while the gateway's answers are timed")
	flag.IntVar(&p.turns, "turns", 8, "turns with and without these; an even `number`, 4 to 12")
	flag.IntVar(&p.rate, "rate", 250, "requests a second while the gateway's answers are timed")
	flag.Parse()
	p.parts = strings.Split(*chosen, ",")
	err := p.check()
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = p.run(ctx)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (p *plan) check() error {
	for _, name := range p.parts {
		if !slices.Contains(parts, name) {
			return fmt.Errorf("there is no part %q; there are: %s", name, strings.Join(parts, ", "))
		}
	}
	if p.turns < 4 || p.turns > 12 || p.turns%2 != 0 || p.sessions < 1 || p.many < 1 || p.rate < 1 || p.span < time.Second || p.watch < 0 {
		return errors.New("turns are even, 4 to 12; all else is at least 1, -for 1s, and -watch 0")
	}
	return nil
}

func (p *plan) run(ctx context.Context) error {
	if slices.Contains(p.parts, "dashboards") || slices.Contains(p.parts, "btop") {
		if err := p.screens(ctx); err != nil {
			return err
		}
	}
	if slices.Contains(p.parts, "answers") {
		return p.answers(ctx)
	}
	return nil
}

// screens measures btop beside demos, and dashboards on them: one demo for each size,
// so that none has what other dashboards left behind. btop comes first, since demos
// have to be warm.
func (p *plan) screens(ctx context.Context) error {
	demos, began := sizes[:], time.Now()
	if !slices.Contains(p.parts, "dashboards") {
		demos = sizes[:1]
	}
	var servers []*server
	for range demos {
		s, err := startDemo(ctx, p.binary)
		if err != nil {
			return err
		}
		defer s.stop()
		servers = append(servers, s)
	}
	var lines []string
	said := ""
	if slices.Contains(p.parts, "btop") {
		lines, said = p.btop(ctx)
	}
	if slices.Contains(p.parts, "dashboards") {
		if err := pass(ctx, time.Until(began.Add(warm))); err != nil {
			return err
		}
		ours, below, err := p.dashboards(ctx, servers)
		if err != nil {
			return err
		}
		lines, said = append(ours, lines...), below+said
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, strings.Join(append([]string{heads}, lines...), "\n"))
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Println(strings.TrimSpace(said))
	return ctx.Err()
}

// dashboards measures them at each size, and returns a line of each and what is to be
// said below them.
func (p *plan) dashboards(ctx context.Context, demos []*server) (lines []string, said string, err error) {
	for i, size := range sizes {
		m, err := demos[i].attached(ctx, size.w, size.h, p.sessions, p.span, p.watched(size.w))
		if err != nil {
			return nil, "", err
		}
		lines = append(lines, m.line(fmt.Sprintf("%dx%d", size.w, size.h)))
		if size.w == 120 {
			said += fmt.Sprintf("goal at 120x40: %.1f %% of a core, %d bytes/s: met: %v\n", goalCore, goalBytes, m.core <= goalCore && m.bytes <= goalBytes)
		}
		said += m.grown
	}
	return lines, said, nil
}

// percentile is one of some times; 0 of none.
func percentile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, len(all)*percent/100)]
}
