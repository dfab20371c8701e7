package pane

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/gpu"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

func gpuViewOf(d Data, keys ...string) func(*widget.Theme) Pane {
	return func(t *widget.Theme) Pane { return gpuView(t, d, keys...) }
}

func gpuView(t *widget.Theme, d Data, keys ...string) *GPUView {
	p := NewGPUView(t, NewScrolling())
	p.SetFocus(true)
	p.Update(d)
	p.View(118, 36)
	for _, k := range keys {
		p.Update(press(k))
	}
	return p
}

// gpuSeenAt is a view's picture as text.
func gpuSeenAt(p Pane, w, h int) string { return ansi.Strip(p.View(w, h)) }

func gpuHas(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}

func gpuHasNot(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(text, w) {
			t.Errorf("%q in\n%s", w, text)
		}
	}
}

var (
	gpuSizes = [][2]int{{78, 20}, {118, 36}, {198, 56}}
	gpuOne   = [][2]int{{118, 36}}
)

func TestGPUViewGoldens(t *testing.T) {
	t.Parallel()
	unread := gpuData(gpu.GPU{Name: "NVIDIA L4", UUID: "GPU-1"}, gpu.GPU{Index: 1, Name: "NVIDIA L4", UUID: "GPU-2"})
	absent := Data{Now: noon, GPUs: &gpu.Snapshot{At: noon, Err: "there is no NVIDIA driver here", Hosts: []gpu.HostStatus{{Err: "there is no NVIDIA driver here", Absent: true}}}}
	evil := gpuTrouble()
	for i := range evil.GPUs.GPUs {
		g := &evil.GPUs.GPUs[i]
		g.Name, g.Serves, g.Err, g.UUID = "\x1b[2Jevil 東京", "a\nb\u202e", "\x9b31m down", "GPU\x00"+fmt.Sprint(i)
		g.Processes[0].Container, g.Processes[0].Backend = "\x1b]0;x\a", "\u009b"
	}
	for i := range evil.GPUs.Events {
		x := &evil.GPUs.Events[i]
		x.UUID, x.Name, x.Owners = evil.GPUs.GPUs[x.Index].UUID, "\x1b[31mred", []string{strings.Repeat("長", 1<<19)}
	}
	goldens(t, "gpuview-calm", gpuSizes, gpuViewOf(gpuCalm()))
	goldens(t, "gpuview-trouble", gpuSizes, gpuViewOf(gpuTrouble()))
	goldens(t, "gpuview-eight", gpuSizes, gpuViewOf(gpuMany()))
	goldens(t, "gpuview-fleet", gpuSizes, gpuViewOf(gpuFleet()))
	goldens(t, "gpuview-parts", gpuSizes, gpuViewOf(gpuParted()))
	goldens(t, "gpuview-hostile", gpuSizes[:2], gpuViewOf(evil))
	goldens(t, "gpuview-unread", gpuOne, gpuViewOf(unread))
	goldens(t, "gpuview-absent", gpuOne, gpuViewOf(absent))
	goldens(t, "gpuview-empty", gpuOne, gpuViewOf(Data{Now: noon}))
	goldens(t, "gpuview-selected", gpuSizes, gpuViewOf(gpuMany(), "g", "down", "down"))
	goldens(t, "gpuview-day", gpuOne, gpuViewOf(gpuTrouble(), "t"))
	goldens(t, "gpuview-tiny", [][2]int{{40, 8}}, gpuViewOf(gpuTrouble()))
	goldens(t, "gpuview-filtered", gpuOne, func(th *widget.Theme) Pane {
		p := gpuView(th, gpuFleet())
		p.SetFilter("gpu4 !llama-12")
		p.SetSort(3)
		return p
	})
}

func TestGPUsGoldens(t *testing.T) {
	t.Parallel()
	compact := func(d Data) func(*widget.Theme) Pane {
		return func(th *widget.Theme) Pane {
			p := NewGPUs(th, NewScrolling())
			p.Update(d)
			return p
		}
	}
	goldens(t, "gpus-calm", [][2]int{{78, 2}, {118, 8}, {198, 4}}, compact(gpuCalm()))
	goldens(t, "gpus-trouble", [][2]int{{78, 2}, {118, 8}, {198, 4}}, compact(gpuTrouble()))
	goldens(t, "gpus-eight", [][2]int{{78, 8}, {118, 8}, {198, 16}}, compact(gpuMany()))
	goldens(t, "gpus-fleet", [][2]int{{78, 8}, {118, 12}}, compact(gpuFleet()))
}

// What is wrong is said in words beside its mark, by both panes.
func TestGPUNotes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(d *Data, g *gpu.GPU)
		mark   string
		words  string
	}{
		{"well", func(*Data, *gpu.GPU) {}, "●", ""},
		{"at its cap", func(_ *Data, g *gpu.GPU) { g.Throttle = gpu.ThrottlePower }, "●", "power cap"},
		{"hung", func(_ *Data, g *gpu.GPU) { g.State, g.At = gpu.Hung, noon.Add(-14*time.Second) }, "○", "NVML hung 14 s"},
		{"failing", func(_ *Data, g *gpu.GPU) { g.State, g.At = gpu.Failing, noon.Add(-14*time.Second) }, "○", "NVML failing 14 s"},
		{"never read, hung", func(_ *Data, g *gpu.GPU) {
			*g = gpu.GPU{Name: "NVIDIA L4", State: gpu.Hung, Since: noon.Add(-20 * time.Second)}
		}, "○", "NVML hung 20 s"},
		{"lost", func(_ *Data, g *gpu.GPU) { g.State, g.Since = gpu.Lost, noon.Add(-41*time.Second) }, "■", "lost 41 s"},
		{"XID", func(d *Data, g *gpu.GPU) { d.GPUs.Events = []gpu.XID{gpuFallen(g, time.Minute)} }, "■", "XID 79"},
		{"XID of an application", func(d *Data, g *gpu.GPU) { d.GPUs.Events = []gpu.XID{gpuPageFault(g, time.Minute, 1)} }, "▲", "XID 31"},
		{"old XID", func(d *Data, g *gpu.GPU) { d.GPUs.Events = []gpu.XID{gpuPageFault(g, time.Hour, 1)} }, "●", ""},
		{"idle", func(d *Data, g *gpu.GPU) { *d = gpuMany(); d.GPUs.GPUs = d.GPUs.GPUs[6:7] }, "▲", "idle, work!"},
		{"heat", func(_ *Data, g *gpu.GPU) { g.Throttle = gpu.ThrottleHeat }, "▲", "heat"},
		{"rows", func(_ *Data, g *gpu.GPU) { g.ECC.RemapPending = gpu.Read(1, noon) }, "▲", "reset pending"},
		{"memory errors", func(_ *Data, g *gpu.GPU) { g.NewUncorrected = gpu.Read(2, noon) }, "■", "ECC errors"},
		{"persistence", func(_ *Data, g *gpu.GPU) { g.Persistence = gpu.Read(0, noon) }, "▲", "persistence off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := gpuData(gpuSmall(0, "chat"))
			tt.change(&d, &d.GPUs.GPUs[0])
			small := NewGPUs(theme(), NewScrolling())
			small.Update(d)
			view := gpuView(theme(), d)
			for name, got := range map[string]string{"line": gpuSeenAt(small, 150, 1), "card": gpuSeenAt(small, 118, 4), "sheet": gpuSeenAt(view, 118, 30), "view's line": gpuSeenAt(view, 118, 3)} {
				if !strings.Contains(got, tt.mark+" ") || !strings.Contains(got, tt.words) {
					t.Errorf("%s: no %q, %q in\n%s", name, tt.mark, tt.words, got)
				}
				for _, m := range []string{"●", "▲", "■"} {
					if m != tt.mark && strings.Contains(strings.SplitN(got, "\n", 2)[0], m+" 0") {
						t.Errorf("%s: %q in\n%s", name, m, got)
					}
				}
			}
		})
	}
}

// Not supported is not the same as no data, and neither is 0.
func TestGPUNotSupportedIsNoData(t *testing.T) {
	d := gpuData(gpuSmall(0, "chat"))
	g := &d.GPUs.GPUs[0]
	g.Fan, g.Encoder, g.Decoder, g.PCIe.Replays, g.Util = gpu.NotSupported(), gpu.Reading{}, gpu.Reading{}, gpu.Reading{}, gpu.NotSupported()
	got := gpuSeenAt(gpuView(theme(), d), 118, 36)
	for _, l := range []string{"fan       not supported", "enc, dec  –", "replays   –"} {
		gpuHas(t, got, l)
	}
	if first := strings.Split(got, "\n")[1]; !strings.Contains(first, "util") || !strings.Contains(first, "not supported") || strings.Contains(first, "0 %") {
		t.Errorf("%q", first)
	}
	_, facts := gpuView(theme(), d).Describe()
	for label, want := range map[string]string{"fan": "not supported", "enc, dec": "–", "replays": "–", "utilisation": "not supported", "mem busy": "48 %"} {
		if got := gpuFactOf(facts, label); got != want {
			t.Errorf("%s is %q, want %q", label, got, want)
		}
	}
}

func gpuFactOf(facts []Fact, label string) string {
	for _, f := range facts {
		if f.Label == label {
			return f.Text
		}
	}
	return "no such fact"
}

// A single reading that isn't refreshed is said to be old.
func TestGPUOldReading(t *testing.T) {
	d := gpuData(gpuSmall(0, "chat"))
	d.GPUs.GPUs[0].PCIe.Rx = gpu.Read(40e6, noon.Add(-50*time.Second))
	gpuHas(t, gpuSeenAt(gpuView(theme(), d), 198, 36), "40 MB/s 50 s ago")
}

// Each XID tells its meaning, what to do and whom it met, the newest first; of a
// device only its own.
func TestGPUXIDs(t *testing.T) {
	d := gpuTrouble()
	got := gpuSeenAt(gpuView(theme(), d, "g"), 78, 60)
	at := -1
	for _, w := range []string{"XID 79", "43 s ago", "GPU has fallen off the bus", "6 requests were in flight; it met text2sql, python3", "→ drain the host's backends and reboot the host", "the host can't reach the device", "XID 31", "9 min ago, 3 times", "→ restart the backend"} {
		i := strings.Index(got[at+1:], w)
		if i < 0 {
			t.Fatalf("%q is missing or out of order in\n%s", w, got)
		}
		at += 1 + i
		if w == "XID 79" { // on from the list, not the head
			at = strings.Index(got, "xids")
		}
	}
	own, _, _ := strings.Cut(got[strings.Index(got, "xids"):], "1 L4")
	gpuHasNot(t, own, "2 h ago")
	// Deaf is not the same as none.
	deaf := gpuCalm()
	deaf.GPUs.Hosts[0].EventsErr = "kernel log: permission denied"
	gpuHas(t, gpuSeenAt(gpuView(theme(), deaf), 118, 36), "none heard of: kernel log", "XIDs unheard")
	gpuHasNot(t, gpuSeenAt(gpuView(theme(), gpuCalm()), 118, 36), "heard")
	// Of a device that isn't listed it is told too.
	stray := gpuCalm()
	x := gpuFallen(&stray.GPUs.GPUs[0], time.Minute)
	x.UUID, x.Index, x.PCI = "", -1, "0000:41:00.0"
	stray.GPUs.Events = []gpu.XID{x}
	gpuHas(t, gpuSeenAt(gpuView(theme(), stray), 118, 36), "0000:41:00.0 XID 79, of no listed gpu")
}

// However many there were, the newest XID tells what to do, and the others how
// many they are.
func TestGPUManyXIDs(t *testing.T) {
	d := gpuData(gpuSmall(0, "chat"))
	g := &d.GPUs.GPUs[0]
	for i := range 40 {
		d.GPUs.Events = append(d.GPUs.Events, gpuPageFault(g, time.Duration(60-i)*time.Minute, 1))
	}
	d.GPUs.Events = append(d.GPUs.Events, gpuFallen(g, time.Minute))
	for _, size := range [][2]int{{78, 16}, {118, 20}, {198, 56}} {
		got := gpuSeenAt(gpuView(theme(), d), size[0], size[1])
		gpuHas(t, got, "■ XID 79", "→ drain the host's backends", "▲ XID 31")
	}
}

// Where devices have no UUID, an XID belongs to that of its host and index alone.
func TestGPUXIDsWithoutUUID(t *testing.T) {
	d := gpuData(gpuSmall(0, "chat"), gpuSmall(0, "sql"))
	for i := range d.GPUs.GPUs {
		d.GPUs.GPUs[i].UUID = ""
	}
	d.GPUs.GPUs[1].Host = "gpu2"
	x := gpuFallen(&d.GPUs.GPUs[1], time.Minute)
	x.Host = "gpu2"
	d.GPUs.Events = []gpu.XID{x}
	if all := gpuDevices(nil, &d); len(all[0].xids) != 0 || len(all[1].xids) != 1 {
		t.Errorf("%d and %d XIDs", len(all[0].xids), len(all[1].xids))
	}
	p := gpuView(theme(), d, "g", "right")
	if p.Selected().ID == gpuID(p.row(0)).ID {
		t.Error("two devices have the same Ref")
	}
}

// Who is on a device is named as far as it is known.
func TestGPUProcesses(t *testing.T) {
	got := gpuSeenAt(gpuView(theme(), gpuParted()), 118, 36)
	gpuHas(t, got, "3g.40gb", "small-a", "vllm-small-a", "31.2 GiB", "unknown", "its /proc")
	if a, b := strings.Index(got, "small-a  "), strings.Index(got, "1g.10gb"); a > b {
		t.Error("a process is not below its part")
	}
	d := gpuData(gpuSmall(0, "chat"))
	d.GPUs.GPUs[0].Processes = []gpu.Owner{}
	gpuHas(t, gpuSeenAt(gpuView(theme(), d), 118, 36), "nobody is on it")
	d = gpuData(gpuSmall(0, "chat"))
	d.GPUs.GPUs[0].Processes = nil
	gpuHasNot(t, gpuSeenAt(gpuView(theme(), d), 118, 36), "nobody is on it")
	d = gpuData(gpuSmall(0, "chat"))
	o := d.GPUs.GPUs[0].Processes[0]
	for range 20 {
		d.GPUs.GPUs[0].Processes = append(d.GPUs.GPUs[0].Processes, o)
	}
	gpuHas(t, gpuSeenAt(gpuView(theme(), d), 78, 20), "and ", " more")
}

// What is selected keeps its line while others come and go, whatever it serves.
func TestGPUSelectedKeepsItsPlace(t *testing.T) {
	d := gpuFleet()
	p := gpuView(theme(), d)
	p.View(118, 36)
	p.SetSort(1)
	p.Select(Ref{Kind: RefGPU, ID: "GPU-01-04"})
	line := func() int {
		for i, l := range strings.Split(gpuSeenAt(p, 118, 36), "\n") {
			if strings.HasPrefix(l, "▸") {
				if !strings.Contains(l, "gpu2:4") {
					t.Errorf("%q is marked", l)
				}
				return i
			}
		}
		return -1
	}
	p.View(118, 36)
	for range 8 { // away from the window's edge
		p.Update(press("down"))
		p.View(118, 36)
	}
	for range 8 {
		p.Update(press("up"))
		p.View(118, 36)
	}
	was := line()
	next := *d.GPUs
	next.GPUs = slices.Clone(d.GPUs.GPUs)
	for i := range next.GPUs {
		g := &next.GPUs[i]
		g.Util = gpu.Read(math.Mod(g.Util.Or(0)*7+float64(i)*13, 100), noon)
		if g.UUID == "GPU-01-04" {
			g.Util = gpu.Read(50, noon)
			g.Serves = "" // its backend restarts
		}
	}
	d.GPUs = &next
	p.Update(d)
	if now := line(); now != was || was < 0 {
		t.Errorf("it was in line %d and is in %d", was, now)
	}
	if got, want := p.Selected(), (Ref{Kind: RefGPU, ID: "GPU-01-04"}); got != want {
		t.Errorf("selected is %+v, want %+v", got, want)
	}
	if p.Select(Ref{Kind: RefGPU, ID: "GPU-99"}) || p.Select(Ref{Kind: RefOrg, ID: "GPU-01-04"}) {
		t.Error("what isn't there can be selected")
	}
	p.Update(press("esc"))
	if p.Selected() != (Ref{}) {
		t.Error("esc leaves something selected")
	}
}

// Without a selection the details are those of the worst device, which stays the
// same one among equals; the first key takes that one.
func TestGPUDetailsOfTheWorst(t *testing.T) {
	d := gpuMany()
	p := gpuView(theme(), d)
	if got := p.id(p.row(p.teller())); got.ID != d.GPUs.GPUs[3].UUID {
		t.Errorf("details of %v", got)
	}
	next := *d.GPUs
	next.GPUs = slices.Clone(d.GPUs.GPUs)
	next.GPUs[1].Throttle = gpu.ThrottleHeat // as bad, and before it
	d.GPUs = &next
	p.Update(d)
	if i := p.teller(); i != 3 {
		t.Errorf("another one as bad takes the details: %d", i)
	}
	again := next
	again.GPUs = slices.Clone(next.GPUs)
	again.GPUs[7].State, again.GPUs[7].Since = gpu.Lost, noon
	d.GPUs = &again
	p.Update(d)
	if i := p.teller(); i != 7 {
		t.Errorf("details of %d, not of the lost one", i)
	}
	p.View(118, 36)
	p.Update(press("down"))
	if got := p.Selected(); got.ID != d.GPUs.GPUs[7].UUID || got.Name != "llama-3" {
		t.Errorf("the first key selects %+v", got)
	}
}

// Among cards the arrows go where they point.
func TestGPUCardKeys(t *testing.T) {
	p := gpuView(theme(), gpuMany())
	p.View(198, 56) // three across
	for _, s := range []struct {
		key  string
		want int
	}{{"g", 0}, {"right", 1}, {"down", 4}, {"left", 3}, {"down", 6}, {"down", 6}, {"up", 3}, {"up", 0}, {"left", 0}, {"G", 7}, {"right", 7}} {
		p.Update(press(s.key))
		p.View(198, 56)
		if p.index != s.want {
			t.Fatalf("%s leads to %d, want %d", s.key, p.index, s.want)
		}
	}
	p.View(118, 36) // lines
	p.Update(press("up"))
	if p.index != 6 {
		t.Errorf("up leads to %d", p.index)
	}
}

func TestGPUSortsAndFilters(t *testing.T) {
	d := gpuMany()
	d.GPUs.GPUs[2].Power = gpu.Reading{}
	p := gpuView(theme(), d)
	order := func() string {
		var s []string
		for i := range p.shown {
			s = append(s, fmt.Sprint(p.row(i).g.Index))
		}
		return strings.Join(s, " ")
	}
	for i, want := range []string{"0 1 2 3 4 5 6 7", "0 1 2 3 4 5 7 6", "0 1 2 3 4 5 6 7", "3 7 6 5 4 2 1 0", "1 0 3 4 5 6 7 2"} {
		p.SetSort(i)
		if got := order(); got != want {
			t.Errorf("by %s: %s, want %s", p.Sorts()[i], got, want)
		}
	}
	if _, note := p.Title(); !strings.Contains(note, "by power") {
		t.Errorf("the title doesn't tell the order: %q", note)
	}
	p.SetSort(0)
	for filter, want := range map[string]string{"llama-1": "2 3", "heat": "3", "idle": "6", "H100 !llama": "", "vllm-llama-2": "4 5", "0000:06": "5", "": "0 1 2 3 4 5 6 7"} {
		p.SetFilter(filter)
		if got := order(); got != want {
			t.Errorf("/%s: %q, want %q", filter, got, want)
		}
		name, note := p.Title()
		if n := strings.Fields(want); name != "gpus" || filter != "" && !strings.HasPrefix(note, fmt.Sprintf("%d of 8 · /%s", len(n), filter)) {
			t.Errorf("/%s: %q, %q", filter, name, note)
		}
	}
	p.SetFilter("nothing such")
	gpuHas(t, gpuSeenAt(p, 78, 20), "none of 8 gpus matches")
	if title, facts := p.Describe(); title != "" || facts != nil {
		t.Error("nothing is described")
	}
}

// What happened stands on the time axis below its moment.
func TestGPUMarksAreAtTheirMoment(t *testing.T) {
	for _, span := range []gpuSpan{gpuMinutes, gpuHours} {
		for _, w := range []int{10, 23, 45, 90, 450, 500} {
			at := newGPUTime(span, w, noon)
			if got := at.cell(noon); got != w-1 {
				t.Errorf("now is at %d of %d", got, w)
			}
			if got := at.cell(noon.Add(-2 * span.length)); got >= 0 && w < 450 {
				t.Errorf("before the beginning is at %d of %d", got, w)
			}
			ago := span.length / 3
			from, to := float64(w)*2/3-2, float64(w)*2/3+2
			if w >= 450 { // a sample a column, with room left
				from, to = float64(w)-float64(ago/span.unit)/2-2, float64(w)-float64(ago/span.unit)/2+2
			}
			if got := float64(at.cell(noon.Add(-ago))); span.unit == time.Second && (got < from || got > to) {
				t.Errorf("%v ago is at %v of %d", ago, got, w)
			}
		}
	}
	// A mark and the gap that a device leaves in its history are in one place.
	d := gpuTrouble()
	lines := strings.Split(gpuSeenAt(gpuView(theme(), d, "g"), 78, 24), "\n")
	var graph, marks string
	for i, l := range lines {
		if i > 3 && strings.Contains(l, "0┤") && strings.Contains(l, "sm clock") {
			graph = l // its lowest row, where every sample has a dot
		}
		if strings.Contains(l, "XID 79 ■") {
			marks = l
		}
	}
	end := len([]rune(strings.TrimRight(graph, " ")))
	if at := strings.Index(marks, "■"); at < 0 || len([]rune(marks[:at])) < end-1 || len([]rune(marks[:at])) > end+2 {
		t.Errorf("the history ends at %d\n%s\n%s", end, graph, marks)
	}
}

// State changes and what was done to a device's backend are marked, those of
// others are not.
func TestGPUMarks(t *testing.T) {
	g := gpuSmall(1, "chat, sql")
	dev := gpuDevice{g: &g, serves: []string{"chat", "sql"}}
	ev := func(k past.Kind, object, text string) past.Event {
		return past.Event{At: noon.Add(-time.Minute), Kind: k, Object: object, Text: text}
	}
	s := &past.Snapshot{Events: []past.Event{ev(past.KindGPU, "gpu 1", "hung"), ev(past.KindGPU, "gpu 0", "no"), ev(past.KindGPU, "gpu 1 on gpu2", "no"), ev(past.KindGPU, "gpu 1", "XID 79"), ev(past.KindGPU, g.UUID, "lost"),
		ev(past.KindJob, "sql", "restarted"), ev(past.KindBackend, "other", "no"), ev(past.KindQuota, "chat", "no"), {At: noon.Add(-time.Hour), Kind: past.KindGPU, Object: "gpu 1", Text: "too old"}}}
	var got []string
	for _, m := range gpuMarks(nil, &dev, s, noon.Add(-15*time.Minute)) {
		got = append(got, m.text)
	}
	if want := []string{"hung", "lost", "restarted"}; !slices.Equal(got, want) {
		t.Errorf("marked are %q, want %q", got, want)
	}
	g.Host = "gpu2"
	for object, want := range map[string]bool{"gpu 1": false, "gpu 1 on gpu2": true, "gpu2:1": true, "gpu gpu2:1": true, "gpu 1 on gpu3": false} {
		if gpuNamed(&g, object) != want {
			t.Errorf("%q is it: %v", object, !want)
		}
	}
}

// The short and the long history are both thinned to means, and what is not
// known stays unknown.
func TestGPUCurves(t *testing.T) {
	g := gpu.GPU{LongAt: noon}
	for k := range 900 {
		g.History = append(g.History, gpu.Point{Util: float32(k), Mem: float32(math.NaN())})
	}
	for range 100 {
		g.Long = append(g.Long, gpu.Point{Util: 7})
	}
	var v gpuCurves
	at := newGPUTime(gpuMinutes, 45, noon) // ten seconds a column
	v.fill(&at, &g, noon)
	// noon is a whole multiple of ten: the newest column has one sample.
	if n := len(v.util); n != 90 || v.util[89] != 899 || v.util[88] != 893.5 || !math.IsNaN(v.mem[88]) {
		t.Errorf("%d columns, %v, %v, %v", n, v.util[88:], v.mem[88:], v.util[0])
	}
	later := newGPUTime(gpuMinutes, 45, noon.Add(40*time.Second))
	v.fill(&later, &g, noon) // the sampler has stopped
	if !math.IsNaN(v.util[89]) || v.util[85] != 899 {
		t.Errorf("forty seconds later %v", v.util[80:])
	}
	long := newGPUTime(gpuHours, 45, noon)
	v.fill(&long, &g, noon)
	if v.util[89] != 7 || v.util[88] != 7 || !math.IsNaN(v.util[80]) {
		t.Errorf("a day: %v", v.util[78:])
	}
}

func TestGPUSpanKey(t *testing.T) {
	p := gpuView(theme(), gpuCalm())
	if h := p.Keys()[0].Help(); h.Key != "t" || h.Desc != "24 hours" {
		t.Errorf("%+v", h)
	}
	gpuHas(t, gpuSeenAt(p, 198, 56), "15 min", "10 min", "5 min")
	p.Update(press("t"))
	gpuHas(t, gpuSeenAt(p, 198, 56), "24 h", "18 h", "12 h", "6 h")
	if h := p.Keys()[0].Help(); h.Desc != "15 minutes" {
		t.Errorf("%+v", h)
	}
}

// Describe leaves nothing out.
func TestGPUDescribe(t *testing.T) {
	p := gpuView(theme(), gpuTrouble(), "g")
	title, facts := p.Describe()
	if title != "gpu 0 · NVIDIA L4" {
		t.Error(title)
	}
	var all strings.Builder
	for _, f := range facts {
		all.WriteString(f.Label + ": " + f.Text + "\n")
	}
	gpuHas(t, all.String(), "state: lost for 41 s, it has fallen off the bus", "last answer: 42 s ago", "uuid: GPU-5d1c9f3e-0b7a-4c1e-9a55-2f6d1b0e7a00", "pci: 0000:01:00.0", "driver: 580.159.03", "cuda: 13.0",
		"temperature: 61 °C", "slow, off: 86 °C, 94 °C", "power: 68/72 W", "energy: 12.0 kWh", "sm clock: 2040/2040 MHz", "fan: not supported", "p-state: P0", "runs slower: no", "pcie: gen 4/4 x8/8",
		"nvlink: none", "ecc now: 0 fixed, 0 not", "ecc ever: 3 fixed, 0 not", "mig: not supported", "persist: on", "compute: default", "process: text2sql, container vllm-text2sql, pid 4194", "process: python3 (pid 99), not of a known container",
		"XID 79: 2026-11-22 11:59:17Z, 43 s ago", "6 requests were in flight", "told: pid='<unknown>'", "XID 31: ", "3 times")
	large := gpuView(theme(), gpuMany(), "g")
	_, facts = large.Describe()
	if got := gpuFactOf(facts, "link 17"); got != "up, 11 GB/s in, 10 GB/s out, 0 errors" {
		t.Error(got)
	}
	_, facts = gpuView(theme(), gpuParted()).Describe()
	if got := gpuFactOf(facts, "part"); !strings.HasPrefix(got, "3g.40gb, 31.2/39.2 GiB, MIG-0") {
		t.Error(got)
	}
}

// Hosts are told of where there are several, or one is not well.
func TestGPUHosts(t *testing.T) {
	got := gpuSeenAt(gpuView(theme(), gpuFleet()), 118, 36)
	gpuHas(t, got, "▲ gpu4 get http://gpu4:9400/metrics: connection refused", "● gpu2 8 gpus, dcgm 580.82.07", "○ this host")
	if !strings.HasPrefix(got, " ▲ gpu4") {
		t.Errorf("the worst is not the first:\n%s", got)
	}
	gpuHasNot(t, gpuSeenAt(gpuView(theme(), gpuCalm()), 118, 36), "this host")
}

// A device that is gone and one that has taken its index keep what is theirs.
func TestGPUGoneAndItsHeir(t *testing.T) {
	d := gpuData(gpuSmall(0, "chat"), gpuSmall(0, "chat"))
	gone := &d.GPUs.GPUs[1]
	gone.UUID, gone.State, gone.Since = "GPU-gone", gpu.Gone, noon.Add(-time.Minute)
	d.GPUs.Events = []gpu.XID{gpuFallen(gone, 2*time.Minute)}
	all := gpuDevices(nil, &d)
	if all[0].state != widget.Good || all[0].note != "" || len(all[0].xids) != 0 {
		t.Errorf("the heir: %v, %q", all[0].state, all[0].note)
	}
	if all[1].state != widget.Bad || all[1].note != "gone 60 s, XID 79" {
		t.Errorf("the one that is gone: %v, %q", all[1].state, all[1].note)
	}
}

// Nothing is drawn twice.
func TestGPUViewKeepsItsPicture(t *testing.T) {
	d := gpuTrouble()
	p := gpuView(theme(), d)
	p.View(118, 36)
	if n := testing.AllocsPerRun(10, func() { p.Update(Data(d)); _ = p.View(118, 36) }); n > 1 {
		t.Errorf("%v allocations with nothing new", n)
	}
	first := p.View(118, 36)
	d.Now = d.Now.Add(time.Second)
	if p.Update(d); p.View(118, 36) == first {
		t.Error("ages stand still")
	}
}

func BenchmarkGPUView(b *testing.B) {
	for _, bm := range []struct {
		name string
		d    Data
		w, h int
		keys []string
	}{
		{"two", gpuCalm(), 118, 36, nil},
		{"two, 24 h", gpuCalm(), 118, 36, []string{"t"}},
		{"trouble", gpuTrouble(), 118, 36, nil},
		{"eight", gpuMany(), 118, 36, nil},
		{"eight large", gpuMany(), 198, 56, nil},
		{"fleet", gpuFleet(), 118, 36, nil},
		{"fleet large", gpuFleet(), 198, 56, nil},
	} {
		b.Run(bm.name, func(b *testing.B) {
			p := gpuView(widget.NewTheme(looks["dark"]), bm.d, bm.keys...)
			b.ReportAllocs()
			d := bm.d
			for b.Loop() {
				again := *d.GPUs
				d.GPUs = &again
				p.Update(d)
				_ = p.View(bm.w, bm.h)
			}
		})
	}
	b.Run("overview", func(b *testing.B) {
		p := NewGPUs(widget.NewTheme(looks["dark"]), NewScrolling())
		b.ReportAllocs()
		d := gpuCalm()
		for b.Loop() {
			again := *d.GPUs
			d.GPUs = &again
			p.Update(d)
			_ = p.View(118, 8)
		}
	})
}

// A device's line has room for what tells its model from others, and for words as they
// are.
func TestGPULinesNameTheModel(t *testing.T) {
	for name, want := range map[string]string{"NVIDIA L4": "L4", "NVIDIA H100 80GB HBM3": "H100", "NVIDIA RTX 4090": "RTX 4090", "NVIDIA A100-SXM4-80GB": "A100-SXM4-80GB", "Tesla": "Tesla", "": ""} {
		if got := short(name)[:gpuModel(short(name))]; got != want {
			t.Errorf("of %q %q tells it from others, want %q", name, got, want)
		}
	}
	g := gpuLarge(3, "llama")
	for w, want := range map[int]string{1: "3 H100", 6: "3 H100", 10: "3 H100", 11: "3 H100 80GB", 40: "3 H100 80GB HBM3"} {
		if got := gpuTitle(&g, w); got != want {
			t.Errorf("in %d cells it is %q, want %q", w, got, want)
		}
	}
}

// In a card of the overview an XID stands once, and what is wrong isn't cut for it.
func TestGPUCardTellsAnXIDOnce(t *testing.T) {
	d := gpuTrouble()
	d.GPUs.Events = d.GPUs.Events[1:2] // of the one that hangs, an hour ago
	d.GPUs.Events[0].At, d.GPUs.Events[0].Last = noon.Add(-9*time.Minute), noon.Add(-9*time.Minute)
	p := NewGPUs(theme(), NewScrolling())
	p.Update(d)
	got := ansi.Strip(p.View(118, 8))
	if n := strings.Count(got, "XID 31"); n != 1 || !strings.Contains(got, "NVML hung 12 s ") && !strings.Contains(got, "NVML hung 14 s ") {
		t.Errorf("XID 31 stands %d times in\n%s", n, got)
	}
}

// Columns of devices stay where they are while one moves among them.
func TestGPUColumnsStay(t *testing.T) {
	d := gpuFleet()
	d.GPUs.GPUs[39].Serves = "a-name-of-some-length"
	p := gpuView(theme(), d)
	heads := func() string {
		for l := range strings.SplitSeq(ansi.Strip(p.View(138, 20)), "\n") {
			if strings.Contains(l, "serves") {
				return l
			}
		}
		t.Fatal("there are no columns")
		return ""
	}
	first := heads()
	for i := range len(d.GPUs.GPUs) {
		p.Update(press("j"))
		if now := heads(); now != first {
			t.Fatalf("at device %d the columns are\n%s\nand were\n%s", i, now, first)
		}
	}
}
