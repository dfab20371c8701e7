package pane

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"pilothouse/backends"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// backendFact is a Fact and how it is drawn. The most important come first.
type backendFact struct {
	Fact
	style widget.Style
	share float64 // drawn as a bar before the text; NaN: none
}

// backendFacts collects what is known of a row.
type backendFacts struct {
	v   *backendRow
	d   Data
	t   *widget.Theme
	all []backendFact
}

// add adds a fact of one or more parts; those that are "" are left out.
func (f *backendFacts) add(style widget.Style, label string, parts ...string) {
	kept := parts[:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	if len(kept) > 0 {
		f.all = append(f.all, backendFact{Fact{Label: label, Text: strings.Join(kept, " "+f.t.Dot+" ")}, style, math.NaN()})
	}
}

// newBackendFacts tells all that is known of a row.
func newBackendFacts(t *widget.Theme, v *backendRow, d Data) []backendFact {
	f := &backendFacts{v: v, d: d, t: t}
	f.health()
	f.work()
	f.cache()
	f.speed()
	f.counts()
	f.boxes()
	f.engine()
	f.names()
	return f.all
}

// health says how every replica is, why, and what that means for its work.
func (f *backendFacts) health() {
	rs := f.v.replicas()
	if len(rs) == 0 {
		f.add(widget.Bad, "health", "it has no replica: every request gets 503")
	}
	for i := range rs {
		r := &rs[i]
		name := ""
		if len(rs) > 1 {
			if r.State == backends.Healthy && r.Share >= 1 {
				continue // the list says so
			}
			name = replicaName(r) + ": "
		}
		st := Grade(r.State)
		since := ""
		if !r.Since.IsZero() {
			since = " for " + widget.Age(f.d.Now.Sub(r.Since))
		}
		why := r.Reason
		if r.State == backends.Healthy {
			why = ""
		}
		label := "health"
		if i > 0 && len(f.all) > 0 {
			label = ""
		}
		life := "no check has succeeded yet"
		if !r.LastOK.IsZero() {
			life = "last heard of " + widget.Age(f.d.Now.Sub(r.LastOK)) + " ago"
		}
		if r.State == backends.Healthy {
			life = ""
		}
		f.add(st, label, name+r.State.String()+since, life)
		f.add(st, "", why)
		f.add(widget.Plain, "rotation", name+rotation(r))
		if d := r.Drained; d != nil && d.Job == 0 {
			f.add(widget.Warn, "drained", name+"by "+cmp.Or(d.By, "somebody")+" "+widget.Age(f.d.Now.Sub(d.At))+" ago", d.Reason)
		}
	}
	if len(f.all) == 0 {
		f.add(widget.Good, "health", fmt.Sprintf("all %d replicas are healthy", len(rs)))
	}
	for i := range rs {
		if j, p := replicaJob(f.d.Pool, &rs[i]); j != nil && (p.State != "" || len(rs) == 1) {
			f.add(widget.Warn, "job", partLine(j, p, f.d.Now, f.d.Pool.Jobs))
		}
	}
}

// work says what it has to do, and for whom.
func (f *backendFacts) work() {
	v := f.v
	parts := []string{fmt.Sprintf("%d sent", backendFlight(v.replicas()))}
	if v.r == nil && f.d.Gateway != nil {
		q := f.d.Gateway.Queues[v.b.Name]
		text := fmt.Sprintf("%d queued", q.Waiting)
		if q.Waiting > 0 {
			text += " (" + widget.Age(q.Oldest) + ")"
		}
		parts = append(parts, text)
	}
	sum := func(of func(*backends.EngineStatus) int) int64 {
		return sumEngines(v.replicas(), func(e *backends.EngineStatus) int64 {
			if f.d.Now.Sub(e.At) >= engineOld {
				return -1
			}
			return int64(of(e))
		})
	}
	running, waiting, deferred := sum(func(e *backends.EngineStatus) int { return e.Running }),
		sum(func(e *backends.EngineStatus) int { return e.Waiting }), sum(func(e *backends.EngineStatus) int { return e.Deferred })
	switch {
	case running < 0:
		parts = append(parts, "its engine doesn't tell")
	case waiting < 0:
		parts = append(parts, fmt.Sprintf("engine %d run", running))
	case deferred > 0:
		parts = append(parts, fmt.Sprintf("engine %d run, %d wait, %d of them not for room", running, waiting, deferred))
	default:
		parts = append(parts, fmt.Sprintf("engine %d run, %d wait", running, waiting))
	}
	style := widget.Plain
	if v.waiting() > 0 {
		style = widget.Warn
	}
	f.add(style, "requests", parts...)
	f.users()
}

// users says whose they are.
func (f *backendFacts) users() {
	const most = 6
	var parts []string
	for i, u := range f.v.uses {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(f.v.uses)-most))
			break
		}
		text := fmt.Sprintf("%s %d", u.org, u.requests)
		if u.requests > 0 {
			text += fmt.Sprintf(" (%.0f%%)", 100*u.share)
		}
		if u.queued > 0 {
			text += fmt.Sprintf(" +%d wait", u.queued)
		}
		parts = append(parts, text)
	}
	f.add(widget.Plain, "used by", parts...)
}

// sumEngines adds up what engines tell; -1: none does.
func sumEngines(rs []backends.ReplicaStatus, of func(*backends.EngineStatus) int64) int64 {
	sum := int64(-1)
	for i := range rs {
		if e := told(&rs[i]); e != nil {
			if n := of(e); n >= 0 {
				sum = max(sum, 0) + n
			}
		}
	}
	return sum
}

// cache says what is in the KV cache, what is promised of it, and who says what
// it holds.
func (f *backendFacts) cache() {
	var booked, live, reading, capacity, sequences, bound int64
	var flight int
	from := backends.Source("")
	rs := f.v.replicas()
	for i := range rs {
		r := &rs[i]
		booked, live, reading, capacity = booked+r.Booked, live+r.Live, reading+r.Reading, capacity+r.Capacity
		sequences, bound, flight = sequences+r.Sequences, bound+r.Bound, flight+r.InFlight
		from = cmp.Or(from, r.CapacityFrom)
	}
	size := " " + f.t.Dot + " nobody says how much it holds"
	if capacity > 0 {
		size = " of " + tokenCount(capacity) + " tokens" + map[backends.Source]string{
			backends.FromEngine: ", by its engine", backends.Configured: ", as configured", backends.Estimated: ", estimated"}[from]
	}
	style := widget.Plain
	if f.v.kv >= cacheFull {
		style = widget.Warn
	}
	used := f.t.None
	if !math.IsNaN(f.v.kv) {
		used = fmt.Sprintf("%.0f%%", 100*min(f.v.kv, 9.99))
		if f.v.reckoned {
			used = "about " + used
		}
	}
	f.add(style, "kv cache", used+size)
	f.all[len(f.all)-1].share = f.v.kv
	if booked > 0 || flight > 0 {
		f.add(widget.Plain, "tokens", tokenCount(booked)+" booked", tokenCount(live)+" live", tokenCount(reading)+" reading")
	}
	now, most := "", ""
	if sequences > 0 {
		now = fmt.Sprintf("%d of %s", sequences, plainCount(flight, "request"))
	}
	if bound > 0 {
		most = fmt.Sprintf("at most %d at once, as learnt", bound)
	}
	f.add(widget.Plain, "sequences", now, most)
}

func tokenCount(n int64) string { return widget.Count(uint64(max(0, n))) }

// speed says how fast it answers, and how well its cache works.
func (f *backendFacts) speed() {
	v, none := f.v, f.t.None
	if v.seen && v.r == nil {
		f.add(widget.Plain, "1st token", "p50 "+cmp.Or(widget.Duration(v.rates.FirstP50), none), "p95 "+cmp.Or(widget.Duration(v.rates.FirstP95), none),
			"per token p50 "+cmp.Or(widget.Duration(v.rates.PerTokP50), none))
		f.add(widget.Plain, "rate", cmp.Or(widget.Figure(v.rates.Requests), none)+" req/s", cmp.Or(widget.Figure(v.rates.Tokens), none)+" tok/s",
			cmp.Or(widget.Figure(v.each), none)+" tok/s each")
	}
	prefix, preempted := "", ""
	if !math.IsNaN(v.prefix) {
		prefix = fmt.Sprintf("%.0f%% of %s looked-up tokens", 100*v.prefix, tokenCount(sumEngines(v.replicas(), func(e *backends.EngineStatus) int64 { return e.PrefixQueries })))
	}
	f.add(widget.Plain, "prefix", prefix)
	style := widget.Plain
	if n := sumEngines(v.replicas(), func(e *backends.EngineStatus) int64 { return e.Preemptions }); n >= 0 {
		preempted = widget.Many(int(n), "time") + " since its engine's start"
		if v.preempts > 0 {
			style = widget.Warn
			text, _ := perMinuteCell(v.preempts, style)
			preempted += ", " + text + "/min now"
		}
	}
	f.add(style, "preempted", preempted)
}

// counts says what was sent, and what came of it.
func (f *backendFacts) counts() {
	sent, _ := f.v.count("sent")
	failed, _ := f.v.count("failed")
	idle := 0
	rs := f.v.replicas()
	for i := range rs {
		idle += rs[i].Idle
	}
	if !math.IsNaN(f.v.errors) {
		failing, style := perMinuteCell(f.v.errors, widget.Bad)
		f.add(style, "failing", failing+" in the last minute")
	}
	f.add(widget.Plain, "sent", sent+" with retries", failed+" held against it", plainCount(idle, "idle connection"))
}

// backendEvents are those of a backend, newest first.
func backendEvents(s *past.Snapshot, name string, most int) (all []*past.Event) {
	if s == nil {
		return nil
	}
	for i := range s.Events {
		e := &s.Events[i]
		if e.Object == name && (e.Kind == past.KindBackend || e.Kind == past.KindJob) {
			if all = append(all, e); len(all) == most {
				break
			}
		}
	}
	return all
}
