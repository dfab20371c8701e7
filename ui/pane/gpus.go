package pane

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// GPUs shows the devices: a line each where room is short, a card each with
// the history of its utilisation where there is room.
type GPUs struct {
	pic    picture
	keys   Scrolling
	snap   *gpu.Snapshot
	now    time.Time
	all    []gpuDevice  // of snap
	order  []*gpuDevice // into all, as drawn in lines
	curves gpuCurves
	scroll scroll
	h      int // of the last view
}

// NewGPUs makes the pane.
func NewGPUs(t *widget.Theme, keys Scrolling) *GPUs {
	return &GPUs{pic: picture{theme: t}, keys: keys}
}

const (
	cardRows = 4  // of a card
	cardMin  = 76 // cells from which on a card is worth its rows
)

// Present tells whether there is anything to show: devices, or a reason why
// there are none.
func (p *GPUs) Present() bool { return p.snap != nil && (len(p.snap.GPUs) > 0 || p.snap.Err != "") }

// Rows are the lines that the pane can do with, and those that it would fill,
// at a width.
func (p *GPUs) Rows(w int) (least, full int) {
	if !p.Present() {
		return 0, 0
	}
	n := len(p.snap.GPUs)
	if n == 0 {
		return 1, 1
	}
	if w < cardMin {
		return n, n
	}
	across := columns(n, w)
	return n, (n + across - 1) / across * cardRows
}

// columns is how many cards go side by side.
func columns(n, w int) int { return min(n, max(1, w/(cardMin+10))) }

// Title implements Pane.
func (p *GPUs) Title() (name, note string) {
	if p.snap == nil {
		return "gpus", ""
	}
	return "gpus", gpuSource(p.pic.theme, p.snap, p.now)
}

func gpuCount(n int) string {
	if n == 1 {
		return "1 gpu"
	}
	return fmt.Sprintf("%d gpus", n)
}

// gpuSource is who is asked, and how old their answer is if it is old.
func gpuSource(t *widget.Theme, s *gpu.Snapshot, now time.Time) string {
	note := strings.ToUpper(s.Source)
	switch {
	case s.Simulated:
		note = "simulated"
	case s.Driver != "":
		note += " " + t.Dot + " driver " + s.Driver
	}
	if age := now.Sub(s.At); age >= Stale {
		note += ", " + widget.Age(age) + " old"
	}
	return note
}

// Update implements Pane.
func (p *GPUs) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		if msg.GPUs == p.snap && msg.Now.Unix() == p.now.Unix() {
			return
		}
		p.pic.drop()
		p.snap, p.now = msg.GPUs, msg.Now
		p.all = gpuDevices(p.all, &msg)
	case tea.KeyPressMsg:
		if p.snap != nil && p.scroll.move(msg, p.keys, len(p.snap.GPUs), p.h) {
			p.pic.drop()
		}
	}
}

// Keys implements Pane.
func (p *GPUs) Keys() []key.Binding {
	if p.snap == nil || len(p.snap.GPUs) <= p.h {
		return nil
	}
	return p.keys.vertical()
}

// SetFocus implements Pane.
func (p *GPUs) SetFocus(bool) {}

// View implements Pane.
func (p *GPUs) View(w, h int) string {
	p.h = h
	return p.pic.draw(w, h, func(c *widget.Canvas) {
		switch {
		case p.snap == nil:
			return
		case p.snap.Err != "":
			c.Text(1, 0, w-2, widget.Warn, c.Theme.Warn+" "+p.snap.Err)
			return
		}
		n := len(p.all)
		if n == 0 {
			return
		}
		if _, full := p.Rows(w); w >= cardMin && h >= full {
			across := columns(n, w)
			cw := w / across
			for i := range p.all {
				p.card(c, i%across*cw, i/across*cardRows, cw, &p.all[i])
			}
			return
		}
		p.lines(c)
	})
}

// lines draws a line a device. Where not all fit, those that want a look come
// first.
func (p *GPUs) lines(c *widget.Canvas) {
	p.scroll.clamp(len(p.all), c.H)
	p.order = p.order[:0]
	for i := range p.all {
		p.order = append(p.order, &p.all[i])
	}
	if len(p.order) > c.H {
		slices.SortStableFunc(p.order, func(a, b *gpuDevice) int { return gpuGravity(b.state) - gpuGravity(a.state) })
	}
	table := newGPUTable(slices.Values(p.order), 1, c.W-2)
	for row := range min(c.H, len(p.all)-p.scroll.off) {
		d := p.order[p.scroll.off+row]
		table.row(c, row, d, func(w int) widget.Series { return p.history(d, w) })
	}
}

// card draws a device in cardRows rows: its name and the history of its
// utilisation on the left, gauges on the right.
func (p *GPUs) card(c *widget.Canvas, x, y, w int, d *gpuDevice) {
	g, t := d.g, c.Theme
	const label, value, extra = 6, 16, 17
	right := 52
	if w >= 96 {
		right = 62
	}
	left := w - right - 1
	at := x + 1
	at += c.Text(at, y, 2, d.state, t.Mark(d.state)+" ")
	at += c.Text(at, y, left-at+x, widget.Bold, place(g)+" "+gpuClip(g.Name, 40)) + 2
	c.Text(at, y, left-at+x, widget.Plain, g.Serves)
	for i, s := range [...]string{"100", " 50", "  0"} {
		c.Text(x+1, y+1+i, 5, widget.Muted, s+" "+[...]string{t.AxisEnd, t.Vertical, t.AxisEnd}[i])
	}
	c.Graph(x+6, y+1, left-6, 3, d.style, p.history(d, left-6), 100)

	bar := right - label - value - extra - 3
	gx := x + w - right
	for i, r := range gpuGauges(t, d) {
		c.Text(gx, y+i, label, widget.Muted, r.name)
		c.Bar(gx+label, y+i, bar, gauge(r.style), r.share)
		gpuFigure(c, gx+label+bar, y+i, value, r.style, r.text)
		text, style := p.beside(t, d, i)
		c.Text(gx+label+bar+value+2, y+i, extra, style, text)
	}
}

// beside is what stands beside the i-th gauge of a card: what is wrong where
// something is, and what else is good to know.
func (p *GPUs) beside(t *widget.Theme, d *gpuDevice, i int) (string, widget.Style) {
	g := d.g
	switch i {
	case 0:
		if note := d.note; note != "" {
			if len(d.xids) > 0 { // it stands below
				note = strings.TrimSuffix(note, ", "+gpuXID(d.xids[0]))
			}
			return note, d.state
		}
		if g.Clock.Known() {
			return "sm " + gpuWhole(g.Clock, " MHz"), widget.Muted
		}
	case 1:
		if g.PCIe.Rx.Known() {
			return "pcie " + gpuRate(gpuSum(g.PCIe.Rx, g.PCIe.Tx)), widget.Muted
		}
	case 2:
		if n, ok := g.ECC.Uncorrected.Value(); ok {
			style := widget.Muted
			if d.has(gpu.Uncorrected) {
				style = widget.Bad
			}
			return fmt.Sprintf("ecc %.0f  ", n) + strings.Join((g.Throttle&^gpuHeld).Reasons(), ", "), style
		}
	case 3:
		text := ""
		if g.TempSlow.Known() {
			text = "slow " + gpuWhole(g.TempSlow, "") + "  "
		}
		if len(d.xids) == 0 {
			return text + "xid none", widget.Muted
		}
		x := d.xids[0]
		style := widget.Muted
		if p.now.Sub(x.Last) < gpuRecent {
			style = gpuXIDStyle(x)
		}
		return fmt.Sprintf("%s %s", gpuXID(x), widget.Age(p.now.Sub(x.Last))), style
	}
	return "", widget.Muted
}

// history is the utilisation of the last 15 minutes in w cells.
func (p *GPUs) history(d *gpuDevice, w int) widget.Series {
	if w <= 0 {
		return nil
	}
	t := newYoungGPUTime(gpuMinutes, w, p.now, p.all)
	p.curves.fill(&t, d.g, p.snap.At)
	return p.curves.util
}
