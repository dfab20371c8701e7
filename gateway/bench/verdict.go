package main

import (
	"fmt"
	"io"
)

// A verdict is a goal held against its figure.
type verdict struct {
	workload string
	goal
	value number // none: not measured
}

// met tells that the goal is reached; false as well when it was not measured.
func (v verdict) met() bool { return float64(v.value) <= v.most }

// missed tells that the goal was measured and not reached.
func (v verdict) missed() bool { return float64(v.value) > v.most }

// judge holds a workload's goals against Pilothouse's figures.
func judge(w workload, all []series) (verdicts []verdict) {
	ours := find(all, pilothouse)
	for _, g := range w.goals {
		v := verdict{workload: w.title, goal: g}
		switch g.figure {
		case timesNginx:
			v.value = number(ours.against(find(all, nginx), cpuTimes).mid)
		case addedP50:
			v.value = number(ours.against(find(all, direct), moreP50).mid)
		case streamKB:
			v.value = number(ours.over(func(r round) number { return r.StreamKB }).mid)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// writeVerdicts writes the goals as a Markdown table.
func writeVerdicts(out io.Writer, verdicts []verdict) {
	fmt.Fprint(out, "\n### Goals\n\n")
	writeRow(out, []string{"workload", "figure of Pilothouse", "measured", "goal", ""})
	writeRow(out, []string{"---", "---", "---", "---", "---"})
	for _, v := range verdicts {
		figure := map[figure]string{timesNginx: "processor time, × nginx", addedP50: "added p50, ms", streamKB: "KB per open stream"}[v.figure]
		state := "not measured"
		if v.met() {
			state = "met"
		} else if v.missed() {
			state = "not met"
		}
		writeRow(out, []string{v.workload, figure, v.value.text(2), "≤ " + number(v.most).text(2), state})
	}
}

// outcome is the error that a run ends with.
func outcome(verdicts []verdict, bad int64, short bool) error {
	missed := 0
	for _, v := range verdicts {
		if v.missed() {
			missed++
		}
	}
	switch {
	case bad > 0:
		return fmt.Errorf("%d bad answers", bad)
	case missed > 0 && !short:
		return fmt.Errorf("%d of %d goals not met", missed, len(verdicts))
	}
	return nil
}
