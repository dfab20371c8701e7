package pane

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"pilothouse/backends"
	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// boxes says what it runs in and on: containers and GPUs.
func (f *backendFacts) boxes() {
	rs := f.v.replicas()
	for i := range rs {
		label := "container"
		if i > 0 {
			label = ""
		}
		f.container(label, &rs[i], len(rs) == 1)
	}
	for i, g := range f.v.gpus {
		label := "gpu"
		if i > 0 {
			label = ""
		}
		f.device(label, g)
	}
	if len(f.v.gpus) == 0 && f.d.GPUs != nil {
		f.add(widget.Unknown, "gpu", "none is known to work for it")
	}
}

// container says how a replica's container is; whole: with all that is known.
func (f *backendFacts) container(label string, r *backends.ReplicaStatus, whole bool) {
	k := r.Container
	if k == nil {
		f.add(widget.Muted, label, "none is configured: something else runs "+address(r.URL))
		return
	}
	_, style := containerWord(k, f.d.Now)
	words := cmp.Or(k.Words, k.State, "not read yet")
	up := ""
	if k.State == "running" && !k.Started.IsZero() {
		up = "up " + widget.Age(f.d.Now.Sub(k.Started))
	}
	again := ""
	if k.Restarts > 0 {
		again = plainCount(k.Restarts, "restart") + " by itself"
	}
	where := k.Name
	if k.Host != "" && f.d.Pool != nil && len(f.d.Pool.Hosts) > 1 {
		where += " on " + k.Host
	}
	f.add(style, label, where, words, up, again)
	if k.Err != "" {
		old := "never read"
		if !k.At.IsZero() {
			old = "that is " + widget.Age(f.d.Now.Sub(k.At)) + " old"
		}
		f.add(widget.Unknown, "", old, k.Err)
	}
	if !whole {
		return
	}
	whose := ""
	if k.ID != "" && !k.Ours {
		whose = "not made by Pilothouse"
	}
	f.add(widget.Plain, "image", k.Image, k.ID[:min(12, len(k.ID))], whose)
	if n := len(k.Changes); n > 0 {
		names := make([]string, 0, n)
		for _, ch := range k.Changes {
			names = append(names, ch.Field)
		}
		f.add(widget.Warn, "differs", fmt.Sprintf("%s from its configuration: %s; up puts that in force", plainCount(n, "setting"), strings.Join(names, ", ")))
	}
}

// device says how a GPU is.
func (f *backendFacts) device(label string, g *gpu.GPU) {
	style, note := widget.Plain, ""
	switch {
	case g.State == gpu.Lost, g.State == gpu.NeedsReset, g.State == gpu.Gone, g.State == gpu.Mismatched:
		style, note = widget.Bad, g.State.String()
	case g.At.IsZero():
		style, note = widget.Unknown, "no reading"
	case g.Age(f.d.Now) >= Stale:
		style, note = widget.Unknown, widget.Age(g.Age(f.d.Now))+" old"
	case f.v.running > 0 && idleLately([]*gpu.GPU{g}):
		style, note = widget.Warn, "idle, while there is work"
	}
	f.add(style, label, place(g)+" "+short(g.Name), gpuWhole(g.Util, "%"),
		pair(f.t, widget.GiB(g.MemUsed.Or(math.NaN())), widget.GiB(g.MemTotal.Or(math.NaN())), " GiB"),
		gpuDegrees(f.t, g.Temp), pair(f.t, gpuWhole(g.Power, ""), gpuWhole(g.PowerCap, ""), " W"), note)
}

// engine says what the engine tells of itself.
func (f *backendFacts) engine() {
	rs := f.v.replicas()
	if len(rs) != 1 {
		return
	}
	e := rs[0].Engine
	switch {
	case e == nil:
		f.add(widget.Unknown, "engine", "not asked yet")
		return
	case e.At.IsZero():
		f.add(widget.Unknown, "engine", cmp.Or(e.Err, "it tells nothing of itself"))
		return
	}
	if e.Running < 0 && e.KVUsage < 0 && e.Generation < 0 && e.Err == "" {
		f.add(widget.Muted, "engine", "it has no metrics")
		return
	}
	up, told := "", "told "+widget.Age(f.d.Now.Sub(e.At))+" ago"
	if !e.Started.IsZero() {
		up = "up " + widget.Age(f.d.Now.Sub(e.Started))
	}
	count := func(n int64, what string) string {
		if n < 0 {
			return ""
		}
		return widget.Figure(float64(n)) + " " + what
	}
	style := widget.Plain
	asleep := ""
	if e.Sleeping {
		style, asleep = widget.Warn, "it was put to sleep"
	}
	if e.Err != "" || f.d.Now.Sub(e.At) >= engineOld {
		style = widget.Unknown
	}
	f.add(style, "engine", up, told, asleep, e.Err)
	f.add(widget.Plain, "", count(e.Iterations, "steps"), count(e.Prompt, "prompt tokens"), count(e.Generation, "generated"))
}

// names says what it serves, and under which names.
func (f *backendFacts) names() {
	b := f.v.b
	context := ""
	if b.MaxContext > 0 {
		context = "context " + tokenCount(int64(b.MaxContext))
	}
	f.add(widget.Plain, "model", b.Model, context)
	f.add(widget.Plain, "also", strings.Join(b.Aliases, ", "), strings.Join(b.Routes, ", "))
	rs := f.v.replicas()
	for i := range rs {
		label := "address"
		if i > 0 {
			label = ""
		}
		f.add(widget.Plain, label, rs[i].URL)
	}
}

// describeBackend tells all that is known of a row, for a list's Describe.
func describeBackend(t *widget.Theme, v *backendRow, d Data) (title string, facts []Fact) {
	if v == nil || d.Pool == nil {
		return "", nil
	}
	title = "backend " + v.b.Name
	if v.r != nil {
		title = "replica " + replicaName(v.r) + " of " + v.b.Name
	}
	for _, f := range newBackendFacts(t, v, d) {
		facts = append(facts, f.Fact)
	}
	rs := v.replicas()
	for i := range rs {
		if k := rs[i].Container; k != nil {
			for _, ch := range k.Changes {
				facts = append(facts, Fact{Text: ch.String()})
			}
		}
	}
	label := "events"
	for _, e := range backendEvents(d.Past, v.b.Name, 20) {
		facts = append(facts, Fact{Label: label, Text: e.At.UTC().Format("15:04:05 ") + e.Text})
		label = ""
	}
	return title, facts
}
