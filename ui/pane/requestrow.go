package pane

import (
	"strconv"
	"strings"
	"time"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

const requestFixed = 1 // columns that panning leaves in place

var requestColumns = [...]widget.Column{
	{Head: "time", Width: 8},
	{Head: "org/key", Width: 12, Max: 22, Worth: 19},
	{Head: "model", Width: 12, Max: 30, Worth: 6},
	{Head: "backend", Width: 8, Max: 12, Worth: 15},
	{Head: "status", Width: 13, Worth: 20},
	{Head: "kind", Width: 6, Worth: 9},
	{Head: "ttft", Width: 6, Right: true, Worth: 17},
	{Head: "took", Width: 6, Right: true, Worth: 18},
	{Head: "in", Width: 6, Right: true, Worth: 14},
	{Head: "out", Width: 6, Right: true, Worth: 16},
	{Head: "tok/s", Width: 5, Right: true, Worth: 7},
	{Head: "code", Width: 19, Max: 22, Worth: 5},
	{Head: "client", Width: 15, Max: 22, Worth: 4},
	{Head: "replica", Width: 16, Max: 30, Worth: 3},
	{Head: "route", Width: 20, Max: 24, Worth: 2},
	{Head: "id", Width: 16, Max: 36, Worth: 1},
}

// spans lays the columns out, less those that were panned away.
func (p *Requests) spans(w int) []widget.Span {
	for p.pan = min(p.pan, len(requestColumns)-requestFixed-1); ; p.pan-- {
		cols := append(requestColumns[:requestFixed:requestFixed], requestColumns[requestFixed+p.pan:]...)
		spans := widget.Fit(cols, w)
		// No further than needed to see the last column.
		if p.pan > 0 && len(spans) == len(cols) && p.fitsAll(w, p.pan-1) {
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

// fitsAll tells whether all columns from a pan on have room.
func (p *Requests) fitsAll(w, pan int) bool {
	cols := append(requestColumns[:requestFixed:requestFixed], requestColumns[requestFixed+pan:]...)
	return len(widget.Fit(cols, w)) == len(cols)
}

// row draws a request.
func (p *Requests) row(c *widget.Canvas, y int, spans []widget.Span, r *gateway.Record) {
	for _, s := range spans {
		col := requestColumns[s.Col]
		text, style := requestCell(c.Theme, col.Head, r)
		c.Cell(y, s, col, style, text)
	}
}

// requestCell is one field of a request; "" is no data.
func requestCell(t *widget.Theme, head string, r *gateway.Record) (string, widget.Style) {
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
	case "kind":
		if r.Stream {
			return "stream", widget.Plain
		}
		return "unary", widget.Plain
	case "ttft":
		return widget.Duration(r.First), widget.Plain
	case "took":
		return widget.Duration(r.Duration), widget.Plain
	case "in":
		return tokens(r.Prompt), widget.Plain
	case "out":
		return tokens(r.Output), widget.Plain
	case "tok/s":
		if d := r.Duration - r.First; r.First > 0 && d > 0 && r.Stream && r.Output > 1 {
			return widget.Figure(float64(r.Output-1) / d.Seconds()), widget.Plain
		}
		return "", widget.Plain
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

func tokens(n int) string {
	if n <= 0 {
		return ""
	}
	return widget.Count(uint64(n))
}

// requestStatus is where a request stands, or how it ended: a mark, a number,
// a word.
func requestStatus(t *widget.Theme, r *gateway.Record) (string, widget.Style) {
	if r.Phase != gateway.PhaseEnded {
		return t.Half + " " + r.Phase.String(), widget.Plain
	}
	word, style := "", widget.Plain
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
	number := t.None
	if r.Status != 0 {
		number = strconv.Itoa(r.Status)
	}
	return t.Mark(style) + " " + number + " " + word, style
}
