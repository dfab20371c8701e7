package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A cell is cellW by cellH units: eighths of blocks, and the dots of braille, are
// whole ones.
const (
	cellW = 8
	cellH = 16
)

// The lines of boxes are one unit thick, and cross here.
const (
	crossX = 4
	crossY = 8
)

// shapes are all of one colour: areas of whole units, and what is not made of
// those. Areas are joined where they touch.
type shapes struct {
	w, h  int // in units
	set   []bool
	fill  strings.Builder // outlines that are filled, as path data
	lines strings.Builder // lines of one unit's thickness, likewise
}

func newShapes(w, h int) *shapes { return &shapes{w: w, h: h, set: make([]bool, w*h)} }

// area takes a rectangle in.
func (s *shapes) area(x, y, w, h int) {
	for v := y; v < y+h; v++ {
		for u := x; u < x+w; u++ {
			s.set[v*s.w+u] = true
		}
	}
}

// arms of the lines in a box, from the middle of the cell.
type arms uint8

const (
	left arms = 1 << iota
	right
	up
	down
)

var boxes = map[rune]arms{
	'─': left | right, '│': up | down, '┌': right | down, '┐': left | down, '└': right | up, '┘': left | up,
	'├': right | up | down, '┤': left | up | down, '┬': left | right | down, '┴': left | right | up, '┼': left | right | up | down,
	'╴': left, '╶': right, '╵': up, '╷': down,
}

// outlines are path data that begin at the offset: of what is filled, and of lines.
type outline struct {
	x, y        float64
	fill, lines string
}

const ring = "a3 3 0 1 0 6 0a3 3 0 1 0-6 0z"

var outlines = map[rune]outline{
	'╭': {x: 4.5, y: 16, lines: "v-4q0-3.5 3.5-3.5"}, '╮': {x: 0, y: 8.5, lines: "h1q3.5 0 3.5 3.5v4"},
	'╰': {x: 4.5, y: 0, lines: "v5q0 3.5 3.5 3.5"}, '╯': {x: 0, y: 8.5, lines: "h1q3.5 0 3.5-3.5v-5"},
	'●': {x: 1, y: 8.5, fill: ring}, '○': {x: 1, y: 8.5, lines: ring}, '◐': {x: 1, y: 8.5, lines: ring, fill: "a3 3 0 0 1 3-3v6a3 3 0 0 1-3-3z"},
	'▲': {x: 4, y: 5, fill: "l3.5 7h-7z"}, '▼': {x: 4, y: 12, fill: "l3.5-7h-7z"}, '■': {x: 1, y: 5.5, fill: "h6v6h-6z"},
	'▸': {x: 1.5, y: 4.5, fill: "l5 4-5 4z"},
}

// Of the dots of braille, by bit (Unicode 15, chapter 21.1): columns and rows.
var dots = [8][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {0, 3}, {1, 3}}

// A dot is 4 by 4 units, with a gap to the column before; those below each other
// are joined, as they are one bar of a graph.
const (
	dotSide = 4
	dotGap  = 1
)

// drawn tells whether a character is a shape, and not of a font.
func drawn(text string) bool {
	r, n := utf8.DecodeRuneInString(text)
	if n != len(text) {
		return false
	}
	return boxes[r] != 0 || outlines[r] != (outline{}) || r >= 0x2580 && r <= 0x2590 || r > 0x2800 && r <= 0x28ff
}

// draw draws one at a place, in units.
func (s *shapes) draw(x, y int, text string) {
	r, _ := utf8.DecodeRuneInString(text)
	if o, ok := outlines[r]; ok {
		at := "M" + number(float64(x)+o.x) + " " + number(float64(y)+o.y)
		if o.fill != "" {
			s.fill.WriteString(at + o.fill)
		}
		if o.lines != "" {
			s.lines.WriteString(at + o.lines)
		}
		return
	}
	switch n := int(r); {
	case r >= 0x2800:
		s.braille(x, y, r)
	case r == '▀':
		s.area(x, y, cellW, cellH/2)
	case r == '▐':
		s.area(x+cellW/2, y, cellW/2, cellH)
	case r > '▀' && r <= '█': // eighths from below
		high := (n - '▀') * cellH / 8
		s.area(x, y+cellH-high, cellW, high)
	case r > '█' && r < '▐': // eighths from the left, ever less
		s.area(x, y, ('▐'-n)*cellW/8, cellH)
	default:
		s.box(x, y, boxes[r])
	}
}

// braille draws dots. A dot above another leaves no gap.
func (s *shapes) braille(x, y int, r rune) {
	for i, d := range dots {
		if r>>i&1 == 0 {
			continue
		}
		s.area(x+d[0]*dotSide+dotGap, y+d[1]*dotSide, dotSide-dotGap, dotSide)
	}
}

func (s *shapes) box(x, y int, a arms) {
	if a&left != 0 {
		s.area(x, y+crossY, crossX+1, 1)
	}
	if a&right != 0 {
		s.area(x+crossX, y+crossY, cellW-crossX, 1)
	}
	if a&up != 0 {
		s.area(x+crossX, y, 1, crossY+1)
	}
	if a&down != 0 {
		s.area(x+crossX, y+crossY, 1, cellH-crossY)
	}
}

// path is all that is filled, as path data: the areas in as few rectangles as a
// look along the rows finds, and then the outlines.
func (s *shapes) path() string {
	var b strings.Builder
	left := append([]bool(nil), s.set...)
	for y := range s.h {
		for x := 0; x < s.w; x++ {
			if !left[y*s.w+x] {
				continue
			}
			w, h := 1, 1
			for x+w < s.w && left[y*s.w+x+w] {
				w++
			}
			for y+h < s.h && all(left[(y+h)*s.w+x:][:w]) {
				h++
			}
			for v := y; v < y+h; v++ {
				clear(left[v*s.w+x:][:w])
			}
			b.WriteString("M" + strconv.Itoa(x) + " " + strconv.Itoa(y) + "h" + strconv.Itoa(w) + "v" + strconv.Itoa(h) + "h-" + strconv.Itoa(w) + "z")
		}
	}
	return b.String() + s.fill.String()
}

func all(set []bool) bool {
	for _, b := range set {
		if !b {
			return false
		}
	}
	return true
}

// number is as short as can be.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
