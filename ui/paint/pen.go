package paint

import (
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// pen makes what moves and colours a terminal's pen, and the text that it writes.
// Its buffers are used again.
type pen struct {
	text  []byte
	style string // it writes with
	x, y  int    // where it is; x is -1 where that isn't known

	old, new     []string // lines
	before, then []cell   // of one line
	places       map[string]int
	votes        map[int]int
}

// reset begins another text. Where the pen is is not kept: others may have written
// between two frames.
func (p *pen) reset() { p.text, p.x = p.text[:0], -1 }

func (p *pen) write(s string) { p.text = append(p.text, s...) }

// mouse has the terminal report what the mouse does, or no longer.
func (p *pen) mouse(on bool) {
	if on {
		p.write(mouseOn)
		return
	}
	p.write(mouseOff)
}

// clear makes all blank.
func (p *pen) clear() {
	p.write(ansi.ResetStyle)
	p.write(ansi.EraseEntireScreen)
	p.style = ""
}

// draw writes what differs between two frames of w by h cells. The older one is ""
// where nothing is shown.
func (p *pen) draw(old, frame string, w, h int) {
	p.old, p.new = lines(old, h, p.old), lines(frame, h, p.new)
	p.scroll()
	for y, line := range p.new {
		if line != p.old[y] {
			p.row(y, w)
		}
	}
}

// lines are the h lines of a frame; what is missing is empty.
func lines(frame string, h int, to []string) []string {
	to = to[:0]
	for line := range strings.SplitSeq(frame, "\n") {
		if len(to) == h {
			break
		}
		to = append(to, line)
	}
	for len(to) < h {
		to = append(to, "")
	}
	return to
}

// row writes what differs in a row. Of a wide character both places differ or none.
func (p *pen) row(y, w int) {
	p.before, p.then = cells(p.old[y], w, p.before), cells(p.new[y], w, p.then)
	for x := p.same(0, w); x < w; {
		x = p.run(x, y, w)
	}
}

// run writes the cells from x on that differ, and returns where the next ones do that
// it takes less to go to than to write on to; w: there are none.
func (p *pen) run(x, y, w int) int {
	p.to(x, y)
	for x < w {
		c := p.then[x]
		p.use(c.style)
		p.write(c.text)
		for x++; x < w && p.then[x].text == ""; x++ {
		}
		p.x = x // in the last column terminals differ on that, but no more of the row is written
		if same := p.same(x, w); same == w || same > x && p.longer(x, same) {
			return same
		}
	}
	return w
}

// same is where the row differs again, from x on.
func (p *pen) same(x, w int) int {
	for x < w && p.before[x] == p.then[x] {
		x++
	}
	return x
}

// jump is how many bytes it takes at least to go on elsewhere in a row.
const jump = 4

// longer tells whether writing the cells from x to end takes more than a jump, which
// is taken for granted where they have another style.
func (p *pen) longer(x, end int) bool {
	n := 0
	for ; x < end && n <= jump; x++ {
		if p.then[x].style != p.style {
			return true
		}
		n += len(p.then[x].text)
	}
	return n > jump
}

// to puts the pen in a place.
func (p *pen) to(x, y int) {
	switch {
	case p.x == x && p.y == y:
		return
	case p.x >= 0 && p.y == y:
		p.sequence('G', x+1)
	default:
		p.sequence('H', y+1, x+1)
	}
	p.x, p.y = x, y
}

// sequence writes a control sequence with parameters.
func (p *pen) sequence(final byte, params ...int) {
	p.write("\x1b[")
	for i, n := range params {
		if i > 0 {
			p.text = append(p.text, ';')
		}
		p.text = strconv.AppendInt(p.text, int64(n), 10)
	}
	p.text = append(p.text, final)
}

// use makes the pen write with a style.
func (p *pen) use(style string) {
	if style == p.style {
		return
	}
	if !strings.HasPrefix(style, "\x1b[0;") {
		p.write(ansi.ResetStyle)
	}
	p.write(style)
	p.style = style
}
