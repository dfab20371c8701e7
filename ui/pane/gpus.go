package pane

import (
	"fmt"
	"math"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

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
	n := len(p.snap.GPUs)
	name = fmt.Sprintf("%d gpus", n)
	if n == 1 {
		name = "1 gpu"
	}
	note = p.snap.Source
	if p.snap.Simulated {
		note = "simulated"
	}
	if age := p.now.Sub(p.snap.At); age >= Stale {
		note += ", " + widget.Age(age) + " old"
	}
	return name, note
}

// Update implements Pane.
func (p *GPUs) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		if msg.GPUs != p.snap || msg.Now.Unix() != p.now.Unix() {
			p.pic.drop()
		}
		p.snap, p.now = msg.GPUs, msg.Now
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
		n := len(p.snap.GPUs)
		if _, full := p.Rows(w); w >= cardMin && h >= full {
			across := columns(n, w)
			cw := w / across
			for i := range p.snap.GPUs {
				p.card(c, i%across*cw, i/across*cardRows, cw, &p.snap.GPUs[i])
			}
			return
		}
		p.lines(c)
	})
}

// gpuColumns of the one-line form.
var gpuColumns = [...]widget.Column{
	{Width: 1},                         // mark
	{Width: 5, Max: 12},                // index and name
	{Width: 8, Max: 18, Worth: 8},      // serves
	{Width: 8, Max: 20, Worth: 5},      // utilisation, bar
	{Width: 5, Right: true, Worth: 11}, // utilisation
	{Width: 8, Max: 24, Worth: 6},      // utilisation, history; or what is wrong
	{Width: 8, Max: 16, Worth: 2},      // memory, bar
	{Width: 10, Right: true, Worth: 9}, // memory
	{Width: 6, Right: true, Worth: 7},  // temperature
	{Width: 8, Right: true, Worth: 4},  // power
	{Width: 8, Right: true, Worth: 3},  // clock
	{Width: 14, Max: 30, Worth: 1},     // what is wrong
}

func (p *GPUs) lines(c *widget.Canvas) {
	all := p.snap.GPUs
	p.scroll.clamp(len(all), c.H)
	columns := gpuColumns
	for i := range all {
		if which := &columns[1]; all[i].Host != "" { // the name of a host is needed to know which it is
			which.Width = min(max(which.Width, ansi.StringWidth(place(&all[i])+" "+short(all[i].Name))), 18)
			which.Max = max(which.Max, which.Width)
		}
	}
	spans := widget.Fit(columns[:], c.W-2)
	noted := spans[len(spans)-1].Col == len(gpuColumns)-1
	for row := range min(c.H, len(all)-p.scroll.off) {
		g := &all[p.scroll.off+row]
		v := p.values(c.Theme, g)
		for _, s := range spans {
			s.X++
			col, text, style := gpuColumns[s.Col], "", v.style
			switch s.Col {
			case 0:
				text, style = c.Theme.Mark(v.state), v.state
			case 1:
				text, style = place(g)+" "+short(g.Name), widget.Bold
			case 2:
				text, style = g.Serves, widget.Plain
			case 3:
				c.Bar(s.X, row, s.W, gauge(v.style), g.Util.Or(math.NaN())/100)
				continue
			case 4:
				text = v.util
			case 5:
				if v.state != widget.Good && !noted {
					c.Text(s.X, row, s.W, v.state, v.note)
				} else {
					c.Spark(s.X, row, s.W, v.style, p.history(g, s.W), 100)
				}
				continue
			case 6:
				c.Bar(s.X, row, s.W, gauge(v.mem), g.MemUsed.Or(math.NaN())/g.MemTotal.Or(math.NaN()))
				continue
			case 7:
				text, style = strings.TrimSuffix(v.memory, " GiB")+"G", v.mem
				if v.memory == "" {
					text = ""
				}
			case 8:
				text = v.temp
			case 9:
				text = v.power
			case 10:
				text = v.clock
			case 11:
				c.Text(s.X, row, s.W, v.state, v.note)
				continue
			}
			c.Cell(row, s, col, style, text)
		}
	}
}

// gauge is the style of a bar beside a figure: it says the same again, so it
// stands back unless something is wrong.
func gauge(s widget.Style) widget.Style {
	if s == widget.Plain || s == widget.Muted {
		return widget.Fill
	}
	return s
}

// card draws a device in cardRows rows: its name and the history of its
// utilisation on the left, gauges on the right.
func (p *GPUs) card(c *widget.Canvas, x, y, w int, g *gpu.GPU) {
	v := p.values(c.Theme, g)
	const label, value, extra = 6, 16, 17
	right := 52
	if w >= 96 {
		right = 62
	}
	left := w - right - 1
	at := x + 1
	at += c.Text(at, y, 2, v.state, c.Theme.Mark(v.state)+" ")
	at += c.Text(at, y, left-at+x, widget.Bold, place(g)+" "+g.Name) + 2
	c.Text(at, y, left-at+x, widget.Plain, g.Serves)
	for i, s := range [...]string{"100", " 50", "  0"} {
		c.Text(x+1, y+1+i, 5, widget.Muted, s+" "+[...]string{c.Theme.AxisEnd, c.Theme.Vertical, c.Theme.AxisEnd}[i])
	}
	c.Graph(x+6, y+1, left-6, 3, v.style, p.history(g, left-6), 100)

	bar := right - label - value - extra - 3
	gx := x + w - right
	for i, r := range [...]struct {
		name  string
		share float64
		text  string
		style widget.Style
		extra string
		note  widget.Style
	}{
		{"util", g.Util.Or(math.NaN()) / 100, v.util, v.style, v.clock, v.style},
		{"mem", g.MemUsed.Or(math.NaN()) / g.MemTotal.Or(math.NaN()), v.memory, v.mem, v.note, v.state},
		{"power", g.Power.Or(math.NaN()) / g.PowerCap.Or(math.NaN()), v.power, v.style, "", v.state},
		{"temp", g.Temp.Or(math.NaN()) / 100, v.temp, v.style, "", v.state},
	} {
		c.Text(gx, y+i, label, widget.Muted, r.name)
		c.Bar(gx+label, y+i, bar, gauge(r.style), r.share)
		c.Right(gx+label+bar, y+i, value, r.style, r.text)
		c.Text(gx+label+bar+value+2, y+i, extra, r.note, r.extra)
	}
}

// history is the utilisation, thinned to fit w cells.
func (p *GPUs) history(g *gpu.GPU, w int) widget.Series {
	all := make([]float64, len(g.History))
	for i, h := range g.History {
		all[i] = float64(h.Util)
	}
	return widget.Bucket(all, p.snap.At.Unix(), widget.Step(len(all), w))
}
