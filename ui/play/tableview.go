package play

import (
	"bytes"
	"encoding/json"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// viewer shows a long text, wrapped. Rows are found as far as one has scrolled.
type viewer struct {
	keys pane.Scrolling
	text string

	starts []int // bytes at which the rows begin that are known; the first is 0
	whole  bool  // all are
	w      int   // cells, for which they are known
	off, h int
}

// Bounds of the JSON that is set out in lines: whoever nests deeper than that
// isn't helped by it.
const (
	maxPretty     = 64 << 10 // bytes
	maxPrettyDeep = 32
)

// newViewer shows a text; JSON is set out in lines.
func newViewer(keys pane.Scrolling, text string) *viewer {
	return &viewer{keys: keys, text: pretty(text)}
}

// pretty sets JSON out in lines, and leaves all else as it is.
func pretty(s string) string {
	if len(s) > maxPretty {
		return s
	}
	trimmed := strings.TrimSpace(s)
	if trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' || deep(trimmed) > maxPrettyDeep {
		return s
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(trimmed), "", "  ") != nil {
		return s
	}
	return b.String()
}

// deep is how deep brackets stand in each other, at most, in strings too.
func deep(s string) int {
	at, most := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '{', '[':
			at++
			most = max(most, at)
		case '}', ']':
			at--
		}
	}
	return most
}

// find learns where rows begin up to the n-th, and tells whether there are as many.
func (v *viewer) find(t *widget.Theme, n int) bool {
	for len(v.starts) <= n && !v.whole {
		at := v.starts[len(v.starts)-1]
		_, next := wrapRow(t, v.text[at:], v.w)
		if at+next >= len(v.text) {
			v.whole = true
			break
		}
		v.starts = append(v.starts, at+next)
	}
	return len(v.starts) > n
}

// press applies a key that scrolls. A view that hasn't been drawn doesn't.
func (v *viewer) press(t *widget.Theme, k tea.KeyPressMsg) bool {
	to := v.off
	page := max(1, v.h-1)
	switch {
	case key.Matches(k, v.keys.Up):
		to--
	case key.Matches(k, v.keys.Down):
		to++
	case key.Matches(k, v.keys.PageUp):
		to -= page
	case key.Matches(k, v.keys.PageDown):
		to += page
	case key.Matches(k, v.keys.Top):
		to = 0
	case key.Matches(k, v.keys.Bottom):
		to = len(v.text)
	default:
		return false
	}
	if v.w > 0 {
		v.scroll(t, to)
	}
	return true
}

// scroll shows row to at the top, or as far as the window stays full.
func (v *viewer) scroll(t *widget.Theme, to int) {
	v.find(t, to+v.h)
	v.off = max(0, min(to, len(v.starts)-v.h))
}

// draw draws the rows in the window.
func (v *viewer) draw(c *widget.Canvas) {
	if w := max(1, c.W-2); w != v.w || v.starts == nil {
		at := 0
		if v.off < len(v.starts) {
			at = v.starts[v.off]
		}
		v.w, v.starts, v.whole, v.off = w, []int{0}, false, 0
		for v.find(c.Theme, v.off+1) && v.starts[v.off+1] <= at { // what was on top stays
			v.off++
		}
	}
	v.h = c.H
	v.scroll(c.Theme, v.off)
	for y := range c.H {
		if !v.find(c.Theme, v.off+y) {
			return
		}
		at := v.starts[v.off+y]
		n, _ := wrapRow(c.Theme, v.text[at:], v.w)
		c.Text(1, y, v.w, widget.Plain, untabbed(v.text[at:at+n]))
	}
}

// note tells where in the text the window is.
func (v *viewer) note() string {
	n := widget.Count(uint64(len(v.text))) + " bytes"
	if len(v.text) == 1 {
		n = "1 byte"
	}
	if v.off == 0 && v.whole && len(v.starts) <= v.h {
		return n
	}
	at := 0
	if i := v.off + v.h; i < len(v.starts) {
		at = v.starts[i] * 100 / max(1, len(v.text))
	} else {
		at = 100
	}
	return n + ", " + widget.Count(uint64(at)) + "%"
}
