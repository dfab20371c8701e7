// Bench measures what attached dashboards cost: processor time and bytes per
// second of each, at three sizes, on the demo and its traffic; the time from a key
// to what it changes; and the gateway's slowest answers with none and with many
// attached. Beside them it measures btop in a terminal of the same size, where
// that is installed.
//
//	go run ./ui/bench -pilothouse bin/pilothouse
//
// Figures are of processor time as the kernel counts it, in hundredths of a
// second: -for has to be long enough for them. What nobody looks at costs is
// measured before and after each size, and taken off.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
	"time"
)

var sizes = [...]struct{ w, h int }{{80, 24}, {120, 40}, {200, 60}}

// Goals, at 120 by 40.
const (
	goalCore  = 0.5  // % of one
	goalBytes = 2048 // a second
)

func main() {
	binary := flag.String("pilothouse", "bin/pilothouse", "the `program` to measure")
	span := flag.Duration("for", 20*time.Second, "how long each measurement takes")
	sessions := flag.Int("sessions", 10, "dashboards attached at once")
	many := flag.Int("many", 50, "dashboards attached while the gateway's answers are timed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, *binary, *span, *sessions, *many)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, binary string, span time.Duration, sessions, many int) error {
	demo, err := startDemo(ctx, binary)
	if err != nil {
		return err
	}
	defer demo.stop()
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "size\t% of a core\tbytes/s\tkey to screen, median\tp95\t")
	good := true
	for _, size := range sizes {
		m, err := demo.attached(ctx, size.w, size.h, sessions, span)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%dx%d\t%.2f\t%.0f\t%v\t%v\t\n", size.w, size.h, m.core, m.bytes, m.key(50), m.key(95))
		if size.w == 120 && (m.core > goalCore || m.bytes > goalBytes) {
			good = false
		}
	}
	b, err := btop(ctx, 120, 40, span)
	switch {
	case err != nil:
		fmt.Fprintf(out, "btop\t%v\t\t\t\t\n", err)
	default:
		fmt.Fprintf(out, "btop 120x40\t%.2f\t%.0f\t\t\t\n", b.core, b.bytes)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Printf("goal at 120x40: %.1f %% of a core, %d bytes/s: met: %v\n\n", goalCore, goalBytes, good)
	return answers(ctx, binary, span, many)
}

// measured is what one dashboard costs.
type measured struct {
	core  float64 // % of one
	bytes float64 // a second
	keys  []time.Duration
}

// key is a percentile of the times from a key to what it changes.
func (m *measured) key(percent int) time.Duration {
	if len(m.keys) == 0 {
		return 0
	}
	slices.Sort(m.keys)
	return m.keys[min(len(m.keys)-1, len(m.keys)*percent/100)].Round(100 * time.Microsecond)
}
