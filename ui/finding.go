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

// backend is what a finding about a backend is about.
func backend(name string) pane.Ref { return pane.Ref{Kind: pane.RefBackend, Name: name} }

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
