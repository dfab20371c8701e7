package ui

import (
	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui/pane"
)

// Why there is nothing to do to a thing, by action; "": there may be, or nobody
// knows. They only save a form that would come to nothing: whoever does it looks
// again.

// replicasOf are those of a backend, of one replica, or of the backends on a GPU.
func (m *Model) replicasOf(r pane.Ref) (all []backends.ReplicaStatus) {
	if m.data.Pool == nil {
		return nil
	}
	names := m.objects(r)
	for i := range m.data.Pool.Backends {
		b := &m.data.Pool.Backends[i]
		for k := range b.Replicas {
			for _, n := range names {
				if n == b.Name || n == b.Replicas[k].URL {
					all = append(all, b.Replicas[k])
				}
			}
		}
	}
	return all
}

func drained(of []backends.ReplicaStatus) (n int) {
	for i := range of {
		if of[i].Drained != nil || of[i].State == backends.Draining {
			n++
		}
	}
	return n
}

func (m *Model) drainIdle(r pane.Ref) string {
	if all := m.replicasOf(r); len(all) > 0 && drained(all) == len(all) {
		return "it is drained already"
	}
	return ""
}

func (m *Model) undrainIdle(r pane.Ref) string {
	if all := m.replicasOf(r); len(all) > 0 && drained(all) == 0 {
		return "nothing is drained"
	}
	return ""
}

func (m *Model) requestIdle(r pane.Ref) string {
	g := m.data.Gateway
	if g == nil {
		return ""
	}
	for i := range g.Recent {
		if e := &g.Recent[i]; e.ID == r.ID && e.Start.Equal(r.Start) && e.Phase == gateway.PhaseEnded {
			return "it has ended"
		}
	}
	return ""
}

func (m *Model) orgIdle(r pane.Ref) string {
	g := m.data.Gateway
	if g == nil || g.InFlight > len(g.Live) { // of many not all are listed
		return ""
	}
	for i := range g.Live {
		if g.Live[i].Org == r.Name {
			return ""
		}
	}
	return "nothing of it is in flight"
}

func (m *Model) jobIdle(pane.Ref) string {
	if m.running() == nil {
		return "no job is under way"
	}
	return ""
}
