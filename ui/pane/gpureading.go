package pane

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// gpuDevice is a device, and what there is to say of it at one moment.
type gpuDevice struct {
	g      *gpu.GPU
	host   *gpu.HostStatus // whose it is; nil: not told
	state  widget.Style    // how it is
	style  widget.Style    // of its figures: dimmed when they are old
	note   string          // what is wrong, in few words; "": nothing
	found  []gpu.Finding   // the same in full, the gravest first
	xids   []*gpu.XID      // newest first
	serves []string        // the backends on it
}

// gpuRecent is how long an XID is told of beside a device.
const gpuRecent = 15 * time.Minute

// gpuDevices says of every device of a snapshot how it is. into is written over.
func gpuDevices(into []gpuDevice, d *Data) []gpuDevice {
	into = into[:0]
	s := d.GPUs
	if s == nil {
		return into
	}
	load := func(backend string) (running, waiting int, known bool) { return gpuWork(d, backend) }
	for i := range s.GPUs {
		g := &s.GPUs[i]
		into = append(into, gpuDevice{g: g, host: gpuHost(s, g.Host)})
	}
	gpuEvents(into, s.Events)
	var heard []gpu.XID
	for i := range into {
		heard = heard[:0]
		for _, x := range into[i].xids {
			if d.Now.Sub(x.Last) < gpuRecent { // of the others there is no finding
				heard = append(heard, *x)
			}
		}
		slices.Reverse(heard)
		// One at a time, since a device that is gone may have the index of another.
		one := gpu.Snapshot{At: s.At, GPUs: s.GPUs[i : i+1], Events: heard}
		into[i].found = gpu.Findings(&one, d.Now, load)
		into[i].grade(d.Now)
	}
	return into
}

// gpuHost is the state of a host; nil: none of that name is known.
func gpuHost(s *gpu.Snapshot, name string) *gpu.HostStatus {
	for i := range s.Hosts {
		if s.Hosts[i].Name == name {
			return &s.Hosts[i]
		}
	}
	return nil
}

// gpuEvents gives each device its XIDs, newest first.
func gpuEvents(devices []gpuDevice, events []gpu.XID) {
	for i := range slices.Backward(events) {
		x := &events[i]
		for k := range devices {
			if g := devices[k].g; g.Host == x.Host && (x.UUID != "" && g.UUID == x.UUID || x.UUID == "" && x.Index >= 0 && g.Index == x.Index) {
				devices[k].xids = append(devices[k].xids, x)
				break
			}
		}
	}
}

// grade sums up: how the device is, and why in few words.
func (d *gpuDevice) grade(now time.Time) {
	g := d.g
	age := g.Age(now)
	d.state, d.note = widget.Good, ""
	if g.Serves != "" {
		d.serves = strings.Split(gpuClip(g.Serves, 255), ", ")
	}
	if g.At.IsZero() {
		d.state, d.note = widget.Unknown, "no reading"
		if g.State == gpu.Hung || g.State == gpu.Failing {
			d.note = d.source() + " " + g.State.String() + " " + widget.Age(now.Sub(g.Since))
		}
	} else if age >= Stale {
		d.style = widget.Muted
	}
	for i := range d.found {
		f := &d.found[i]
		style := widget.Warn
		switch {
		case f.Grave:
			style = widget.Bad
		case f.Kind == gpu.Stale:
			style = widget.Unknown
		}
		if gpuGravity(style) > gpuGravity(d.state) {
			d.state = style
		}
		if f.Kind == gpu.Unreachable {
			d.style = widget.Muted
		}
		if word := d.word(f, age, now); !strings.Contains(d.note, word) {
			d.note = gpuJoined(d.note, word)
		}
	}
	if len(d.xids) == 0 || now.Sub(d.xids[0].Last) >= gpuRecent {
		return
	}
	if x := d.xids[0]; x.Application { // no finding, but a reason to look
		if d.state == widget.Good {
			d.state = widget.Warn
		}
		d.note = gpuJoined(d.note, gpuXID(x))
	}
}

func gpuJoined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// word is a finding in as few words as there are.
func (d *gpuDevice) word(f *gpu.Finding, age time.Duration, now time.Time) string {
	g := d.g
	switch f.Kind {
	case gpu.Unreachable:
		return g.State.String() + " " + widget.Age(now.Sub(g.Since))
	case gpu.Error:
		for _, x := range d.xids {
			if x.Code != 0 && !x.Application {
				return gpuXID(x)
			}
		}
	case gpu.Uncorrected:
		return "ECC errors"
	case gpu.Remap:
		if f.Grave {
			return "remap failed"
		}
		return "reset pending"
	case gpu.Stale:
		switch {
		case g.At.IsZero():
			return ""
		case g.State == gpu.Hung || g.State == gpu.Failing:
			return d.source() + " " + g.State.String() + " " + widget.Age(age)
		}
		return widget.Age(age) + " old"
	case gpu.Throttled:
		return strings.Join((g.Throttle & gpuHeld).Reasons(), ", ")
	case gpu.Full:
		return "memory full"
	case gpu.Idle:
		return "idle, work!"
	case gpu.Unkept:
		return "persistence off"
	}
	return string(f.Kind)
}

// gpuHeld are the reasons to run slower that are none of a busy device's own.
const gpuHeld = gpu.ThrottleHeat | gpu.ThrottleBrake | gpu.ThrottleSlow

// source is who is asked about the device.
func (d *gpuDevice) source() string {
	if d.host == nil || d.host.Source == "" {
		return "driver"
	}
	return strings.ToUpper(d.host.Source)
}

// has tells whether there is a finding of a kind.
func (d *gpuDevice) has(kind gpu.FindingKind) bool {
	return slices.ContainsFunc(d.found, func(f gpu.Finding) bool { return f.Kind == kind })
}

// warm is the style of the temperature, and full that of the memory.
func (d *gpuDevice) warm() widget.Style {
	if d.has(gpu.Hot) || d.g.Throttle&gpu.ThrottleHeat != 0 && d.style == widget.Plain {
		return widget.Warn
	}
	return d.style
}

func (d *gpuDevice) full() widget.Style {
	if d.has(gpu.Full) {
		return widget.Warn
	}
	return d.style
}

// busy is the style of the utilisation.
func (d *gpuDevice) busy() widget.Style {
	if d.has(gpu.Idle) {
		return widget.Warn
	}
	return d.style
}

// gpuXID names an XID.
func gpuXID(x *gpu.XID) string {
	if x.Code == 0 {
		return "event"
	}
	return "XID " + strconv.Itoa(x.Code)
}

// gpuGravity orders states by how much they want a look.
func gpuGravity(s widget.Style) int {
	switch s {
	case widget.Bad:
		return 3
	case widget.Warn:
		return 2
	case widget.Unknown:
		return 1
	}
	return 0
}

// gpuWork is what a backend has to do: what its engines compute, and what waits
// for them here and there.
func gpuWork(d *Data, backend string) (running, waiting int, known bool) {
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
