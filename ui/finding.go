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
	text  string       // plain words; names in it may come from anywhere
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
	rankQuota                // an organisation has nothing left
	rankDrift                // the ledger and an engine count differently
	rankGPU                  // a GPU is held back, or not to be read
	rankJob                  // what was to be done to a container could not be
	rankDocker               // an engine of containers can't be asked
)

var verdicts = [...]string{
	rankStale: "no news", rankLedger: "no ledger", rankStore: "no quota store", rankQuota: "quota spent", rankDrift: "check usage", rankNone: "unhealthy", rankBackend: "degraded", rankHung: "hung", rankFailing: "failing",
	rankDraining: "draining", rankReplica: "degraded", rankShaky: "unsteady", rankCard: "gpu fails", rankGPU: "check gpus",
	rankQueue: "overloaded", rankJob: "check jobs", rankDocker: "no docker",
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
	findBooks(d, add)
	findGPUs(d, add)
	findContainers(d, add)
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
			add(rankHung, widget.Bad, "%s: %d of %d replicas out: %s", b.Name, out, len(b.Replicas), worst(d, b))
		case out > 0:
			add(rankReplica, widget.Warn, "%s: %d of %d replicas out: %s", b.Name, out, len(b.Replicas), worst(d, b))
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
		add(rankStale, widget.Bad, "the gateway has published nothing for %s: all figures are that old", widget.Age(age))
	}
	if g.Draining {
		add(rankDraining, widget.Warn, "draining: new requests get 503, %d in flight may end", g.InFlight)
	}
	for _, b := range poolNames(d) {
		if q := g.Queues[b]; q.Oldest >= longWait {
			add(rankQueue, widget.Warn, "%s: %d requests wait for room, the first of them for %s", b, q.Waiting, widget.Age(q.Oldest))
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
	where := ""
	most := 0.0
	for _, b := range poolNames(d) {
		if r := g.Backends[b]; r.Errors > most {
			most, where = r.Errors, ", now most on "+b
		}
	}
	add(rankFailing, grade, "%.1f%% of answers failed in the last minute: %d of %d%s", 100*share, errors, requests, where)
}

// findBooks looks at what is counted and written down.
func findBooks(d pane.Data, add adder) {
	if d.Gateway == nil {
		return
	}
	b := &d.Gateway.Books
	l := &b.Ledger
	since := ""
	if !l.Since.IsZero() {
		since = " for " + widget.Age(d.Now.Sub(l.Since))
	}
	switch {
	case l.Refusing && !b.Pass:
		add(rankLedger, widget.Bad, "the ledger can't be written%s, every request gets 503: %s", since, l.Err)
	case l.Refusing || l.Backlog > 0:
		add(rankLedger, widget.Bad, "the ledger can't be written%s, requests go on without it (%d wait in memory, %d lost): %s", since, l.Backlog, l.Lost, l.Err)
	case l.Err != "":
		add(rankLedger, widget.Warn, "the ledger's database can't be written%s, %d requests wait in its journal: %s", since, l.WaitingRows, l.Err)
	case l.Lost > 0:
		add(rankDrift, widget.Warn, "%d requests are missing in the ledger: they could not be written in time", l.Lost)
	}
	if l.Damaged > 0 {
		add(rankDrift, widget.Warn, "%d bytes of the ledger's journal were damaged: what they held is missing", l.Damaged)
	}
	if f := &b.Fleet; b.Shared && f.Err != "" {
		what := "leases in hand are used up, then requests get 503"
		if f.Allowing {
			what = "each gateway then counts for itself"
		}
		add(rankStore, widget.Warn, "the quota store is away for %s, %s: %s", widget.Age(d.Now.Sub(f.Since)), what, f.Err)
	}
	for _, w := range b.Tight {
		whose := w.Org
		if w.Key != "" {
			whose += ", key " + w.Key
		}
		if w.Remaining() == 0 {
			add(rankQuota, widget.Warn, "%s: %s is used up, its requests get 429 for %s", whose, w.Name, widget.Age(w.ResetsAt.Sub(d.Now)))
		}
	}
	for i := range b.Audit {
		if a := &b.Audit[i]; a.Suspicious() {
			add(rankDrift, widget.Warn, "%s: the engine counts %+d prompt and %+d completion tokens beyond the ledger's", a.Backend, a.Prompt(), a.Completion())
		}
	}
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
			add(rankJob, widget.Warn, "%s of %s failed %s ago: %s", j.Action, cmp.Or(strings.Join(j.Names, ", "), "all"), widget.Age(age), j.Err)
		}
	}
	for _, h := range d.Pool.Hosts {
		if h.Err != "" {
			add(rankDocker, widget.Warn, "docker %s can't be asked for %s: %s", h.Name, widget.Age(d.Now.Sub(h.Since)), h.Err)
		}
	}
}
