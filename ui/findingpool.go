package ui

import (
	"slices"
	"strings"

	"pilothouse/backends"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// findPool looks at the states of the replicas.
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
