package widget

import "math"

// Bar draws a share of 0 to 1 as a bar of w cells, in eighths of a cell where
// the theme has them, on a track that tells its whole length: a ground of its own, or
// dots where there are too few colours. NaN, no data, draws a dash.
func (c *Canvas) Bar(x, y, w int, st Style, share float64) {
	if w <= 0 {
		return
	}
	if math.IsNaN(share) {
		c.Text(x, y, w, Muted, c.Theme.None)
		return
	}
	steps := len(c.Theme.Bars) - 1
	n := int(math.Round(min(max(share, 0), 1) * float64(w*steps)))
	if n == 0 && share > 0 && steps > 1 {
		n = 1 // a little is not nothing
	}
	for i := range w {
		k := min(max(n-i*steps, 0), steps)
		style := st
		switch k {
		case 0:
			style = Muted | Track
		case steps:
		default:
			style |= Track
		}
		c.Text(x+i, y, 1, style, c.Theme.Bars[k])
	}
}
