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

const (
	border = 2 // rows of a box that are no content
	enough = 8 // rows of the requests' box from which on others may be generous
)

// arrange lays the panes out in w by h cells below the rows that the frame
// has. The tier is that of the whole screen.
func (m *Model) arrange(t tier, w, h int) []slot {
	least, full := m.wants(t, w)
	rows := share(h, least, full)
	if rows[wantGPUs] < full[wantGPUs] || t != large && rows[wantRequests] < enough {
		// Cards are all or nothing, and not at the price of the requests.
		full[wantGPUs] = least[wantGPUs]
		rows = share(h, least, full)
	}
	var slots []slot
	y := 0
	put := func(p pane.Pane, n int) {
		if n > 0 {
			slots = append(slots, slot{pane: p, y: y, w: w, h: n})
			y += n
		}
	}
	put(m.gpus, rows[wantGPUs])
	put(m.backends, rows[wantBackends])
	if t == large {
		// The graphs stand beside the requests, and share their rows.
		left := w / 3
		n := h - y
		return append(slots,
			slot{pane: m.traffic, y: y, w: left, h: n},
			slot{pane: m.requests, x: left, y: y, w: w - left, h: n})
	}
	put(m.traffic, rows[wantTraffic])
	put(m.requests, rows[wantRequests])
	return slots
}

// The panes in the order in which they get their least rows: the first to be
// served is the last to go.
const (
	wantBackends = iota
	wantGPUs
	wantTraffic
	wantRequests
	wants
)

// wants is how many rows each box needs, and how many it would fill.
func (m *Model) wants(t tier, w int) (least, full [wants]int) {
	set := func(i, l, f int) {
		if f > 0 {
			least[i], full[i] = l+border, f+border
		}
	}
	l, f := m.backends.Rows()
	set(wantBackends, l, f)
	l, f = m.gpus.Rows(w - border)
	if t == small {
		f = l
	}
	set(wantGPUs, l, f)
	l, f = m.traffic.Rows(w - border)
	if t == small {
		f = min(f, 5)
	}
	set(wantTraffic, l, f)
	set(wantRequests, 3, 1<<20)
	return least, full
}

// share hands h rows out: first to each its least, in order, then to each what
// it would fill, in order; the last takes the rest. Where not even one box has
// its least, the first takes all.
func share(h int, least, full [wants]int) [wants]int {
	var rows [wants]int
	free := h
	last := 0
	for i, n := range least {
		if n > 0 && n <= free {
			rows[i], last = n, i
			free -= n
		}
	}
	for i := range rows {
		if rows[i] > 0 {
			n := min(free, full[i]-rows[i])
			rows[i] += n
			free -= n
		}
	}
	if rows[last] == 0 && h > border {
		last = 0
		for least[last] == 0 {
			last++
		}
	}
	if rows[last] > 0 || h > border {
		rows[last] += free
	}
	return rows
}
