package pane

import (
	"fmt"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// container says what replicas run in: its name while it runs.
func (l *backendTable) container(v *backendRow) (string, widget.Style) {
	rs := v.replicas()
	if len(rs) == 1 {
		return containerWord(rs[0].Container, l.now)
	}
	running, all := 0, 0
	for i := range rs {
		if k := rs[i].Container; k != nil {
			all++
			if k.State == "running" {
				running++
			}
		}
	}
	switch {
	case len(rs) == 0:
		return "", widget.Muted
	case all == 0:
		return "no container", widget.Muted
	case running < all:
		return fmt.Sprintf("%d/%d running", running, all), widget.Warn
	}
	return fmt.Sprintf("%d running", all), widget.Plain
}

// containerWord is a container's name while it runs, and else first how it is.
func containerWord(k *backends.ContainerStatus, now time.Time) (string, widget.Style) {
	switch {
	case k == nil:
		return "no container", widget.Muted
	case k.Err != "" && k.At.IsZero():
		return "not read: " + k.Name, widget.Unknown
	case k.Err != "":
		return widget.Age(now.Sub(k.At)) + " old: " + k.Name, widget.Unknown
	case k.At.IsZero():
		return "", widget.Muted
	case k.State == "":
		return "missing: " + k.Name, widget.Bad
	case k.State == "running" && strings.HasSuffix(k.Words, "unhealthy"):
		return "unhealthy: " + k.Name, widget.Warn
	case k.State == "running":
		return k.Name, widget.Plain
	case k.State == "exited", k.State == "dead":
		return k.State + ": " + k.Name, widget.Bad
	}
	return k.State + ": " + k.Name, widget.Warn
}

// most draws who uses a backend most now, with its share.
func (l *backendTable) most(c *widget.Canvas, y int, s widget.Span, v *backendRow) {
	if len(v.uses) == 0 || v.uses[0].requests == 0 {
		c.Text(s.X, y, s.W, widget.Muted, c.Theme.None)
		return
	}
	u := &v.uses[0]
	share := fmt.Sprintf("%.0f%%", 100*u.share)
	room := s.W - len(share) - 1
	name := c.Theme.Width(head(u.org))
	// A whole name is worth more than the share, which goes without saying of one
	// that is alone.
	if room < s.W/2 || name > room && (name <= s.W || len(v.uses) == 1) {
		c.Text(s.X, y, s.W, l.plain, u.org)
		return
	}
	c.Text(s.X, y, room, l.plain, u.org)
	c.Right(s.X+room+1, y, len(share), l.plain, share)
}
