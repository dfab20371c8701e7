package ui

import (
	"pilothouse/gpu"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// findGPUs looks at the devices, and at who is on them.
func findGPUs(d pane.Data, add adder) {
	if d.GPUs == nil {
		return
	}
	for _, f := range gpu.Findings(d.GPUs, d.Now, func(backend string) (running, waiting int, known bool) { return load(d, backend) }) {
		if f.Grave {
			add(rankCard, widget.Bad, device(d, f), "%s", f.Text)
		} else {
			add(rankGPU, widget.Warn, device(d, f), "%s", f.Text)
		}
	}
}

// load is what a backend has to do: what its engines compute, and what waits
// in front of them, here and there.
func load(d pane.Data, backend string) (running, waiting int, known bool) {
	if d.Gateway != nil {
		waiting, known = d.Gateway.Queues[backend].Waiting, true
	}
	if d.Pool == nil {
		return 0, waiting, known
	}
	for i := range d.Pool.Backends {
		b := &d.Pool.Backends[i]
		if b.Name != backend {
			continue
		}
		for j := range b.Replicas {
			if e := b.Replicas[j].Engine; e != nil && !e.At.IsZero() {
				running, waiting, known = running+max(0, e.Running), waiting+max(0, e.Waiting), true
			}
		}
	}
	return running, waiting, known
}

// device is what a finding about a GPU is about.
func device(d pane.Data, f gpu.Finding) pane.Ref {
	for i := range d.GPUs.GPUs {
		if g := &d.GPUs.GPUs[i]; g.Host == f.Host && g.Index == f.Index {
			r := pane.Ref{Kind: pane.RefGPU, ID: g.UUID, Name: g.Serves}
			return r
		}
	}
	return pane.Ref{}
}
