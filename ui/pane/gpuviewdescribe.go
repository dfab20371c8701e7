package pane

import (
	"fmt"
	"strings"
	"time"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// Describe implements List. While nothing is selected it tells of the device
// whose details are shown.
func (p *GPUView) Describe() (title string, facts []Fact) {
	if len(p.shown) == 0 {
		return "", nil
	}
	d := p.row(p.teller())
	a := gpuAccount{t: p.pic.theme, d: d, now: p.now}
	a.how()
	a.readings()
	a.people()
	a.events()
	return "gpu " + place(d.g) + " " + p.pic.theme.Dot + " " + d.g.Name, a.facts
}

// gpuAccount is all that is known of a device, in the making.
type gpuAccount struct {
	t     *widget.Theme
	d     *gpuDevice
	now   time.Time
	facts []Fact
}

func (a *gpuAccount) add(label, text string) {
	if text == "" {
		text = a.t.None
	}
	a.facts = append(a.facts, Fact{Label: label, Text: text})
}

// measured adds a reading, with its age where that is not what one expects.
func (a *gpuAccount) measured(label string, r gpu.Reading, text string) {
	if age := r.Age(a.now); r.Known() && age >= Stale {
		text += ", " + widget.Age(age) + " old"
	}
	a.add(label, text)
}

// how tells how the device is, and why.
func (a *gpuAccount) how() {
	g := a.d.g
	host := "this host"
	if g.Host != "" {
		host = g.Host
	}
	a.add("host", host)
	a.add("index", fmt.Sprint(g.Index))
	a.add("serves", g.Serves)
	state := g.State.String()
	if !g.Since.IsZero() {
		state += " for " + widget.Age(a.now.Sub(g.Since))
	}
	a.add("state", gpuJoined(state, g.Err))
	if g.At.IsZero() {
		a.add("last answer", "")
	} else {
		a.add("last answer", widget.Age(g.Age(a.now))+" ago")
	}
	label := "wants a look"
	for i := range a.d.found {
		a.add(label, gpuUnnamed(g, a.d.found[i].Text))
		label = ""
	}
	switch {
	case !g.Throttle.Known():
		a.add("runs slower", "")
	case g.Throttle.Active():
		a.add("runs slower", strings.Join(g.Throttle.Reasons(), ", "))
	default:
		a.add("runs slower", "no")
	}
	if h := a.d.host; h != nil {
		a.add("source", h.Source)
		if h.Err != "" {
			a.add("no listing", h.Err)
		}
		if h.EventsErr != "" {
			a.add("unheard", h.EventsErr)
		}
	}
}

// readings tells all that was measured.
func (a *gpuAccount) readings() {
	g := a.d.g
	a.measured("utilisation", g.Util, gpuWhole(g.Util, " %"))
	a.measured("memory", g.MemUsed, gpuMemory(a.t, g))
	a.measured("temperature", g.Temp, gpuDegrees(a.t, g.Temp))
	a.measured("power", g.Power, gpuPower(a.t, g))
	for _, f := range gpuFacts(nil, a.t, a.d) {
		text := f.text
		if age := a.now.Sub(f.at); text != "" && !f.at.IsZero() && age >= gpuLate {
			text += ", " + widget.Age(age) + " old"
		}
		a.add(f.label, text)
	}
	a.measured("ecc, new", g.NewUncorrected, gpuTally(g.NewUncorrected)+" uncorrected")
	a.measured("rows", g.ECC.Remapped, gpuTally(g.ECC.Remapped)+" remapped for corrected errors")
	a.measured("", g.ECC.RemappedBad, gpuTally(g.ECC.RemappedBad)+" for uncorrected ones")
	for i := range g.NVLinks {
		l := &g.NVLinks[i]
		state := "down"
		if l.Active.Or(0) != 0 {
			state = "up"
		}
		a.measured(fmt.Sprintf("link %d", l.Index), l.Active, fmt.Sprintf("%s, %s in, %s out, %s errors", state, gpuOr(gpuRate(l.Rx), a.t.None), gpuOr(gpuRate(l.Tx), a.t.None), gpuOr(gpuTally(l.Errors), a.t.None)))
	}
}

// people tells who is on the device.
func (a *gpuAccount) people() {
	g := a.d.g
	if g.MIG != nil {
		for i := range g.MIG.Parts {
			m := &g.MIG.Parts[i]
			a.measured("part", m.MemUsed, m.Name+", "+gpuOr(pair(a.t, gib(m.MemUsed), gib(m.MemTotal), " GiB"), a.t.None)+", "+m.UUID)
		}
	}
	if g.Processes == nil {
		a.add("processes", "")
	} else if len(g.Processes) == 0 {
		a.add("processes", "none")
	}
	for i := range g.Processes {
		o := &g.Processes[i]
		text := o.String()
		if o.Container != "" {
			text = gpuJoined(text, "container "+o.Container)
		}
		text = gpuJoined(text, fmt.Sprintf("pid %d %s, %s", o.PID, o.Name, o.Kind))
		text = gpuJoined(text, gpuOr(gpuBytes(o.Mem), a.t.None)+" of memory, "+gpuOr(gpuWhole(o.Util, " %"), a.t.None)+" of the time")
		if o.MIG != "" {
			text = gpuJoined(text, "on "+o.MIG)
		}
		if !o.Started.IsZero() {
			text = gpuJoined(text, "for "+widget.Age(a.now.Sub(o.Started)))
		}
		a.add("process", text)
	}
}

// events tells of the device's XIDs, newest first.
func (a *gpuAccount) events() {
	if len(a.d.xids) == 0 {
		a.add("xids", gpuNoXIDs(a.d))
	}
	for _, x := range a.d.xids {
		text := x.Last.UTC().Format("2006-01-02 15:04:05Z") + ", " + widget.Age(a.now.Sub(x.Last)) + " ago"
		if x.Count > 1 {
			text += fmt.Sprintf(", %d times", x.Count)
		}
		if x.Old {
			text += ", before anybody listened"
		}
		a.add(gpuXID(x), text)
		a.add("", x.Name+": "+x.Meaning)
		if x.Action != "" {
			a.add("", a.t.Arrow+" "+x.Action)
		}
		if !x.Old {
			a.add("", gpuVictims(x))
		}
		if x.Text != "" {
			a.add("", "told: "+x.Text)
		}
	}
}
