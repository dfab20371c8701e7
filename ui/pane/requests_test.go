package pane

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func theme() *widget.Theme { return widget.NewTheme(widget.Look{}) }

func record(id int, live bool) gateway.Record {
	r := gateway.Record{ID: fmt.Sprintf("r%d", id), Start: noon.Add(time.Duration(id) * time.Second), Org: fmt.Sprintf("org%d", id), KeyName: "k", Backend: "chat", Phase: gateway.PhaseDecode}
	if !live {
		r.Phase, r.Status, r.End = gateway.PhaseEnded, 200, gateway.EndDone
	}
	return r
}

// served makes a snapshot of requests in flight and ended ones, by number, in
// the order of the lists.
func served(live, recent []int) *gateway.Snapshot {
	s := &gateway.Snapshot{At: noon, InFlight: len(live)}
	for _, id := range live {
		s.Live = append(s.Live, record(id, true))
	}
	for _, id := range recent {
		s.Recent = append(s.Recent, record(id, false))
	}
	return s
}

func press(name string) tea.KeyPressMsg {
	if code, ok := map[string]rune{"up": tea.KeyUp, "down": tea.KeyDown, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "esc": tea.KeyEscape, "right": tea.KeyRight, "left": tea.KeyLeft}[name]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	return tea.KeyPressMsg{Text: name, Code: rune(name[0])}
}

// shownOrgs are the requests on the screen from top to bottom by their
// organisation's number, the selected one in brackets.
func shownOrgs(p *Requests, h int) string {
	var out []string
	for _, l := range strings.Split(ansi.Strip(p.View(60, h)), "\n")[1:] {
		at := strings.Index(l, "org")
		if at < 0 {
			continue
		}
		n, _, _ := strings.Cut(l[at+3:], "/")
		if strings.HasPrefix(l, "▸") {
			n = "[" + n + "]"
		}
		out = append(out, n)
	}
	return strings.Join(out, " ")
}

func TestRequestsScroll(t *testing.T) {
	for _, tt := range []struct{ keys, want string }{
		{"", "1 2 20 19 18"}, // in flight: no more than half
		{"down", "[1] 2 3 20 19"},
		{"down down", "1 [2] 3 20 19"},
		{"j j k", "[1] 2 3 20 19"},
		{"down G", "16 15 14 13 [12]"},
		{"G g", "[1] 2 3 20 19"},
		{"down pgdown", "1 2 3 20 [19]"},
		{"down pgdown down", "2 3 20 19 [18]"},
		{"G pgup", "[16] 15 14 13 12"},
		{"G down down", "16 15 14 13 [12]"},
		{"down up up", "[1] 2 3 20 19"},
		{"G esc", "1 2 20 19 18"},
	} {
		t.Run(tt.keys, func(t *testing.T) {
			p := NewRequests(theme(), NewScrolling())
			p.Update(Data{Gateway: served([]int{1, 2, 3}, []int{20, 19, 18, 17, 16, 15, 14, 13, 12})})
			p.View(60, 6)
			for _, k := range strings.Fields(tt.keys) {
				p.Update(press(k))
			}
			if got := shownOrgs(p, 6); got != tt.want {
				t.Errorf("shows %s, want %s", got, tt.want)
			}
		})
	}
}

// The request that is being read stays where it is on the screen while others
// come and go, through its own end too.
func TestRequestsStayUnderTheReader(t *testing.T) {
	p := NewRequests(theme(), NewScrolling())
	p.Update(Data{Gateway: served([]int{5}, []int{4, 3, 2, 1})})
	p.View(60, 4)
	for _, k := range []string{"down", "down", "down", "down"} {
		p.Update(press(k))
	}
	for _, step := range []struct {
		name string
		next *gateway.Snapshot
		want string
	}{
		{"at first", nil, "4 3 [2]"},
		{"rows arrive above", served([]int{5, 6, 7}, []int{9, 8, 4, 3, 2, 1}), "4 3 [2]"},
		{"rows go", served(nil, []int{4, 3, 2, 1}), "4 3 [2]"},
		{"more than fit", served(nil, []int{3, 2, 1}), "3 [2] 1"},
		{"it falls off the end", served(nil, []int{12, 11, 10, 9, 8, 7}), "9 8 [7]"},
		{"all go", served(nil, nil), ""},
		{"others come", served(nil, []int{30, 29}), "30 29"},
	} {
		if step.next != nil {
			p.Update(Data{Gateway: step.next})
		}
		if got := shownOrgs(p, 4); got != step.want {
			t.Errorf("%s: shows %s, want %s", step.name, got, step.want)
		}
	}
	p.Update(Data{Gateway: served([]int{5}, []int{4})})
	p.Update(press("down"))
	p.Update(Data{Gateway: served(nil, []int{6, 5, 4})})
	if got := shownOrgs(p, 4); got != "[5] 4" && got != "6 [5] 4" {
		t.Errorf("its own end loses the selected request: %s", got)
	}
}

// Clients may send the same request ID twice.
func TestRequestsOfOneID(t *testing.T) {
	s := served(nil, []int{3, 2, 1})
	for i := range s.Recent {
		s.Recent[i].ID = "same"
	}
	p := NewRequests(theme(), NewScrolling())
	p.Update(Data{Gateway: s})
	p.View(60, 5)
	p.Update(press("down"))
	p.Update(press("down"))
	again := *s
	p.Update(Data{Gateway: &again})
	if got := shownOrgs(p, 5); got != "3 [2] 1" {
		t.Errorf("shows %s", got)
	}
}

// A request that no longer matches leaves the reader where it was; only one that
// fell off the end leaves the reader there.
func TestRequestThatLeavesTheFilter(t *testing.T) {
	p := NewRequests(theme(), NewScrolling())
	p.SetFilter("live")
	p.Update(Data{Gateway: served([]int{1, 2, 3, 4, 5}, []int{9})})
	p.View(60, 4)
	p.Update(press("down"))
	p.Update(press("down"))
	p.Update(Data{Gateway: served([]int{1, 3, 4, 5, 6}, []int{2, 9})})
	if got := shownOrgs(p, 4); got != "1 [3] 4" {
		t.Errorf("shows %s, want 1 [3] 4", got)
	}
}

func TestRequestRef(t *testing.T) {
	p := NewRequests(theme(), NewScrolling())
	if p.Selected() != (Ref{}) || p.Selecting() {
		t.Error("something is selected at first")
	}
	s := served([]int{1}, []int{2})
	p.Update(Data{Gateway: s})
	p.View(60, 4)
	p.Update(press("down"))
	ref := p.Selected()
	if want := (Ref{Kind: RefRequest, ID: "r1", Start: noon.Add(time.Second), Name: "org1"}); ref != want {
		t.Errorf("selected is %+v, want %+v", ref, want)
	}
	// The same moment as another clock writes it.
	again := *s
	again.Live = []gateway.Record{s.Live[0]}
	again.Live[0].Start = again.Live[0].Start.In(time.FixedZone("CET", 3600))
	p.Update(Data{Gateway: &again})
	if p.Selected() != ref {
		t.Errorf("selected is %+v, want %+v", p.Selected(), ref)
	}
	if p.Select(Ref{Kind: RefRequest, ID: "r9"}) || p.Selected() != ref {
		t.Error("a request that there isn't is selected")
	}
	if got := shownOrgs(p, 4); got != "[1] 2" {
		t.Errorf("shows %s, want [1] 2", got)
	}
	if !p.Select(Ref{Kind: RefRequest, ID: "r2", Start: noon.Add(2 * time.Second), Name: "org2"}) || shownOrgs(p, 4) != "1 [2]" {
		t.Errorf("shows %s, want 1 [2]", shownOrgs(p, 4))
	}
}

func TestRequestDescribe(t *testing.T) {
	p := badNight(theme())
	p.View(118, 36)
	if title, facts := p.Describe(); title != "" || facts != nil {
		t.Errorf("%q, %v of nothing", title, facts)
	}
	for _, tt := range []struct {
		row         int
		title, want string
	}{
		{0, "request 7f3a0000", `request: 7f3a0000
state: ▲ runaway
code: –
organisation: acme
key: etl-nightly
client: 203.0.113.9
route: /v1/chat/completions, stream
model: Qwen/Qwen2.5-7B-Instruct
backend: chat
replica: http://chat:8000
started: 2026-11-22 11:57:26.000 UTC
first token: 180 ms
so far: 2m34s
prompt: 60 tokens, an estimate until the engine says
generated: 5,012 tokens so far
rate now: 25.0 tok/s
rate: 32.6 tok/s since the first token
look: a runaway: more than 4,096 tokens generated
`},
		{27, "request 7f3a10af1", `request: 7f3a10af1
state: ▲ 401 refused
code: invalid_api_key
organisation: –
key: –
client: 203.0.113.9
route: /v1/chat/completions, stream
model: –
backend: –
replica: –
started: 2026-11-22 11:59:33.000 UTC
first token: –
took: <1 ms
prompt: 1,167 tokens
generated: –
rate: –
`},
	} {
		p.Update(press("g"))
		for range tt.row {
			p.Update(press("down"))
		}
		var b strings.Builder
		title, facts := p.Describe()
		for _, f := range facts {
			fmt.Fprintf(&b, "%s: %s\n", f.Label, f.Text)
		}
		if title != tt.title || b.String() != tt.want {
			t.Errorf("%q:\n%s\nwant %q:\n%s", title, b.String(), tt.title, tt.want)
		}
	}
}

func TestRequestsPan(t *testing.T) {
	p := NewRequests(theme(), NewScrolling())
	p.Update(Data{Gateway: served(nil, []int{1})})
	head := func() string { l, _, _ := strings.Cut(ansi.Strip(p.View(60, 4)), "\n"); return l }
	first := head()
	if strings.Contains(first, "route") {
		t.Fatalf("nothing to pan to: %q", first)
	}
	p.Update(press("right"))
	if second := head(); second == first || !strings.Contains(second, "time") {
		t.Errorf("panned to %q", second)
	}
	for range 40 {
		p.Update(press("right"))
	}
	last := head()
	if !strings.Contains(last, "id") || !strings.Contains(last, "route") {
		t.Errorf("at the end %q", last)
	}
	p.Update(press("right"))
	if head() != last {
		t.Errorf("panned past the end: %q", head())
	}
	for range 40 {
		p.Update(press("left"))
	}
	if head() != first {
		t.Errorf("back to %q, want %q", head(), first)
	}
}

func TestRequestStatus(t *testing.T) {
	for _, tt := range []struct {
		r     gateway.Record
		want  string
		style widget.Style
	}{
		{gateway.Record{Phase: gateway.PhasePrefill}, "◐ prefill", widget.Plain},
		{gateway.Record{Phase: gateway.PhaseEnded, Status: 200, End: gateway.EndDone}, "  200 done", widget.Plain},
		{gateway.Record{Phase: gateway.PhaseEnded, Status: 400, End: gateway.EndDone}, "▲ 400 done", widget.Warn},
		{gateway.Record{Phase: gateway.PhaseEnded, Status: 200, End: gateway.EndClientLeft}, "▲ 200 left", widget.Warn},
		{gateway.Record{Phase: gateway.PhaseEnded, End: gateway.EndClientLeft}, "▲ – left", widget.Warn},
		{gateway.Record{Phase: gateway.PhaseEnded, Status: 200, End: gateway.EndBackendFailed}, "■ 200 failed", widget.Bad},
		{gateway.Record{Phase: gateway.PhaseEnded, Status: 429, End: gateway.EndRefused}, "▲ 429 refused", widget.Warn},
		{gateway.Record{Phase: gateway.PhaseEnded, Status: 503, End: gateway.EndRefused}, "■ 503 refused", widget.Bad},
		{gateway.Record{Phase: gateway.PhaseEnded, Status: 200, End: gateway.EndInterrupted}, "▲ 200 stopped", widget.Warn},
	} {
		got, style := requestStatus(theme(), &request{Record: &tt.r})
		if got != tt.want || style != tt.style {
			t.Errorf("%+v: %q in %d, want %q in %d", tt.r, got, style, tt.want, tt.style)
		}
		if w := theme().Width(got); w > 13 {
			t.Errorf("%q is %d cells, the column has 13", got, w)
		}
	}
}
