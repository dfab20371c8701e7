package pane

import (
	"math"
	"strconv"
	"strings"
	"time"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

const requestFixed = 1 // columns that panning leaves in place

var requestColumns = [...]widget.Column{
	{Head: "time", Width: 8},
	{Head: "org/key", Width: 16, Max: 20, Worth: 19},
	{Head: "model", Width: 21, Max: 30, Worth: 12},
	{Head: "backend", Width: 8, Max: 12, Worth: 15},
	{Head: "status", Width: 13, Worth: 20},
	{Head: "took", Width: 6, Right: true, Worth: 18},
	{Head: "ttft", Width: 6, Right: true, Worth: 16},
	{Head: "in", Width: 6, Right: true, Worth: 13},
	{Head: "out", Width: 6, Right: true, Worth: 17},
	{Head: "tok/s", Width: 5, Right: true, Worth: 14},
	{Head: "code", Width: codeColumn, Max: 22, Worth: 11},
	{Head: "client", Width: 15, Max: 22, Worth: 5},
	{Head: "replica", Width: 14, Max: 30, Worth: 4},
	{Head: "route", Width: 20, Max: 24, Worth: 2},
	{Head: "id", Width: 16, Max: 36, Worth: 3},
}

const codeColumn = 19 // cells of the longest code

// failedColumns are the same where what is asked is why.
var failedColumns = func() [len(requestColumns)]widget.Column {
	cols := requestColumns
	for i := range cols {
		if cols[i].Head == "code" {
			cols[i].Worth = 18
		}
	}
	return cols
}()

// columns are those of the scope.
func (p *Requests) columns() []widget.Column {
	if p.scope == failedOnly {
		return failedColumns[:]
	}
	return requestColumns[:]
}

// spans lays the columns out, less those that were panned away.
func (p *Requests) spans(all []widget.Column, w int) []widget.Span {
	for p.pan = min(p.pan, len(all)-requestFixed-1); ; p.pan-- {
		cols := panned(all, p.pan)
		spans := widget.Fit(cols, w)
		// No further than needed to see the last column.
		if p.pan > 0 && len(spans) == len(cols) && fitsAll(panned(all, p.pan-1), w) {
			continue
		}
		for i := range spans {
			spans[i].X++
			if spans[i].Col >= requestFixed {
				spans[i].Col += p.pan
			}
		}
		return spans
	}
}

func panned(all []widget.Column, pan int) []widget.Column {
	return append(all[:requestFixed:requestFixed], all[requestFixed+pan:]...)
}

func fitsAll(cols []widget.Column, w int) bool { return len(widget.Fit(cols, w)) == len(cols) }

// row draws a request.
func (p *Requests) row(c *widget.Canvas, y int, cols []widget.Column, spans []widget.Span, r *request) {
	for _, s := range spans {
		col := cols[s.Col]
		text, style := requestCell(c.Theme, col.Head, r)
		if p.stale {
			style = widget.Muted
		}
		c.Cell(y, s, col, style, text)
	}
}

// requestCell is one field of a request; "" is no data.
func requestCell(t *widget.Theme, head string, r *request) (string, widget.Style) {
	switch head {
	case "time":
		return r.Start.UTC().Format(time.TimeOnly), widget.Muted
	case "org/key":
		if r.Org == "" {
			return "", widget.Muted
		}
		return r.Org + "/" + r.KeyName, widget.Plain
	case "model":
		return r.Model[strings.LastIndexByte(r.Model, '/')+1:], widget.Plain
	case "backend":
		return r.Backend, widget.Plain
	case "status":
		return requestStatus(t, r)
	case "took":
		return widget.Duration(r.Duration), r.marked(long, waits)
	case "ttft":
		return widget.Duration(r.First), widget.Plain
	case "in":
		return tokens(r.Prompt), widget.Plain
	case "out":
		return tokens(r.Output), r.marked(runaway)
	case "tok/s":
		if !math.IsNaN(r.rate) && r.Phase == gateway.PhaseDecode {
			return widget.Figure(r.rate), r.marked(stalled)
		}
		return r.mean(), widget.Plain
	case "code":
		if r.Code == "" {
			return " ", widget.Plain // known: there is none
		}
		return r.Code, widget.Plain
	case "client":
		return r.Client, widget.Plain
	case "replica":
		return address(r.Replica), widget.Plain
	case "route":
		return r.Route, widget.Plain
	}
	return r.ID, widget.Muted
}

// marked is the style of the figure that is the cause of one of some worries.
func (r *request) marked(worries ...worry) widget.Style {
	w := r.worry()
	for _, cause := range worries {
		if w == cause {
			return widget.Warn
		}
	}
	return widget.Plain
}

// mean is the rate of a stream since its first token; "": not known.
func (r *request) mean() string {
	if d := r.Duration - r.First; r.First > 0 && d > 0 && r.Stream && r.Output > 1 {
		return widget.Figure(float64(r.Output-1) / d.Seconds())
	}
	return ""
}

// tokens writes a number in at most six cells.
func tokens(n int) string {
	if n >= 100_000 {
		return widget.Figure(float64(n))
	}
	return exactly(n)
}

func exactly(n int) string {
	if n <= 0 {
		return ""
	}
	return widget.Count(uint64(n))
}

// requestStatus is where a request stands, or how it ended: a mark, a number,
// a word.
func requestStatus(t *widget.Theme, r *request) (string, widget.Style) {
	if r.inFlight() {
		switch r.worry() {
		case noWorry:
			return t.Half + " " + r.Phase.String(), widget.Plain
		case stalled:
			return t.Warn + " stalled", widget.Warn
		case runaway:
			return t.Warn + " runaway", widget.Warn
		}
		return t.Warn + " " + r.Phase.String(), widget.Warn
	}
	word, style := ending(r.Record)
	number := t.None
	if r.Status != 0 {
		number = strconv.Itoa(r.Status)
	}
	return t.Mark(style) + " " + number + " " + word, style
}

// ending is the word for how a request ended, and how bad that is.
func ending(r *gateway.Record) (word string, style widget.Style) {
	switch r.End {
	case gateway.EndDone:
		word = "done"
	case gateway.EndClientLeft:
		word, style = "left", widget.Warn
	case gateway.EndBackendFailed:
		word, style = "failed", widget.Bad
	case gateway.EndRefused:
		word, style = "refused", widget.Warn
	case gateway.EndInterrupted:
		word, style = "stopped", widget.Warn
	}
	switch {
	case r.Status >= 500:
		style = widget.Bad
	case r.Status >= 400 && style == widget.Plain:
		style = widget.Warn
	}
	return word, style
}
