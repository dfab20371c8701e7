package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

func cpuTimes(r, base round) number { return r.CPU / base.CPU }
func moreP50(r, base round) number  { return r.P50 - base.P50 }
func moreP99(r, base round) number  { return r.P99 - base.P99 }

// text writes the median and, in parentheses, the range.
func (s spread) text(decimals int) string {
	if math.IsNaN(s.mid) {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.mid).text(decimals), number(s.min).text(decimals), number(s.max).text(decimals))
}

// A column is a heading and what stands under it for each target.
type column struct {
	head string
	cell func(s series) string
}

// columns are those that say something about a workload.
func columns(w workload, all []series) []column {
	unit, wait := "request", ""
	if w.stream {
		unit, wait = "event", "first event "
	}
	base, front := find(all, direct), find(all, nginx)
	median := func(head string, decimals int, f func(round) number) column {
		return column{head, func(s series) string { return number(s.over(f).mid).text(decimals) }}
	}
	added := func(head string, f func(r, base round) number) column {
		return column{head, func(s series) string {
			if s.target == direct {
				return none().text(0)
			}
			return number(s.against(base, f).mid).text(3)
		}}
	}
	c := []column{
		{"target", func(s series) string { return s.target }},
		median(unit+"s/s", 0, func(r round) number { return r.PerSecond }),
		median(wait+"p50 ms", 3, func(r round) number { return r.P50 }),
		median("p99 ms", 3, func(r round) number { return r.P99 }),
	}
	if !w.memory {
		c = append(c, added("added p50", moreP50), added("added p99", moreP99))
	}
	c = append(c,
		column{"CPU µs/" + unit + " (min–max)", func(s series) string { return s.over(func(r round) number { return r.CPU }).text(2) }},
		column{"× nginx (min–max)", func(s series) string { return s.against(front, cpuTimes).text(2) }})
	if w.interval > 0 {
		c = append(c, median("jitter p99 ms", 2, func(r round) number { return r.Jitter }))
	}
	if w.memory {
		c = append(c,
			column{"KB/stream (min–max)", func(s series) string { return s.over(func(r round) number { return r.StreamKB }).text(1) }},
			median("peak MB", 0, func(r round) number { return number(r.Peak) / (1 << 20) }))
	}
	return append(c, column{"bad", func(s series) string {
		n, _ := s.bad()
		return strconv.FormatInt(n, 10)
	}})
}

// writeTable writes a workload's results as a Markdown table under a heading.
func writeTable(out io.Writer, w workload, all []series) {
	fmt.Fprintf(out, "\n### %s\n\n%s\n\n", w.title, w.terms(len(all[0].rounds)))
	table := columns(w, all)
	row := func(cell func(column) string) {
		cells := make([]string, len(table))
		for i, c := range table {
			cells[i] = cell(c)
		}
		writeRow(out, cells)
	}
	row(func(c column) string { return c.head })
	row(func(column) string { return "---" })
	for _, s := range all {
		row(func(c column) string { return c.cell(s) })
	}
	for _, s := range all {
		if n, first := s.bad(); n > 0 {
			fmt.Fprintf(out, "\n%s, first of %d bad: %s\n", s.target, n, first)
		}
	}
	if unsteady(w, all) {
		fmt.Fprint(out, "\nThe machine was too busy: events of all targets ran together, so CPU per event is too low.\n")
	}
}

// unsteady tells that every target's events ran together, the direct
// connection's too: the machine had other work. What comes in one piece costs
// less, so figures by the event are then too low.
func unsteady(w workload, all []series) bool {
	least := math.Inf(1)
	for _, s := range all {
		least = min(least, s.over(func(r round) number { return r.Jitter }).mid)
	}
	return w.interval > 0 && least > float64(w.interval/4)/float64(time.Millisecond)
}

func writeRow(out io.Writer, cells []string) {
	fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
}

// terms says under which conditions a workload ran.
func (w workload) terms(rounds int) string {
	how := "connections"
	if w.stream {
		how = fmt.Sprintf("streams at a time, %d content events each", w.events)
	}
	if w.memory {
		return fmt.Sprintf("%d %s, rounds: %d, each with a fresh process.", w.conns, how, rounds)
	}
	return fmt.Sprintf("%d %s, rounds: %d of %v.", w.conns, how, rounds, w.duration.Round(time.Millisecond))
}
