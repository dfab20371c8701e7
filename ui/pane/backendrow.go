package pane

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gpu"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// backendRow joins what the pool, the gateway, the engine, the GPUs and the
// containers' host know of a backend, or of one of its replicas.
type backendRow struct {
	b *backends.BackendStatus
	r *backends.ReplicaStatus // nil: the backend as a whole
	// lone is the row of a backend's only replica: it holds its note alone, the
	// backend's row has the rest.
	lone  bool
	spare int // what goes first where room is short: the higher the sooner

	grade widget.Style
	mark  backends.State // whose shape it has; of a mixed backend Unknown
	mixed bool           // its replicas are in different states
	word  string
	since time.Time
	note  string // why it is so, or what is done about it; "": nothing to say

	running int // sequences, as its engine says, or else requests as the gateway does
	queued  int // in the gateway's queue; -1: no data, or a replica
	behind  int // in the engine's own queue; -1: no data

	kv       float64 // share of the cache in use, 0 to 1; NaN: no data
	reckoned bool    // kv is what the gateway expects: no engine told

	rates    gateway.Rates
	seen     bool    // there are rates
	each     float64 // tokens per second and request; NaN: no data
	errors   float64 // per minute; NaN: no data
	preempts float64 // per minute; NaN: no data
	prefix   float64 // share of looked-up tokens that the prefix cache had; NaN: no data

	gpus []*gpu.GPU
	uses []backendUse // who uses it now, the one with most first
	rank backendRank  // of the backend, for its replicas too
}

// backendRank is what backends are sorted by. Replicas have that of their
// backend, so that they stay below it.
type backendRank struct {
	gravity int
	load    int
	kv      float64
}

// replicas are those that the row is about.
func (v *backendRow) replicas() []backends.ReplicaStatus {
	if v.r == nil {
		return v.b.Replicas
	}
	for i := range v.b.Replicas {
		if v.r == &v.b.Replicas[i] {
			return v.b.Replicas[i : i+1]
		}
	}
	return nil
}

// waiting counts requests in both queues.
func (v *backendRow) waiting() int { return max(0, v.queued) + max(0, v.behind) }

func (v *backendRow) ref() Ref {
	if v.r == nil {
		return Ref{Kind: RefBackend, Name: v.b.Name}
	}
	return Ref{Kind: RefReplica, Name: v.b.Name, ID: v.r.URL}
}

// text is what a filter looks in. A backend has that of its replicas, so that it
// stays above those that match.
func (v *backendRow) text() string {
	var s strings.Builder
	add := func(words ...string) {
		for _, w := range words {
			s.WriteString(w)
			s.WriteByte(' ')
		}
	}
	add(v.b.Name, v.b.Model)
	if v.r == nil {
		add(v.word)
		add(v.b.Aliases...)
		for _, u := range v.uses {
			add(u.org)
		}
	}
	for i := range v.replicas() {
		r := &v.replicas()[i]
		add(r.URL, r.State.String(), r.Reason)
		if c := r.Container; c != nil {
			add(c.Name, c.Host, c.State)
		}
	}
	return s.String()
}

// worstFirst is that order's index.
const worstFirst = 1

// backendOrders are the ways to sort backends.
func backendOrders() []order[backendRow] {
	by := func(f func(a, b backendRank) int) func(a, b *backendRow) int {
		return func(a, b *backendRow) int { return f(a.rank, b.rank) }
	}
	return []order[backendRow]{
		{name: "as configured"},
		{"worst first", by(func(a, b backendRank) int { return cmp.Compare(b.gravity, a.gravity) })},
		{"busiest", by(func(a, b backendRank) int { return cmp.Compare(b.load, a.load) })},
		{"kv cache", by(func(a, b backendRank) int { return cmp.Compare(b.kv, a.kv) })}, // NaN comes last
	}
}

// joinBackends makes the rows: each backend, and under it its replicas where it
// has several, or the reason of its only one's bad state.
func joinBackends(d Data, into []backendRow) []backendRow {
	into = into[:0]
	if d.Pool == nil {
		return into
	}
	for i := range d.Pool.Backends {
		b := &d.Pool.Backends[i]
		at := len(into)
		into = append(into, joinBackend(d, b))
		rank := into[at].rank
		for j := range b.Replicas {
			v := joinReplica(d, b, &b.Replicas[j])
			v.rank = rank
			v.lone = len(b.Replicas) == 1
			switch {
			case v.note != "":
				v.spare = 1
			case v.lone:
				continue
			default:
				v.spare = 2
			}
			into = append(into, v)
		}
	}
	return into
}

func joinBackend(d Data, b *backends.BackendStatus) backendRow {
	v := backendRow{b: b, queued: -1, each: math.NaN(), errors: math.NaN(), preempts: math.NaN()}
	v.grade, v.word, v.since = Condition(b)
	for i := range b.Replicas {
		v.mark = b.Replicas[i].State
		v.mixed = v.mixed || v.mark != b.Replicas[0].State
		v.rank.gravity = max(v.rank.gravity, gravity(b.Replicas[i].State))
	}
	if b.Available() == 0 {
		v.rank.gravity += 100 // nobody serves it
	}
	v.engines(d.Now)
	if d.Gateway != nil {
		v.queued = d.Gateway.Queues[b.Name].Waiting
		v.rates, v.seen = d.Gateway.Backends[b.Name]
		v.uses = backendUses(d.Gateway.Live, b.Name, "")
	}
	if v.seen {
		v.errors = 60 * v.rates.Errors
		if n := backendFlight(b.Replicas); n > 0 {
			v.each = v.rates.Tokens / float64(n)
		}
	}
	if d.Trends != nil {
		if n := perMinute(d, past.Errors, b.Name); !math.IsNaN(n) {
			v.errors = n
		}
		v.preempts = perMinute(d, past.Preempts, b.Name)
	}
	if d.GPUs != nil {
		v.gpus = backendGPUs(d.GPUs, b.Name, nil)
	}
	v.rank.load, v.rank.kv = v.running+v.waiting(), v.kv
	return v
}

func joinReplica(d Data, b *backends.BackendStatus, r *backends.ReplicaStatus) backendRow {
	v := backendRow{b: b, r: r, queued: -1, grade: Grade(r.State), mark: r.State, word: r.State.String(), since: r.Since,
		each: math.NaN(), errors: math.NaN(), preempts: math.NaN()}
	v.engines(d.Now)
	if d.Gateway != nil {
		v.uses = backendUses(d.Gateway.Live, b.Name, r.URL)
	}
	if d.GPUs != nil && r.Container != nil {
		v.gpus = backendGPUs(d.GPUs, b.Name, r.Container)
	}
	v.note = replicaNote(d, r)
	return v
}

// perMinute is a series' mean over the last minute, per minute; NaN: no data.
func perMinute(d Data, m past.Metric, of string) float64 {
	sum, n := 0.0, 0
	for _, s := range d.Trends.Series(m, of, d.Now, 10*time.Second, 6) {
		if !math.IsNaN(s) {
			sum, n = sum+s, n+1
		}
	}
	return 60 * sum / float64(n) // 0/0: NaN
}

// engineOld is the age from which on an engine's figures are not taken for those
// of now: it is asked every few seconds.
const engineOld = 15 * time.Second

// told is what the engine of a replica told; nil: nothing yet. What was read
// before a replica began to load was of an engine that is gone.
func told(r *backends.ReplicaStatus) *backends.EngineStatus {
	e := r.Engine
	if e == nil || e.At.IsZero() || r.State == backends.Loading && e.At.Before(r.Since) {
		return nil
	}
	return e
}

// engines sums up what the replicas and their engines have to do.
func (v *backendRow) engines(now time.Time) {
	v.behind, v.kv, v.prefix = -1, math.NaN(), math.NaN()
	var used, room, lived, held float64
	var hits, lookups int64
	rs := v.replicas()
	for i := range rs {
		r := &rs[i]
		e := told(r)
		fresh := e != nil && now.Sub(e.At) < engineOld
		if fresh && e.Running >= 0 {
			v.running += e.Running
		} else {
			v.running += r.InFlight
		}
		if fresh && e.Waiting >= 0 {
			v.behind = max(0, v.behind) + e.Waiting
		}
		if fresh && e.KVUsage >= 0 {
			size := float64(cmp.Or(e.KVTokens, r.Capacity, 1))
			used, room = used+e.KVUsage*size, room+size
		}
		if r.Capacity > 0 && (r.Available() || r.State == backends.Draining || r.State == backends.Hung) { // else there is no cache
			lived, held = lived+float64(r.Live), held+float64(r.Capacity)
		}
		if e != nil && e.PrefixQueries > 0 && e.PrefixHits >= 0 {
			hits, lookups = hits+e.PrefixHits, lookups+e.PrefixQueries
		}
	}
	switch {
	case room > 0:
		v.kv = used / room
	case held > 0:
		v.kv, v.reckoned = lived/held, true
	}
	if lookups > 0 {
		v.prefix = float64(hits) / float64(lookups)
	}
}

// backendFlight counts the requests that the gateway has with replicas.
func backendFlight(rs []backends.ReplicaStatus) (n int) {
	for i := range rs {
		n += rs[i].InFlight
	}
	return n
}

// backendGPUs are the devices that a backend works on; with a container those of
// that replica.
func backendGPUs(s *gpu.Snapshot, name string, of *backends.ContainerStatus) (all []*gpu.GPU) {
	for i := range s.GPUs {
		g := &s.GPUs[i]
		if on := slices.ContainsFunc(g.Processes, func(o gpu.Owner) bool {
			if of != nil {
				return o.ID != "" && o.ID == of.ID || o.ID == "" && o.Container != "" && o.Container == of.Name
			}
			return name != "" && o.Backend == name
		}); on || of == nil && backendNamed(g.Serves, name) {
			all = append(all, g)
		}
	}
	return all
}

// backendNamed tells whether a name is in a list that is joined by commas.
func backendNamed(list, name string) bool {
	if list == name {
		return name != ""
	}
	for list != "" {
		var one string
		if one, list, _ = strings.Cut(list, ", "); one == name {
			return name != ""
		}
	}
	return false
}
