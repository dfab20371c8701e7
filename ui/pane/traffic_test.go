package pane

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

func traffic(t *widget.Theme, d Data, keys ...string) *Traffic {
	p := NewTraffic(t)
	p.Update(d)
	for _, k := range keys {
		p.Update(press(k))
	}
	return p
}

// storm is all that there is to see of a bad night.
func storm() Data {
	s, happened := stormy()
	return Data{Gateway: s, Past: happened, Trends: waves{}, Now: noon}
}

func TestTrafficGoldens(t *testing.T) {
	sizes := [][2]int{{78, 5}, {38, 7}, {62, 8}, {118, 8}, {64, 30}, {198, 20}}
	young := busy()
	young.History, young.Started = young.History[:40], noon.Add(-40*time.Second)
	for _, tt := range []struct {
		name  string
		sizes [][2]int
		data  Data
		keys  []string
	}{
		{"calm", sizes, Data{Gateway: busy(), Now: noon}, nil},
		{"storm", sizes, storm(), nil},
		{"day", sizes[:4], storm(), []string{"t"}},
		{"young", sizes[3:4], Data{Gateway: young, Now: noon}, nil},
		{"stale", sizes[3:4], Data{Gateway: busy(), Now: noon.Add(14 * time.Second)}, nil},
		{"nodata", sizes[:1], Data{Now: noon}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			goldens(t, "traffic-"+tt.name, tt.sizes, func(th *widget.Theme) Pane { return traffic(th, tt.data, tt.keys...) })
		})
	}
}

func TestTrafficKeepsItsShape(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		d := Data{Now: noon, Rewound: r.IntN(4) == 0}
		if r.IntN(8) > 0 {
			s := &gateway.Snapshot{At: noon.Add(-time.Duration(r.IntN(9)) * time.Second), Started: noon.Add(-time.Duration(r.Int64()))}
			for range r.IntN(901) {
				s.History = append(s.History, gateway.Point{Requests: r.IntN(1 << r.IntN(31)), Tokens: r.IntN(1 << r.IntN(40)), Errors: r.IntN(3), Refused: r.IntN(9)})
			}
			s.Totals = gateway.Totals{Status2xx: r.Uint64(), Status429: r.Uint64() >> r.IntN(64), PromptTokens: r.Uint64()}
			d.Gateway = s
		}
		if r.IntN(3) > 0 {
			d.Past = &past.Snapshot{At: noon}
			for range r.IntN(512) {
				d.Past.Events = append(d.Past.Events, past.Event{At: noon.Add(-time.Duration(r.IntN(2000)-30) * time.Second), Kind: past.Kind(nasty[r.IntN(len(nasty))]), Object: nasty[r.IntN(len(nasty))], Text: nasty[r.IntN(len(nasty))], Grade: past.Grade(r.IntN(5))})
			}
		}
		if r.IntN(2) == 0 {
			d.Trends = waves{}
		}
		p := traffic(widget.NewTheme(widget.Look{Profile: colorprofile.TrueColor, ASCII: r.IntN(4) == 0}), d)
		for range 6 {
			w, h := 1+r.IntN(300), 1+r.IntN(100)
			if r.IntN(2) == 0 {
				w, h = 1+r.IntN(40), 1+r.IntN(12)
			}
			filled(t, p.View(w, h), w, h)
			if _, note := p.Title(); p.pic.theme.Width(note) > max(w-len("traffic")-8, 20) {
				t.Fatalf("a note of %d cells over %d", p.pic.theme.Width(note), w)
			}
			p.Update(press("t"))
		}
	}
}

// What happened stands below the moment at which it did, in both spans, and the
// answers that failed and were refused above theirs.
func TestTrafficMarks(t *testing.T) {
	p := traffic(theme(), storm())
	lines := strings.Split(ansi.Strip(p.View(62, 8)), "\n")
	column := func(line, glyph string) int {
		at := strings.Index(line, glyph)
		if at < 0 {
			return -1
		}
		return len([]rune(line[:at]))
	}
	// 45 cells of 20 s, from cell 6.
	for _, tt := range []struct {
		what, line, glyph string
		back              int // seconds
	}{
		{"chat stands still", lines[6], "■", 41},
		{"ana attaches", lines[6], "o", 360},
		{"acme's quota ends", lines[6], "▲", 600},
		{"text2sql is well", lines[6], "●", 780},
		{"the storm begins", lines[0], "▲", 900 - 251},
		{"answers fail", lines[0], "■", 48},
	} {
		want := 6 + 45 - 1 - (tt.back+9)/20 // now is at the start of a bucket
		if got := column(tt.line, tt.glyph); got < want-1 || got > want {
			t.Errorf("%s: in cell %d, want %d or the one before, of\n%s", tt.what, got, want, tt.line)
		}
	}
	if strings.ContainsAny(lines[6], "jd") {
		t.Errorf("what was hours ago is marked: %s", lines[6])
	}
	p.Update(press("t"))
	lines = strings.Split(ansi.Strip(p.View(62, 8)), "\n")
	for _, glyph := range []string{"j", "■"} {
		if column(lines[6], glyph) < 0 {
			t.Errorf("no %s over a day: %s", glyph, lines[6])
		}
	}
}

// A client that is refused now and then is no trouble.
func TestTrafficFewRefused(t *testing.T) {
	s := busy()
	for i := range s.History {
		s.History[i].Refused = i % 2
	}
	if got := ansi.Strip(traffic(theme(), Data{Gateway: s, Now: noon}).View(62, 8)); strings.Contains(got, "▲") {
		t.Errorf("they are marked:\n%s", got)
	}
}

func TestTrafficTitle(t *testing.T) {
	d := storm()
	for _, tt := range []struct {
		name   string
		w      int
		change func(*Data)
		keys   []string
		want   string
	}{
		{name: "all fits", w: 118, want: "■ 11:59:19 chat no bytes since; /health still says 200 · 15 min"},
		{name: "cut", w: 62, want: "■ 11:59:19 chat no bytes since… · 15 min"},
		{name: "no room", w: 40, want: "15 min · up 9 d"},
		{name: "not drawn yet", w: 0, want: "15 min · up 9 d"},
		{name: "a day", w: 118, keys: []string{"t"}, want: "■ 11:59:19 chat no bytes since; /health still says 200 · 24 h"},
		{name: "there and back", w: 40, keys: []string{"t", "t"}, want: "15 min · up 9 d"},
		{name: "no trends, no day", w: 40, keys: []string{"t"}, change: func(d *Data) { d.Trends = nil }, want: "15 min · up 9 d"},
		{name: "stale", w: 118, change: func(d *Data) { d.Now = noon.Add(14 * time.Second) }, want: "14 s old"},
		{name: "nothing happened lately", w: 118, change: func(d *Data) { d.Past = &past.Snapshot{Events: d.Past.Events[5:]} }, want: "15 min · up 9 d"},
		{name: "but today", w: 118, keys: []string{"t"}, change: func(d *Data) { d.Past = &past.Snapshot{Events: d.Past.Events[5:]} }, want: "j 09:50:00 text2sql restarted with drain by bo · 24 h"},
		{name: "no data", w: 118, change: func(d *Data) { d.Gateway = nil }, want: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := d
			if tt.change != nil {
				tt.change(&d)
			}
			p := traffic(theme(), d, tt.keys...)
			if tt.w > 0 {
				p.View(tt.w, 8)
			}
			if name, note := p.Title(); name != "traffic" || note != tt.want {
				t.Errorf("note %q, want %q", note, tt.want)
			}
		})
	}
}

// A key that does nothing is not offered.
func TestTrafficKeys(t *testing.T) {
	if n := len(traffic(theme(), Data{Gateway: busy(), Now: noon}).Keys()); n != 0 {
		t.Errorf("%d keys without trends", n)
	}
	p := traffic(theme(), Data{Gateway: busy(), Now: noon}, "t")
	p.Update(storm())
	if p.longer() {
		t.Error("a key that did nothing does it later")
	}
	if n := len(traffic(theme(), storm()).Keys()); n != 1 {
		t.Errorf("%d keys with trends, want 1", n)
	}
}

// In the past now is not now, and what a snapshot of long ago has lost is there
// in the trends.
func TestTrafficRewound(t *testing.T) {
	s := busy()
	s.History = nil
	p := traffic(theme(), Data{Gateway: s, Now: noon, Rewound: true, Trends: waves{}})
	got := ansi.Strip(p.View(62, 8))
	if !strings.Contains(got, "12:00:00Z") || strings.Contains(got, "now") {
		t.Errorf("the moment is not told:\n%s", got)
	}
	if !strings.ContainsAny(got, "⣿⣶⣤") {
		t.Errorf("no curve:\n%s", got)
	}
	p.Update(Data{Gateway: s, Now: noon, Trends: waves{}})
	if got := ansi.Strip(p.View(62, 8)); !strings.Contains(got, "now") {
		t.Errorf("back at now it is not:\n%s", got)
	}
	if got := ansi.Strip(traffic(theme(), Data{Gateway: s, Now: noon}).View(62, 8)); strings.ContainsAny(got, "⣿⣶⣤⣀") {
		t.Errorf("no data is drawn as 0:\n%s", got)
	}
}

// What happens is marked at once, whether or not there is traffic.
func TestTrafficEventsArrive(t *testing.T) {
	d := storm()
	happened := d.Past
	d.Past = nil
	p := traffic(theme(), d)
	before := p.View(62, 8)
	d.Past = happened
	p.Update(d)
	if p.View(62, 8) == before {
		t.Error("they are not marked")
	}
}

// With another theme the marks have its shapes.
func TestTrafficThemed(t *testing.T) {
	p := traffic(theme(), storm())
	p.View(62, 8)
	p.Update(Themed{widget.NewTheme(widget.Look{ASCII: true})})
	got := ansi.Strip(p.View(62, 8))
	for _, r := range got {
		if r > 0x7e {
			t.Fatalf("%q is not ASCII", r)
		}
	}
	if axis := strings.Split(got, "\n")[6]; !strings.Contains(axis, "X") || !strings.Contains(axis, "!") {
		t.Errorf("the axis has no marks: %s", axis)
	}
}

func BenchmarkTraffic(b *testing.B) {
	for _, span := range []string{"15 min", "24 h"} {
		b.Run(span, func(b *testing.B) {
			d := storm()
			other := *d.Gateway
			snaps := [2]*gateway.Snapshot{d.Gateway, &other}
			p := traffic(widget.NewTheme(widget.Look{Profile: colorprofile.TrueColor}), d)
			if span == "24 h" {
				p.Update(press("t"))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.Gateway = snaps[i%2]
				p.Update(d)
				p.View(118, 36)
			}
		})
	}
}
