package main

import (
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the goldens anew")

// TestGolden holds the pictures of small screens.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		name, screen string
		w, h         int
	}{
		{"text", " plain \x1b[1mbold\x1b[0m two words  apart\nnext & <last>\n", 32, 3},
		{"box", "╭─▸title──╮\n│ \x1b[31m▲\x1b[39m ● ○ ◐ ■│\n├────┬────┤\n╰────┴────╯", 11, 4},
		{"bar", "\x1b[38;5;241m███▌\x1b[39m ▁▂▃▄▅▆▇█ ▏▎▍▌▋▊▉ ▀▐", 24, 1},
		{"graph", "\x1b[32m⢀⣀⣤⣶⣿⡇⠁\n⢸⣿⣿⣿⣿⡇", 7, 2},
		{"underlined", "\x1b[4mone line\x1b[24m \x1b[4ma\x1b[24m \x1b[4mb", 16, 1},
		{"selected", "\x1b[48;2;48;48;48m row \x1b[7m mark \x1b[0m rest", 20, 1},
		{"wide", "a東京b é x", 12, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := svg(parse(tt.screen, tt.w, tt.h), tt.name)
			path := filepath.Join("testdata", tt.name+".svg")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("error %v; got\n%s", err, got)
			}
		})
	}
}

// TestPen holds what sequences do to the cell behind them.
func TestPen(t *testing.T) {
	with := func(change func(*look)) look { l := plain; change(&l); return l }
	red := with(func(l *look) { l.fg = sixteen[1] })
	for _, tt := range []struct {
		screen string
		want   look
	}{
		{"x", plain},
		{"\x1b[31mx", red},
		{"\x1b[1;31m\x1b[22mx", red},
		{"\x1b[91mx", with(func(l *look) { l.fg = sixteen[9] })},
		{"\x1b[44mx", with(func(l *look) { l.bg = sixteen[4] })},
		{"\x1b[107mx", with(func(l *look) { l.bg = sixteen[15] })},
		{"\x1b[31;44m\x1b[39;49mx", plain},
		{"\x1b[31;44;1;2;3;4;7m\x1b[mx", plain},
		{"\x1b[31;44;1;2;3;4;7m\x1b[0mx", plain},
		{"\x1b[38;5;1mx", red},
		{"\x1b[38;5;113mx", with(func(l *look) { l.fg = 0x87d75f })},
		{"\x1b[38;2;1;2;3mx", with(func(l *look) { l.fg = 0x010203 })},
		{"\x1b[38:2:1:2:3mx", with(func(l *look) { l.fg = 0x010203 })},
		{"\x1b[48;2;1;2;3;1mx", with(func(l *look) { l.bg, l.bold = 0x010203, true })},
		{"\x1b[38;5mx", plain},
		{"\x1b[7mx", look{fg: background, bg: foreground}},
		{"\x1b[7m\x1b[27mx", plain},
		{"\x1b[2;38;2;90;90;90;48;2;0;0;0mx", look{fg: 0x3c3c3c, bg: 0}},
		{"\x1b[3;4mx", with(func(l *look) { l.italic, l.underline = true, true })},
		{"\x1b[3;4m\x1b[23;24mx", plain},
		{"\x1b[1;2m\x1b[22mx", plain},
		{"\x1b[4:3mx", with(func(l *look) { l.underline = true })},
		{"\x1b[?31mx", plain},
		{"\x1b[31Kx", plain},
		{"\x1b]0;31m\x07x", plain},
	} {
		if c := parse(tt.screen, 1, 1)[0][0]; c.look != tt.want || c.text != "x" {
			t.Errorf("%q: %q, %+v, want %+v", tt.screen, c.text, c.look, tt.want)
		}
	}
	// A colour goes on in the next line, as tmux has it.
	if l := parse("\x1b[31ma\nb", 2, 2)[1][0].look; l != red {
		t.Errorf("the next line is %+v", l)
	}
}

// TestParse holds which cells text goes to.
func TestParse(t *testing.T) {
	for _, tt := range []struct{ screen, want string }{
		{"ab\ncd", "ab··|cd··"},
		{"abcdef", "abcd|····"},
		{"a\n\nb", "a···|····"},
		{"東京都", "東<京<|····"},
		{"abc東", "abc·|····"},
		{"a\tb\rc\x07", "abc·|····"},
		{"a\u202eb\ufffe", "ab··|····"},
		{"e\u0301x", "e\u0301x··|····"},
		{"東\x1b[1m\u0301x", "東\u0301<x·|····"},
		{"a \u0301b", "a b·|····"},
		{"\xffa", "\ufffda··|····"},
	} {
		var got []string
		for _, row := range parse(tt.screen, 4, 2) {
			line := ""
			for _, c := range row {
				switch {
				case c.half:
					line += "<"
				case c.text == "":
					line += "·"
				default:
					line += c.text
				}
			}
			got = append(got, line)
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("%q: %s, want %s", tt.screen, s, tt.want)
		}
	}
}

// TestShapes draws characters as the units that they cover: blocks and dots have
// to fill as much as they say, and lines to meet those of the next cell.
func TestShapes(t *testing.T) {
	covered := func(text string) (n int, at func(x, y int) bool) {
		s := newShapes(cellW, cellH)
		s.draw(0, 0, text)
		for _, b := range s.set {
			if b {
				n++
			}
		}
		return n, func(x, y int) bool { return s.set[y*cellW+x] }
	}
	for i := range 8 {
		if n, at := covered(string(rune(0x2581 + i))); n != 16*(i+1) || !at(0, 15) || !at(7, 15) {
			t.Errorf("%d eighths from below cover %d units", i+1, n)
		}
		if n, at := covered(string(rune(0x2588 + i))); n != 16*(8-i) || !at(0, 0) || !at(0, 15) {
			t.Errorf("%d eighths from the left cover %d units", 8-i, n)
		}
	}
	if n, at := covered("▀"); n != 64 || !at(7, 7) || at(7, 8) {
		t.Errorf("the upper half is %d units", n)
	}
	if n, at := covered("▐"); n != 64 || !at(7, 15) || at(3, 15) {
		t.Errorf("the right half is %d units", n)
	}
	for i, where := range [8][2]int{{2, 1}, {2, 5}, {2, 9}, {6, 1}, {6, 5}, {6, 9}, {2, 13}, {6, 13}} {
		if n, at := covered(string(rune(0x2800 | 1<<i))); n != 12 || !at(where[0], where[1]) {
			t.Errorf("dot %d covers %d units", i+1, n)
		}
	}
	ends := map[arms][2]int{left: {0, 8}, right: {7, 8}, up: {4, 0}, down: {4, 15}}
	for r, has := range boxes {
		_, at := covered(string(r))
		for arm, end := range ends {
			if at(end[0], end[1]) != (has&arm != 0) {
				t.Errorf("%c: its arm %d ends elsewhere", r, arm)
			}
		}
		if !at(4, 8) {
			t.Errorf("%c has no middle", r)
		}
	}
	for _, s := range []string{"a", "ab", "", "──", "⠀", "▒", "═", "東"} {
		if drawn(s) {
			t.Errorf("%q is no shape", s)
		}
	}
}

// TestJoined: what touches is one shape, over the ends of cells.
func TestJoined(t *testing.T) {
	for _, tt := range []struct{ screen, want string }{
		{"────", "M0 8h32v1h-32z"},
		{"│\n│", "M4 0h1v32h-1z"},
		{"─\x1b[1m─", "M0 8h16v1h-16z"},
		{"██", "M0 0h16v16h-16z"},
		{"⡇\n⡇", "M1 0h3v32h-3z"},
		{"█▄", "M0 0h8v16h-8zM8 8h8v8h-8z"},
	} {
		if s := svg(parse(tt.screen, 4, 2), ""); !strings.Contains(s, `d="`+tt.want+`"`) {
			t.Errorf("%q:\n%s", tt.screen, s)
		}
	}
}

var rectangle = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z`)

// check reads a picture and holds it against its screen: each text stands in the
// cells that it is from, each shape covers what its characters do, and nothing is
// beyond the edge.
func check(t *testing.T, g grid, picture string) {
	t.Helper()
	h, w := len(g), 0
	if h > 0 {
		w = len(g[0])
	}
	texts := make(map[[2]int]string)
	shaped, meant := newShapes(w*cellW, h*cellH), newShapes(w*cellW, h*cellH)
	d, group := xml.NewDecoder(strings.NewReader(picture)), false
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := make(map[string]string)
		for _, a := range e.Attr {
			attr[a.Name.Local] = a.Value
		}
		switch e.Name.Local {
		case "g":
			group = true
		case "path":
			for _, m := range rectangle.FindAllStringSubmatch(attr["d"], -1) {
				var n [4]int
				for i := range n {
					n[i], _ = strconv.Atoi(m[i+1]) // digits, by the expression
				}
				if n[0]+n[2] > w*cellW || n[1]+n[3] > h*cellH {
					t.Fatalf("%s is beyond the edge", m[0])
				}
				if group {
					shaped.area(n[0], n[1], n[2], n[3])
				}
			}
		case "text":
			var content string
			if err := d.DecodeElement(&content, &e); err != nil {
				t.Fatal(err)
			}
			place(t, texts, attr, content, w, h)
		}
	}
	for y, row := range g {
		for x, c := range row {
			if c.text != "" && drawn(c.text) {
				meant.draw(x*cellW, y*cellH, c.text)
				continue
			}
			if got := texts[[2]int{x, y}]; got != c.text && !c.blank() {
				t.Fatalf("%q at %d, %d instead of %q", got, x, y, c.text)
			}
			delete(texts, [2]int{x, y})
		}
	}
	if len(texts) > 0 {
		t.Fatalf("%v are of no cell", texts)
	}
	if !slices.Equal(shaped.set, meant.set) {
		t.Fatalf("the shapes cover something else:\n%s", picture)
	}
}

// place puts the characters of a text element into their cells.
func place(t *testing.T, texts map[[2]int]string, attr map[string]string, content string, w, h int) {
	t.Helper()
	x, err := strconv.Atoi(attr["x"])
	y, err2 := strconv.Atoi(attr["y"])
	if x, y = x/cellW, y/cellH; err != nil || err2 != nil || x >= w || y >= h {
		t.Fatalf("a text at %s, %s", attr["x"], attr["y"])
	}
	length, stretched := attr["textLength"]
	if content == "" || content != strings.Trim(content, " ") || strings.Contains(content, "  ") {
		t.Fatalf("%q would be drawn otherwise", content)
	}
	if !stretched || strings.ContainsFunc(content, func(r rune) bool { return r >= 0x250 }) { // which stand alone
		texts[[2]int{x, y}] = content
		return
	}
	if n, _ := strconv.Atoi(length); n != len([]rune(content))*cellW {
		t.Fatalf("%q is stretched to %s", content, length)
	}
	for i, r := range []rune(content) {
		if r != ' ' {
			texts[[2]int{x + i, y}] = string(r)
		}
	}
}

func TestPictureOfScreens(t *testing.T) {
	screens, err := filepath.Glob("../testdata/*.ansi")
	if err != nil || len(screens) == 0 {
		t.Fatal("no goldens of screens")
	}
	for _, path := range screens {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var w, h int
		name := filepath.Base(path)
		if i := strings.LastIndexByte(name, '-'); i < 0 {
			t.Fatal(name)
		} else if _, err := fmt.Sscanf(name[i:], "-%dx%d.ansi", &w, &h); err != nil {
			t.Fatal(name, err)
		}
		g := parse(string(text), w, h)
		check(t, g, svg(g, name))
	}
}

func FuzzPicture(f *testing.F) {
	for _, s := range []string{
		"", "a", "\x1b[31ma\nb", "╭─╮\n│⣿│\n╰─╯", "東京 e\u0301 \u202e", "\x1b[38;5;1m\x1b[48:2:1:2:3m█▌", "\x1b[", "\xff\x00<&>", "a b  c", "─\x1b[1m─\x1b[7m─",
		"\x1b]0;x\x07y\x1bPq\x1b\\z", "👩\u200d👩\u200d👧 ❤\ufe0f 🇩🇪", "\u2003x\u3000y\u00a0z", "0 \u0301", "0\u0602 ",
	} {
		f.Add(s, uint8(8), uint8(3))
	}
	f.Fuzz(func(t *testing.T, screen string, w, h uint8) {
		g := parse(screen, int(w%40), int(h%8))
		picture := svg(g, "screen")
		check(t, g, picture)
		if again := svg(parse(screen, int(w%40), int(h%8)), "screen"); again != picture {
			t.Fatal("the second picture is another one")
		}
	})
}
