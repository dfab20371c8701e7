package pane

import (
	"fmt"
	"slices"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// gpuHostRow is a host in one line.
type gpuHostRow struct {
	name  string
	style widget.Style
	text  string
}

// gpuHostRows are the hosts, the worst first. There are none where this host is
// the only one and is well.
func gpuHostRows(s *gpu.Snapshot, devices []gpuDevice) []gpuHostRow {
	var all []gpuHostRow
	if x := gpuStray(s, devices); x != nil {
		who := gpuOr(x.PCI, gpuOr(x.UUID, "somewhere"))
		if x.Host != "" {
			who += " on " + x.Host
		}
		all = append(all, gpuHostRow{name: who, style: gpuXIDStyle(x),
			text: fmt.Sprintf("%s, of no listed gpu: %s", gpuXID(x), gpuJoined(x.Meaning, x.Action))})
	}
	for i := range s.Hosts {
		n := 0
		for k := range devices {
			if g := devices[k].g; g.Host == s.Hosts[i].Name && g.State != gpu.Gone {
				n++
			}
		}
		all = append(all, gpuHostState(&s.Hosts[i], n))
	}
	if len(all) == 1 && all[0].style == widget.Good {
		return nil
	}
	slices.SortStableFunc(all, func(a, b gpuHostRow) int { return gpuGravity(b.style) - gpuGravity(a.style) })
	return all
}

// gpuHostState is a host with n devices.
func gpuHostState(h *gpu.HostStatus, n int) gpuHostRow {
	r := gpuHostRow{name: gpuOr(h.Name, "this host"), style: widget.Good, text: gpuCount(n) + ", " + h.Source}
	if h.Driver != "" {
		r.text += " " + h.Driver
	}
	if h.Simulated {
		r.text = gpuCount(n) + ", simulated"
	}
	switch {
	case h.Err != "" && h.Absent:
		r.style, r.text = widget.Unknown, h.Err
	case h.Err != "":
		r.style, r.text = widget.Warn, h.Err
	case h.EventsErr != "":
		r.style, r.text = widget.Unknown, r.text+", XIDs unheard: "+h.EventsErr
	}
	return r
}

// gpuStray is the newest event of a device that isn't listed; nil: there is none.
func gpuStray(s *gpu.Snapshot, devices []gpuDevice) *gpu.XID {
	known := 0
	for i := range devices {
		known += len(devices[i].xids)
	}
	if known == len(s.Events) {
		return nil
	}
	for i := len(s.Events) - 1; i >= 0; i-- {
		x := &s.Events[i]
		if x.Code != 0 && s.At.Sub(x.Last) < gpuRecent && !gpuListed(devices, x) {
			return x
		}
	}
	return nil
}

func gpuListed(devices []gpuDevice, x *gpu.XID) bool {
	for i := range devices {
		for _, o := range devices[i].xids {
			if o == x {
				return true
			}
		}
	}
	return false
}

// gpuHostLines lays hosts out in lines of w cells: those with trouble in a line
// each, the others one behind another.
func gpuHostLines(t *widget.Theme, rows []gpuHostRow, w int) [][]gpuHostRow {
	var lines [][]gpuHostRow
	used := w
	for _, r := range rows {
		n := 4 + t.Width(gpuClip(r.name, 24)) + t.Width(gpuClip(r.text, 40)) + 2
		if r.style != widget.Good {
			lines, used = append(lines, []gpuHostRow{r}), w
			continue
		}
		if used+n > w {
			lines, used = append(lines, nil), 0
		}
		last := len(lines) - 1
		lines[last], used = append(lines[last], r), used+n
	}
	return lines
}

// gpuHosts draws hosts in rows lines.
func gpuHosts(c *widget.Canvas, y, rows int, lines [][]gpuHostRow) {
	for i := range min(rows, len(lines)) {
		x := 1
		for _, r := range lines[i] {
			x += c.Text(x, y+i, c.W-x, r.style, c.Theme.Mark(r.style)) + 1
			x += c.Text(x, y+i, min(c.W-x, 40), widget.Bold, r.name) + 1
			style := widget.Muted
			if r.style != widget.Good {
				style = r.style
			}
			x += c.Text(x, y+i, c.W-x, style, r.text) + 3
		}
	}
	if left := len(lines) - rows; rows > 0 && left > 0 {
		more := "  and " + widget.Many(left, "line") + " more"
		c.Right(0, y+rows-1, c.W-1, widget.Muted, more)
	}
}
