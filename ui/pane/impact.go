package pane

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// impact collects what an order does to whom.
type impact struct {
	o     backends.Order
	parts []backends.Part
	d     Data
	facts []Fact
}

// Impact tells what an order would do, by its preview: to which containers,
// whose requests, what is left to serve, and how long it took the last time.
// Without parts, as for a drain, the order's names say which replicas it is
// about. last: a backend would be left without a replica, so that its name must be
// typed.
func Impact(o backends.Order, parts []backends.Part, d Data) (facts []Fact, last bool) {
	m := &impact{o: o, parts: parts, d: d}
	on := m.replicas()
	m.what(on)
	m.flight(on)
	m.queued(on)
	last = m.left(on)
	m.lastStart()
	m.notes()
	return m.facts, last
}

func (m *impact) add(label, format string, args ...any) {
	m.facts = append(m.facts, Fact{Label: label, Text: fmt.Sprintf(format, args...)})
}

// impacted is a replica that the order is about.
type impacted struct {
	b    *backends.BackendStatus
	r    *backends.ReplicaStatus
	part *backends.Part // nil: there is no preview
}

// away tells whether the order takes the replica out of work.
func (i *impacted) away() bool {
	return i.part == nil || slices.Contains(i.part.Steps, backends.StepDrain) || slices.Contains(i.part.Steps, backends.StepStop)
}

// replicas are those that the order is about.
func (m *impact) replicas() (all []impacted) {
	if m.d.Pool == nil {
		return nil
	}
	for i := range m.d.Pool.Backends {
		b := &m.d.Pool.Backends[i]
		for j := range b.Replicas {
			r := &b.Replicas[j]
			if len(m.parts) == 0 {
				named := func(n string) bool {
					return n == b.Name || n == r.URL || r.Container != nil && n == r.Container.Name
				}
				if slices.ContainsFunc(m.o.Names, named) {
					all = append(all, impacted{b: b, r: r})
				}
				continue
			}
			for k := range m.parts {
				if p := &m.parts[k]; p.Backend == b.Name && p.Replica == r.URL && len(p.Steps) > 0 {
					all = append(all, impacted{b, r, p})
				}
			}
		}
	}
	return all
}

// what says which containers those are, on which GPUs, and how long they have
// run.
func (m *impact) what(on []impacted) {
	const most = 6
	for n, i := range on {
		if n == most {
			m.add("", "and %d more", len(on)-most)
			return
		}
		text := replicaName(i.r)
		if k := i.r.Container; k != nil && m.d.GPUs != nil {
			gs := backendGPUs(m.d.GPUs, i.b.Name, k)
			if len(i.b.Replicas) == 1 {
				gs = backendGPUs(m.d.GPUs, i.b.Name, nil)
			}
			if len(gs) > 0 {
				text += " on gpu"
				for at, g := range gs {
					text += [...]string{" ", ", "}[min(at, 1)] + place(g)
				}
			}
		}
		text += ", " + cmp.Or(i.b.Model, i.b.Name)
		switch k := i.r.Container; {
		case k == nil:
		case k.State == "running" && !k.Started.IsZero():
			text += ", up " + widget.Age(m.d.Now.Sub(k.Started))
		default:
			text += ", " + cmp.Or(k.Words, k.State, "not read yet")
		}
		m.add("", "%s", text)
	}
	if len(on) == 0 {
		m.add("", "nothing is to do")
	}
}

// flight says how many requests are in flight there, whose, and whether they get
// on.
func (m *impact) flight(on []impacted) {
	n, stalled, named := 0, 0, 0
	var whose []backendUse
	longest := ""
	for _, i := range on {
		if !i.away() {
			continue
		}
		n += i.r.InFlight
		if i.r.State == backends.Hung {
			stalled += i.r.InFlight
			longest = widget.Age(m.d.Now.Sub(cmp.Or(i.r.Since, m.d.Now)))
		}
		if m.d.Gateway != nil {
			for _, u := range backendUses(m.d.Gateway.Live, i.b.Name, i.r.URL) {
				named += u.requests
				whose = addUse(whose, u)
			}
		}
	}
	text := fmt.Sprint(n)
	if n > 0 {
		text += useList(whose, n-named, func(u *backendUse) int { return u.requests })
	}
	switch {
	case stalled == 0:
	case stalled == n:
		text += ", all stalled " + longest
	default:
		text += fmt.Sprintf(", %d of them stalled %s", stalled, longest)
	}
	m.add("in flight", "%s", text)
}

// addUse adds up what an organisation has with several replicas.
func addUse(all []backendUse, u backendUse) []backendUse {
	for i := range all {
		if all[i].org == u.org {
			all[i].requests, all[i].queued, all[i].tokens = all[i].requests+u.requests, all[i].queued+u.queued, all[i].tokens+u.tokens
			return all
		}
	}
	return append(all, u)
}

// useList writes who has how many, those with most first: ": acme 4, globex 2".
func useList(all []backendUse, others int, of func(*backendUse) int) string {
	slices.SortStableFunc(all, func(a, b backendUse) int { return cmp.Compare(of(&b), of(&a)) })
	const most = 5
	var parts []string
	for i := range all {
		switch n := of(&all[i]); {
		case n == 0:
		case i < most:
			parts = append(parts, fmt.Sprintf("%s %d", all[i].org, n))
		default:
			others += n
		}
	}
	if others > 0 && len(parts) > 0 {
		parts = append(parts, fmt.Sprintf("others %d", others))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// lastStart says how long the last start took, where the order has one.
func (m *impact) lastStart() {
	for k := range m.parts {
		p := &m.parts[k]
		if !slices.Contains(p.Steps, backends.StepLoad) {
			continue
		}
		var jobs []backends.Job
		if m.d.Pool != nil {
			jobs = m.d.Pool.Jobs
		}
		load, ok := lastStep(jobs, p, backends.StepLoad)
		if !ok {
			m.add("last start", "not known: nothing was started since the jobs are kept")
			return
		}
		text := "loading " + stepTime(load)
		ready := load
		for _, name := range [...]backends.StepName{backends.StepStart, backends.StepWarm} {
			d, _ := lastStep(jobs, p, name)
			ready += d
		}
		if ready > load {
			text += ", ready after " + stepTime(ready)
		}
		m.add("last start", "%s", text)
		return
	}
}

// notes says what else the preview tells.
func (m *impact) notes() {
	for k := range m.parts {
		p := &m.parts[k]
		if p.Why != "" {
			m.add("note", "%s: %s", partName(p), p.Why)
		}
		for _, ch := range p.Changes {
			m.add("changes", "%s %s", partName(p), ch.String())
		}
	}
}
