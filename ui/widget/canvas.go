package widget

import "strings"

// Canvas is a grid of cells to draw on. Coordinates start at 0, 0 in the top
// left corner; drawing outside does nothing.
type Canvas struct {
	Theme *Theme
	W, H  int
	cells []cell
	size  int // of the last String, which the next one's will be near
}

// cell holds one drawn character; the cell right of a wide one holds none.
type cell struct {
	text  string // "": blank, or the right half of a wide character
	style Style
	wide  bool // the right half of a wide character
}

// NewCanvas makes a blank canvas; negative sizes count as 0.
func NewCanvas(t *Theme, w, h int) *Canvas {
	c := new(Canvas)
	c.Reset(t, w, h)
	return c
}

// Reset makes the canvas a blank one of another theme and size, in the memory
// that it has where that is enough. The zero Canvas may be reset too.
func (c *Canvas) Reset(t *Theme, w, h int) {
	c.Theme, c.W, c.H = t, max(w, 0), max(h, 0)
	if n := c.W * c.H; n <= cap(c.cells) && 4*n >= cap(c.cells) {
		c.cells = c.cells[:n]
		clear(c.cells)
		return
	}
	c.cells = make([]cell, c.W*c.H)
}

// Text draws s in at most w cells from x, y to the right, and returns the
// cells it took. Text that doesn't fit ends in an ellipsis. s may come from
// anywhere: it is cleaned while it is drawn, as far as it is drawn.
func (c *Canvas) Text(x, y, w int, st Style, s string) int {
	if y < 0 || y >= c.H || x < 0 {
		return 0
	}
	w = min(w, c.W-x)
	if w <= 0 {
		return 0
	}
	used := 0
	for len(s) > 0 {
		p, n := next(s, c.Theme.ascii)
		if used+p.width > w {
			c.ellipsis(x, y, w, used, st)
			return w
		}
		if len(p.text) != n { // an escape: one cell a byte
			for i := range len(p.text) {
				c.put(x+used+i, y, p.text[i:i+1], 1, st)
			}
		} else {
			c.put(x+used, y, p.text, p.width, st)
		}
		used += p.width
		s = s[n:]
	}
	return used
}

// ellipsis ends text that was cut in a field of w cells with used of them
// drawn.
func (c *Canvas) ellipsis(x, y, w, used int, st Style) {
	for i := used; i < w; i++ {
		c.put(x+i, y, " ", 1, st)
	}
	at := min(used, w-1)
	c.put(x+at, y, c.Theme.Ellipsis, 1, st)
}

// Right draws s so that it ends with the field of w cells that starts at x;
// where it doesn't fit its beginning stays.
func (c *Canvas) Right(x, y, w int, st Style, s string) {
	n := c.Theme.Width(s)
	c.Text(x+max(0, w-n), y, min(w, n), st, s)
}

// Mark ors attributes to the cells of a field, drawn or not.
func (c *Canvas) Mark(x, y, w int, attr Style) {
	if y < 0 || y >= c.H {
		return
	}
	for i := max(x, 0); i < min(x+w, c.W); i++ {
		c.cells[y*c.W+i].style |= attr
	}
}

// Crop leaves the first h rows.
func (c *Canvas) Crop(h int) {
	if h = max(0, min(h, c.H)); h < c.H {
		c.H, c.cells = h, c.cells[:h*c.W]
	}
}

// Lay draws another canvas of the same theme at x, y, as far as it fits.
func (c *Canvas) Lay(x, y int, of *Canvas) {
	for row := range of.H {
		if y+row < 0 || y+row >= c.H || x < 0 || x >= c.W {
			continue
		}
		copy(c.cells[(y+row)*c.W+x:(y+row+1)*c.W], of.cells[row*of.W:(row+1)*of.W])
	}
}

// put sets one character that next or a glyph table gave. The caller has
// checked the row; columns outside are left alone. A wide character of which
// half is overwritten vanishes whole.
func (c *Canvas) put(x, y int, text string, width int, st Style) {
	if x < 0 || x+width > c.W {
		return
	}
	row := c.cells[y*c.W : (y+1)*c.W]
	if row[x].wide {
		row[x-1] = cell{style: row[x-1].style}
	}
	if end := x + width; end < c.W && row[end].wide {
		row[end] = cell{style: row[end].style}
	}
	row[x] = cell{text: text, style: st}
	if width == 2 {
		row[x+1] = cell{style: st, wide: true}
	}
}

// String is the picture: H lines of W cells, joined by line feeds, each
// sequence complete in itself and the style reset at every line's end.
func (c *Canvas) String() string {
	var b strings.Builder
	b.Grow(max(c.W*c.H*3/2+c.H*32, c.size+c.size/16))
	for y := range c.H {
		if y > 0 {
			b.WriteByte('\n')
		}
		style := Plain
		for _, cl := range c.cells[y*c.W : (y+1)*c.W] {
			if cl.wide {
				continue
			}
			if cl.text == "" {
				// Only a background shows on a blank.
				cl.text, cl.style = " ", cl.style&(Selected|Inverse)
			}
			if cl.style != style {
				style = cl.style
				if style == Plain {
					b.WriteString("\x1b[m")
				} else {
					b.WriteString(c.Theme.seq[style])
				}
			}
			b.WriteString(cl.text)
		}
		if style != Plain {
			b.WriteString("\x1b[m")
		}
	}
	c.size = b.Len()
	return b.String()
}

// Width is how many cells s takes when it is drawn.
func (t *Theme) Width(s string) int {
	if plain(s) {
		return len(s)
	}
	n := 0
	for len(s) > 0 {
		p, size := next(s, t.ascii)
		n += p.width
		s = s[size:]
	}
	return n
}
