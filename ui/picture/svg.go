package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// margin is left round the screen, in units.
const margin = 8

// Of the text, in units: its size, which makes most monospaced fonts as wide as a
// cell, and its base line from the top of the cell.
const (
	fontSize = "13.3"
	baseline = 12
)

const fonts = "ui-monospace,'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace"

// layer is all of one look: shapes, and texts as elements.
type layer struct {
	look   look
	shapes *shapes
	texts  strings.Builder
}

// picture draws a screen. Whoever can't see it is told the title.
type picture struct {
	g      grid
	w, h   int      // in units
	layers []*layer // in the order in which their looks come first
}

// svg makes a picture of a screen: the same one of the same screen, always.
func svg(g grid, title string) string {
	p := &picture{g: g, h: len(g) * cellH}
	if len(g) > 0 {
		p.w = len(g[0]) * cellW
	}
	var b strings.Builder
	w, h := p.w+2*margin, p.h+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="-%d -%[3]d %[1]d %[2]d" font-family="%[4]s" font-size="%[5]s">`+"\n",
		w, h, margin, fonts, fontSize)
	fmt.Fprintf(&b, "<title>%s</title>\n", escape(title))
	fmt.Fprintf(&b, `<rect x="-%d" y="-%[1]d" width="%d" height="%d" rx="6" fill="%s"/>`+"\n", margin, w, h, background.hex())
	for _, l := range p.grounds() {
		fmt.Fprintf(&b, `<path fill="%s" d="%s"/>`+"\n", l.look.bg.hex(), l.shapes.path())
	}
	for y := range g {
		p.row(y)
	}
	for _, l := range p.layers {
		l.write(&b)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// grounds are what stands behind the cells, a layer for each colour.
func (p *picture) grounds() []*layer {
	var all []*layer
	for y, row := range p.g {
		for x := range row {
			if bg := row[x].look.bg; bg != background {
				var l *layer
				if all, l = p.of(all, look{bg: bg}); l.shapes == nil {
					l.shapes = newShapes(p.w, p.h)
				}
				l.shapes.area(x*cellW, y*cellH, cellW, cellH)
			}
		}
	}
	return all
}

// of finds or makes the layer of a look.
func (p *picture) of(all []*layer, k look) ([]*layer, *layer) {
	for _, l := range all {
		if l.look == k {
			return all, l
		}
	}
	l := &layer{look: k}
	return append(all, l), l
}

// layer is that of the text of a look, or of its shapes, which weight and slant
// don't change.
func (p *picture) layer(k look, shape bool) (l *layer) {
	k.bg = 0
	if shape {
		k = look{fg: k.fg}
	}
	if p.layers, l = p.of(p.layers, k); shape && l.shapes == nil {
		l.shapes = newShapes(p.w, p.h)
	}
	return l
}

// row draws a line of cells.
func (p *picture) row(y int) {
	row := p.g[y]
	for x := 0; x < len(row); x++ {
		switch c := &row[x]; {
		case c.half || c.blank():
		case drawn(c.text):
			p.layer(c.look, true).shapes.draw(x*cellW, y*cellH, c.text)
		default:
			n := run(row[x:])
			p.layer(c.look, false).text(x, y, row[x:x+n])
			x += n - 1
		}
	}
}

// run is how many cells belong to the text that begins with the first: letters of
// one look, with single blanks between them. What may come out of another font,
// and be of another width, stands alone.
func run(row []cell) (n int) {
	if !usual(&row[0]) {
		if row[0].wide {
			return 2
		}
		return 1
	}
	fits := func(i int) bool {
		return i < len(row) && usual(&row[i]) && row[i].look.same(row[0].look)
	}
	for n = 1; ; n++ {
		gap := n+1 < len(row) && row[n].blank() && !row[n].half && row[n].look.underline == row[0].look.underline
		if !fits(n) && !(gap && fits(n+1)) {
			return n
		}
	}
}

// same tells whether text of two looks differs in nothing but what is behind it.
func (l look) same(m look) bool {
	l.bg, m.bg = 0, 0
	return l == m
}

// usual tells whether every monospaced font has a character, as wide as the others.
func usual(c *cell) bool {
	r, n := utf8.DecodeRuneInString(c.text)
	return n == len(c.text) && !c.blank() && !c.wide && !drawn(c.text) && r < 0x250
}

// text adds an element. Its length is that of its cells, whatever the font.
func (l *layer) text(x, y int, cells []cell) {
	var s strings.Builder
	for i := range cells {
		switch {
		case cells[i].half:
		case cells[i].blank():
			s.WriteByte(' ')
		default:
			s.WriteString(cells[i].text)
		}
	}
	length := ""
	if len(cells) > 1 {
		length = fmt.Sprintf(` textLength="%d"`, len(cells)*cellW)
	}
	fmt.Fprintf(&l.texts, `<text x="%d" y="%d"%s>%s</text>`+"\n", x*cellW, y*cellH+baseline, length, escape(s.String()))
}

// write writes a layer as a group.
func (l *layer) write(b *strings.Builder) {
	fmt.Fprintf(b, `<g fill="%s"`, l.look.fg.hex())
	if l.look.bold {
		b.WriteString(` font-weight="bold"`)
	}
	if l.look.italic {
		b.WriteString(` font-style="italic"`)
	}
	if l.look.underline {
		b.WriteString(` text-decoration="underline"`)
	}
	b.WriteString(">\n")
	if l.shapes != nil {
		if d := l.shapes.path(); d != "" {
			fmt.Fprintf(b, `<path d="%s"/>`+"\n", d)
		}
		if l.shapes.lines.Len() > 0 {
			fmt.Fprintf(b, `<path fill="none" stroke="%s" d="%s"/>`+"\n", l.look.fg.hex(), l.shapes.lines.String())
		}
	}
	b.WriteString(l.texts.String())
	b.WriteString("</g>\n")
}

func (c rgb) hex() string { return fmt.Sprintf("#%06x", uint32(c)) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func escape(s string) string { return escaper.Replace(s) }
