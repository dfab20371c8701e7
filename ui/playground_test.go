package ui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/ui/ask"
	"pilothouse/ui/desk"
	"pilothouse/ui/query"
)

// scratch is a sheet that does nothing but to note what it was told.
type scratch struct {
	snap ask.Snapshot
	told []string
}

func (s *scratch) note(format string, args ...any) {
	s.told = append(s.told, fmt.Sprintf(format, args...))
	s.snap.Version++
}

func (s *scratch) Snapshot() *ask.Snapshot { c := s.snap; return &c }
func (s *scratch) Use(source string)       { s.note("use %s", source) }
func (s *scratch) SetQuestion(text string) { s.snap.Question = text; s.note("question") }
func (s *scratch) SetSQL(text string)      { s.snap.SQL = text; s.note("sql") }
func (s *scratch) Ask()                    { s.snap.Doing = ask.Asking; s.note("ask") }
func (s *scratch) Explain()                { s.note("explain") }
func (s *scratch) Repair()                 { s.note("repair") }
func (s *scratch) Plan()                   { s.note("plan") }
func (s *scratch) Run(sure bool)           { s.note("run %v", sure) }
func (s *scratch) Cancel()                 { s.snap.Doing = ask.Nothing; s.note("cancel") }
func (s *scratch) Save(name string)        { s.note("save %s", name) }
func (s *scratch) Forget(name string)      { s.note("forget %s", name) }
func (s *scratch) Recall(i int)            { s.note("recall %d", i) }
func (s *scratch) Load(name string)        { s.note("load %s", name) }

// playing is a dashboard on view 8, with a sheet.
func playing(role desk.Role) (*Model, *scratch) {
	s := &scratch{snap: ask.Snapshot{Version: 1, Sources: []string{"usage"}, Source: "usage", Kind: query.Ledger}}
	o := with(calm())
	o.Seat, o.Sheet = seat(desk.Operator{Name: "ana", Role: role}), s
	m := sized(o, 120, 40)
	do(m, "8")
	return m, s
}

// While text is typed in a playground each key is text, whatever it means elsewhere,
// what is pasted goes there whole, and the last row has nothing but what works.
func TestPlaygroundTakesText(t *testing.T) {
	m, s := playing(desk.Hand)
	do(m, "enter")
	spell(m, "1 q?:/!R")
	m.Update(tea.PasteMsg{Content: "\tand\nmore"})
	if m.at != atSQL || len(m.dialogs) > 0 || m.filter != nil {
		t.Fatalf("a key led to view %d, %d dialogs, a filter %v", m.at, len(m.dialogs), m.filter != nil)
	}
	if q := s.snap.Question; !strings.HasPrefix(q, "1 q?:/!R") || !strings.Contains(q, "and") || !strings.Contains(q, "more") {
		t.Errorf("the question is %q", q)
	}
	if last := lastRow(m); strings.Contains(last, "overview") || strings.Contains(last, "filter") || !strings.Contains(last, "enter ask") {
		t.Errorf("the last row is %q", last)
	}
	do(m, "esc", "1")
	if m.at != atOverview {
		t.Errorf("after esc 1 leads to view %d", m.at)
	}
}

func lastRow(m *Model) string {
	lines := strings.Split(content(m), "\n")
	return lines[len(lines)-1]
}

// Esc may come when what it should cancel has just ended: it leads out of nothing.
func TestEscStaysInAPlayground(t *testing.T) {
	m, _ := playing(desk.Hand)
	do(m, "esc", "esc")
	if m.at != atSQL {
		t.Errorf("esc leads to view %d", m.at)
	}
	do(m, "q")
	if m.at != atOverview {
		t.Errorf("q leads to view %d", m.at)
	}
}

// What a playground is busy with is looked at ten times a second, once each time,
// and no more when it has ended or another view is shown.
func TestBusyPlaygroundIsWatched(t *testing.T) {
	m, s := playing(desk.Hand)
	do(m, "enter")
	spell(m, "how many")
	if m.watching {
		t.Error("it is watched before there is anything to see")
	}
	m.Update(press("enter"))
	if !slices.Contains(s.told, "ask") || !m.watching {
		t.Fatalf("told %v, watched %v", s.told, m.watching)
	}
	m.View()
	s.snap.Answer.SQL, s.snap.SQL, s.snap.Version = "SELECT 42", "SELECT 42", s.snap.Version+1
	if _, cmd := m.Update(playTick{}); cmd == nil || !m.watching || !strings.Contains(content(m), "SELECT 42") {
		t.Errorf("watched %v:\n%s", m.watching, content(m))
	}
	if m.Update(tick{}); !m.watching {
		t.Error("a tick ends it")
	}
	do(m, "esc")
	if m.Update(playTick{}); m.watching || s.snap.Doing != ask.Nothing {
		t.Errorf("it is watched on; told %v", s.told)
	}
	s.Ask()
	do(m, "1")
	if m.Update(playTick{}); m.watching {
		t.Error("it is watched from another view")
	}
}

// What a playground wants is done: a file on the gateway's host by those who may,
// text to the clipboard.
func TestPlaygroundWants(t *testing.T) {
	for role, may := range map[desk.Role]bool{desk.Hand: true, desk.Viewer: false} {
		m, s := playing(role)
		var name, text string
		m.opts.SaveText = func(n, x string) (string, error) { name, text = n, x; return "/srv/" + n, nil }
		s.snap.Result = &query.Result{Columns: []query.ResultColumn{{Name: "org"}}, Rows: [][]query.Value{{{Text: "acme"}}}}
		s.snap.SQL, s.snap.Version = "SELECT org", s.snap.Version+1
		m.Update(tick{})
		do(m, "v", "c")
		if may != (text == "org\nacme\n" || text == "org\r\nacme\r\n") || may != strings.HasSuffix(name, ".csv") {
			t.Errorf("%s: %q has %q; %s", role, name, text, m.flash.text)
		}
	}
	m, s := playing(desk.Hand)
	s.snap.SQL, s.snap.Version = "SELECT 1", s.snap.Version+1
	m.Update(tick{})
	do(m, "tab", "esc") // from the question to the SQL
	_, cmd := m.Update(press("y"))
	if cmd == nil || !strings.Contains(m.flash.text, "clipboard") {
		t.Errorf("y copies nothing: %q", m.flash.text)
	}
}

// oneRequest explains a request of one id.
type oneRequest struct{ e gateway.Explanation }

func (o oneRequest) Explain(id string) (gateway.Explanation, bool) { return o.e, id == o.e.ID }

// A request that a playground names is explained, whenever it came; of one that is
// forgotten it is said.
func TestPlaygroundExplains(t *testing.T) {
	m, s := playing(desk.Hand)
	at := m.data.Now.Add(-time.Minute)
	m.opts.Explainer = oneRequest{gateway.Explanation{Record: gateway.Record{ID: "r1", Start: at, Org: gateway.Operators}}}
	s.snap.Answer.RequestID, s.snap.Version = "r1", s.snap.Version+1
	m.Update(tick{})
	do(m, "o")
	if len(m.dialogs) != 1 || !strings.Contains(content(m), "request r1") {
		t.Errorf("it is not explained:\n%s", content(m))
	}
	do(m, "esc")
	s.snap.Answer.RequestID, s.snap.Version = "r2", s.snap.Version+1
	m.Update(tick{})
	do(m, "o")
	if len(m.dialogs) != 0 || !strings.Contains(m.flash.text, "r2") {
		t.Errorf("%d dialogs, %q", len(m.dialogs), m.flash.text)
	}
}

// How long a request stood in line: as its explanation has it, nothing where it was
// given a place at once, and not known before that.
func TestQueued(t *testing.T) {
	m, _ := playing(desk.Hand)
	for _, tt := range []struct {
		steps []gateway.Step
		want  time.Duration
		known bool
	}{
		{nil, 0, false},
		{[]gateway.Step{gateway.Accepted{}}, 0, false},
		{[]gateway.Step{gateway.Queued{Waited: time.Second}, gateway.Picked{}}, time.Second, true},
		{[]gateway.Step{gateway.Accepted{}, gateway.Picked{}}, 0, true},
	} {
		m.opts.Explainer = oneRequest{gateway.Explanation{Record: gateway.Record{ID: "r1"}, Steps: tt.steps}}
		if got, known := m.queued("r1"); got != tt.want || known != tt.known {
			t.Errorf("%v: %v, %v", tt.steps, got, known)
		}
		if _, known := m.queued("r2"); known {
			t.Error("of a request that nobody knows it is known")
		}
	}
}

// Without anybody to ask, as for a viewer, the playgrounds say so and take no text.
func TestPlaygroundsForNobody(t *testing.T) {
	o := with(calm())
	o.Seat = seat(desk.Operator{Name: "vi", Role: desk.Viewer})
	m := sized(o, 120, 40)
	for key, name := range map[string]string{"7": "chat", "8": "sql"} {
		do(m, key, "enter", "i")
		if text := content(m); !strings.Contains(text, "▸"+name+" ─") || !strings.Contains(text, "is for operators and admins") || m.typing() {
			t.Errorf("view %s, typing %v:\n%s", key, m.typing(), text)
		}
	}
}

// seats without a gateway, and those that may not, ask nobody.
func TestSeatAsks(t *testing.T) {
	ctx := context.Background()
	var refused *desk.RefusedError
	if _, err := seat(desk.Operator{Name: "ana", Role: desk.Hand}).Ask(ctx, "/v1/x", nil); !errors.Is(err, desk.ErrNotServing) {
		t.Error(err)
	}
	if _, err := (*desk.Seat)(nil).Ask(ctx, "/v1/x", nil); !errors.As(err, &refused) {
		t.Error(err)
	}
}
