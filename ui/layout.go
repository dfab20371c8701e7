package ui

import "pilothouse/ui/pane"

// slot is where a pane's box is drawn.
type slot struct {
	pane       pane.Pane
	x, y, w, h int // the box, border included
}

// tier is how much is shown.
type tier int

const (
	small  tier = iota // below 100 columns or 30 rows
	medium             // 120 by 40
	large              // 180 by 50 and up
)

func tierOf(w, h int) tier {
	switch {
	case w >= 180 && h >= 50:
		return large
	case w >= 100 && h >= 30:
		return medium
	}
	return small
}

const border = 2 // rows of a box that are no content

// band is panes side by side.
type band struct {
	panes       []pane.Pane
	widths      []int // of the boxes
	least, full int   // rows of the boxes; full 0: the band is left out
}

// sized is a band's rows from its content's.
func (b band) sized(least, full int) band {
	if full > 0 {
		b.least, b.full = least+border, full+border
	}
	return b
}

// overview lays the overview out. The bands are in the order in which they get
// their least rows: the first to be served is the last to go. They are drawn in
// the order of drawn.
func (m *Model) overview(t tier, w, h int) []slot {
	side := 0
	if t == large {
		side = w / 4
		w -= side
	}
	l, f := m.backends.Rows()
	rows := band{panes: []pane.Pane{m.backends}, widths: []int{w}}.sized(l, f)
	l, f = m.gpus.Rows(w - border)
	if t == small {
		f = l
	}
	gpus := band{panes: []pane.Pane{m.gpus}, widths: []int{w}}.sized(l, f)
	left := w * 55 / 100
	_, f = m.quotas.Rows(w - left - border)
	graphs := band{panes: []pane.Pane{m.traffic, m.quotas}, widths: []int{left, w - left}}.sized(4, max(f, 8))
	if t == small {
		graphs.full = min(graphs.full, 6+border)
	}
	l, f = m.events.Rows()
	events := band{panes: []pane.Pane{m.events}, widths: []int{w}}.sized(l, f)
	requests := band{panes: []pane.Pane{m.requests}, widths: []int{w}}.sized(5, 1<<20)
	bands := []band{rows, gpus, graphs, events, requests}
	if t == large {
		bands = []band{rows, gpus, graphs, requests}
	}
	heights := share(h, bands)
	if n := gpus.least; n > 0 && heights[1] < gpus.full && t != small {
		// Cards are all or nothing.
		bands[1].full = n
		heights = share(h, bands)
	}
	if t == medium {
		// What happened has some rows before the graphs are any higher than they
		// need to be, unless something would go for that.
		for n := min(4, events.full-border); n > 2; n-- {
			bands[3].least = n + border
			if rows := share(h, bands); rows[2] >= 6+border && rows[3] > 0 && rows[4] > 0 {
				heights = rows
				break
			}
		}
	}
	order := []int{1, 0, 2, 3, 4}
	var slots []slot
	y := 0
	for _, i := range order {
		if i >= len(bands) || heights[i] == 0 {
			continue
		}
		x := 0
		for k, p := range bands[i].panes {
			slots = append(slots, slot{pane: p, x: x, y: y, w: bands[i].widths[k], h: heights[i]})
			x += bands[i].widths[k]
		}
		y += heights[i]
	}
	if side > 0 {
		slots = append(slots, m.beside(w, side, h)...)
	}
	return slots
}

// share hands h rows out: first to each its least, in order, then to each what
// it would fill, in order; the last takes the rest. Where not even one band has
// its least, the first takes all.
func share(h int, bands []band) []int {
	rows := make([]int, len(bands))
	free := h
	last := 0
	for i, b := range bands {
		if b.full > 0 && b.least <= free {
			rows[i], last = b.least, i
			free -= b.least
		}
	}
	for i, b := range bands {
		if rows[i] > 0 {
			n := min(free, b.full-rows[i])
			rows[i] += n
			free -= n
		}
	}
	if rows[last] == 0 && h > border {
		for last = 0; last < len(bands)-1 && bands[last].full == 0; {
			last++
		}
	}
	if rows[last] > 0 || h > border {
		rows[last] += free
	}
	return rows
}
