package pane

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/gpu"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// GPUView shows all that is known of the devices: a card each where there is
// room, otherwise a line each and the details of one of them. That is the
// selected one; while none is, the one that is worst off.
type GPUView struct {
	rows[gpuDevice]
	pic   picture
	span  key.Binding
	snap  *gpu.Snapshot
	past  *past.Snapshot
	now   time.Time
	all   []gpuDevice // of snap
	hours bool        // graphs reach back a day
	focus bool
	told  Ref // whose details are shown while nothing is selected
	grid  int // cards side by side in the last view; 0: there were none

	// Written over at each drawing.
	curves gpuCurves
	happen []gpuMark
}

// NewGPUView makes the pane.
func NewGPUView(t *widget.Theme, keys Scrolling) *GPUView {
	p := &GPUView{pic: picture{theme: t}, span: key.NewBinding(key.WithKeys("t"), key.WithHelp("t", gpuHours.name))}
	p.keys, p.id, p.text, p.orders = keys, gpuID, gpuText, gpuOrders
	return p
}

// gpuOrders are the ways to sort devices; those without a reading come last.
var gpuOrders = []order[gpuDevice]{
	{name: "index"},
	{"utilisation", gpuFalling(func(g *gpu.GPU) gpu.Reading { return g.Util })},
	{"memory", gpuFalling(func(g *gpu.GPU) gpu.Reading { return g.MemUsed })},
	{"temperature", gpuFalling(func(g *gpu.GPU) gpu.Reading { return g.Temp })},
	{"power", gpuFalling(func(g *gpu.GPU) gpu.Reading { return g.Power })},
}

func gpuFalling(of func(*gpu.GPU) gpu.Reading) func(a, b *gpuDevice) int {
	return func(a, b *gpuDevice) int {
		return cmp.Compare(of(b.g).Or(math.Inf(-1)), of(a.g).Or(math.Inf(-1)))
	}
}

// gpuID tells devices apart. What one serves is no part of it: that changes while
// a backend restarts.
func gpuID(d *gpuDevice) Ref {
	return Ref{Kind: RefGPU, ID: gpuOr(d.g.UUID, "gpu "+place(d.g)), Name: d.g.Host}
}

// gpuText is what a filter looks in.
func gpuText(d *gpuDevice) string {
	g := d.g
	var b strings.Builder
	for _, s := range []string{"gpu " + place(g), g.Name, g.Serves, g.State.String(), d.note, g.UUID, g.PCI} {
		b.WriteString(gpuClip(s, 16))
		b.WriteByte(' ')
	}
	for i := range g.Processes {
		if i == 32 {
			break
		}
		o := &g.Processes[i]
		for _, s := range []string{o.Backend, o.Container, o.Name} {
			b.WriteString(gpuClip(s, 8))
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Title implements Pane.
func (p *GPUView) Title() (name, note string) {
	if p.snap == nil {
		return "gpus", ""
	}
	var notes []string
	switch {
	case p.filter != "":
		notes = append(notes, fmt.Sprintf("%d of %d %s /%s", len(p.shown), len(p.all), p.pic.theme.Dot, gpuClip(p.filter, 1)))
	case !p.following() && len(p.shown) > 0:
		notes = append(notes, fmt.Sprintf("%d of %d", p.index+1, len(p.shown)))
	}
	if p.sort > 0 {
		notes = append(notes, "by "+p.orders[p.sort].name)
	}
	notes = append(notes, gpuSource(p.pic.theme, p.snap, p.now))
	return "gpus", strings.Join(notes, " "+p.pic.theme.Dot+" ")
}

// Update implements Pane.
func (p *GPUView) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		if msg.GPUs == p.snap && msg.Past == p.past && msg.Now.Unix() == p.now.Unix() {
			return
		}
		p.pic.drop()
		p.snap, p.past, p.now = msg.GPUs, msg.Past, msg.Now
		p.all = gpuDevices(p.all, &msg)
		p.take(p.all)
	case tea.KeyPressMsg:
		if p.pressed(msg) {
			p.pic.drop()
		}
	}
}

// pressed applies a key. Among cards left and right move too, and up and down
// by a row of them.
func (p *GPUView) pressed(k tea.KeyPressMsg) bool {
	if key.Matches(k, p.span) {
		p.hours = !p.hours
		p.span.SetHelp("t", reachOf(!p.hours).name)
		return true
	}
	if p.following() && key.Matches(k, p.keys.Up, p.keys.Down, p.keys.Left, p.keys.Right) {
		p.choose(p.teller()) // what is being read is what a first move takes
		return true
	}
	if p.grid > 1 {
		step := 0
		switch {
		case key.Matches(k, p.keys.Left):
			step = -1
		case key.Matches(k, p.keys.Right):
			step = 1
		case key.Matches(k, p.keys.Up):
			step = -p.grid
		case key.Matches(k, p.keys.Down):
			step = p.grid
		}
		if to := p.index + step; step != 0 {
			if to >= 0 && to < len(p.shown) {
				p.choose(to)
			}
			return true
		}
	}
	return p.press(k)
}

// teller is which of the shown devices has its details shown: the selected one,
// or else the worst, and of several the one that was.
func (p *GPUView) teller() int {
	if !p.following() {
		return p.index
	}
	best, was := -1, -1
	for i := range p.shown {
		d := p.row(i)
		if best < 0 || gpuGravity(d.state) > gpuGravity(p.row(best).state) {
			best = i
		}
		if p.id(d) == p.told {
			was = i
		}
	}
	if was >= 0 && gpuGravity(p.row(was).state) == gpuGravity(p.row(best).state) {
		best = was
	}
	p.told = Ref{}
	if best >= 0 {
		p.told = p.id(p.row(best))
	}
	return max(0, best)
}

// Selected is that of List: a device by its UUID, and what it serves.
func (p *GPUView) Selected() Ref {
	d := p.at()
	if d == nil {
		return Ref{}
	}
	return Ref{Kind: RefGPU, ID: gpuID(d).ID, Name: d.g.Serves}
}

// Select implements List. What the device serves is not looked at.
func (p *GPUView) Select(to Ref) bool {
	for i := range p.shown {
		if to.Kind == RefGPU && gpuID(p.row(i)).ID == to.ID {
			p.choose(i)
			p.pic.drop()
			return true
		}
	}
	return false
}

// SetFilter implements List.
func (p *GPUView) SetFilter(s string) {
	p.rows.SetFilter(s)
	p.pic.drop()
}

// SetSort implements List.
func (p *GPUView) SetSort(i int) {
	p.rows.SetSort(i)
	p.pic.drop()
}

// Keys implements Pane.
func (p *GPUView) Keys() []key.Binding {
	keys := []key.Binding{p.span, p.keys.Up, p.keys.Down, p.keys.PageUp, p.keys.PageDown, p.keys.Top, p.keys.Bottom}
	if p.grid > 1 {
		keys = append(keys, p.keys.Left, p.keys.Right)
	}
	if !p.following() {
		keys = append([]key.Binding{p.keys.Follow}, keys...)
	}
	return keys
}

// SetFocus implements Pane.
func (p *GPUView) SetFocus(on bool) {
	if p.focus != on {
		p.pic.drop()
	}
	p.focus = on
}
