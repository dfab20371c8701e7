package play

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/ask"
	"pilothouse/ui/pane"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// The pane is what the dashboard wants of one, and the sheet what it is to have.
var (
	_ Playground = (*SQL)(nil)
	_ Sheet      = (*paper)(nil)
)

func open(s ask.Snapshot, w, h int) (*SQL, *paper) {
	p, sheet := newSQLPane(s, plainTheme())
	p.View(w, h)
	return p, sheet
}

// shown is the pane's text.
func shown(p *SQL) string { return stripped(p.View(p.pic.w, p.pic.h)) }

func TestAskAndRun(t *testing.T) {
	p, sheet := open(emptySheet(), 118, 36)
	if p.Typing() {
		t.Fatal("it types before anybody said so: digits would not lead to views")
	}
	keyed(p, "enter")
	if !p.Typing() {
		t.Fatal("enter on the question doesn't type")
	}
	typed(p, "who is 1st? q")
	if sheet.s.Question != "who is 1st? q" {
		t.Fatalf("the sheet has %q", sheet.s.Question)
	}
	keyed(p, "enter")
	if p.Typing() || !p.Busy() || sheet.last("ask") == "" {
		t.Fatalf("typing %t, busy %t, calls %q", p.Typing(), p.Busy(), sheet.calls)
	}
	sheet.change("", func(s *ask.Snapshot) { s.Doing, s.SQL = ask.Nothing, "SELECT 1" })
	p.Update(pane.Data{Now: evening})
	if !strings.Contains(shown(p), "SELECT 1") {
		t.Fatal("the model's SQL is not to be seen")
	}
	sheet.onRun = func(s *ask.Snapshot) { s.Result = barSheet().Result }
	keyed(p, "x")
	if sheet.last("run") != "run false" || !strings.Contains(shown(p), "globex") {
		t.Fatalf("calls %q\n%s", sheet.calls, shown(p))
	}
}

// In the SQL enter is a new line; ctrl-r and alt-enter run from wherever one types.
func TestRunWhileTyping(t *testing.T) {
	for _, k := range []string{"ctrl+r", "alt+enter"} {
		p, sheet := open(emptySheet(), 118, 36)
		keyed(p, "w")
		typed(p, "SELECT 1\nx")
		if sheet.s.SQL != "SELECT 1\nx" || sheet.last("run") != "" {
			t.Fatalf("the sheet has %q and was asked %q", sheet.s.SQL, sheet.calls)
		}
		keyed(p, k)
		if sheet.last("run") != "run false" {
			t.Errorf("%s doesn't run: %q", k, sheet.calls)
		}
	}
}

func TestNothingToDo(t *testing.T) {
	p, sheet := open(emptySheet(), 118, 36)
	keyed(p, "x", "e", "p", "t", "s", "v", "c", "r", "o")
	if n := slices.IndexFunc(sheet.calls, func(c string) bool { return c != "question" && c != "sql" }); n >= 0 {
		t.Errorf("an empty sheet was asked %q", sheet.calls)
	}
	keyed(p, "a", "enter")
	says := ""
	for _, w := range p.Wants() {
		says += w.Say
	}
	if !strings.Contains(says, "no SQL to run") || !strings.Contains(says, "no question") {
		t.Errorf("it says %q", says)
	}
	if p.Wants() != nil {
		t.Error("what it wants it wants again")
	}
}

// Esc takes off what is on top, one thing at a time.
func TestEsc(t *testing.T) {
	s := resultSheet()
	p, sheet := open(s, 78, 20)
	keyed(p, "w", "ctrl+end", "enter", "ctrl+space")
	if p.offer == nil {
		t.Fatal("nothing is offered")
	}
	keyed(p, "esc")
	if p.offer != nil || !p.Typing() {
		t.Fatal("esc did more, or less, than to close what is offered")
	}
	sheet.start("x", ask.Running, nil)
	p.Update(pane.Data{Now: evening})
	keyed(p, "esc")
	if sheet.last("cancel") == "" || !p.Typing() || p.Busy() {
		t.Fatal("esc doesn't first cancel what is under way")
	}
	keyed(p, "esc")
	if p.Typing() {
		t.Fatal("esc doesn't leave typing")
	}
	keyed(p, "d")
	if !strings.Contains(shown(p), "api_keys") {
		t.Fatal("the schema isn't shown on its key")
	}
	keyed(p, "esc")
	if strings.Contains(shown(p), "api_keys") {
		t.Fatal("esc doesn't go back from the schema")
	}
	keyed(p, "enter")
	if p.cell == nil {
		t.Fatal("the cell isn't open")
	}
	keyed(p, "esc")
	if p.cell != nil {
		t.Fatal("esc doesn't close the cell")
	}
	for _, b := range p.Keys() {
		if slices.Contains(b.Keys(), "esc") && b.Enabled() {
			t.Errorf("esc means %q where there is nothing to go back from", b.Help().Desc)
		}
	}
}

// Tab goes round the parts that are shown.
func TestTab(t *testing.T) {
	for _, tt := range []struct {
		w, h int
		want []part
	}{
		{78, 20, []part{atSQL, atRows, atQuestion}},
		{118, 36, []part{atSQL, atRows, atSchema, atQuestion}},
		{198, 56, []part{atSQL, atRows, atShelf, atSchema, atQuestion}},
	} {
		p, _ := open(emptySheet(), tt.w, tt.h)
		for i, want := range tt.want {
			keyed(p, "tab")
			if p.at != want || p.Typing() != (want == atSQL || want == atQuestion) {
				t.Errorf("%d wide, tab %d: at %d, typing %t; want %d", tt.w, i+1, p.at, p.Typing(), want)
			}
		}
		for _, want := range slices.Backward(tt.want[:len(tt.want)-1]) {
			keyed(p, "shift+tab")
			if p.at != want {
				t.Errorf("%d wide, back: at %d, want %d", tt.w, p.at, want)
			}
		}
	}
}

func TestTabCompletes(t *testing.T) {
	p, sheet := open(emptySheet(), 118, 36)
	keyed(p, "w")
	typed(p, "select model from req")
	keyed(p, "tab")
	if sheet.s.SQL != "select model from requests" || p.at != atSQL {
		t.Fatalf("got %q, at %d", sheet.s.SQL, p.at)
	}
	typed(p, " r where r.")
	keyed(p, "tab", "tab")
	if p.offer == nil || p.offer.list[p.offer.at].name != "at" {
		t.Fatalf("offered: %+v", p.offer)
	}
	typed(p, "o")
	if p.offer == nil || len(p.offer.list) != 2 { // org, and output_tokens
		t.Fatalf("what is typed doesn't narrow what is offered: %+v", p.offer)
	}
	keyed(p, "enter")
	if sheet.s.SQL != "select model from requests r where r.org" {
		t.Fatalf("got %q", sheet.s.SQL)
	}
	keyed(p, "ctrl+z")
	if sheet.s.SQL != "select model from requests r where r.o" {
		t.Fatalf("undo gives %q", sheet.s.SQL)
	}
	typed(p, " x zzz")
	keyed(p, "tab")
	if p.at != atSQL || !p.Typing() {
		t.Error("a word that is not known lets go of the keys")
	}
	typed(p, " ")
	keyed(p, "tab")
	if p.at != atRows {
		t.Error("where no word is begun tab doesn't go on")
	}
	keyed(p, "shift+tab", "ctrl+a", "ctrl+k")
	typed(p, "SELECT 1 FROM requests")
	keyed(p, "tab")
	if p.at != atRows {
		t.Error("behind a whole word tab doesn't go on")
	}
}

// A run that needs a second thought asks for it, with Cancel focused.
func TestExpensive(t *testing.T) {
	dear := func(s *ask.Snapshot) {
		s.Plan, s.Held = &query.Plan{Expensive: "reads all of requests", Rows: -1}, true
	}
	for _, tt := range []struct {
		keys string
		want string
	}{
		{"enter", "run false"},
		{"esc", "run false"},
		{"q", "run false"},
		{"x", "run false"},
		{"tab enter", "run true"},
		{"right enter", "run true"},
		{"tab tab enter", "run false"},
	} {
		p, sheet := open(askedSheet(), 118, 36)
		sheet.onRun = dear
		keyed(p, "x")
		if !strings.Contains(shown(p), "reads all of requests") || !strings.Contains(shown(p), "> Cancel <") {
			t.Fatalf("nothing is asked:\n%s", shown(p))
		}
		keyed(p, strings.Fields(tt.keys)...)
		if got := sheet.last("run"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.keys, got, tt.want)
		}
	}
	p, sheet := open(askedSheet(), 118, 36)
	sheet.onRun = func(s *ask.Snapshot) { s.Plan, s.Result = fixturePlan(), barSheet().Result }
	keyed(p, "x")
	if p.prompt != nil {
		t.Error("a cheap one asks too")
	}
}

func TestRepair(t *testing.T) {
	s := errorSheet()
	p, sheet := open(s, 118, 36)
	if !strings.Contains(shown(p), "line 2, column 16") {
		t.Errorf("it isn't told where:\n%s", shown(p))
	}
	keyed(p, "w")
	if !strings.Contains(shown(p), "esc t lets the model") {
		t.Errorf("while one types t is a letter:\n%s", shown(p))
	}
	keyed(p, "esc")
	s.Repaired = true
	again, told := open(s, 118, 36)
	keyed(again, "t")
	if told.last("repair") != "" {
		t.Error("a model is told of the same error twice")
	}
	keyed(p, "t")
	if sheet.last("repair") == "" || !p.Busy() {
		t.Error("the model isn't told")
	}
}

// What is typed is kept when the model's answer comes, for undo.
func TestAnswerCanBeUndone(t *testing.T) {
	p, sheet := open(emptySheet(), 118, 36)
	keyed(p, "w")
	typed(p, "mine")
	sheet.change("", func(s *ask.Snapshot) { s.SQL = "theirs" })
	p.Update(pane.Data{Now: evening})
	if p.statement.text() != "theirs" {
		t.Fatalf("the pane has %q", p.statement.text())
	}
	keyed(p, "ctrl+z")
	if p.statement.text() != "mine" || sheet.s.SQL != "mine" {
		t.Errorf("undo gives %q, and the sheet has %q", p.statement.text(), sheet.s.SQL)
	}
}

// A sheet that cuts what it is told doesn't take letters from who types.
type shortPaper struct{ paper }

func (s *shortPaper) SetQuestion(text string) { s.paper.SetQuestion(text[:min(3, len(text))]) }

func TestSheetThatCuts(t *testing.T) {
	sheet := &shortPaper{paper{s: emptySheet()}}
	p := NewSQL(sheet, fixtureOptions)
	p.SetFocus(true)
	keyed(p, "a")
	typed(p, "letters")
	p.Update(pane.Data{Now: evening})
	if p.question.text() != "letters" {
		t.Errorf("typed letters, the pane has %q", p.question.text())
	}
}

func TestPaste(t *testing.T) {
	p, sheet := open(emptySheet(), 118, 36)
	p.Paste("xsev")
	if len(sheet.calls) > 0 || p.Wants() != nil {
		t.Fatalf("what was pasted where nothing is typed did %q", sheet.calls)
	}
	keyed(p, "a")
	p.Paste("two\nlines\x1b[31m")
	if sheet.s.Question != "two lines\x1b[31m" {
		t.Errorf("question %q", sheet.s.Question)
	}
	keyed(p, "tab")
	p.Paste("a\r\nb")
	if sheet.s.SQL != "a\nb" {
		t.Errorf("SQL %q", sheet.s.SQL)
	}
	keyed(p, "esc", "s")
	p.Paste(" more\nx")
	keyed(p, "enter")
	if got := sheet.last("save"); got != "save two lines\x1b[31m more x" {
		t.Errorf("got %q", got)
	}
}

func TestWantsOfRows(t *testing.T) {
	p, _ := open(resultSheet(), 118, 36)
	keyed(p, "tab", "tab", "down", "right", "right", "y", "ctrl+y")
	w := p.Wants()
	if len(w) != 2 || w[0].Clipboard != "4560200" || w[1].Clipboard != "globex\t\t4560200\t4800" {
		t.Errorf("got %+v", w)
	}
	keyed(p, "v", "c", "v", "j", "v", "esc", "o")
	w = p.Wants()
	if len(w) != 3 || w[0].File.Name != "sql-20260314T150926Z.csv" || !strings.HasPrefix(w[0].File.Text, "acme,large,9120400,9600\n") || w[1].File.Text != "12\n" || w[1].File.Name != "sql-20260314T150926Z.json" {
		t.Errorf("got %+v", w)
	}
	if w[2].Explain != (pane.Ref{Kind: pane.RefRequest, ID: "req-7"}) {
		t.Errorf("got %+v", w[2])
	}
	s := resultSheet()
	s.Result.Rows[0][0] = text(strings.Repeat("x", maxCopied+1))
	p, _ = open(s, 118, 36)
	keyed(p, "tab", "tab", "y")
	if w = p.Wants(); len(w) != 1 || w[0].Clipboard != "" || !strings.Contains(w[0].Say, "too long") {
		t.Errorf("a long cell gives %+v", w)
	}
}

func TestShelf(t *testing.T) {
	p, sheet := open(resultSheet(), 78, 20)
	keyed(p, "h", "down", "enter")
	if sheet.last("load") != "load morning" || p.statement.text() != "SELECT org FROM requests" {
		t.Errorf("calls %q, SQL %q", sheet.calls, p.statement.text())
	}
	keyed(p, "h", "down", "enter")
	if sheet.last("recall") != "recall 0" {
		t.Errorf("calls %q", sheet.calls)
	}
	keyed(p, "h", "g", "delete")
	if sheet.last("forget") != "forget errors by hour" || len(sheet.s.Saved) != 1 {
		t.Errorf("calls %q", sheet.calls)
	}
}

// An entry that comes in above the selected one doesn't move the selection.
func TestShelfKeepsItsPlace(t *testing.T) {
	p, sheet := open(resultSheet(), 78, 20)
	keyed(p, "h", "down", "down", "down")
	sheet.change("", func(s *ask.Snapshot) { s.History = append([]ask.Entry{{SQL: "new"}}, s.History...) })
	p.Update(pane.Data{Now: evening})
	keyed(p, "enter")
	if sheet.last("recall") != "recall 2" {
		t.Errorf("calls %q", sheet.calls)
	}
}

func TestSchema(t *testing.T) {
	p, sheet := open(emptySheet(), 78, 20)
	keyed(p, "d", "down", "down", "down", "enter")
	if !strings.Contains(shown(p), "prompt_tokens") {
		t.Fatalf("enter doesn't open a table:\n%s", shown(p))
	}
	keyed(p, "down", "left")
	if strings.Contains(shown(p), "prompt_tokens") || p.tree.at().column != nil {
		t.Errorf("left doesn't close it:\n%s", shown(p))
	}
	keyed(p, "right", "down", "down", "i")
	if sheet.s.SQL != "at" {
		t.Errorf("SQL %q", sheet.s.SQL)
	}
	keyed(p, "/")
	typed(p, "TOK")
	if !p.Typing() || !strings.Contains(shown(p), "usage_by_day") || strings.Contains(shown(p), "organisations") {
		t.Errorf("narrowed:\n%s", shown(p))
	}
	keyed(p, "esc")
	if p.Typing() || !strings.Contains(shown(p), "organisations") {
		t.Error("esc doesn't show all again")
	}
	keyed(p, "G", "enter")
	if sheet.last("use") != "use crm" {
		t.Errorf("calls %q", sheet.calls)
	}
	keyed(p, "esc", "n")
	if sheet.last("use") != "use ledger" {
		t.Errorf("the next source: %q", sheet.calls)
	}
}

func TestSuggested(t *testing.T) {
	p, sheet := open(emptySheet(), 118, 36)
	keyed(p, "shift+tab", "shift+tab", "down", "enter")
	if sheet.s.Question != "requests per hour today" || sheet.last("ask") == "" {
		t.Errorf("question %q, calls %q", sheet.s.Question, sheet.calls)
	}
}

// The keys that are shown do something, and while one types none of them is a letter.
func TestKeysWhileTyping(t *testing.T) {
	for _, keys := range [][]string{{"a"}, {"w"}, {"w", "s", "ctrl+space"}, {"d", "/"}, {"s"}} {
		p, _ := open(resultSheet(), 118, 36)
		keyed(p, keys...)
		if !p.Typing() {
			t.Fatalf("%q: nothing is typed", keys)
		}
		for _, b := range p.Keys() {
			for _, k := range b.Keys() {
				if len(k) == 1 {
					t.Errorf("%q: %q means %q", keys, k, b.Help().Desc)
				}
			}
		}
	}
}

// What doesn't apply is among the keys, disabled.
func TestKeysDim(t *testing.T) {
	p, _ := open(emptySheet(), 118, 36)
	for _, b := range p.Keys() {
		if want := !slices.Contains(strings.Fields("run repair plan"), b.Help().Desc) && !strings.HasPrefix(b.Help().Desc, "let the model"); !want && b.Enabled() {
			t.Errorf("%s is enabled on an empty sheet", b.Help().Desc)
		}
	}
	p, _ = open(errorSheet(), 118, 36)
	found := false
	for _, b := range p.Keys() {
		found = found || b.Help().Key == "t" && b.Enabled()
	}
	if !found {
		t.Error("an error can't be repaired")
	}
}

// A result is told from that of the SQL before.
func TestStaleResult(t *testing.T) {
	p, _ := open(resultSheet(), 118, 36)
	if strings.Contains(shown(p), "earlier") {
		t.Fatal("rows of this SQL are told to be of another")
	}
	keyed(p, "w", "x", "esc")
	if !strings.Contains(shown(p), "of an earlier SQL: 12 rows") {
		t.Errorf("rows of another SQL are shown as those of this:\n%s", shown(p))
	}
}

func TestCutIsTold(t *testing.T) {
	p, _ := open(cutSheet(), 118, 36)
	if !strings.Contains(shown(p), "1,000 rows, cut at 1,000 rows; 240 ms") {
		t.Error(shown(p))
	}
}

// Nothing changed: the picture is the one that there was.
func TestPictureIsKept(t *testing.T) {
	p, sheet := open(resultSheet(), 118, 36)
	p.View(118, 36)
	p.Update(pane.Data{Now: evening.Add(time.Second)})
	if !p.pic.kept {
		t.Error("a tick without a change draws anew")
	}
	sheet.start("", ask.Running, nil)
	p.Update(pane.Data{Now: evening.Add(2 * time.Second)})
	if p.pic.kept {
		t.Error("what is under way isn't drawn")
	}
}

// Whatever the size and whatever the model and the database say, the picture keeps its
// shape, and so it does while keys are pressed.
func TestSQLKeepsItsShape(t *testing.T) {
	keys := []string{"up", "down", "left", "right", "pgup", "pgdown", "g", "G", "enter", "esc", "tab", "shift+tab", "a", "w", "x", "e", "t", "p", "r", "d", "h", "s", "v", "c", "j", "z", "n", "y", "o", "/", "i",
		"delete", "backspace", "ctrl+space", "ctrl+r", "ctrl+z", "ctrl+y", "ctrl+w", "ctrl+k", "end", "home", "space", "q", "長", "'"}
	sheets := []func() ask.Snapshot{hostileSheet, hostileSheet, emptySheet, errorSheet, cutSheet, lineSheet, barSheet, askingSheet, runningSheet, func() ask.Snapshot { return ask.Snapshot{} }}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		look := []string{"none", "ascii", "dark"}[r.IntN(3)]
		p, sheet := newSQLPane(sheets[r.IntN(len(sheets))](), widget.NewTheme(sqlLooks[look]))
		w, h := 1+r.IntN(250), 1+r.IntN(70)
		for step := range 60 {
			if step%20 == 0 {
				w, h = 1+r.IntN(250), 1+r.IntN(70)
				if r.IntN(2) == 0 {
					w, h = 1+r.IntN(40), 1+r.IntN(14)
				}
			}
			k := keys[r.IntN(len(keys))]
			switch r.IntN(12) {
			case 0:
				p.Paste(hostileTexts[r.IntN(len(hostileTexts))])
			case 1:
				next := sheets[r.IntN(len(sheets))]()
				next.Version = sheet.s.Version + 1
				sheet.s = next
				p.Update(pane.Data{Now: evening.Add(time.Duration(r.IntN(1e6)) * time.Second)})
			default:
				p.Update(sqlKey(k))
			}
			sqlShaped(t, p.View(w, h), w, h)
			name, note := p.Title()
			for _, s := range append([]string{name, note}, fmt.Sprint(p.Keys())) {
				if strings.ContainsAny(s, "\x1b\n") && s != fmt.Sprint(p.Keys()) {
					t.Fatalf("title %q", s)
				}
			}
		}
	}
}

// A frame after a key, of a large result.
func BenchmarkSQLFrame(b *testing.B) {
	s := resultSheet()
	s.Result = wideResult(1000, 200, 1<<20)
	p, _ := newSQLPane(s, plainTheme())
	keyed(p, "tab", "tab")
	down, up := tea.KeyPressMsg{Code: tea.KeyDown}, tea.KeyPressMsg{Code: tea.KeyUp}
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			p.Update(down)
		} else {
			p.Update(up)
		}
		p.View(118, 36)
	}
}

// Another result is shown from its first cell, whatever was open of the one before;
// where there is none any more, there are no rows.
func TestNewResult(t *testing.T) {
	p, sheet := open(resultSheet(), 118, 36)
	keyed(p, "tab", "tab", "down", "down", "right", "enter")
	if p.cell == nil {
		t.Fatal("the cell isn't open")
	}
	sheet.change("", func(s *ask.Snapshot) { s.Result = cutSheet().Result })
	p.Update(pane.Data{Now: evening})
	if got := shown(p); !strings.Contains(got, "row 1 of 1,000") || strings.Contains(got, "globex") {
		t.Errorf("after another result:\n%s", got)
	}
	sheet.change("", func(s *ask.Snapshot) { s.Result = nil })
	p.Update(pane.Data{Now: evening})
	if got := shown(p); strings.Contains(got, "column_0") {
		t.Errorf("after none:\n%s", got)
	}
}
