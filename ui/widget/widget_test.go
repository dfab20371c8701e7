package widget

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

func plainTheme() *Theme { return NewTheme(Look{}) }

func text(c *Canvas) string { return ansi.Strip(c.String()) }

func TestCanvasText(t *testing.T) {
	for _, tt := range []struct {
		name string
		x, w int
		in   string
		want string
		used int
	}{
		{"fits", 1, 5, "abc", " abc    ", 3},
		{"cut", 1, 5, "abcdefgh", " abcd…  ", 5},
		{"cut by the edge", 5, 9, "abcdefgh", "     ab…", 3},
		{"cut to one", 1, 1, "abc", " …      ", 1},
		{"wide that fits", 0, 4, "東京", "東京    ", 4},
		{"wide that is cut", 0, 4, "東京都", "東 …    ", 4},
		{"escaped", 0, 8, "a\x1bb", `a\x1bb  `, 6},
		{"an escape that is cut goes whole", 0, 4, "a\x1bb", `a…      `, 4},
		{"outside", 9, 4, "abc", "        ", 0},
		{"left of it", -1, 4, "abc", "        ", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCanvas(plainTheme(), 8, 1)
			if used := c.Text(tt.x, 0, tt.w, Plain, tt.in); used != tt.used {
				t.Errorf("took %d cells, want %d", used, tt.used)
			}
			if got := text(c); got != tt.want {
				t.Errorf("drew %q, want %q", got, tt.want)
			}
		})
	}
}

// A wide character of which one half is drawn over must not leave the other.
func TestCanvasOverWide(t *testing.T) {
	c := NewCanvas(plainTheme(), 6, 1)
	c.Text(0, 0, 6, Plain, "東京")
	c.Text(1, 0, 1, Plain, "x")
	c.Text(2, 0, 1, Plain, "y")
	if got := text(c); got != " xy   " {
		t.Errorf("drew %q", got)
	}
}

func TestCanvasRight(t *testing.T) {
	c := NewCanvas(plainTheme(), 8, 1)
	c.Right(1, 0, 6, Plain, "42 ms")
	if got := text(c); got != "  42 ms " {
		t.Errorf("drew %q", got)
	}
}

func TestFigure(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0.0", 0.04: "0.0", 9.96: "10.0", 38.24: "38.2", 99.94: "99.9", 99.96: "100", 380: "380", 999.4: "999", 999.6: "1.0k",
		2100: "2.1k", 9960: "10k", 210_000: "210k", 999_600: "1.0M", 1.2e6: "1.2M", 1e30: ">1E",
		math.NaN(): "", math.Inf(1): "", -1: "",
	} {
		if got := Figure(in); got != want {
			t.Errorf("Figure(%v) = %q, want %q", in, got, want)
		}
	}
	for v := 0.001; v < 1e22; v *= 1.37 {
		if got := Figure(v); len(got) > 4 || got == "" {
			t.Errorf("Figure(%v) = %q: not of one to four characters", v, got)
		}
	}
}

func TestDuration(t *testing.T) {
	const ms = time.Millisecond
	for in, want := range map[time.Duration]string{
		0: "", -ms: "", 300 * time.Microsecond: "<1 ms", 310 * ms: "310 ms", 999*ms + 400*time.Microsecond: "999 ms", 999*ms + 600*time.Microsecond: "1.0 s",
		1240 * ms: "1.2 s", 59940 * ms: "59.9 s", 59960 * ms: "1m00s", 12*time.Minute + 3*time.Second: "12m03s", 3*time.Hour + 4*time.Minute: "3h04m",
		9*24*time.Hour + 5*time.Hour: "9d05h", 2000 * 24 * time.Hour: "2000d",
	} {
		if got := Duration(in); got != want {
			t.Errorf("Duration(%v) = %q, want %q", in, got, want)
		}
	}
	for d := time.Microsecond; d < 10000*24*time.Hour; d += d / 3 {
		if got := Duration(d); len(got) > 6 || got == "" {
			t.Errorf("Duration(%v) = %q: not of one to six characters", d, got)
		}
	}
}

func TestAgeAndCount(t *testing.T) {
	for in, want := range map[time.Duration]string{-1: "0 s", 41 * time.Second: "41 s", 119 * time.Second: "119 s", 3 * time.Minute: "3 min", 3 * time.Hour: "3 h", 217 * time.Hour: "9 d"} {
		if got := Age(in); got != want {
			t.Errorf("Age(%v) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 34201: "34,201", 1234567: "1,234,567"} {
		if got := Count(in); got != want {
			t.Errorf("Count(%d) = %q, want %q", in, got, want)
		}
	}
	if got := GiB(15.2 * (1 << 30)); got != "15.2" {
		t.Errorf("GiB = %q", got)
	}
	if got := GiB(math.NaN()); got != "" {
		t.Errorf("GiB of no data = %q", got)
	}
}

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		share float64
		want  string // on a ground of its own
		dots  string // where there are too few colours for one
		ascii string
	}{
		{0, "    ", "····", "...."},
		{0.001, "▏   ", "▏···", "...."},
		{0.5, "██  ", "██··", "##.."},
		{0.53, "██▏ ", "██▏·", "##.."},
		{1, "████", "████", "####"},
		{7, "████", "████", "####"},
		{math.NaN(), "–   ", "–   ", "-   "},
	} {
		for look, want := range map[Look]string{
			{Profile: colorprofile.TrueColor}: tt.want,
			{Profile: colorprofile.ANSI256}:   tt.want,
			{Profile: colorprofile.ANSI}:      tt.dots,
			{}:                                tt.dots,
			{ASCII: true}:                     tt.ascii,
			{Profile: colorprofile.TrueColor, ASCII: true}: tt.ascii,
		} {
			c := NewCanvas(NewTheme(look), 4, 1)
			c.Bar(0, 0, 4, Plain, tt.share)
			if got := text(c); got != want {
				t.Errorf("Bar(%v), %+v: %q, want %q", tt.share, look, got, want)
			}
		}
	}
}

func TestGraph(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name  string
		s     Series
		w, h  int
		want  string
		ascii string
	}{
		{"newest at the right", Series{1}, 2, 1, " ⢸", " :"},
		{"none is drawn as nothing, zero as a dot", Series{0, nan, 0, 0}, 2, 1, "⡀⣀", ".."},
		{"half", Series{.5, .5}, 1, 2, "⣀\n⣿", ".\n#"},
		{"above the top stays in the box", Series{9, 9}, 1, 2, "⣿\n⣿", "#\n#"},
		{"only the newest that fit", Series{1, 1, 0, 0}, 1, 1, "⣀", "."},
		{"empty", nil, 2, 1, "  ", "  "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, ascii := range []bool{false, true} {
				want := tt.want
				if ascii {
					want = tt.ascii
				}
				c := NewCanvas(NewTheme(Look{ASCII: ascii}), tt.w, tt.h)
				c.Graph(0, 0, tt.w, tt.h, Plain, tt.s, 1)
				if got := text(c); got != want {
					t.Errorf("ASCII %v: drew\n%s\nwant\n%s", ascii, got, want)
				}
			}
		})
	}
}

// Buckets are cut at whole multiples of the step, so a second later the older
// buckets hold what they held.
func TestBucketKeepsItsShape(t *testing.T) {
	all := make([]float64, 60)
	for i := range all {
		all[i] = float64(i * i % 17)
	}
	const step, end = 5, 1_000_003
	now := Bucket(all[:50], end, step)
	later := Bucket(all[:51], end+1, step)
	if len(now) != len(later) {
		t.Fatalf("%d buckets, then %d", len(now), len(later))
	}
	for i := range now[:len(now)-1] {
		if now[i] != later[i] {
			t.Errorf("bucket %d was %v, is %v", i, now[i], later[i])
		}
	}
	if next := Bucket(all[:52], end+2, step); len(next) != len(later)+1 {
		t.Errorf("%d buckets after the boundary, want %d", len(next), len(later)+1)
	}
}

func TestBucketMeans(t *testing.T) {
	nan := math.NaN()
	got := Bucket([]float64{1, 3, nan, 5, nan, nan}, 105, 2) // seconds 100 to 105
	want := Series{2, 5, nan}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
			t.Errorf("bucket %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestStepAndScale(t *testing.T) {
	for n, want := range map[int]int{0: 1, 100: 1, 101: 2, 200: 2, 201: 5, 900: 10, 100000: 60} {
		if got := Step(n, 50); got != want {
			t.Errorf("Step(%d, 50) = %d, want %d", n, got, want)
		}
	}
	for top, want := range map[float64]float64{0: 4, 4: 4, 4.1: 5, 38: 40, 61: 80, 81: 100, 2100: 3000} {
		if got := Scale(Series{1, top, math.NaN()}, 4); got != want {
			t.Errorf("Scale to %v = %v, want %v", top, got, want)
		}
	}
	if got := Scale(Series{math.Inf(1)}, 4); got != 1 {
		t.Errorf("Scale to infinity = %v", got)
	}
}

func TestFit(t *testing.T) {
	cols := []Column{{Head: "a", Width: 4}, {Head: "b", Width: 4, Max: 10, Worth: 1}, {Head: "c", Width: 4, Worth: 3}, {Head: "d", Width: 2, Worth: 2}}
	for _, tt := range []struct {
		w    int
		want []Span
	}{
		{3, []Span{{0, 0, 3}}},
		{9, []Span{{0, 0, 4}}},
		{10, []Span{{0, 0, 4}, {2, 6, 4}}},
		{14, []Span{{0, 0, 4}, {2, 6, 4}, {3, 12, 2}}},
		{20, []Span{{0, 0, 4}, {1, 6, 4}, {2, 12, 4}, {3, 18, 2}}},
		{23, []Span{{0, 0, 4}, {1, 6, 7}, {2, 15, 4}, {3, 21, 2}}},
		{90, []Span{{0, 0, 4}, {1, 6, 10}, {2, 18, 4}, {3, 24, 2}}},
	} {
		got := Fit(cols, tt.w)
		if len(got) != len(tt.want) {
			t.Errorf("Fit in %d: %v, want %v", tt.w, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("Fit in %d: %v, want %v", tt.w, got, tt.want)
				break
			}
		}
	}
}

func TestBox(t *testing.T) {
	th := plainTheme()
	body := func(w, h int) string {
		c := NewCanvas(th, w, h)
		c.Text(0, 0, w, Plain, "body")
		return c.String()
	}
	want := "" +
		"╭─ name ──── note ─╮\n" +
		"│body              │\n" +
		"╰──────────────────╯"
	if got := ansi.Strip(Box(th, 20, 3, false, Title{Name: "name", Note: "note"}, body(18, 1))); got != want {
		t.Errorf("drew\n%s\nwant\n%s", got, want)
	}
	if got := ansi.Strip(Box(th, 20, 3, true, Title{Key: "3", Name: "name"}, body(18, 1))); !strings.HasPrefix(got, "╭─▸3 name ─") {
		t.Errorf("no pointer in the focused box:\n%s", got)
	}
	if got := ansi.Strip(Box(th, 20, 2, false, Title{Name: "name", Note: "a note that has no room"}, "")); strings.Contains(got, "note") {
		t.Errorf("half a note:\n%s", got)
	}
	for w := range 30 {
		for h := range 5 {
			shape(t, Box(th, w, h, true, Title{"1", "na\u202eme", "no\x1bte"}, body(max(0, w-2), max(0, h-2))), w, h)
		}
	}
}

// Every meaning that colour tells has a shape of its own too.
func TestMarksDiffer(t *testing.T) {
	for _, ascii := range []bool{false, true} {
		th := NewTheme(Look{ASCII: ascii})
		seen := map[string]Style{}
		for _, s := range []Style{Good, Warn, Bad, Unknown} {
			m := th.Mark(s)
			if other, ok := seen[m]; ok || m == " " {
				t.Errorf("ASCII %v: %d and %d share the mark %q", ascii, s, other, m)
			}
			seen[m] = s
			if th.Mark(s|Bold|Selected) != m {
				t.Errorf("attributes change the mark of %d", s)
			}
		}
	}
}

func TestThemesColour(t *testing.T) {
	colours := func(l Look) string {
		c := NewCanvas(NewTheme(l), 8, 1)
		for i, s := range []Style{Plain, Muted, Good, Warn, Bad, Unknown, Focused, Selected} {
			c.Text(i, 0, 1, s, "x")
		}
		return c.String()
	}
	seen := map[string]Look{}
	for _, l := range []Look{
		{Palette: Dark, Profile: colorprofile.TrueColor},
		{Palette: Light, Profile: colorprofile.TrueColor},
		{Palette: ColourBlind, Profile: colorprofile.TrueColor},
		{Palette: ColourBlind, Profile: colorprofile.TrueColor, OnLight: true},
		{Palette: Dark, Profile: colorprofile.ANSI},
		{Palette: Dark, Profile: colorprofile.ASCII},
	} {
		s := colours(l)
		if other, ok := seen[s]; ok {
			t.Errorf("%+v looks as %+v", l, other)
		}
		seen[s] = l
		switch {
		case l.Profile == colorprofile.ASCII:
			for _, p := range []string{"3", "4", "9"} { // colours begin with these
				if strings.Contains(s, ";"+p) {
					t.Errorf("colour without colour: %q", s)
				}
			}
		case l.Profile == colorprofile.ANSI:
			if strings.Contains(s, "38;5") || strings.Contains(s, "48;5") {
				t.Errorf("more than 16 colours: %q", s)
			}
		}
	}
	if colours(Look{Palette: Auto, Profile: colorprofile.TrueColor, OnLight: true}) != colours(Look{Palette: Light, Profile: colorprofile.TrueColor}) {
		t.Error("auto on a light background is not light")
	}
	if colours(Look{Palette: Dark, Profile: colorprofile.TrueColor, OnLight: true}) != colours(Look{Palette: Dark, Profile: colorprofile.TrueColor}) {
		t.Error("dark depends on the background")
	}
}

// The contrast that the palettes promise, after WCAG 2.2's definition.
func TestContrast(t *testing.T) {
	luminance := func(c uint32) float64 {
		f := func(v uint32) float64 {
			x := float64(v&0xff) / 255
			if x <= 0.04045 {
				return x / 12.92
			}
			return math.Pow((x+0.055)/1.055, 2.4)
		}
		return 0.2126*f(c>>16) + 0.7152*f(c>>8) + 0.0722*f(c)
	}
	for _, l := range []Look{{Palette: Dark}, {Palette: Light}, {Palette: ColourBlind}, {Palette: ColourBlind, OnLight: true}} {
		back := uint32(0)
		if l.Palette == Light || l.OnLight {
			back = 0xffffff
		}
		p := l.pick()
		for s, c := range p.rgb {
			if Style(s) == Plain {
				continue
			}
			a, b := luminance(c), luminance(back)
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 3 || ratio < 4.5 && Style(s) != Fill {
				t.Errorf("%+v: %06x of meaning %d has a contrast of %.1f", l, c, s, ratio)
			}
		}
	}
}

// Each colour is an entry of the table of 256, and is named by its number: terminals
// that know no more colours than those show it as it is, the others in fewer bytes.
func TestColoursAreInTheTable(t *testing.T) {
	for _, l := range []Look{{Palette: Dark}, {Palette: Light}, {Palette: ColourBlind}, {Palette: ColourBlind, OnLight: true}} {
		p := l.pick()
		for _, c := range append(p.rgb[Plain+1:], p.picked, p.track) {
			n, err := strconv.Atoi(entry(c))
			if err != nil || n < 16 || n > 255 {
				t.Errorf("%06x is entry %q", c, entry(c))
				continue
			}
			if r, g, b, _ := ansi.IndexedColor(n).RGBA(); r>>8<<16|g>>8<<8|b>>8 != c {
				t.Errorf("%06x is entry %d, which is %02x%02x%02x", c, n, r>>8, g>>8, b>>8)
			}
		}
	}
}

func TestParsePalette(t *testing.T) {
	for in, want := range map[string]Palette{"": Auto, "auto": Auto, "dark": Dark, "light": Light, "colour-blind": ColourBlind} {
		if got, err := ParsePalette(in); err != nil || got != want {
			t.Errorf("ParsePalette(%q) = %q, %v", in, got, err)
		}
	}
	if _, err := ParsePalette("pink"); err == nil || !strings.Contains(err.Error(), `"pink"`) {
		t.Errorf("ParsePalette(pink): %v", err)
	}
}

func BenchmarkCanvas(b *testing.B) {
	th := NewTheme(Look{Palette: Dark, Profile: colorprofile.TrueColor})
	s := Series{}
	for i := range 200 {
		s = append(s, float64(i%40))
	}
	b.ReportAllocs()
	for b.Loop() {
		c := NewCanvas(th, 118, 10)
		for y := range 5 {
			c.Text(1, y, 60, Plain, "22:59:19  initech/ci   Qwen2.5-7B-Instruct")
			c.Text(70, y, 20, Good, "● healthy")
		}
		c.Graph(0, 5, 100, 5, Plain, s, 40)
		_ = c.String()
	}
}

// A canvas that is used again is as good as a new one, whatever was drawn on it.
func TestCanvasReset(t *testing.T) {
	th := plainTheme()
	var c Canvas
	for _, size := range [][2]int{{20, 3}, {7, 2}, {0, 4}, {40, 10}, {30, 12}, {-1, 5}, {3, 1}} {
		c.Reset(th, size[0], size[1])
		if got, want := c.String(), NewCanvas(th, size[0], size[1]).String(); got != want {
			t.Errorf("%v: drew\n%q\nwant\n%q", size, got, want)
		}
		for y := range c.H {
			c.Text(0, y, c.W, Bad|Selected, strings.Repeat("\u9577x", 20))
		}
		c.Crop(1)
	}
}

func TestAmount(t *testing.T) {
	for n, want := range map[int64]string{-1: "", 0: "0", 7: "7", 999: "999", 1000: "1.0k", 46_111: "46k", 10_000_000: "10M"} {
		if got := Amount(n); got != want {
			t.Errorf("Amount(%d) is %q, want %q", n, got, want)
		}
	}
}
