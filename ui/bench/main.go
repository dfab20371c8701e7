// Bench measures what attached dashboards cost, in three parts:
//
//   - dashboards: processor time and bytes per second of each, at three sizes, on
//     the demo and its traffic; and the time from a key to what it changes;
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
	flag.IntVar(&p.sessions, "sessions", 10, "dashboards attached at once")
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
	if p.turns < 4 || p.turns > 12 || p.turns%2 != 0 || p.sessions < 1 || p.many < 1 || p.rate < 1 || p.span < time.Second {
		return errors.New("turns are even, 4 to 12; all else is at least 1, and -for 1s")
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

// screens measures dashboards and btop beside the demo.
func (p *plan) screens(ctx context.Context) error {
	demo, err := startDemo(ctx, p.binary)
	if err != nil {
		return err
	}
	defer demo.stop()
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "size\t% of a core\tbytes/s\twith SSH's own\tkey to screen, median\tp95\t")
	good := true
	if slices.Contains(p.parts, "dashboards") {
		for _, size := range sizes {
			m, err := demo.attached(ctx, size.w, size.h, p.sessions, p.span)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%dx%d\t%.2f\t%.0f\t%.0f\t%v\t%v\t\n", size.w, size.h, m.core, m.bytes, m.wire, m.key(50), m.key(95))
			if size.w == 120 {
				good = m.core <= goalCore && m.bytes <= goalBytes
			}
		}
	}
	said := ""
	if slices.Contains(p.parts, "btop") {
		said = p.btop(ctx, out)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if slices.Contains(p.parts, "dashboards") {
		fmt.Printf("goal at 120x40: %.1f %% of a core, %d bytes/s: met: %v\n", goalCore, goalBytes, good)
	}
	fmt.Println(said)
	return ctx.Err()
}

// measured is what one dashboard costs.
type measured struct {
	core  float64 // % of one
	bytes float64 // a second, for the terminal
	wire  float64 // a second, as SSH sends them
	keys  []time.Duration
}

// key is a percentile of the times from a key to what it changes.
func (m *measured) key(percent int) time.Duration {
	return percentile(m.keys, percent).Round(100 * time.Microsecond)
}

// percentile is one of some times; 0 of none.
func percentile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, len(all)*percent/100)]
}
