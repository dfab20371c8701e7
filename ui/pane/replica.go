package pane

import (
	"fmt"
	"strconv"
	"strings"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// replica draws a replica of several, or the reason of a backend's bad state:
// its address and state where the backend's name and state are, the rest as a
// sentence.
func (p *Backends) replica(c *widget.Canvas, y int, spans []widget.Span, l backendLine) {
	st := Grade(l.r.State)
	var x int
	for _, s := range spans {
		if l.reason {
			if backendColumns[s.Col].Head == "backend" {
				x = s.X
			}
			continue
		}
		switch col := backendColumns[s.Col]; col.Head {
		case "backend":
			n := c.Text(s.X, y, s.W, widget.Muted, c.Theme.Branch+" ")
			c.Text(s.X+n, y, s.W-n, widget.Plain, address(l.r.URL))
		case "state":
			n := c.Text(s.X, y, s.W, st, stateMark(c.Theme, l.r.State)+" ")
			c.Text(s.X+n, y, s.W-n, st, l.r.State.String())
		case "for":
			if !l.r.Since.IsZero() {
				c.Right(s.X, y, s.W, widget.Plain, widget.Age(p.now.Sub(l.r.Since)))
			}
		case "run":
			c.Right(s.X, y, s.W, widget.Plain, strconv.Itoa(l.r.InFlight))
		default:
			continue
		}
		x = s.X + s.W + 2
	}
	if l.reason {
		n := c.Text(x, y, c.W-x, widget.Muted, c.Theme.Branch+" ")
		c.Text(x+n, y, c.W-x-n-1, st, l.r.Reason)
		return
	}
	text := fmt.Sprintf("%s sent, %s failed", widget.Count(l.r.Requests), widget.Count(l.r.Failures))
	style := widget.Muted
	if l.r.State != backends.Healthy && l.r.Reason != "" {
		text, style = l.r.Reason+" "+c.Theme.Dot+" "+text, st
	}
	c.Text(x, y, c.W-x-1, style, text)
}

// address is a URL without its scheme.
func address(url string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		return rest
	}
	return url
}
