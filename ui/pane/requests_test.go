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
		got, style := requestStatus(theme(), &tt.r)
		if got != tt.want || style != tt.style {
			t.Errorf("%+v: %q in %d, want %q in %d", tt.r, got, style, tt.want, tt.style)
		}
		if w := theme().Width(got); w > 13 {
			t.Errorf("%q is %d cells, the column has 13", got, w)
		}
	}
}
