package widget

// Column is one column of a table.
type Column struct {
	Head  string
	Width int  // cells it needs
	Max   int  // cells it may grow to; 0: it doesn't
	Right bool // right-aligned, for numbers
	Worth int  // where room is short, columns of the lowest worth go first; 0: this one stays
}

// Span is where a column came to lie.
type Span struct {
	Col  int // its index
	X, W int
}

const gap = 2 // cells between columns

// Fit lays columns out in w cells: those that there is room for, by worth, in
// their given order. What is left goes to the columns that may grow, the most
// worth first. Columns of worth 0 are laid out even where they are cut.
func Fit(cols []Column, w int) []Span {
	in := make([]bool, len(cols))
	used := -gap
	for i, c := range cols {
		if c.Worth == 0 {
			in[i], used = true, used+c.Width+gap
		}
	}
	for {
		best := -1
		for i, c := range cols {
			if !in[i] && c.Worth > 0 && (best < 0 || c.Worth > cols[best].Worth) {
				best = i
			}
		}
		// A column of less worth must not slip in past one that has no room.
		if best < 0 || used+gap+cols[best].Width > w {
			break
		}
		in[best], used = true, used+gap+cols[best].Width
	}
	spans := make([]Span, 0, len(cols))
	for i, c := range cols {
		if in[i] {
			spans = append(spans, Span{Col: i, W: c.Width})
		}
	}
	grow(cols, spans, w-used)
	x := 0
	for i := range spans {
		spans[i].X = x
		spans[i].W = min(spans[i].W, max(0, w-x))
		x += spans[i].W + gap
	}
	return spans
}

// grow hands out the free cells.
func grow(cols []Column, spans []Span, free int) {
	for free > 0 {
		best := -1
		for i, s := range spans {
			c := cols[s.Col]
			if s.W < c.Max && (best < 0 || worth(c) > worth(cols[spans[best].Col])) {
				best = i
			}
		}
		if best < 0 {
			return
		}
		n := min(free, cols[spans[best].Col].Max-spans[best].W)
		spans[best].W += n
		free -= n
	}
}

func worth(c Column) int {
	if c.Worth == 0 {
		return 1 << 30
	}
	return c.Worth
}

// Cell draws one field of a row, "" as no data.
func (c *Canvas) Cell(y int, s Span, col Column, st Style, text string) {
	if text == "" {
		text, st = c.Theme.None, Muted
	}
	if col.Right {
		c.Right(s.X, y, s.W, st, text)
		return
	}
	c.Text(s.X, y, s.W, st, text)
}

// Heads draws the names of the columns.
func (c *Canvas) Heads(y int, spans []Span, cols []Column) {
	for _, s := range spans {
		if h := cols[s.Col].Head; h != "" {
			c.Cell(y, s, cols[s.Col], Muted, h)
		}
	}
}
