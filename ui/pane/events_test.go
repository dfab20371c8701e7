package pane

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// eventsOf makes a snapshot of events, the newest first.
func eventsOf(events ...past.Event) Data {
	return Data{Now: quotaNight, Past: &past.Snapshot{At: quotaNight, Events: events}}
}

func eventAt(clock string, kind past.Kind, object string, grade past.Grade, text string) past.Event {
	at, err := time.Parse("2 Jan 2006 15:04:05", clock)
	if err != nil {
		at, err = time.Parse("2 Jan 2006 15:04:05", "22 Nov 2026 "+clock)
	}
	if err != nil {
		panic(err)
	}
	return past.Event{At: at, Kind: kind, Object: object, Text: text, Grade: grade}
}

// eventNight is the mockups' night.
func eventNight() Data {
	return eventsOf(
		eventAt("03:12:03", past.KindBackend, "chat", past.Bad, "no bytes since; /health still says 200; iterations stand at 48,120; 6 requests wait for a token, 4 of acme, 2 of globex, and 4 more wait in the queue for room"),
		eventAt("03:11:58", past.KindGPU, "gpu 1", past.Warn, "power 71 → 31 W, utilisation 98 → 2 %, memory unchanged"),
		eventAt("02:58:10", past.KindQuota, "acme", past.Warn, "day tokens passed 90 %, forecast to end 04:40Z at 1.2k tok/s"),
		eventAt("02:31:44", past.KindOperator, "ana", past.Plain, "attached from ssh (operator)"),
		eventAt("01:02:09", past.KindJob, "text2sql", past.Good, "restarted with drain by bo: 3 in flight finished, loading 74 s, 0 lost"),
		eventAt("21 Nov 2026 23:10:00", past.KindGateway, "gateway", past.Plain, "configuration reloaded"),
		eventAt("21 Nov 2026 09:00:12", past.KindGPU, "gpu 0", past.Bad, "XID 79: GPU has fallen off the bus"),
	)
}

func eventMany() Data {
	var all []past.Event
	for i := range 512 {
		all = append(all, past.Event{At: quotaNight.Add(-time.Duration(i*i) * time.Second), Kind: []past.Kind{past.KindBackend, past.KindGPU, past.KindQuota, past.KindJob, past.KindOperator}[i%5],
			Object: fmt.Sprintf("object %d", i%17), Text: fmt.Sprintf("event %d of many, with a text of a usual length", i), Grade: past.Grade(i % 4)})
	}
	return eventsOf(all...)
}

func newEvents(t *widget.Theme, d Data, keys ...string) *Events {
	p := NewEvents(t, NewScrolling())
	p.SetFocus(true)
	p.Update(d)
	p.View(78, 6)
	for _, k := range keys {
		p.Update(press(k))
	}
	return p
}

func TestEventsPictures(t *testing.T) {
	hostile := func() Data {
		var all []past.Event
		for i, n := range booksHostile {
			all = append(all, past.Event{At: quotaNight.Add(-time.Duration(i) * time.Hour), Kind: past.Kind(n), Object: n, Text: n + " " + n, Grade: past.Grade(i % 4)})
		}
		return eventsOf(all...)
	}
	sizes := [][2]int{{78, 5}, {118, 5}, {198, 12}, {36, 6}}
	for _, tt := range []struct {
		name    string
		data    func() Data
		prepare func(*Events)
	}{
		{name: "night", data: eventNight},
		{name: "many", data: eventMany},
		{name: "hostile", data: hostile},
		{name: "selected", data: eventNight, prepare: func(p *Events) { p.Update(press("down")) }},
		{name: "filtered", data: eventNight, prepare: func(p *Events) { p.SetFilter("gpu"); p.SetSort(1) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			goldens(t, "events-"+tt.name, sizes, func(theme *widget.Theme) Pane {
				p := newEvents(theme, tt.data())
				if tt.prepare != nil {
					tt.prepare(p)
				}
				return p
			})
		})
	}
}

func TestEventsKeepTheirShape(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 22))
	name := func() string {
		return booksHostile[r.IntN(len(booksHostile))] + booksHostile[r.IntN(len(booksHostile))]
	}
	for range 250 {
		p := NewEvents(widget.NewTheme(widget.Look{ASCII: r.IntN(4) == 0}), NewScrolling())
		p.SetFocus(r.IntN(2) == 0)
		for range 1 + r.IntN(3) {
			var all []past.Event
			for range r.IntN(60) {
				all = append(all, past.Event{At: quotaNight.Add(-time.Duration(r.IntN(5)) * 9 * time.Hour), Kind: past.Kind(name()), Object: name(), Text: name() + " " + name(), Grade: past.Grade(r.IntN(6) - 1)})
			}
			p.Update(eventsOf(all...))
			w, h := 1+r.IntN(300), 1+r.IntN(100)
			for range r.IntN(4) {
				p.Update(press([]string{"down", "up", "G", "g", "pgdown", "esc"}[r.IntN(6)]))
				booksInShape(t, p.View(w, h), w, h)
			}
			if r.IntN(4) == 0 {
				p.SetFilter([]string{"", "e", "!a", "xyz"}[r.IntN(4)])
				p.SetSort(r.IntN(3))
			}
			booksInShape(t, p.View(w, h), w, h)
			p.Title()
			p.Describe()
		}
	}
}

// eventLines are the lines of a picture, without blanks at their ends.
func eventLines(p *Events, w, h int) []string {
	return strings.Split(trimmed(ansi.Strip(p.View(w, h))), "\n")
}

func TestEventsFollowTheNewest(t *testing.T) {
	d := eventNight()
	p := newEvents(theme(), d)
	newer := func(d Data) Data {
		fresh := eventAt("03:12:40", past.KindBackend, "chat", past.Good, "healthy again")
		return eventsOf(append([]past.Event{fresh}, d.Past.Events...)...)
	}
	p.Update(newer(d))
	if got := eventLines(p, 78, 5)[0]; !strings.Contains(got, "healthy again") {
		t.Errorf("on top is %q", got)
	}
	p = newEvents(theme(), d, "down", "down")
	before := eventLines(p, 78, 5)
	if !strings.HasPrefix(before[1], "▸") {
		t.Fatalf("shows %q", before)
	}
	was := p.Selected()
	p.Update(newer(d))
	if after := eventLines(p, 78, 5); p.Selected() != was || !slices.Equal(after, before) {
		t.Errorf("what is read moved: %v\n%s", p.Selected(), strings.Join(after, "\n"))
	}
	if _, note := p.Title(); note != "3 of 8" {
		t.Errorf("the title says %q", note)
	}
	p.Update(press("esc"))
	if got := eventLines(p, 78, 5)[0]; !strings.Contains(got, "healthy again") || p.Selected() != (Ref{}) {
		t.Errorf("on top is %q", got)
	}
}

// Events of one moment are still told apart, and newer ones don't change which is
// which.
func TestEventsOfOneMoment(t *testing.T) {
	one := func(text string) past.Event { return eventAt("03:00:00", past.KindGPU, "gpu 1", past.Warn, text) }
	p := newEvents(theme(), eventsOf(one("third"), one("second"), one("first")), "down", "down")
	if got := p.at().Text; got != "second" {
		t.Fatalf("%q is selected", got)
	}
	p.Update(eventsOf(one("fourth"), one("third"), one("second"), one("first")))
	if got := p.at().Text; got != "second" {
		t.Errorf("%q is selected, want the second", got)
	}
}

// All of the selected event's text is to be seen, at the end of the window too.
func TestEventsUnfold(t *testing.T) {
	d := eventMany()
	long := strings.TrimSpace(strings.Repeat("many words, ", 20)) + " and the end"
	for i := range d.Past.Events {
		d.Past.Events[i].Text = long
	}
	for _, keys := range [][]string{{"down"}, {"down", "pgdown"}, {"G"}, {"G", "up"}} {
		p := newEvents(theme(), d, keys...)
		lines := eventLines(p, 78, 12)
		marked := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "▸") })
		if marked < 0 || !strings.Contains(strings.Join(lines[marked:], "\n"), "and the end") {
			t.Errorf("%v: the selected one is not told:\n%s", keys, strings.Join(lines, "\n"))
		}
		if got := len(lines); got != 12 || strings.TrimSpace(lines[11]) == "" {
			t.Errorf("%v: %d lines, the last %q", keys, got, lines[11])
		}
	}
	// What is not whole says so.
	p := newEvents(theme(), d, "down")
	if got := eventLines(p, 78, 4); !strings.HasSuffix(got[1], "…") {
		t.Errorf("cut without saying so:\n%s", strings.Join(got, "\n"))
	}
}

func TestEventsSortAndFilter(t *testing.T) {
	p := newEvents(theme(), eventNight())
	objects := func() string {
		var all []string
		for i := range p.shown {
			all = append(all, p.row(i).Object)
		}
		return strings.Join(all, ",")
	}
	p.SetSort(1)
	if got, want := objects(), "chat,gpu 0,gpu 1,acme,ana,text2sql,gateway"; got != want {
		t.Errorf("gravest first: %s, want %s", got, want)
	}
	for filter, want := range map[string]string{"gpu": "gpu 0,gpu 1", "XID": "gpu 0", "bad": "chat,gpu 0", "job": "text2sql", "!gpu !quota": "chat,ana,text2sql,gateway"} {
		p.SetFilter(filter)
		if got := objects(); got != want {
			t.Errorf("/%s: %s, want %s", filter, got, want)
		}
	}
	p.SetFilter("nobody")
	if got := eventLines(p, 78, 5)[0]; got != " none matches /nobody" {
		t.Errorf("%q", got)
	}
	if got := eventLines(newEvents(theme(), eventsOf()), 78, 5)[0]; got != " nothing has happened yet" {
		t.Errorf("%q", got)
	}
	if got := eventLines(newEvents(theme(), Data{Now: quotaNight}), 78, 5)[0]; got != " no data yet" {
		t.Errorf("%q", got)
	}
}

func TestEventsDescribe(t *testing.T) {
	p := newEvents(theme(), eventNight())
	if title, facts := p.Describe(); title != "" || facts != nil {
		t.Errorf("%q, %v of nothing", title, facts)
	}
	p.Update(press("G"))
	want := Ref{Kind: RefEvent, Name: "gpu 0", ID: fmt.Sprint(time.Date(2026, 11, 21, 9, 0, 12, 0, time.UTC).UnixNano())}
	if p.Selected() != want {
		t.Errorf("%v is selected, want %v", p.Selected(), want)
	}
	title, facts := p.Describe()
	told := []Fact{{Label: "what", Text: "XID 79: GPU has fallen off the bus"}, {Label: "of", Text: "gpu 0"}, {Label: "kind", Text: "gpu"}, {Label: "grade", Text: "bad"}, {Label: "when", Text: "18 h ago"}}
	if title != "event of 2026-11-21 09:00:12 UTC" || !slices.Equal(facts, told) {
		t.Errorf("%s: %v, want %v", title, facts, told)
	}
}

// After midnight what was today's is dated.
func TestEventsAreDatedAfterMidnight(t *testing.T) {
	d := eventsOf(eventAt("03:12:03", past.KindGPU, "gpu 1", past.Warn, "hot"))
	p := newEvents(theme(), d)
	if got := eventLines(p, 78, 2)[0]; !strings.HasPrefix(got, " 03:12:03 ▲ gpu 1") {
		t.Errorf("%q", got)
	}
	d.Now = quotaMidnight
	p.Update(d)
	if got := eventLines(p, 118, 2)[0]; !strings.HasPrefix(got, " 22 Nov 03:12 ▲ gpu 1") {
		t.Errorf("%q", got)
	}
	if got := eventLines(p, 78, 2)[0]; !strings.HasPrefix(got, "   22 Nov ▲ gpu 1      hot") {
		t.Errorf("%q", got)
	}
	p.Update(press("down")) // of the one that is read the time is told, too
	if got := eventLines(p, 78, 2)[0]; !strings.HasPrefix(got, "▸  22 Nov ▲ gpu 1      03:12:03 hot") {
		t.Errorf("%q", got)
	}
}

// A text of a megabyte costs what is seen of it.
func TestEventsLongTexts(t *testing.T) {
	p := newEvents(theme(), eventsOf(past.Event{At: quotaNight, Object: strings.Repeat("o", 1<<20), Text: strings.Repeat("\x1b[31m長 ", 1<<20)}), "down")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	booksInShape(t, p.View(36, 10), 36, 10)
	booksInShape(t, p.View(78, 10), 78, 10)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("took %d bytes", took)
	}
}

func BenchmarkEvents(b *testing.B) {
	for name, keys := range map[string][]string{"following": nil, "selected": {"down"}} {
		b.Run(name, func(b *testing.B) {
			p := newEvents(theme(), eventMany(), keys...)
			one, other := eventMany(), eventMany()
			b.ReportAllocs()
			for i := range b.N { // something happens every second
				p.Update([]Data{one, other}[i%2])
				p.View(118, 36)
			}
		})
	}
}
