package pane

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

func TestBackendViewGoldens(t *testing.T) {
	sizes := [][2]int{{78, 20}, {118, 36}, {198, 56}, {38, 8}}
	for name, night := range backendNights {
		goldens(t, "backendview-"+name, sizes, func(th *widget.Theme) Pane {
			p := NewBackendView(th, NewScrolling())
			p.Update(night())
			return p
		})
	}
	goldens(t, "backendview-selected", sizes[:2], func(th *widget.Theme) Pane {
		p := NewBackendView(th, NewScrolling())
		p.SetFocus(true)
		p.Update(rollingBackends())
		p.Update(press("t"))
		p.Select(Ref{Kind: RefReplica, Name: "chat", ID: "http://chat-2:8000"})
		return p
	})
	goldens(t, "backendview-filtered", sizes[:2], func(th *widget.Theme) Pane {
		p := NewBackendView(th, NewScrolling())
		p.Update(mixedBackends())
		p.SetFilter("llama")
		return p
	})
	goldens(t, "backendview-empty", sizes[:1], func(th *widget.Theme) Pane { return NewBackendView(th, NewScrolling()) })
}

// Until something is selected the detail is of the worst backend, not of the
// first one.
func TestBackendViewShowsTheWorst(t *testing.T) {
	p := NewBackendView(theme(), NewScrolling())
	rule := func() string {
		lines := backendLinesOf(p, 118, 36)
		return lines[slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "─") })]
	}
	p.Update(hungBackends())
	if got := rule(); !strings.Contains(got, "■ chat") {
		t.Errorf("the detail is of %q", got)
	}
	p.Update(press("down"))
	if got := rule(); !strings.Contains(got, "● text2sql") {
		t.Errorf("with the first one selected the detail is of %q", got)
	}
	p.Update(press("G")) // the reason of chat is part of its row
	if got := rule(); !strings.Contains(got, "■ chat ·") || p.Selected().Kind != RefBackend {
		t.Errorf("on the last row the detail is of %q, %v selected", got, p.Selected())
	}
	p.Update(press("esc"))
	p.Update(mixedBackends())
	if got := rule(); !strings.Contains(got, "■ text2sql") {
		t.Errorf("the detail is of %q", got)
	}
}

// Neither the selection nor the span moves the list or the line below it.
func TestBackendViewStaysInPlace(t *testing.T) {
	p := NewBackendView(theme(), NewScrolling())
	p.Update(rollingBackends())
	at := func() int {
		return slices.IndexFunc(backendLinesOf(p, 118, 36), func(l string) bool { return strings.HasPrefix(l, "─") })
	}
	before := at()
	for _, k := range []string{"down", "down", "t", "down", "G", "esc"} {
		p.Update(press(k))
		if got := at(); got != before {
			t.Errorf("after %s the line is at %d, was at %d", k, got, before)
		}
	}
}

// The list takes what it needs, but leaves the detail enough.
func TestBackendViewSharesItsRows(t *testing.T) {
	p := NewBackendView(theme(), NewScrolling())
	for _, tt := range []struct{ rows, h, want int }{{2, 36, 3}, {20, 36, 21}, {26, 36, 18}, {90, 36, 18}, {90, 20, 10}, {90, 8, 3}, {2, 2, 2}, {90, 1, 1}} {
		p.rows.shown = make([]int, tt.rows)
		if got := p.listRows(tt.h); got != tt.want {
			t.Errorf("%d rows in %d: the list has %d, want %d", tt.rows, tt.h, got, tt.want)
		}
	}
}

// What happened is marked on the axis where it happened: in its cell, the gravest
// of several.
func TestEventsOnTheAxis(t *testing.T) {
	d := hungBackends()
	d.Past = &past.Snapshot{Events: []past.Event{
		{At: nightAgo(2 * time.Second), Kind: past.KindBackend, Object: "chat", Grade: past.Warn},
		{At: nightAgo(3 * time.Second), Kind: past.KindBackend, Object: "chat", Grade: past.Good},
		{At: nightAgo(450 * time.Second), Kind: past.KindJob, Object: "chat", Grade: past.Good},
		{At: nightAgo(450 * time.Second), Kind: past.KindBackend, Object: "text2sql", Grade: past.Bad},
		{At: nightAgo(time.Hour), Kind: past.KindBackend, Object: "chat", Grade: past.Bad},
		{At: backendNight.Add(time.Minute), Kind: past.KindBackend, Object: "chat", Grade: past.Bad}, // a rewound dashboard
	}}
	p := NewBackendView(theme(), NewScrolling())
	p.Update(d)
	axis := func() []rune {
		for _, l := range backendLinesOf(p, 118, 36)[5:] {
			if strings.Contains(l, "───") {
				line := []rune(strings.TrimRight(l, " "))
				return line[slices.Index(line, '─'):]
			}
		}
		t.Fatal("there is no axis")
		return nil
	}
	line := axis()
	if line[len(line)-1] != '▲' || strings.Count(string(line), "▲") != 1 || strings.Count(string(line), "●") != 1 || strings.Contains(string(line), "■") {
		t.Errorf("the axis is %q", string(line))
	}
	from, mark := slices.Index(line, '─'), slices.Index(line, '●')
	if middle := (from + len(line)) / 2; mark < middle-1 || mark > middle+1 {
		t.Errorf("what was 7 min 30 s ago is at %d of %d to %d", mark, from, len(line))
	}
	p.Update(press("t")) // of a day all but one are in the last cell
	if line = axis(); line[len(line)-1] != '▲' || strings.Count(string(line), "■") != 1 || strings.Contains(string(line), "●") {
		t.Errorf("the day's axis is %q", string(line))
	}
}

// All that is known is told, of each in words.
func TestDescribeBackend(t *testing.T) {
	tell := func(d Data, at Ref) string {
		t.Helper()
		p := NewBackendView(theme(), NewScrolling())
		p.Update(d)
		if !p.Select(at) {
			t.Fatalf("%v is not there", at)
		}
		title, facts := p.Describe()
		var s strings.Builder
		s.WriteString(title + "\n")
		for _, f := range facts {
			s.WriteString(f.Label + "\t" + f.Text + "\n")
		}
		return s.String()
	}
	drained := mixedBackends()
	drained.Pool.Backends[1].Replicas[0].Container.Changes = []backends.Change{{Field: "image", Have: "v1", Want: "v2"}}
	deferred := hungBackends()
	deferred.Pool.Backends[1].Replicas[0].Engine.Waiting, deferred.Pool.Backends[1].Replicas[0].Engine.Deferred = 2, 1
	for _, tt := range []struct {
		d   Data
		at  Ref
		has []string
	}{
		{deferred, Ref{Kind: RefBackend, Name: "chat"}, []string{"engine 6 run, 2 wait, 1 of them not for room"}},
		{hungBackends(), Ref{Kind: RefBackend, Name: "chat"}, []string{"backend chat", "hung for 41 s", "heard of 41 s ago", "no step for 41 s", "out until it makes progress", "6 sent · 4 queued (30 s) · engine 6 run, 0 wait", "acme 4 (67%) · globex 2 (33%)",
			"71% of 96,768 tokens, by its engine", "70,200 booked · 61,003 live · 0 reading", "at most 32 at once", "12 times", "61% of", "22,264 with retries · 3 held against it", "vllm-chat · running, healthy · up 9 d",
			"vllm/vllm-openai:v0.32.0 · 8f2c0d3b5a7e", "1 L4 · 2%", "idle, while there is work", "context 8,192", "gpt-4o-mini", "http://chat:8000", "03:12:03 no bytes since"}},
		{mixedBackends(), Ref{Kind: RefBackend, Name: "text2sql"}, []string{"exited with code 137: out of memory", "2 restarts by itself", "not asked yet"}},
		{drained, Ref{Kind: RefBackend, Name: "chat"}, []string{"drained\tby ana 10 min ago · new kernel", "out until it is taken in again", "1 setting from its configuration: image", "image: v1, to be v2"}},
		{mixedBackends(), Ref{Kind: RefBackend, Name: "embed"}, []string{"in, with 30% of its share", "that is 14 s old · docker host local: it does not answer", "about 10% of 40,000 tokens, as configured", "its GET /metrics answers 404"}},
		{mixedBackends(), Ref{Kind: RefBackend, Name: "llama"}, []string{"its engine doesn't tell", "none is configured: something else runs 10.0.0.7:8080", "nobody says how much it holds", "it has no metrics", "none is known to work for it"}},
		{rollingBackends(), Ref{Kind: RefReplica, Name: "chat", ID: "http://chat-1:8000"}, []string{"replica vllm-chat-1 of chat", "restart by ana: loading 29 s, 40% of last time"}},
		{rollingBackends(), Ref{Kind: RefBackend, Name: "chat"}, []string{"vllm-chat-1: loading for 29 s", "1 L4", "3 L4"}},
		{Data{Now: backendNight, Pool: &backends.Snapshot{At: backendNight, Backends: []backends.BackendStatus{{Name: "none"}}}}, Ref{Kind: RefBackend, Name: "none"}, []string{"it has no replica"}},
	} {
		got := tell(tt.d, tt.at)
		for _, w := range tt.has {
			if !strings.Contains(got, w) {
				t.Errorf("no %q of %v in\n%s", w, tt.at, got)
			}
		}
	}
}

// Old data is dimmed, and says how old it is.
func TestOldBackendsAreDimmed(t *testing.T) {
	d := calmBackends()
	d.Now = d.Now.Add(9 * time.Second)
	for name, p := range backendLists(widget.NewTheme(looks["dark"])) {
		p.Update(calmBackends())
		fresh := p.View(118, 10)
		p.Update(d)
		if _, note := p.Title(); note != "9 s old" {
			t.Errorf("%s: its note is %q", name, note)
		}
		old := p.View(118, 10)
		for _, figure := range []string{"280 ms", "31.0", "155", "39%", "74%", "acme"} {
			if dim := "38;5;246m" + figure; strings.Contains(fresh, dim) || !strings.Contains(old, dim) {
				t.Errorf("%s: %s looks the same when it is old", name, figure)
			}
		}
	}
}

// What stands beside a graph's name is what the list says, now as in a day's graph: a
// newest sample that differs from it would have one doubt both.
func TestGraphsAgreeWithTheList(t *testing.T) {
	p := NewBackendView(theme(), NewScrolling())
	d := calmBackends()
	p.Update(d)
	p.Select(Ref{Kind: RefBackend, Name: "chat"})
	for _, reach := range [][2]string{{"╴15 min", "24 hours"}, {"╴18 h", "15 minutes"}} {
		got := p.View(118, 36)
		for _, w := range []string{reach[0], "running + waiting  6 + 0", "kv cache  71%", "tokens/s  197", "ttft p95  310 ms"} {
			if !strings.Contains(ansi.Strip(got), w) {
				t.Errorf("no %q in\n%s", w, got)
			}
		}
		if other := p.span.Help().Desc; other != reach[1] {
			t.Errorf("with %s on the axis its key says %q", reach[0], other)
		}
		p.Update(press("t"))
	}
	// Of a replica the graphs are its backend's, and so are the figures.
	p = NewBackendView(theme(), NewScrolling())
	d = rollingBackends()
	p.Update(d)
	whole := joinBackend(d, &d.Pool.Backends[1])
	for i := range d.Pool.Backends[1].Replicas {
		p.Select(Ref{Kind: RefReplica, Name: d.Pool.Backends[1].Name, ID: d.Pool.Backends[1].Replicas[i].URL})
		if w := fmt.Sprintf("running + waiting  %d + %d", whole.running, whole.waiting()); !strings.Contains(ansi.Strip(p.View(198, 56)), w) {
			t.Errorf("replica %d: no %q", i, w)
		}
	}
}

// What an engine told before it fell silent is not what it does now.
func TestSilentEngineDoesNothing(t *testing.T) {
	d := calmBackends()
	for age, want := range map[time.Duration]string{time.Second: "engine 6 run, 0 wait", engineOld: "its engine doesn't tell"} {
		d.Pool.Backends[1].Replicas[0].Engine.At = nightAgo(age)
		p := NewBackendView(theme(), NewScrolling())
		p.Update(d)
		p.Select(Ref{Kind: RefBackend, Name: "chat"})
		if got := ansi.Strip(p.View(118, 36)); !strings.Contains(got, want) {
			t.Errorf("told %v ago: no %q in\n%s", age, want, got)
		}
	}
}

// Lines end between words, and not behind a number; all of the text is in them.
func TestFirstLine(t *testing.T) {
	for _, tt := range []struct {
		text       string
		w          int
		line, rest string
	}{
		{"loading 74 s, 0 lost", 10, "loading", "74 s, 0 lost"},
		{"loading 74 s, 0 lost", 13, "loading 74 s,", "0 lost"},
		{"74 s", 2, "74", "s"},
		{"3 in flight", 11, "3 in flight", ""},
		{"of the 3 in flight", 9, "of the", "3 in flight"},
		{"unbreakable", 4, "unbreakable", ""},
	} {
		if line, rest := firstLine(theme(), tt.text, tt.w); line != tt.line || rest != tt.rest {
			t.Errorf("%q in %d cells: %q and %q, want %q and %q", tt.text, tt.w, line, rest, tt.line, tt.rest)
		}
	}
	for w := 1; w < 40; w++ {
		const all = "restarted with drain by bo: 3 in flight finished, loading 74 s, 0 lost"
		var lines []string
		for rest := all; rest != ""; {
			var line string
			line, rest = firstLine(theme(), rest, w)
			lines = append(lines, line)
			if len(line) > w && strings.Contains(line, " ") && rest != "" {
				t.Errorf("%d cells: %q is too long", w, line)
			}
		}
		if got := strings.Join(lines, " "); got != all {
			t.Errorf("%d cells: %q", w, got)
		}
	}
}
