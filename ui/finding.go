package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backends"
	"pilothouse/gpu"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// finding is something that wants attention.
type finding struct {
	rank  rank
	grade widget.Style // Bad: somebody is hurt; Warn: somebody may be; Unknown
	text  string       // plain words; names in it may come from anywhere
}

// rank orders findings by who is hurt, the most urgent first.
type rank int

const (
	rankStale    rank = iota // the gateway publishes nothing
	rankNone                 // no healthy backend
	rankBackend              // one backend has no replica left
	rankFailing              // answers of 5xx
	rankDraining             // the gateway takes no more requests
	rankReplica              // a replica is left out, its backend goes on
	rankShaky                // a replica failed lately
	rankGPU                  // a GPU is held back, or not to be read
)

var verdicts = [...]string{
	rankStale: "no news", rankNone: "unhealthy", rankBackend: "degraded", rankFailing: "failing",
	rankDraining: "draining", rankReplica: "degraded", rankShaky: "unsteady", rankGPU: "check gpus",
}

// verdict sums up: in a word, and how grave.
func verdict(d pane.Data, fs []finding) (string, widget.Style) {
	switch {
	case len(fs) > 0:
		return verdicts[fs[0].rank], fs[0].grade
	case d.Gateway == nil || d.Pool == nil:
		return "no data yet", widget.Unknown
	case !known(d.Pool):
		return "starting", widget.Unknown
	}
	return "healthy", widget.Good
}

// known tells whether every replica has been heard of.
func known(p *backends.Snapshot) bool {
	for _, b := range p.Backends {
		for _, r := range b.Replicas {
			if r.State == backends.Unknown {
				return false
			}
		}
	}
	return true
}

// find lists what wants attention, the most urgent first.
func find(d pane.Data) []finding {
	var fs []finding
	add := func(r rank, grade widget.Style, format string, args ...any) {
		fs = append(fs, finding{r, grade, fmt.Sprintf(format, args...)})
	}
	findPool(d, add)
	findGateway(d, add)
	findGPUs(d, add)
	slices.SortStableFunc(fs, func(a, b finding) int { return cmp.Compare(a.rank, b.rank) })
	return fs
}

type adder func(r rank, grade widget.Style, format string, args ...any)

func findPool(d pane.Data, add adder) {
	if d.Pool == nil {
		return
	}
	var lost []string // backends without a replica
	for i := range d.Pool.Backends {
		b := &d.Pool.Backends[i]
		if b.Available() == 0 {
			lost = append(lost, describe(d, b))
			continue
		}
		down, shaky := 0, 0
		for j := range b.Replicas {
			switch r := &b.Replicas[j]; r.State {
			case backends.Down, backends.Draining:
				down++
			case backends.Degraded, backends.Trial:
				shaky++
			}
		}
		switch {
		case down > 0:
			add(rankReplica, widget.Warn, "%s: %d of %d replicas out: %s", b.Name, down, len(b.Replicas), worst(d, b))
		case shaky > 0:
			add(rankShaky, widget.Warn, "%s: %s", b.Name, worst(d, b))
		}
	}
	switch {
	case len(lost) == 0:
	case len(lost) == len(d.Pool.Backends) && len(lost) > 1:
		add(rankNone, widget.Bad, "no healthy backend, every request gets 503: %s", strings.Join(lost, "; "))
	case len(lost) == len(d.Pool.Backends):
		add(rankNone, widget.Bad, "no healthy backend, every request gets 503: %s", lost[0])
	default:
		add(rankBackend, widget.Bad, "%s; its requests get 503", strings.Join(lost, "; "))
	}
}

// describe says of a backend without a replica why.
func describe(d pane.Data, b *backends.BackendStatus) string {
	if len(b.Replicas) == 0 {
		return b.Name + " has no replica"
	}
	return b.Name + " " + worst(d, b)
}

// worst says of a backend's gravest replica what its state is, for how long,
// and why; its address only where there are others.
func worst(d pane.Data, b *backends.BackendStatus) string {
	gravity := func(s backends.State) int {
		switch s {
		case backends.Down:
			return 4
		case backends.Trial:
			return 3
		case backends.Degraded:
			return 2
		case backends.Draining:
			return 1
		}
		return 0
	}
	r := &b.Replicas[0]
	for i := range b.Replicas {
		if gravity(b.Replicas[i].State) > gravity(r.State) {
			r = &b.Replicas[i]
		}
	}
	text := r.State.String()
	if len(b.Replicas) > 1 {
		_, host, ok := strings.Cut(r.URL, "://")
		if !ok {
			host = r.URL
		}
		text = host + " " + text
	}
	if !r.Since.IsZero() {
		text += " for " + widget.Age(d.Now.Sub(r.Since))
	}
	if r.Reason != "" {
		text += ", " + r.Reason
	}
	return text
}

// The error rate over the last minute that is a finding, and how many errors
// make one: a single failure is no rate.
const (
	errorSpan    = 60 // seconds
	errorBad     = 0.05
	errorWarn    = 0.01
	errorsAtBad  = 5
	errorsAtWarn = 3
)

func findGateway(d pane.Data, add adder) {
	g := d.Gateway
	if g == nil {
		return
	}
	if age := d.Now.Sub(g.At); age >= pane.Stale {
		add(rankStale, widget.Bad, "the gateway has published nothing for %s: all figures are that old", widget.Age(age))
	}
	if g.Draining {
		add(rankDraining, widget.Warn, "draining: new requests get 503, %d in flight may end", g.InFlight)
	}
	requests, errors := 0, 0
	for _, p := range g.History[max(0, len(g.History)-errorSpan):] {
		requests, errors = requests+p.Requests, errors+p.Errors
	}
	if requests == 0 {
		return
	}
	share := float64(errors) / float64(requests)
	grade := widget.Bad
	switch {
	case errors >= errorsAtBad && share >= errorBad:
	case errors >= errorsAtWarn && share >= errorWarn:
		grade = widget.Warn
	default:
		return
	}
	where := ""
	most := 0.0
	for _, b := range poolNames(d) {
		if r := g.Backends[b]; r.Errors > most {
			most, where = r.Errors, ", now most on "+b
		}
	}
	add(rankFailing, grade, "%.1f%% of answers failed in the last minute: %d of %d%s", 100*share, errors, requests, where)
}

// poolNames are the backends in the order of the configuration: a map's order
// would make the words jump.
func poolNames(d pane.Data) []string {
	var names []string
	if d.Pool != nil {
		for i := range d.Pool.Backends {
			names = append(names, d.Pool.Backends[i].Name)
		}
	}
	return names
}

func findGPUs(d pane.Data, add adder) {
	if d.GPUs == nil {
		return
	}
	if d.GPUs.Err != "" {
		add(rankGPU, widget.Warn, "gpus: %s", d.GPUs.Err)
	}
	for i := range d.GPUs.GPUs {
		g := &d.GPUs.GPUs[i]
		held := g.Throttle & (gpu.ThrottleHeat | gpu.ThrottleBrake | gpu.ThrottleSlow)
		switch age := g.Age(d.Now); {
		case age >= pane.Stale:
			why := ""
			if g.Err != "" {
				why = ", " + g.Err
			}
			add(rankGPU, widget.Warn, "gpu %d: no reading for %s%s", g.Index, widget.Age(age), why)
		case held != 0:
			add(rankGPU, widget.Warn, "gpu %d runs slower: %s", g.Index, strings.Join(held.Reasons(), ", "))
		}
	}
}
