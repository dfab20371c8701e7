package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// finding is something that wants attention.
type finding struct {
	rank  rank
	grade widget.Style // Bad: somebody is hurt; Warn: somebody may be; Unknown
	text  string       // plain words, details last; names in it may come from anywhere
	whom  victims
	about pane.Ref // what keys act on; the zero Ref: nothing
}

// rank orders findings by who is hurt, the most urgent first.
type rank int

const (
	rankStale    rank = iota // the gateway publishes nothing
	rankLedger               // no request can be accounted for
	rankNone                 // no healthy backend
	rankBackend              // one backend has no replica left
	rankHung                 // a replica hangs, with the requests that are there
	rankFailing              // answers of 5xx
	rankCard                 // a GPU is lost, or its memory or its driver fails
	rankQueue                // requests wait long for room
	rankStore                // the store of the fleet's quotas is away
	rankDraining             // the gateway takes no more requests
	rankReplica              // a replica is left out, its backend goes on
	rankShaky                // a replica failed lately
	rankQuota                // an organisation has nothing left, or soon
	rankGPU                  // a GPU is held back, or nearly full, or not to be read
	rankPreempt              // an engine throws out what it has begun
	rankDrift                // the ledger and an engine count differently, or its disk fails
	rankJob                  // what was to be done to a container could not be
	rankDocker               // an engine of containers can't be asked
)

var verdicts = [...]string{
	rankStale: "no news", rankLedger: "no ledger", rankStore: "no quota store", rankQuota: "quota spent", rankDrift: "check usage", rankNone: "unhealthy", rankBackend: "degraded", rankHung: "hung", rankFailing: "failing",
	rankDraining: "draining", rankReplica: "degraded", rankShaky: "unsteady", rankCard: "gpu fails", rankGPU: "check gpus",
	rankQueue: "overloaded", rankPreempt: "preempting", rankJob: "check jobs", rankDocker: "no docker",
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
	add := func(r rank, grade widget.Style, about pane.Ref, format string, args ...any) {
		fs = append(fs, finding{r, grade, fmt.Sprintf(format, args...), hurt(d, grade, about), about})
	}
	findPool(d, add)
	findGateway(d, add)
	findBooks(d, add)
	findGPUs(d, add)
	findContainers(d, add)
	findSoon(d, add)
	slices.SortStableFunc(fs, func(a, b finding) int { return cmp.Compare(a.rank, b.rank) })
	return fs
}

type adder func(r rank, grade widget.Style, about pane.Ref, format string, args ...any)

// full is all that there is to say of a finding.
func (f *finding) full() string {
	if f.whom.n == 0 {
		return f.text
	}
	return f.text + "; hurts " + widget.Many(f.whom.n, "request") + " of " + strings.Join(f.whom.named(), ", ")
}

// victims are whose requests are with what a finding is about; the zero value:
// nobody's, or it is not known.
type victims struct {
	n    int      // requests
	orgs []string // whose keys are known
}

// named names some of them.
func (v victims) named() []string {
	switch {
	case len(v.orgs) == 0:
		return []string{"unknown keys"}
	case len(v.orgs) > 3:
		return append(v.orgs[:2:2], fmt.Sprintf("%d more", len(v.orgs)-2))
	}
	return v.orgs
}

// brief counts them; "": there are none.
func (v victims) brief() string {
	switch {
	case v.n == 0:
		return ""
	case len(v.orgs) == 1:
		return widget.Many(v.n, "request") + " of " + v.orgs[0]
	}
	return widget.Many(v.n, "request") + ", " + widget.Many(len(v.orgs), "org")
}

// hurt finds whose requests are with what a finding is about.
func hurt(d pane.Data, grade widget.Style, about pane.Ref) (v victims) {
	if grade != widget.Bad || about.Kind != pane.RefBackend && about.Kind != pane.RefGPU || d.Gateway == nil {
		return v
	}
	for i := range d.Gateway.Live {
		r := &d.Gateway.Live[i]
		if r.Backend != about.Name {
			continue
		}
		v.n++
		if r.Org != "" && !slices.Contains(v.orgs, r.Org) {
			v.orgs = append(v.orgs, r.Org)
		}
	}
	return v
}

// backend is what a finding about a backend is about.
func backend(name string) pane.Ref { return pane.Ref{Kind: pane.RefBackend, Name: name} }

func findPool(d pane.Data, add adder) {
	if d.Pool == nil {
		return
	}
	var lost []string // backends without a replica
	var first pane.Ref
	for i := range d.Pool.Backends {
		b := &d.Pool.Backends[i]
		if b.Available() == 0 {
			lost = append(lost, describe(d, b))
			if len(lost) == 1 {
				first = backend(b.Name)
			}
			continue
		}
		hung, out, shaky := 0, 0, 0
		for j := range b.Replicas {
			switch r := &b.Replicas[j]; r.State {
			case backends.Hung:
				hung, out = hung+1, out+1
			case backends.Down, backends.Starting, backends.Loading, backends.Draining:
				out++
			case backends.Degraded:
				shaky++
			}
		}
		switch {
		case hung > 0:
			add(rankHung, widget.Bad, backend(b.Name), "%s: %d of %d replicas out: %s", b.Name, out, len(b.Replicas), worst(d, b))
		case out > 0:
			add(rankReplica, widget.Warn, backend(b.Name), "%s: %d of %d replicas out: %s", b.Name, out, len(b.Replicas), worst(d, b))
		case shaky > 0:
			add(rankShaky, widget.Warn, backend(b.Name), "%s: %s", b.Name, worst(d, b))
		}
	}
	switch {
	case len(lost) == 0:
	case len(lost) == len(d.Pool.Backends) && len(lost) > 1:
		add(rankNone, widget.Bad, first, "no healthy backend, every request gets 503: %s", strings.Join(lost, "; "))
	case len(lost) == len(d.Pool.Backends):
		add(rankNone, widget.Bad, first, "no healthy backend, every request gets 503: %s", lost[0])
	default:
		add(rankBackend, widget.Bad, first, "%s; its requests get 503", strings.Join(lost, "; "))
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
		return slices.Index([]backends.State{backends.Draining, backends.Degraded, backends.Loading, backends.Starting, backends.Down, backends.Hung}, s)
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

// longWait is how long a request may wait for room before that is a finding.
const longWait = 10 * time.Second

func findGateway(d pane.Data, add adder) {
	g := d.Gateway
	if g == nil {
		return
	}
	if age := d.Now.Sub(g.At); age >= pane.Stale {
		add(rankStale, widget.Bad, pane.Ref{}, "the gateway has published nothing for %s: all figures are that old", widget.Age(age))
	}
	if g.Draining {
		add(rankDraining, widget.Warn, pane.Ref{}, "draining: new requests get 503, %d in flight may end", g.InFlight)
	}
	for _, b := range poolNames(d) {
		if q := g.Queues[b]; q.Oldest >= longWait {
			add(rankQueue, widget.Warn, backend(b), "%s: %s for room, the first for %s", b, waiting(q.Waiting), widget.Age(q.Oldest))
		}
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
	where, about := "", pane.Ref{}
	most := 0.0
	for _, b := range poolNames(d) {
		if r := g.Backends[b]; r.Errors > most {
			most, where, about = r.Errors, ", now most on "+b, backend(b)
		}
	}
	add(rankFailing, grade, about, "%.1f%% of answers failed in the last minute: %d of %d%s", 100*share, errors, requests, where)
}

// waiting is how many requests wait.
func waiting(n int) string {
	if n == 1 {
		return "1 request waits"
	}
	return widget.Many(n, "request") + " wait"
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

// jobFails is how long a job that failed is a finding.
const jobFails = 10 * time.Minute

// findContainers looks at what the backends run in.
func findContainers(d pane.Data, add adder) {
	if d.Pool == nil {
		return
	}
	for _, j := range d.Pool.Jobs {
		if age := d.Now.Sub(j.Ended); j.State == backends.Failed && age < jobFails {
			add(rankJob, widget.Warn, pane.Ref{Kind: pane.RefJob, ID: fmt.Sprint(j.ID)}, "%s of %s failed %s ago: %s", j.Action, cmp.Or(strings.Join(j.Names, ", "), "all"), widget.Age(age), j.Err)
		}
	}
	for _, h := range d.Pool.Hosts {
		if h.Err != "" {
			add(rankDocker, widget.Warn, pane.Ref{}, "docker %s can't be asked for %s: %s", h.Name, widget.Age(d.Now.Sub(h.Since)), h.Err)
		}
	}
}
