package pane

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backends"
)

// queued says how many wait for the backends, whose they are, and who else could
// take them.
func (m *impact) queued(on []impacted) {
	if m.d.Gateway == nil {
		return
	}
	for at, i := range on {
		if !i.away() || at > 0 && on[at-1].b == i.b {
			continue
		}
		q := m.d.Gateway.Queues[i.b.Name]
		text := fmt.Sprint(q.Waiting)
		if q.Waiting > 0 {
			var whose []backendUse
			for _, o := range q.Orgs {
				whose = append(whose, backendUse{org: o.Org, queued: o.Waiting})
			}
			text += useList(whose, 0, func(u *backendUse) int { return u.queued })
			text += ", would go to another replica: " + cmp.Or(strings.Join(m.others(on, i.b), ", "), "none")
		}
		label := "queued"
		if several := on[0].b != on[len(on)-1].b; several {
			text = i.b.Name + " " + text
		}
		m.add(label, "%s", text)
	}
}

// others are the replicas of a backend that can take over: those that serve and
// stay, or of several that go one after the other all, since the others serve then.
func (m *impact) others(on []impacted, b *backends.BackendStatus) (names []string) {
	goes := func(r *backends.ReplicaStatus) bool {
		return slices.ContainsFunc(on, func(o impacted) bool { return o.r == r && o.away() })
	}
	going := 0
	for i := range b.Replicas {
		if r := &b.Replicas[i]; r.Available() && goes(r) {
			going++
		}
	}
	inTurn := m.rolling() && going > 1
	for i := range b.Replicas {
		if r := &b.Replicas[i]; r.Available() && (inTurn || !goes(r)) {
			names = append(names, replicaName(r))
		}
	}
	return names
}

// rolling tells whether the order takes one replica away at a time and brings it
// back before the next one.
func (m *impact) rolling() bool {
	return m.o.Action == backends.ActRestart || m.o.Action == backends.ActUp
}

// left says what is left to serve each backend, and whether one is left without.
func (m *impact) left(on []impacted) (last bool) {
	for at, i := range on {
		if at > 0 && on[at-1].b == i.b {
			continue
		}
		goes, serving := 0, 0
		for _, o := range on {
			if o.b == i.b && o.away() {
				goes++
				if o.r.Available() {
					serving++
				}
			}
		}
		if goes == 0 {
			continue
		}
		n := i.b.Available() - serving
		how := ""
		if m.rolling() && serving > 1 {
			n, how = i.b.Available()-1, ", one is done after the other"
		}
		if n <= 0 {
			last = true
			how += ": the model will not be served"
			if m.rolling() {
				how += " until it is back"
			}
		}
		who := ""
		if on[0].b != on[len(on)-1].b {
			who = i.b.Name + " "
		}
		m.add("left after", "%s%d of %s%s", who, max(n, 0), plainCount(len(i.b.Replicas), "replica"), how)
		m.facts[len(m.facts)-1].Grave = n <= 0
	}
	return last
}
