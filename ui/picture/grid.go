package main

import (
	"image/color"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// rgb is a colour, 0xRRGGBB.
type rgb uint32

// The colours of the picture where the screen says none, and the first sixteen of
// the terminal's table, which each terminal has its own of.
const (
	foreground rgb = 0xc5c8c6
	background rgb = 0x101214
)

var sixteen = [16]rgb{
	0x1d1f21, 0xcc6666, 0x8abf5a, 0xe0b050, 0x6f9fd8, 0xb294bb, 0x5fb3b3, 0xc5c8c6,
	0x6b6f73, 0xff7a7a, 0xb5f08a, 0xffd479, 0x8fc1ff, 0xd7b3e0, 0x8fe0dc, 0xffffff,
}

// look is how a cell looks.
type look struct {
	fg, bg                  rgb
	bold, italic, underline bool
}

var plain = look{fg: foreground, bg: background}

// cell is one of the grid. The zero text is a blank; the second half of a wide
// character has the text "" and is marked.
type cell struct {
	text string // one character as it is seen, of one code point or more
	wide bool   // it takes the next cell too
	half bool   // it is taken by the one before
	look look
}

// grid is a screen: rows of cells, all equally long.
type grid [][]cell

// pen is what the next character is written with.
type pen struct {
	look
	faint, reverse bool
}

// parse reads a screen of w by h cells as tmux gives it: lines of text with SGR
// sequences, which hold until the next, over the ends of lines too. Other sequences
// and control characters are left out, and so is what has no room.
func parse(screen string, w, h int) grid {
	g := make(grid, h)
	for y := range g {
		g[y] = make([]cell, w)
		for x := range g[y] {
			g[y][x].look = plain
		}
	}
	var (
		p     = ansi.NewParser()
		pn    = pen{look: plain}
		state byte
		x, y  int
	)
	screen = strings.ToValidUTF8(screen, "\ufffd")
	for len(screen) > 0 && y < h {
		seq, width, n, next := ansi.DecodeSequence(screen, state, p)
		screen, state = screen[n:], next
		switch {
		case seq == "\n":
			x, y = 0, y+1
		case width > 0:
			x += g.put(x, y, seq, min(width, 2), pn.now())
		case strings.HasPrefix(seq, "\x1b[") && p.Command() == 'm':
			pn.set(p.Params())
		case x > 0 && !strings.ContainsFunc(seq, unprintable):
			g.join(x-1, y, seq)
		}
	}
	return g
}

// put writes a character, and returns how many cells it takes.
func (g grid) put(x, y int, text string, width int, l look) int {
	if x+width > len(g[y]) || strings.ContainsFunc(text, unprintable) {
		return 0
	}
	if seen := strings.Trim(text, " "); seen != "" {
		text = seen // a blank that belongs to a character would be lost in SVG
	}
	g[y][x] = cell{text: text, wide: width == 2, look: l}
	if width == 2 {
		g[y][x+1] = cell{half: true, look: l}
	}
	return width
}

// join adds what has no width of its own, an accent say, to a character; on a
// blank there is nothing to see of it.
func (g grid) join(x, y int, text string) {
	if g[y][x].half {
		x--
	}
	if c := &g[y][x]; !c.blank() {
		c.text += strings.Trim(text, " ") // as in put
	}
}

// unprintable are what XML can't hold, and what turns the order of others round.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0xfffe || r == 0xffff
}

// blank tells whether there is nothing to see in a cell but its background.
func (c *cell) blank() bool { return strings.TrimSpace(c.text) == "" }

// now is the look that comes of all that was set.
func (p *pen) now() look {
	l := p.look
	if p.reverse {
		l.fg, l.bg = l.bg, l.fg
	}
	if p.faint {
		l.fg = mix(l.fg, l.bg)
	}
	return l
}

// mix is two parts of a and one of b.
func mix(a, b rgb) (c rgb) {
	for shift := 0; shift < 24; shift += 8 {
		c |= (2*(a>>shift&0xff) + b>>shift&0xff) / 3 << shift
	}
	return c
}

// set applies the parameters of an SGR sequence (ECMA-48, 8.3.117). What is not
// known changes nothing.
func (p *pen) set(params ansi.Params) {
	if len(params) == 0 {
		*p = pen{look: plain}
	}
	for i := 0; i < len(params); i++ {
		n, more, _ := params.Param(i, 0)
		if n == 38 || n == 48 {
			i += p.colour(n, params[i:])
			continue
		}
		for more && i+1 < len(params) { // the kind of an underline, for one
			i++
			_, more, _ = params.Param(i, 0)
		}
		switch {
		case n == 0:
			*p = pen{look: plain}
		case n == 1:
			p.bold = true
		case n == 2:
			p.faint = true
		case n == 3:
			p.italic = true
		case n == 4:
			p.underline = true
		case n == 7:
			p.reverse = true
		case n == 22:
			p.bold, p.faint = false, false
		case n == 23:
			p.italic = false
		case n == 24:
			p.underline = false
		case n == 27:
			p.reverse = false
		case n >= 30 && n <= 37:
			p.fg = sixteen[n-30]
		case n >= 90 && n <= 97:
			p.fg = sixteen[n-90+8]
		case n == 39:
			p.fg = foreground
		case n >= 40 && n <= 47:
			p.bg = sixteen[n-40]
		case n >= 100 && n <= 107:
			p.bg = sixteen[n-100+8]
		case n == 49:
			p.bg = background
		}
	}
}

// colour sets the foreground (38) or the background from the parameters that say
// which, and returns how many those are after the first.
func (p *pen) colour(which int, params ansi.Params) int {
	into := &p.fg
	if which == 48 {
		into = &p.bg
	}
	var c color.Color
	n := ansi.ReadStyleColor(params, &c)
	switch c := c.(type) {
	case nil:
	case ansi.IndexedColor:
		if *into = solid(c); c < 16 {
			*into = sixteen[c]
		}
	default:
		*into = solid(c)
	}
	return max(0, n-1)
}

func solid(c color.Color) rgb {
	r, g, b, _ := c.RGBA()
	return rgb(r>>8<<16 | g>>8<<8 | b>>8)
}
