package pane

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/gateway/queue"
	"pilothouse/gpu"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

var backendNights = map[string]func() Data{"calm": calmBackends, "hung": hungBackends, "rolling": rollingBackends, "loading": loadingBackends, "mixed": mixedBackends, "many": manyBackends}

func TestBackendsGoldens(t *testing.T) {
	sizes := [][2]int{{78, 8}, {118, 11}, {198, 11}, {78, 2}, {38, 4}}
	for name, night := range backendNights {
		goldens(t, "backends-"+name, sizes, func(th *widget.Theme) Pane {
			p := NewBackends(th, NewScrolling())
			p.Update(night())
			return p
		})
	}
	goldens(t, "backends-selected", sizes[:2], func(th *widget.Theme) Pane {
		p := NewBackends(th, NewScrolling())
		p.SetFocus(true)
		p.Update(rollingBackends())
		p.Select(Ref{Kind: RefReplica, Name: "chat", ID: "http://chat-1:8000"})
		return p
	})
	goldens(t, "backends-filtered", sizes[:2], func(th *widget.Theme) Pane {
		p := NewBackends(th, NewScrolling())
		p.Update(manyBackends())
		p.SetFilter("10.0.17")
		return p
	})
	goldens(t, "backends-empty", sizes[:1], func(th *widget.Theme) Pane { return NewBackends(th, NewScrolling()) })
}

// backendLists are both panes of backends.
func backendLists(t *widget.Theme) map[string]List {
	return map[string]List{"overview": NewBackends(t, NewScrolling()), "view": NewBackendView(t, NewScrolling())}
}

func backendLinesOf(p Pane, w, h int) []string { return strings.Split(ansi.Strip(p.View(w, h)), "\n") }

// The selected row stays on its line while others come and go above it.
func TestSelectedBackendKeepsItsLine(t *testing.T) {
	for name, p := range backendLists(theme()) {
		d := manyBackends()
		p.Update(d)
		p.View(100, 30)
		at := Ref{Kind: RefBackend, Name: "model-17"}
		if !p.Select(at) {
			t.Fatalf("%s: model-17 is not there", name)
		}
		p.View(100, 30)
		line := func() int {
			return slices.IndexFunc(backendLinesOf(p, 100, 30), func(l string) bool { return strings.HasPrefix(l, "▸") })
		}
		before := line()
		for round := range 5 {
			d = manyBackends()
			d.Now = d.Now.Add(time.Duration(round+1) * time.Second)
			d.Pool.Backends = d.Pool.Backends[round:] // rows above it go
			p.Update(d)
			if got := line(); got != before || p.Selected() != at {
				t.Errorf("%s: after %d went, %v is selected on line %d, want %v on %d", name, round, p.Selected(), got, at, before)
			}
		}
	}
}

// Sorting keeps replicas below their backend, and the worst one first is on top
// with its reason.
func TestBackendSorts(t *testing.T) {
	for name, p := range backendLists(theme()) {
		if got := fmt.Sprint(p.Sorts()); got != "[as configured worst first busiest kv cache]" {
			t.Errorf("%s sorts by %s", name, got)
		}
		p.Update(manyBackends())
		p.View(118, 100)
		first := func(sort int) string {
			p.SetSort(sort)
			return backendLinesOf(p, 118, 100)[1]
		}
		for sort, want := range []string{"model-00", "model-17", "model-20", "model-29"} {
			if got := first(sort); !strings.Contains(got, want) {
				t.Errorf("%s sorted by %s begins with %q, want %s", name, p.Sorts()[sort], got, want)
			}
		}
		p.SetSort(1)
		lines := backendLinesOf(p, 118, 100)
		if !strings.Contains(lines[3], "vllm-17-1") || !strings.Contains(lines[3], "nothing listens") || !strings.Contains(lines[5], "model-00") {
			t.Errorf("%s: the replicas don't follow their backend:\n%s", name, strings.Join(lines[:7], "\n"))
		}
	}
}

func TestBackendFilter(t *testing.T) {
	for name, p := range backendLists(theme()) {
		p.Update(mixedBackends())
		p.SetFilter("out of memory")
		got := strings.Join(backendLinesOf(p, 118, 8), "\n")
		if !strings.Contains(got, "text2sql") || strings.Contains(got, "llama") {
			t.Errorf("%s filtered:\n%s", name, got)
		}
		if _, note := p.Title(); note != "1 of 5 · /out of memory" {
			t.Errorf("%s: its note is %q", name, note)
		}
		p.SetFilter("nothing has this")
		if got := backendLinesOf(p, 118, 8)[0]; !strings.Contains(got, "none of them matches") {
			t.Errorf("%s with nothing to show: %q", name, got)
		}
		if title, facts := p.Describe(); title != "" || facts != nil {
			t.Errorf("%s describes %q of nothing", name, title)
		}
	}
}

// Each fact is joined to the backend that it is of.
func TestBackendRowsJoin(t *testing.T) {
	row := func(d Data, name string) *backendRow {
		t.Helper()
		rows := joinBackends(d, nil)
		for i := range rows {
			if rows[i].b.Name == name && rows[i].r == nil {
				return &rows[i]
			}
		}
		t.Fatalf("no row of %s", name)
		return nil
	}
	v := row(hungBackends(), "chat")
	if v.running != 6 || v.queued != 4 || v.behind != 0 || v.waiting() != 4 {
		t.Errorf("%d run, %d queued, %d behind", v.running, v.queued, v.behind)
	}
	if v.kv != 0.71 || v.reckoned || v.each != 0 || math.Abs(v.prefix-0.615) > 0.001 || v.errors != 0 {
		t.Errorf("kv %v, each %v, prefix %v, errors %v", v.kv, v.each, v.prefix, v.errors)
	}
	if len(v.gpus) != 1 || v.gpus[0].Index != 1 || len(v.uses) != 2 || v.uses[0].org != "acme" || v.uses[0].requests != 4 {
		t.Errorf("on %d GPUs, used by %+v", len(v.gpus), v.uses)
	}
	if _, style, _ := deviceUse(v.gpus, backendNight, true); style != widget.Warn {
		t.Error("an idle GPU under a backend with work is no warning")
	}
	d := mixedBackends()
	if v = row(d, "text2sql"); !math.IsNaN(v.kv) {
		t.Errorf("an engine that is down has a cache: %v", v.kv)
	}
	if v = row(d, "embed"); math.Abs(v.kv-0.1) > 1e-9 || !v.reckoned || v.behind != -1 || v.running != 1 {
		t.Errorf("without engine metrics: kv %v, reckoned %v, behind %d", v.kv, v.reckoned, v.behind)
	}
	if v = row(d, "llama"); !math.IsNaN(v.kv) || v.running != 2 || !math.IsNaN(v.prefix) || !math.IsNaN(v.preempts) || len(v.gpus) != 0 {
		t.Errorf("llama.cpp: %+v", v)
	}
	old := hungBackends()
	old.Pool.Backends[1].Replicas[0].Engine.At = nightAgo(time.Minute)
	old.Pool.Backends[1].Replicas[0].InFlight = 9
	if v = row(old, "chat"); v.running != 9 || v.behind != -1 {
		t.Errorf("an engine's figures of a minute ago count: %d run", v.running)
	}
	old.Trends = nil
	if v = row(old, "chat"); v.errors != 0 || !math.IsNaN(v.preempts) {
		t.Errorf("without series: %v errors, %v preemptions", v.errors, v.preempts)
	}
}

// Who waits is work, too, and a rate is per minute.
func TestBackendLoadAndRates(t *testing.T) {
	d := calmBackends()
	d.Gateway.Queues["text2sql"] = queue.Status{Waiting: 4}
	ready := make([]float64, 6)
	for i := range ready {
		ready[i] = 0.5
	}
	ready[2] = math.NaN()
	d.Trends = readyTrends{ready}
	rows := joinBackends(d, nil)
	if rows[0].rank.load != 9 || rows[1].rank.load != 6 || rows[0].errors != 30 || rows[0].preempts != 30 {
		t.Errorf("loads %d and %d, %v errors and %v preemptions a minute", rows[0].rank.load, rows[1].rank.load, rows[0].errors, rows[0].preempts)
	}
	for v, want := range map[float64]string{0: "0", 0.2: "1", 7.6: "8", 4200: "4.2k", math.NaN(): "", -1: ""} {
		if got, _ := perMinuteCell(v, widget.Bad); got != want {
			t.Errorf("%v a minute is %q, want %q", v, got, want)
		}
	}
}

func TestContainerWords(t *testing.T) {
	at := func(change func(*backends.ContainerStatus)) *backends.ContainerStatus {
		k := containerOf("vllm")
		change(k)
		return k
	}
	for _, tt := range []struct {
		k     *backends.ContainerStatus
		text  string
		style widget.Style
	}{
		{nil, "no container", widget.Muted},
		{at(func(*backends.ContainerStatus) {}), "vllm", widget.Plain},
		{at(func(k *backends.ContainerStatus) { k.At = time.Time{} }), "", widget.Muted},
		{at(func(k *backends.ContainerStatus) { k.At, k.Err = time.Time{}, "away" }), "not read: vllm", widget.Unknown},
		{at(func(k *backends.ContainerStatus) { k.At, k.Err = nightAgo(14*time.Second), "away" }), "14 s old: vllm", widget.Unknown},
		{at(func(k *backends.ContainerStatus) { k.State, k.Words = "", "not there" }), "missing: vllm", widget.Bad},
		{at(func(k *backends.ContainerStatus) { k.Words = "running, unhealthy" }), "unhealthy: vllm", widget.Warn},
		{at(func(k *backends.ContainerStatus) { k.State = "exited" }), "exited: vllm", widget.Bad},
		{at(func(k *backends.ContainerStatus) { k.State = "restarting" }), "restarting: vllm", widget.Warn},
	} {
		if text, style := containerWord(tt.k, backendNight); text != tt.text || style != tt.style {
			t.Errorf("%+v is %q in %d, want %q in %d", tt.k, text, style, tt.text, tt.style)
		}
	}
	d := rollingBackends()
	l := backendTable{now: backendNight}
	of := func() string {
		text, _ := l.container(&joinBackends(d, nil)[1])
		return text
	}
	if got := of(); got != "3 running" {
		t.Errorf("three that run are %q", got)
	}
	d.Pool.Backends[1].Replicas[2].Container.State = "exited"
	if got := of(); got != "2/3 running" {
		t.Errorf("two of three that run are %q", got)
	}
}

// What is done about a replica goes before what is wrong with it; a job that failed
// says so for as long as it keeps the replica out.
func TestReplicaNotes(t *testing.T) {
	d := loadingBackends()
	r := &d.Pool.Backends[1].Replicas[0]
	note := func() string { return replicaNote(d, r) }
	if got := note(); got != "restart by ana: loading 29 s, 41% of last time" {
		t.Errorf("under way: %q", got)
	}
	d.Pool.Jobs[0] = endedJob(backends.Failed, "not ready after 15m0s")
	d.Pool.Jobs[0].Ended = nightAgo(5 * time.Minute)
	if got := note(); got != "restart by ana failed 5 min ago: not ready after 15m0s" {
		t.Errorf("failed: %q", got)
	}
	r.Drained.Job = 0
	if got := note(); got != r.Reason {
		t.Errorf("drained by an operator since: %q", got)
	}
	d.Pool.Jobs[0] = restartJob()
	d.Pool.Jobs[0].State, d.Pool.Jobs[0].Parts[0].State = backends.Interrupted, "" // another process had it
	if got := note(); got != r.Reason {
		t.Errorf("interrupted: %q", got)
	}
	r.State = backends.Healthy
	if got := note(); got != "" {
		t.Errorf("well: %q", got)
	}
}

// Where there is no room for all the worst are shown, and reading begins there.
func TestBackendsWorstFirstInLittleRoom(t *testing.T) {
	p := NewBackends(theme(), NewScrolling())
	p.Update(manyBackends())
	if got := backendLinesOf(p, 78, 8)[0]; !strings.Contains(got, "model-17") {
		t.Errorf("the first line is %q", got)
	}
	if _, note := p.Title(); note != "worst first" {
		t.Errorf("its note is %q", note)
	}
	p.Update(press("down"))
	if got := backendLinesOf(p, 78, 8)[0]; !strings.Contains(got, "▸▲  model-17") {
		t.Errorf("the first line is %q after a key", got)
	}
	if _, note := p.Title(); note != "45 of 80" {
		t.Errorf("its note is %q", note)
	}
	p.Update(press("esc"))
	if p.View(118, 100); p.worst {
		t.Error("the worst come first where there is room for all")
	}
}

// An engine that is shared by name lists, processes and containers is told apart.
func TestBackendGPUs(t *testing.T) {
	s := &gpu.Snapshot{GPUs: []gpu.GPU{
		{Index: 0, Serves: "chat, embed"}, {Index: 1, Serves: "chatter"}, {Index: 2, Processes: []gpu.Owner{{Backend: "chat", Container: "a", ID: "1"}}},
		{Index: 3, Processes: []gpu.Owner{{Backend: "chat", Container: "b", ID: "2"}}}, {Index: 4, Processes: []gpu.Owner{{Container: "b"}}},
	}}
	index := func(gs []*gpu.GPU) (all []int) {
		for _, g := range gs {
			all = append(all, g.Index)
		}
		return all
	}
	if got := index(backendGPUs(s, "chat", nil)); !slices.Equal(got, []int{0, 2, 3}) {
		t.Errorf("chat is on %v", got)
	}
	if got := index(backendGPUs(s, "embed", nil)); !slices.Equal(got, []int{0}) {
		t.Errorf("embed is on %v", got)
	}
	if got := index(backendGPUs(s, "chat", &backends.ContainerStatus{Name: "b", ID: "2"})); !slices.Equal(got, []int{3, 4}) {
		t.Errorf("replica b is on %v", got)
	}
	if got := index(backendGPUs(s, "", nil)); got != nil {
		t.Errorf("no name is on %v", got)
	}
}

// What was found in the world's worst names is drawn harmlessly, whatever the size.
func TestBackendsKeepTheirShape(t *testing.T) {
	for seed := range uint64(60) {
		r := newBackendDice(seed)
		th := widget.NewTheme(widget.Look{ASCII: seed%4 == 0})
		for name, p := range backendLists(th) {
			p.SetFocus(seed%2 == 0)
			for range 4 {
				w, h := 1+r.IntN(300), 1+r.IntN(100)
				if r.IntN(3) == 0 {
					w, h = 1+r.IntN(30), 1+r.IntN(12)
				}
				p.Update(hostileBackends(r))
				if r.IntN(3) == 0 {
					p.SetFilter(backendNasty[r.IntN(len(backendNasty))])
				}
				p.SetSort(r.IntN(5))
				for _, k := range []string{"down", "G", "t", "up", "esc", "pgdown"} {
					if r.IntN(2) == 0 {
						p.Update(press(k))
					}
				}
				backendShape(t, name, p.View(w, h), w, h)
				p.Describe()
				p.Title()
			}
		}
	}
}

// readyTrends has its series ready, so that what is measured is the drawing.
type readyTrends struct{ s []float64 }

func (r readyTrends) Series(_ past.Metric, _ string, _ time.Time, _ time.Duration, n int) []float64 {
	return r.s[:n]
}

func BenchmarkBackends(b *testing.B) {
	for _, name := range []string{"hung", "many"} {
		for kind, p := range backendLists(theme()) {
			b.Run(name+"/"+kind, func(b *testing.B) {
				d := backendNights[name]()
				d.Trends = readyTrends{d.Trends.Series(past.Running, "chat", d.Now, time.Second, 1000)}
				h := 12
				if kind == "view" {
					h = 36
				}
				b.ReportAllocs()
				for b.Loop() {
					d.Now = d.Now.Add(time.Second)
					p.Update(d)
					_ = p.View(118, h)
				}
			})
		}
	}
}

// A reason that is a megabyte costs what is visible of it.
func TestLongReasonsCostWhatIsSeen(t *testing.T) {
	d := hungBackends()
	long := strings.Repeat("hung, not busy ", 1<<16)
	d.Pool.Backends[1].Name = strings.Repeat("n", 1<<20)
	d.Pool.Backends[1].Replicas[0].Reason = long
	d.Past = &past.Snapshot{Events: []past.Event{{At: backendNight, Kind: past.KindBackend, Object: d.Pool.Backends[1].Name, Text: long}}}
	for name, p := range backendLists(theme()) {
		start := time.Now()
		for i := range 20 {
			d.Now = backendNight.Add(time.Duration(i) * time.Second)
			p.Update(d)
			p.View(118, 36)
		}
		if took := time.Since(start) / 20; took > 20*time.Millisecond {
			t.Errorf("%s: a picture takes %v", name, took)
		}
	}
}
