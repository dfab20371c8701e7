package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// turns are those of one kind: with dashboards attached, or without. Each figure
// is one turn's.
type turns struct {
	median, slow []time.Duration // of its answers: the middle one, and the 99th of a hundred
	gateway      []float64       // % of a core
	crowd        []float64       // of those who watch, likewise
	load         []float64       // of this process, with its engine
}

// turn measures both kinds in turns, in the order A B B A, so that a machine which
// grows slower or faster meanwhile does so for both.
func (p *plan) turn(ctx context.Context, s *server, c *client) error {
	var none, with turns
	var crowd *crowd
	defer func() {
		if crowd != nil {
			_ = crowd.leave()
		}
	}()
	for i := range 2 * p.turns {
		to, wait := &none, time.Duration(0)
		var err error
		switch full := i%4 == 1 || i%4 == 2; {
		case full && crowd == nil:
			to, wait = &with, settle
			crowd, err = gather(ctx, s.socket, p.many)
		case full:
			to = &with
		case crowd != nil:
			wait = settle / 2
			err, crowd = crowd.leave(), nil
		}
		if err == nil {
			err = pass(ctx, wait)
		}
		if err != nil {
			return err
		}
		if err := p.one(ctx, s, c, crowd, to); err != nil {
			return err
		}
	}
	return p.report(&none, &with)
}

// one measures a turn.
func (p *plan) one(ctx context.Context, s *server, c *client, crowd *crowd, to *turns) error {
	gateway, err := stopwatch(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	self, err := stopwatch(os.Getpid())
	if err != nil {
		return err
	}
	watching := func() (float64, error) { return 0, nil }
	if crowd != nil {
		if watching, err = stopwatch(crowd.cmd.Process.Pid); err != nil {
			return err
		}
	}
	took, err := c.load(ctx, p.rate, p.span/2)
	if err != nil {
		return err
	}
	to.median, to.slow = append(to.median, percentile(took, 50)), append(to.slow, percentile(took, 99))
	for _, f := range []struct {
		to   *[]float64
		read func() (float64, error)
	}{{&to.gateway, gateway}, {&to.load, self}, {&to.crowd, watching}} {
		share, err := f.read()
		if err != nil {
			return err
		}
		*f.to = append(*f.to, share)
	}
	return nil
}

// report prints the figures, and whether the slowest answers tell the two kinds apart.
func (p *plan) report(none, with *turns) error {
	fmt.Printf("%d requests/s to a gateway with an engine that answers at once, %d turns of %v of each kind: medians of turns (lowest-highest)\n", p.rate, p.turns, p.span/2)
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "attached\tp50, ms\tp99, ms\tgateway, % of a core\tload\tdashboards' clients\t")
	for _, k := range []struct {
		name string
		t    *turns
	}{{"none", none}, {fmt.Sprint(p.many), with}} {
		fmt.Fprintf(out, "%s\t%s\t%s\t%.1f\t%.1f\t%.1f\t\n", k.name, spread(k.t.median), spread(k.t.slow), middle(k.t.gateway), middle(k.t.load), middle(k.t.crowd))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, f := range []struct {
		name       string
		none, with []time.Duration
	}{{"p50", none.median, with.median}, {"p99", none.slow, with.slow}} {
		a, b := millis(f.none), millis(f.with)
		chance, noise := chance(a, b), max(width(a), width(b))
		fmt.Printf("%s: %+.3f ms with %d attached, %+.0f %%; the middle half of turns of one kind spans %.3f ms; were there no difference, turns would come out so in %.1f %% of cases: %s\n",
			f.name, middle(b)-middle(a), p.many, 100*(middle(b)/middle(a)-1), noise, 100*chance, verdict(chance, noise, middle(a)))
	}
	return nil
}

// verdict is what can be said of a difference: noise and usual are in the same unit.
func verdict(chance, noise, usual float64) string {
	switch {
	case chance < 0.05:
		return "more than the noise"
	case noise > usual/2:
		return "this machine is too busy to tell"
	}
	return "no measurable change"
}

func millis(all []time.Duration) []float64 {
	ms := make([]float64, len(all))
	for i, d := range all {
		ms[i] = float64(d) / float64(time.Millisecond)
	}
	return ms
}

func spread(all []time.Duration) string {
	ms := millis(all)
	return fmt.Sprintf("%.3f (%.3f-%.3f)", middle(ms), slices.Min(ms), slices.Max(ms))
}

// width is what the middle half spans.
func width(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)-1-len(all)/4] - all[len(all)/4]
}

// middle is the median.
func middle(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// chance is how likely it is that two kinds of turns which are equal in truth come
// out as far apart as these, or further: the share of all ways to call as many of
// these turns the first kind that do, by the sum of their ranks (Wilcoxon's test,
// exact). One turn in which the machine did something else counts no more than any
// other.
func chance(a, b []float64) float64 {
	ranks := ranked(slices.Concat(a, b))
	expected := float64(len(a)*(len(ranks)+1)) / 2
	apart := func(first float64) float64 { return math.Abs(first - expected) }
	seen := 0.0
	for _, r := range ranks[:len(a)] {
		seen += r
	}
	ways, further := 0, 0
	var choose func(at, left int, first float64)
	choose = func(at, left int, first float64) {
		if left == 0 {
			ways++
			if apart(first) >= apart(seen) {
				further++
			}
			return
		}
		for i := at; i <= len(ranks)-left; i++ {
			choose(i+1, left-1, first+ranks[i])
		}
	}
	choose(0, len(a), 0)
	return float64(further) / float64(ways)
}

// ranked are the places of values by size, from 1; equal ones share theirs.
func ranked(all []float64) []float64 {
	ranks := make([]float64, len(all))
	for i, x := range all {
		for _, y := range all {
			if y < x {
				ranks[i]++
			} else if y == x {
				ranks[i] += 0.5
			}
		}
		ranks[i] += 0.5
	}
	return ranks
}
