package pane

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

var tiers = [][2]int{{78, 20}, {118, 36}, {198, 56}}

// badNight is a pane that saw a bad night's two snapshots.
func badNight(t *widget.Theme) *Requests {
	p := NewRequests(t, NewScrolling())
	before, now := badRequests()
	p.Update(Data{Gateway: before, Now: before.At})
	p.Update(Data{Gateway: now, Now: noon})
	return p
}

func showing(t *widget.Theme, s *gateway.Snapshot) *Requests {
	p := NewRequests(t, NewScrolling())
	p.Update(Data{Gateway: s, Now: noon})
	return p
}

func TestRequestsGoldens(t *testing.T) {
	small := tiers[:1]
	for _, tt := range []struct {
		name    string
		sizes   [][2]int
		prepare func(*widget.Theme) Pane
	}{
		{"calm", tiers, func(t *widget.Theme) Pane { return showing(t, calmRequests()) }},
		{"bad", tiers, func(t *widget.Theme) Pane { return badNight(t) }},
		{"many", tiers, func(t *widget.Theme) Pane { return showing(t, manyRequests(5000)) }},
		{"hostile", tiers, func(t *widget.Theme) Pane { return showing(t, nastyRecords(rand.New(rand.NewPCG(3, 3)), 60)) }},
		{"nodata", small, func(t *widget.Theme) Pane { return showing(t, nil) }},
		{"none", small, func(t *widget.Theme) Pane { return showing(t, &gateway.Snapshot{At: noon}) }},
		{"selected", tiers[:2], func(t *widget.Theme) Pane {
			p := badNight(t)
			p.SetFocus(true)
			p.View(118, 36)
			for range 6 {
				p.Update(press("down"))
			}
			return p
		}},
		{"filtered", tiers[:2], func(t *widget.Theme) Pane {
			p := badNight(t)
			p.SetFilter("org:acme 4xx")
			return p
		}},
		{"failed", tiers[:2], func(t *widget.Theme) Pane {
			p := badNight(t)
			p.Update(press("a"))
			p.Update(press("a"))
			return p
		}},
		{"stale", small, func(t *widget.Theme) Pane {
			p := badNight(t)
			p.Update(Data{Gateway: p.snap, Now: noon.Add(14 * time.Second)})
			return p
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { goldens(t, "requests-"+tt.name, tt.sizes, tt.prepare) })
	}
}

// Whatever the size and whatever clients call themselves, the picture fills its
// box and holds nothing but text and colours.
func TestRequestsKeepTheirShape(t *testing.T) {
	keys := []string{"up", "down", "pgup", "pgdown", "left", "right", "esc", "a", "G", "g", "j"}
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 11))
		look := widget.Look{Profile: colorprofile.TrueColor, ASCII: r.IntN(4) == 0}
		p := NewRequests(widget.NewTheme(look), NewScrolling())
		p.SetFocus(r.IntN(2) == 0)
		for range 8 {
			d := Data{Now: noon}
			if r.IntN(8) > 0 {
				d.Gateway = nastyRecords(r, r.IntN(300))
			}
			p.Update(d)
			switch r.IntN(6) {
			case 0:
				p.SetFilter(nasty[r.IntN(len(nasty))] + " " + [...]string{"live", "!org:x", "5xx", "phase:", ":"}[r.IntN(5)])
			case 1:
				p.SetFilter("")
			case 2:
				p.SetSort(r.IntN(9) - 1)
			}
			w, h := 1+r.IntN(300), 1+r.IntN(100)
			if r.IntN(3) == 0 {
				w, h = 1+r.IntN(30), 1+r.IntN(12)
			}
			for range 4 {
				filled(t, p.View(w, h), w, h)
				p.Title()
				p.Describe()
				p.Update(press(keys[r.IntN(len(keys))]))
			}
		}
	}
}

// filled holds a picture to h lines of w cells, whichever way a terminal counts.
func filled(t *testing.T, s string, w, h int) {
	t.Helper()
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines, want %d", len(lines), h)
	}
	for i, l := range lines {
		bare := ansi.Strip(l)
		if g, wc := ansi.StringWidth(bare), ansi.StringWidthWc(bare); g != w || wc != w {
			t.Fatalf("line %d is %d or %d cells, want %d: %q", i, g, wc, w, l)
		}
		for _, r := range bare {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U in line %d: %q", r, i, l)
			}
		}
	}
}

// line is one line of a picture.
func line(p Pane, w, h, y int) string {
	return strings.TrimRight(strings.Split(ansi.Strip(p.View(w, h)), "\n")[y], " ")
}

func TestRequestTotals(t *testing.T) {
	many := manyRequests(400)
	many.InFlight = 5000
	for _, tt := range []struct {
		name, filter, keys, want string
		w                        int
		snap                     *gateway.Snapshot
	}{
		{name: "the title has how many", w: 78, want: " queued 4   prefill 2   decode 9   · acme 6   globex 3   initech 3   +1"},
		{name: "endings where there is room", w: 118, want: " queued 4   prefill 2   decode 9   · acme 6   globex 3   +2       ok 11  ▲ 429 30  ▲ 4xx 1   ■ errors 2   ▲ left 1"},
		{name: "of the filter", filter: "org:acme", w: 78, want: " in flight 6   queued 1   prefill 1   decode 4   · acme 6"},
		{name: "of ended ones", filter: "4xx", w: 78, want: " in flight 0   queued 0   prefill 0   decode 0   · acme 30  no key 1"},
		{name: "in flight only", keys: "a", w: 118, want: " queued 4   prefill 2   decode 9   · acme 6   globex 3   initech 3   umbrella 3"},
		{name: "failed only", keys: "a a", w: 78, want: " failed 34  ▲ 429 30  ▲ 4xx 1   ■ errors 2   ▲ left 1   · acme 32  +2"},
		{name: "more than are listed", w: 78, snap: many, want: " of the oldest 200 queued 40  prefill 40  decode 40  admitted 40  sending 40"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := badNight(theme())
			if tt.snap != nil {
				p = showing(theme(), tt.snap)
			}
			p.SetFilter(tt.filter)
			for _, k := range strings.Fields(tt.keys) {
				p.Update(press(k))
			}
			if got := line(p, tt.w, 20, 0); got != tt.want {
				t.Errorf("totals\n%q, want\n%q", got, tt.want)
			}
		})
	}
}

func TestRequestScopes(t *testing.T) {
	p := badNight(theme())
	for _, want := range []struct{ note, head string }{{"", "model"}, {"15 of 60 · in flight only", "model"}, {"34 of 60 · failed only", "code"}, {"", "model"}} {
		if _, note := p.Title(); note != want.note {
			t.Errorf("note %q, want %q", note, want.note)
		}
		if head := line(p, 118, 20, 1); !strings.Contains(head, want.head) {
			t.Errorf("columns are %q, want %s among them", head, want.head)
		}
		p.Update(press("a"))
	}
	p.SetFilter("nobody")
	if got := line(p, 78, 20, 2); got != " none of 60 matches /nobody" {
		t.Errorf("says %q", got)
	}
	quiet := &gateway.Snapshot{At: noon, Recent: calmRequests().Recent[:2]}
	p = showing(theme(), quiet)
	p.Update(press("a"))
	if got := line(p, 78, 20, 2); got != " none in flight" {
		t.Errorf("says %q", got)
	}
	p.Update(press("a"))
	if got := line(p, 78, 20, 2); got != " none of the last 2 failed" {
		t.Errorf("says %q", got)
	}
}

func TestRequestTitle(t *testing.T) {
	p := badNight(theme())
	p.View(118, 36)
	p.Update(press("down"))
	p.Update(press("down"))
	p.SetFilter("backend:chat " + strings.Repeat("長", 1<<20))
	p.SetSort(2)
	name, note := p.Title()
	if name != "requests · 15 in flight" || note != "0 of 60 · /backend:chat 長長長長長… · by most tokens" {
		t.Errorf("%q, %q", name, note)
	}
	p.SetFilter("backend:chat")
	p.Update(press("down"))
	if _, note := p.Title(); note != "1 of 44 · /backend:chat · by most tokens" {
		t.Errorf("note %q", note)
	}
	_, s := badRequests()
	p = showing(theme(), s)
	p.Update(Data{Gateway: s, Now: noon.Add(14 * time.Second)})
	if _, note := p.Title(); note != "14 s old" {
		t.Errorf("note %q", note)
	}
}

func BenchmarkRequests(b *testing.B) {
	for _, bb := range []struct {
		name   string
		n      int
		filter string
	}{{"45", 45, ""}, {"400", 400, ""}, {"400 filtered", 400, "acme chat"}, {"5000", 5000, ""}} {
		b.Run(bb.name, func(b *testing.B) {
			snaps := [2]*gateway.Snapshot{manyRequests(bb.n), manyRequests(bb.n)}
			snaps[1].At = noon.Add(time.Second)
			p := NewRequests(widget.NewTheme(widget.Look{Profile: colorprofile.TrueColor}), NewScrolling())
			p.SetFilter(bb.filter)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.Update(Data{Gateway: snaps[i%2], Now: noon})
				p.View(118, 36)
			}
		})
	}
}
