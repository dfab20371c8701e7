package widget

import (
	"strings"
	"testing"
	"time"
)

var axisEnd = time.Unix(1_800_000_000, 0) // a multiple of all steps

func ago(seconds int) time.Time { return axisEnd.Add(-time.Duration(seconds) * time.Second) }

func TestEventMarks(t *testing.T) {
	mark := func(seconds int, glyph string) Mark { return Mark{At: ago(seconds), Style: Warn, Glyph: glyph} }
	for _, tt := range []struct {
		name  string
		step  int
		marks []Mark
		want  string
	}{
		{"none", 1, nil, "          "},
		{"now and a second ago are one cell", 1, []Mark{mark(0, "a"), mark(1, "b")}, "         a"},
		{"two seconds ago", 1, []Mark{mark(2, "a")}, "        a "},
		{"the oldest there is", 1, []Mark{mark(19, "a")}, "a         "},
		{"older", 1, []Mark{mark(20, "a")}, "          "},
		{"a sample ahead", 1, []Mark{mark(-1, "a")}, "         a"},
		{"further ahead", 1, []Mark{mark(-2, "a")}, "          "},
		{"longer steps", 10, []Mark{mark(0, "a"), mark(10, "c"), mark(11, "b"), mark(190, "d"), mark(191, "e")}, "d       ba"},
		{"the newest of a cell, whatever the order", 10, []Mark{mark(7, "b"), mark(3, "a"), mark(9, "c")}, "         a"},
		{"the gravest of a cell", 10, []Mark{{At: ago(1), Style: Plain, Glyph: "p"}, {At: ago(9), Style: Bad, Glyph: "x"}, {At: ago(4), Style: Good, Glyph: "g"}, mark(2, "a")}, "         x"},
		{"good before plain", 10, []Mark{{At: ago(1), Style: Muted, Glyph: "p"}, {At: ago(9), Style: Good | Bold, Glyph: "g"}}, "         g"},
		{"no step", 0, []Mark{mark(0, "a")}, "          "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCanvas(plainTheme(), 12, 1)
			c.EventMarks(1, 0, 10, tt.step, axisEnd, tt.marks)
			if got := text(c); got != " "+tt.want+" " {
				t.Errorf("drew %q, want %q", got[1:11], tt.want)
			}
		})
	}
}

// A mark stays over the sample that it belongs to: where buckets are cut at
// multiples of the step, so are marks.
func TestEventMarksFollowTheirBucket(t *testing.T) {
	const step, w = 7, 20
	for second := range 60 {
		end := axisEnd.Add(time.Duration(second) * time.Second)
		samples := make([]float64, 200)
		samples[len(samples)-1-30] = 1 // 30 s before the end
		at := end.Add(-30 * time.Second)
		s := Bucket(samples, end.Unix(), step)
		want := -1
		for i, v := range s {
			if v > 0 {
				want = w - 1 - (len(s)-1-i)/2
			}
		}
		c := NewCanvas(plainTheme(), w, 1)
		c.EventMarks(0, 0, w, step, end, []Mark{{At: at, Glyph: "x"}})
		if got := strings.Index(text(c), "x"); got != want {
			t.Errorf("%d s on the mark is in cell %d, its sample in %d", second, got, want)
		}
	}
}

// A label is there whole or not at all.
func TestEventMarksAndLabels(t *testing.T) {
	axis := func(marks ...Mark) string {
		c := NewCanvas(plainTheme(), 60, 1)
		c.AgeAxis(0, 0, 60, 10, "now")
		c.EventMarks(0, 0, 60, 10, axisEnd, marks)
		return text(c)
	}
	if got, want := axis(), "╴20 min        ╴15 min        ╴10 min        ╴5 min      now"; got != want {
		t.Errorf("axis  %q\nwant  %q", got, want)
	}
	for _, tt := range []struct {
		name, want string
		seconds    []int
	}{
		{"beside", "╴20 min        ╴15 min x      ╴10 min        ╴5 min      now", []int{720}},
		{"right beside, as if of it", "╴20 min               x       ╴10 min        ╴5 min      now", []int{740}},
		{"right before now", "╴20 min        ╴15 min        ╴10 min        ╴5 min     x   ", []int{60}},
		{"on a figure", "╴20 min         x             ╴10 min        ╴5 min      now", []int{860}},
		{"on the blank of a label", "╴20 min          x            ╴10 min        ╴5 min      now", []int{840}},
		{"now", "╴20 min        ╴15 min        ╴10 min        ╴5 min        x", []int{0}},
		{"two in one label", "╴20 min         x   x         ╴10 min        ╴5 min      now", []int{870, 790}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var marks []Mark
			for _, s := range tt.seconds {
				marks = append(marks, Mark{At: ago(s), Style: Bad, Glyph: "x"})
			}
			if got := axis(marks...); got != tt.want {
				t.Errorf("axis  %q\nwant  %q", got, tt.want)
			}
		})
	}
}

// Hostile places and glyphs keep to their cells.
func TestEventMarksStayInside(t *testing.T) {
	for _, x := range []int{-5, 0, 3, 9, 20} {
		for _, w := range []int{-1, 0, 1, 4, 30} {
			c := NewCanvas(plainTheme(), 10, 1)
			c.AgeAxis(x, 0, w, 3, "now")
			c.EventMarks(x, 0, w, 3, axisEnd, []Mark{{At: ago(0), Glyph: "東"}, {At: ago(6), Glyph: "\x1b[2J"}, {At: ago(12), Glyph: ""}, {}})
			if got := plainTheme().Width(text(c)); got != 10 {
				t.Errorf("%d cells at %d, %d wide", got, x, w)
			}
			c.EventMarks(x, 7, w, 3, axisEnd, []Mark{{At: ago(0), Glyph: "x"}})
		}
	}
}

func TestAgeAxis(t *testing.T) {
	for _, tt := range []struct {
		name    string
		w, step int
		last    string
		want    string
	}{
		{"a quarter of an hour", 50, 9, "now", "╴15 min          ╴10 min         ╴5 min        now"},
		{"a day", 48, 900, "now", "╴24 h       ╴18 h       ╴12 h       ╴6 h     now"},
		{"seconds", 30, 1, "now", "╴60 s          ╴30 s       now"},
		{"a moment that is past", 40, 15, "03:12:44Z", "╴20 min             ╴10 min    03:12:44Z"},
		// 5 minutes are 15 cells, where the moment begins: it goes without.
		{"a label that would touch the moment", 40, 10, "03:12:44Z", "          ╴10 min              03:12:44Z"},
		{"no room", 2, 10, "now", "n…"},
		{"no room for labels", 8, 10, "now", "     now"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCanvas(plainTheme(), tt.w, 1)
			c.AgeAxis(0, 0, tt.w, tt.step, tt.last)
			if got := text(c); got != tt.want {
				t.Errorf("drew %q\nwant %q", got, tt.want)
			}
		})
	}
}
