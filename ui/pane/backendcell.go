package pane

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"pilothouse/ui/widget"
)

// backendColumns are those below their names. Widths of names and devices follow
// what there is.
var backendColumns = [...]widget.Column{
	{Width: 1}, // mark
	{Head: "backend", Width: 7},
	{Head: "state", Width: stateShort, Max: 16, Worth: 100},
	{Head: "run", Width: 4, Right: true, Worth: 95},
	{Head: "wait", Width: 4, Right: true, Worth: 94},
	{Head: "kv cache", Width: 9, Max: 24, Worth: 93},
	{Head: "ttft p95", Width: 8, Right: true, Worth: 92},
	{Head: "t/s/req", Width: 7, Right: true, Worth: 91},
	{Head: "5xx/m", Width: 5, Right: true, Worth: 90},
	{Head: "tok/s", Width: 5, Right: true, Worth: 85},
	{Head: "gpu", Width: 6, Max: 18, Worth: 89},
	{Head: "container", Width: 13, Max: 26, Worth: 87},
	{Head: "uses most", Width: 10, Max: 20, Worth: 88},
	{Head: "prefix", Width: 6, Right: true, Worth: 84},
	{Head: "preempt/m", Width: 9, Right: true, Worth: 83},
	{Head: "req/s", Width: 5, Right: true, Worth: 82},
	{Head: "ttft p50", Width: 8, Right: true, Worth: 81},
	{Head: "per tok", Width: 7, Right: true, Worth: 80},
	{Head: "up", Width: 6, Right: true, Worth: 79},
	{Head: "sent", Width: 9, Right: true, Worth: 70},
	{Head: "failed", Width: 6, Right: true, Worth: 69},
	{Head: "model", Width: 16, Max: 40, Worth: 75},
}

// backendInline are those of a list without names above its columns: each says
// what it is.
var backendInline = [...]widget.Column{
	{Width: 1},
	{Head: "backend", Width: 7},
	{Head: "state", Width: stateShort, Max: 16, Worth: 100},
	{Head: "load", Width: 14, Worth: 95},
	{Head: "kv", Width: 11, Max: 22, Worth: 93},
	{Head: "ttft", Width: 10, Worth: 92},
	{Head: "t/s", Width: 7, Right: true, Worth: 91},
	{Head: "gpu", Width: 6, Max: 16, Worth: 89},
	{Head: "uses most", Width: 10, Max: 20, Worth: 88},
	{Head: "container", Width: 13, Max: 26, Worth: 87},
}

// The state has so many cells, and one of the gap: more while an age of minutes is
// to stand behind a long word, for which others give some up.
const (
	stateShort = 12
	stateLong  = 14
)

// backendTable lays backends out in columns.
type backendTable struct {
	cols  []widget.Column
	spans []widget.Span
	now   time.Time
	plain widget.Style // of figures: dimmed when they are old
}

// Names of backends get at most so many cells while other columns have none.
const longName = 14

// newBackendTable lays out what is shown, in w cells; bare: there is no row for
// the names of the columns.
func newBackendTable(t *widget.Theme, w int, bare bool, shown func(func(*backendRow)), d Data) backendTable {
	l := backendTable{cols: slices.Clone(backendColumns[:]), now: d.Now}
	if d.Now.Sub(d.Pool.At) >= Stale {
		l.plain = widget.Muted
	}
	if bare {
		l.cols = slices.Clone(backendInline[:])
	}
	name, device, state := 0, 0, 0
	shown(func(v *backendRow) {
		if !v.lone {
			state = max(state, len(v.word)+len(v.age(d.Now)))
		}
		if v.r == nil {
			name = max(name, t.Width(head(v.b.Name)))
			device = max(device, t.Width(deviceNames(v.gpus)))
		} else if !v.lone {
			name = max(name, 2+t.Width(head(replicaName(v.r))))
		}
	})
	for i := range l.cols {
		switch c := &l.cols[i]; c.Head {
		case "state":
			if state > stateShort+1 {
				c.Width = stateLong
			}
		case "kv cache", "kv", "uses most":
			if state > stateShort+1 {
				c.Width--
			}
		case "backend":
			c.Width = min(max(c.Width, name), longName)
			c.Max = min(max(c.Width, name), 28)
		case "gpu":
			c.Width = min(max(c.Width, device+5), 12)
		}
	}
	l.spans = widget.Fit(l.cols, w-2)
	for i := range l.spans {
		l.spans[i].X++
	}
	return l
}

// head is as much of a name as may matter to a column's width.
func head(s string) string { return s[:min(len(s), 120)] }

// row draws a row.
func (l *backendTable) row(c *widget.Canvas, y int, v *backendRow) {
	if v.r != nil {
		l.replica(c, y, v)
		return
	}
	for _, s := range l.spans {
		l.cell(c, y, s, v)
	}
}

// cell draws one field.
func (l *backendTable) cell(c *widget.Canvas, y int, s widget.Span, v *backendRow) {
	col := l.cols[s.Col]
	var text string
	var style widget.Style
	switch col.Head {
	case "":
		text, style = v.shape(c.Theme), v.grade
	case "backend":
		text, style = v.b.Name, widget.Bold
	case "state":
		l.state(c, y, s, v)
		return
	case "load":
		l.load(c, y, s, v)
		return
	case "kv", "kv cache":
		l.cache(c, y, s, v, col.Head == "kv")
		return
	case "ttft":
		if v.r != nil {
			return
		}
		c.Text(s.X, y, 5, widget.Muted, "ttft ")
		c.Cell(y, widget.Span{X: s.X + 5, W: s.W - 5}, widget.Column{Right: true}, l.plain, strings.ReplaceAll(widget.Duration(v.rates.FirstP95), " ", ""))
		return
	case "gpu":
		l.devices(c, y, s, v)
		return
	case "container":
		text, style = l.container(v)
	case "uses most":
		l.most(c, y, s, v)
		return
	case "model":
		if text, style = v.b.Model, widget.Muted; v.r != nil {
			text = " " // that of its backend
		}
	default:
		if text, style = l.figure(col.Head, v); style == widget.Plain {
			style = l.plain
		}
	}
	c.Cell(y, s, col, style, text)
}

// shape is the mark of a row's state.
func (v *backendRow) shape(t *widget.Theme) string {
	if v.mixed || v.r == nil && len(v.b.Replicas) == 0 {
		return t.Mark(v.grade)
	}
	return stateMark(t, v.mark)
}

// state draws the word, and since when.
func (l *backendTable) state(c *widget.Canvas, y int, s widget.Span, v *backendRow) {
	w := s.W + 1 // figures come next, which leave the gap's first cell free
	x := s.X + c.Text(s.X, y, w, v.grade, v.word)
	age := v.age(l.now)
	style := widget.Muted
	if v.grade == widget.Bad || v.grade == widget.Warn {
		style = v.grade
	}
	if len(age) <= s.X+w-x { // half an age is none
		c.Text(x, y, s.X+w-x, style, age)
	}
}

// age is for how long a row's state has been so, behind its word; "": it is not
// known.
func (v *backendRow) age(now time.Time) string {
	if v.since.IsZero() {
		return ""
	}
	return " " + widget.Age(now.Sub(v.since))
}

// load draws how many run and wait, in words.
func (l *backendTable) load(c *widget.Canvas, y int, s widget.Span, v *backendRow) {
	x := s.X - 1 // a third digit may stand in the gap
	c.Right(x, y, 3, l.plain, strconv.Itoa(min(v.running, 999)))
	c.Text(x+3, y, 5, widget.Muted, " run ")
	style := l.plain
	if v.waiting() > 0 {
		style = widget.Warn
	}
	wait := strconv.Itoa(v.waiting())
	switch {
	case v.queued < 0 && v.behind < 0:
		wait, style = c.Theme.None, widget.Muted
	case v.waiting() > 99:
		wait = ">99"
	}
	c.Right(x+7, y, 3, style, wait)
	c.Text(x+10, y, 5, widget.Muted, " wait")
}

// cacheFull is the share of the KV cache from which on the next request may have
// to wait, or put another one back.
const cacheFull = 0.95

// cache draws the use of the KV cache: a bar and a figure.
func (l *backendTable) cache(c *widget.Canvas, y int, s widget.Span, v *backendRow, named bool) {
	x, w, figure, most := s.X, s.W, 5, 9.99
	if named {
		c.Text(x, y, 3, widget.Muted, "kv ")
		x, w, figure, most = x+3, w-3, 4, 0.99
		if !v.reckoned {
			most = 1
		}
	}
	style := l.plain
	if v.kv >= cacheFull {
		style = widget.Warn
	}
	if math.IsNaN(v.kv) {
		c.Right(x, y, w, widget.Muted, c.Theme.None)
		return
	}
	text := fmt.Sprintf("%.0f%%", 100*min(v.kv, most))
	if v.reckoned {
		text = "~" + text
	}
	c.Bar(x, y, w-figure, gauge(style), v.kv)
	c.Right(x+w-figure, y, figure, style, text)
}
