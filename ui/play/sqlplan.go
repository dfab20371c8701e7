package play

import (
	"fmt"
	"math"
	"strings"

	"pilothouse/ui/ask"
	"pilothouse/ui/widget"
)

// planNote tells what a plan costs.
func (p *SQL) planNote(*widget.Theme) string {
	pl := p.snap.Plan
	if pl == nil {
		return ""
	}
	var parts []string
	if pl.Cost > 0 && !math.IsInf(pl.Cost, 0) {
		parts = append(parts, "cost "+figure(pl.Cost))
	}
	if pl.Rows >= 0 && !math.IsInf(pl.Rows, 0) {
		parts = append(parts, figure(pl.Rows)+" rows expected")
	}
	return strings.Join(parts, "; ")
}

// figure writes a figure of a plan.
func figure(f float64) string {
	switch {
	case f < 10 && f != math.Trunc(f):
		return fmt.Sprintf("%.2f", f)
	case f < 1e9:
		return widget.Count(uint64(f + 0.5))
	}
	return widget.Figure(f)
}

// paintPlan draws the steps, each below what it is part of.
func (p *SQL) paintPlan(c *widget.Canvas) {
	pl := p.snap.Plan
	switch {
	case pl == nil && p.snap.Doing == ask.Planning:
		c.Text(1, 0, c.W-1, widget.Muted, "planning")
		return
	case pl == nil && p.statement.empty():
		return
	case pl == nil:
		drawRuns(c, 1, 0, c.W-1, sqlRun{widget.Bold, p.keyOf(p.keys.Plan)}, sqlRun{widget.Muted, " asks the database how it would run this"})
		return
	}
	y := 0
	if pl.Expensive != "" && c.H > 1 {
		lines, _ := wrapped(c.Theme, oneLine(pl.Expensive, 512), max(1, c.W-4), 2)
		for i, l := range lines {
			lead := "  "
			if i == 0 {
				lead = c.Theme.Warn + " "
			}
			drawRuns(c, 1, y, c.W-1, sqlRun{widget.Warn, lead + l})
			y++
		}
	}
	p.planOff = max(0, min(p.planOff, len(pl.Lines)-(c.H-y)))
	for i := p.planOff; i < len(pl.Lines) && y < c.H; i++ {
		l := &pl.Lines[i]
		x := 1 + 2*max(0, min(l.Depth, c.W/4))
		if l.Depth > 0 {
			c.Text(x-1, y, 1, widget.Muted, c.Theme.Branch)
			x++
		}
		c.Text(x, y, c.W-x, widget.Plain, oneLine(l.Text, 2048))
		y++
	}
}
