package paint

// scroll moves the lines that stand elsewhere in the new frame to where they stand
// there, if enough have moved together. What the old frame shows is changed to what
// the terminal shows then.
func (p *pen) scroll() {
	top, end := 0, len(p.new)
	for top < end && p.old[top] == p.new[top] {
		top++
	}
	for end > top && p.old[end-1] == p.new[end-1] {
		end--
	}
	if end-top < worth {
		return
	}
	by := p.shift(top, end)
	if by == 0 {
		return
	}
	if top, end = p.block(top, end, by); end-top < worth {
		return
	}
	from, to := min(top, top+by), max(end, end+by) // the rows that move, and those that they move over
	p.use("")                                      // whose ground the rows that come in have
	p.sequence('r', from+1, to)
	if by > 0 {
		p.sequence('S', by)
		copy(p.old[from:to-by], p.old[from+by:to])
		clear(p.old[to-by : to])
	} else {
		p.sequence('T', -by)
		copy(p.old[from-by:to], p.old[from:to+by])
		clear(p.old[from : from-by])
	}
	p.write("\x1b[r") // after which the pen is where it isn't known to be: as before
}

// worth is how many lines have to move together for it to be worth while.
const worth = 4

// shift is by how many rows most of the lines from top to end have moved, upwards if
// it is above 0; 0: they have not.
func (p *pen) shift(top, end int) int {
	if p.places == nil {
		p.places, p.votes = make(map[string]int), make(map[int]int)
	}
	clear(p.places)
	clear(p.votes)
	for y := top; y < end; y++ {
		if _, ok := p.places[p.old[y]]; ok {
			p.places[p.old[y]] = -1 // it says nothing
			continue
		}
		p.places[p.old[y]] = y
	}
	best := 0
	for y := top; y < end; y++ {
		if at, ok := p.places[p.new[y]]; ok && at >= 0 && at != y {
			by := at - y
			if p.votes[by]++; p.votes[by] > p.votes[best] {
				best = by
			}
		}
	}
	return best
}

// block is the longest run of rows from top to end that show what stood by rows
// below.
func (p *pen) block(top, end, by int) (from, to int) {
	for y := top; y < end; {
		if y+by < 0 || y+by >= len(p.old) || p.new[y] != p.old[y+by] {
			y++
			continue
		}
		start := y
		for y < end && y+by >= 0 && y+by < len(p.old) && p.new[y] == p.old[y+by] {
			y++
		}
		if y-start > to-from {
			from, to = start, y
		}
	}
	return from, to
}
