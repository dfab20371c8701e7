package paint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"
)

// maker makes frames, each by some change to the last one: cells, runs, rows, blocks
// that move up or down, or all of it.
type maker struct {
	*rand.Rand
	w, h int
	rows [][]drawn
}

// drawn is a character and how it looks.
type drawn struct {
	text  string
	wide  bool
	style string
}

var (
	looks  = []string{"", "", "\x1b[0;38;2;148;148;148m", "\x1b[0;1;38;5;203m", "\x1b[0;7m", "\x1b[0;48;5;236m", "\x1b[1m\x1b[4m", "\x1b[0;2;32m"}
	thin   = []string{" ", " ", "a", "b", "0", "─", "│", "█", "▏", "⣿", "⠁", "é", "–", "…", "e\u0301", "\u0e01"}
	double = []string{"東", "京", "각", "長"}
)

func newMaker(seed uint64, w, h int) *maker {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 1)), w: w, h: h}
	m.all()
	return m
}

// some is a row, or the beginning of one.
func (m *maker) some(w int) (row []drawn) {
	for left := w; left > 0; {
		style := looks[m.IntN(len(looks))]
		text, wide := thin[m.IntN(len(thin))], false
		for n := 1 + m.IntN(8); n > 0 && left > 0; n-- {
			if m.IntN(3) == 0 {
				text, wide = thin[m.IntN(len(thin))], false
			}
			if left > 1 && m.IntN(12) == 0 {
				text, wide = double[m.IntN(len(double))], true
			}
			d := drawn{text, wide, style}
			if wide && left < 2 {
				d = drawn{" ", false, style}
			}
			row = append(row, d)
			if left--; d.wide {
				left--
			}
		}
	}
	return row
}

func (m *maker) all() {
	m.rows = make([][]drawn, m.h)
	for y := range m.rows {
		m.rows[y] = m.some(m.w)
	}
}

// change makes the next frame.
func (m *maker) change() {
	switch m.IntN(8) {
	case 0:
		m.all()
	case 1, 2, 3: // a block moves
		from := m.IntN(m.h)
		n := m.IntN(m.h - from + 1)
		block := m.rows[from : from+n]
		if n == 0 {
			break
		}
		by := m.IntN(n)
		moved := append(slices.Clone(block[by:]), block[:by]...)
		if m.IntN(2) == 0 {
			for i := range by {
				moved[len(moved)-1-i] = m.some(m.w)
			}
		}
		copy(block, moved)
	case 4:
		m.rows[m.IntN(m.h)] = m.some(m.w)
	default: // places here and there, of the same width
		for range 1 + m.IntN(20) {
			row := slices.Clone(m.rows[m.IntN(m.h)])
			at := m.IntN(len(row))
			d := &row[at]
			switch from := thin; {
			case d.wide:
				from = double
				fallthrough
			default:
				d.text, d.style = from[m.IntN(len(from))], looks[m.IntN(len(looks))]
			}
			m.rows[m.IntN(m.h)] = row
		}
	}
}

// frame is the text of the frame.
func (m *maker) frame() string {
	var b strings.Builder
	for y, row := range m.rows {
		if y > 0 {
			b.WriteByte('\n')
		}
		style := ""
		for _, d := range row {
			if d.style != style {
				style = d.style
				b.WriteString("\x1b[m" + style)
			}
			b.WriteString(d.text)
		}
		if style != "" {
			b.WriteString("\x1b[m")
		}
	}
	return b.String()
}

// whole is the plain way to show a frame: every line of it, in its place.
func whole(frame string) string {
	var b strings.Builder
	b.WriteString("\x1b[m\x1b[2J")
	for y, line := range strings.Split(frame, "\n") {
		fmt.Fprintf(&b, "\x1b[%dH%s", y+1, line)
	}
	return b.String()
}

// seen are the rows that an emulator shows, its cells told apart.
func seen(e *vt.Emulator) (rows []string) {
	for y := range e.Height() {
		row := ""
		for x := range e.Width() {
			if c := e.CellAt(x, y); c != nil {
				text := c.Content
				if text == "" && c.Width == 1 {
					text = " "
				}
				row += text + c.Style.String() + "|"
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// same checks that an emulator shows a frame as another one does that was told all.
func same(t *testing.T, e *vt.Emulator, frame, what string) {
	t.Helper()
	plain := vt.NewEmulator(e.Width(), e.Height())
	defer plain.Close()
	plain.WriteString(whole(frame))
	got, want := seen(e), seen(plain)
	for y := range want {
		if got[y] != want[y] {
			t.Fatalf("%s: row %d of %dx%d shows\n%q, want\n%q", what, y, e.Width(), e.Height(), got[y], want[y])
		}
	}
}

// What is written for a difference shows what writing all does.
func TestDifference(t *testing.T) {
	scrolled := false
	for seed := range uint64(12) {
		size := rand.New(rand.NewPCG(seed, 2))
		w, h := 1+size.IntN(60), 1+size.IntN(24)
		if w == 1 {
			w = 2 // for a wide one
		}
		m := newMaker(seed, w, h)
		e := vt.NewEmulator(w, h)
		p, last := &pen{}, ""
		for step := range 40 {
			frame := m.frame()
			p.reset()
			if last == "" || size.IntN(20) == 0 {
				p.clear()
				last = ""
			}
			p.draw(last, frame, w, h)
			e.Write(p.text)
			scrolled = scrolled || strings.Contains(string(p.text), "\x1b[r")
			same(t, e, frame, fmt.Sprintf("seed %d, step %d, written %q", seed, step, p.text))
			last = frame
			m.change()
		}
		e.Close()
	}
	if !scrolled {
		t.Error("nothing ever scrolled")
	}
}

// Any two texts, taken for lines of a frame, are shown as they are shown whole.
func FuzzDifference(f *testing.F) {
	f.Add("one\ntwo\nthree", "two\nthree\nfour", uint8(10), uint8(3))
	f.Add("a\nb\nc\nd\ne\nf", "x\na\nb\nc\nd\ne", uint8(7), uint8(6))
	f.Add("東京東京", "a東京b", uint8(8), uint8(1))
	f.Add("\x1b[0;1mbold\x1b[m plain", "\x1b[0;1mbold plain\x1b[m", uint8(12), uint8(1))
	f.Fuzz(func(t *testing.T, one, two string, w, h uint8) {
		width, height := 2+int(w)%80, 1+int(h)%30
		e := vt.NewEmulator(width, height)
		defer e.Close()
		p, last := &pen{}, ""
		for i, text := range []string{one, two} {
			frame := fit(text, width, height)
			p.reset()
			if i == 0 {
				p.clear()
			}
			p.draw(last, frame, width, height)
			e.Write(p.text)
			same(t, e, frame, fmt.Sprintf("%q", p.text))
			last = frame
		}
	})
}

// fit makes a frame of any text: lines of printable characters of one cell or two,
// all of one width, every third word of each in a colour.
func fit(text string, w, h int) string {
	var all []string
	for _, line := range slices.Concat(strings.Split(text, "\n"), make([]string, h))[:h] {
		var b strings.Builder
		left := w
		for i, r := range line {
			n := 0
			switch {
			case r >= ' ' && r < 0x7f, r >= 0x2500 && r < 0x2580, r >= 0x2800 && r < 0x2900:
				n = 1
			case r >= 0x4e00 && r < 0x9fff, r >= 0xac00 && r < 0xd7a4:
				n = 2
			}
			if n == 0 || n > left {
				continue
			}
			if i%3 == 0 {
				fmt.Fprintf(&b, "\x1b[0;3%dm%c\x1b[m", i%8, r)
			} else {
				b.WriteRune(r)
			}
			left -= n
		}
		all = append(all, b.String()+strings.Repeat(" ", left))
	}
	return strings.Join(all, "\n")
}
