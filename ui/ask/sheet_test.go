package ask

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pilothouse/ui/query"
)

// testSheets are sheets on sources and one model, closed at the test's end.
func testSheets(t testing.TB, dir string, sources ...query.Source) *Sheets {
	t.Helper()
	s := New(Options{Dir: dir, Sources: sources, Models: func() []Model { return []Model{{Name: "chat"}, arctic} },
		Suggest: map[string][]string{"shop": {"Who?"}}})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// notes are what the audit was told.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) note(_ context.Context, action, object, detail string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, action+" "+object+": "+detail)
}

func (n *notes) told() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

const counting = "```sql\nSELECT count(*) FROM customers\n```"

// A question becomes SQL, SQL a plan and rows, and the audit is told of no text.
func TestSheet(t *testing.T) {
	model := newModel(t, []string{"<think>I ", "count.</think>", "```sql\nSELECT count(*) ", "FROM customers\n```"})
	var audit notes
	s := testSheets(t, "", shop(t)).Enter("anna", over{model.URL}, audit.note)
	is := rest(t, s)
	if is.Source != "shop" || is.Kind != query.SQLite || is.Schema == nil || is.Model != "arctic" || !slices.Equal(is.Suggested, []string{"Who?"}) || is.Err != nil {
		t.Fatalf("it begins as %+v", is)
	}
	s.Ask() // nothing
	if rest(t, s); len(model.asked()) != 0 {
		t.Error("it asked nothing")
	}
	s.SetQuestion("How many customers are there?")
	s.Ask()
	is = rest(t, s)
	if is.Err != nil || is.SQL != "SELECT count(*) FROM customers" || is.Answer.Reasoning != "I count." || is.Answer.SQL != is.SQL || is.Answer.RequestID != "r-1" ||
		is.Answer.Prompt != 120 || is.Answer.Completion != 34 || is.Answer.TTFT == 0 || is.Answer.Took < is.Answer.TTFT {
		t.Fatalf("it is %+v", is)
	}
	has(t, model.asked()[0].prompt(), "How many customers are there?", "CREATE TABLE order_items (", "REFERENCES orders(id)")
	s.Run(false)
	is = rest(t, s)
	if is.Err != nil || is.Plan == nil || len(is.Plan.Lines) == 0 || is.Result == nil || len(is.Result.Rows) != 1 || is.Result.Rows[0][0].Text != "24" {
		t.Fatalf("it is %+v", is)
	}
	if len(is.History) != 1 || is.History[0].Rows != 1 || is.History[0].Question != is.Question || is.History[0].SQL != is.SQL || is.History[0].At.IsZero() || is.History[0].Failed != "" {
		t.Errorf("the history is %+v", is.History)
	}
	s.SetSQL("SELECT nothing FROM customers")
	if is = s.Snapshot(); is.Plan != nil || is.Words != "" {
		t.Errorf("what was known of the SQL before is still there: %+v", is)
	}
	s.Run(false)
	is = rest(t, s)
	if e, ok := errors.AsType[*query.Error](is.Err); !ok || e.Reason != query.Wrong || len(is.History) != 2 || !strings.Contains(is.History[0].Failed, "nothing") {
		t.Errorf("it is %v, %+v", is.Err, is.History[0])
	}
	told := audit.told()
	if len(told) != 2 || !strings.HasPrefix(told[0], "query shop: 1 rows in ") || !strings.HasPrefix(told[1], "query shop: not understood after ") || strings.Contains(fmt.Sprint(told), "nothing") {
		t.Errorf("the audit was told %q", told)
	}
}

// What is written is seen while it comes.
func TestSheetStreams(t *testing.T) {
	model := newModel(t, []string{"I count.\n", "```sql\nSELECT count(*)", "\nFROM customers\n```"})
	model.hold, model.holdAt = make(chan struct{}), 2
	s := testSheets(t, "", shop(t)).Enter("anna", over{model.URL}, nil)
	rest(t, s)
	s.SetQuestion("How many?")
	s.Ask()
	within(t, "half an answer", func() bool { return s.Snapshot().Answer.SQL == "SELECT count(*)" })
	is := s.Snapshot()
	if is.Doing != Asking || is.Answer.Reasoning != "I count." || is.SQL != "" || is.Since.IsZero() {
		t.Errorf("it is %+v", is)
	}
	// What starts something, or would change what it is about, does nothing now.
	s.Ask()
	s.Run(true)
	s.Plan()
	s.Explain()
	s.Repair()
	s.Use("other")
	s.SetSQL("SELECT 7")
	close(model.hold)
	is = rest(t, s)
	if is.SQL != "SELECT 7" || is.Answer.SQL != "SELECT count(*)\nFROM customers" || len(model.asked()) != 1 || is.Version == 0 {
		t.Errorf("what was typed meanwhile became %q beside %q; %d questions", is.SQL, is.Answer.SQL, len(model.asked()))
	}
}

// An expensive plan stops before it runs, until the operator is sure.
func TestSheetExpensive(t *testing.T) {
	src := shop(t)
	src.expensive = "it reads all of orders"
	s := testSheets(t, "", src).Enter("anna", nil, nil)
	rest(t, s)
	s.SetSQL("SELECT count(*) FROM orders")
	s.Run(false)
	is := rest(t, s)
	if !is.Held || is.Plan == nil || is.Plan.Expensive != src.expensive || is.Result != nil || is.Err != nil || src.ran != 0 || len(is.History) != 0 {
		t.Fatalf("it is %+v after %d runs", is, src.ran)
	}
	s.Run(true)
	if is = rest(t, s); is.Held || is.Result == nil || src.ran != 1 || len(is.History) != 1 {
		t.Fatalf("it is %+v after %d runs", is, src.ran)
	}
	s.Plan()
	if is = rest(t, s); is.Held || is.Plan == nil || src.ran != 1 {
		t.Errorf("after a plan it is %+v, %d runs", is, src.ran)
	}
	s.Run(false)
	rest(t, s)
	s.SetSQL("SELECT 1")
	if s.Snapshot().Held {
		t.Error("another statement is held, too")
	}
}

// An error of the database goes back to the model once, with what it is about.
func TestSheetRepair(t *testing.T) {
	model := newModel(t, []string{counting}, []string{"no idea"}, []string{"```sql\nSELECT wrong\n```"})
	src := shop(t)
	s := testSheets(t, "", src).Enter("anna", over{model.URL}, nil)
	rest(t, s)
	s.Repair() // nothing
	if rest(t, s); len(model.asked()) != 0 {
		t.Fatal("it repaired nothing")
	}
	s.SetQuestion("How many?")
	fail := func() {
		t.Helper()
		s.SetSQL("SELECT wrong")
		s.Run(false)
		if is := rest(t, s); is.Err == nil || src.ran != 0 {
			t.Fatalf("it is %+v", is)
		}
	}
	fail()
	if s.Snapshot().Repaired {
		t.Error("it is repaired already")
	}
	s.Repair()
	is := rest(t, s)
	if is.SQL != "SELECT count(*) FROM customers" || is.Err != nil || !is.Repaired {
		t.Fatalf("it is %+v", is)
	}
	has(t, model.asked()[0].prompt(), "How many?", "```sql\nSELECT wrong\n```", "no such column: wrong")
	fail() // in the same way
	if !s.Snapshot().Repaired {
		t.Error("the same error is not known to have been given back")
	}
	s.Repair()
	if rest(t, s); len(model.asked()) != 1 {
		t.Error("the same error was given back twice")
	}
	s.SetSQL("SELECT bad")
	s.Run(false)
	rest(t, s)
	s.Repair()
	if is = rest(t, s); !errors.Is(is.Err, ErrNoSQL) || is.Repaired || is.SQL != "SELECT bad" {
		t.Errorf("without an answer it is %v, %v, %q", is.Err, is.Repaired, is.SQL)
	}
	s.Repair() // which may be asked for again
	if is = rest(t, s); len(model.asked()) != 3 || is.Err != nil || is.SQL != "SELECT wrong" {
		t.Errorf("again: %d questions, %v, %q", len(model.asked()), is.Err, is.SQL)
	}
}

func TestSheetExplain(t *testing.T) {
	model := newModel(t, []string{"<think>Hm.</think>", "It counts ", "customers."})
	s := testSheets(t, "", shop(t)).Enter("anna", over{model.URL}, nil)
	rest(t, s)
	s.Explain()
	rest(t, s)
	s.SetSQL("SELECT count(*) FROM customers")
	s.Explain()
	is := rest(t, s)
	if is.Words != "It counts customers." || is.Err != nil || is.SQL != "SELECT count(*) FROM customers" || len(model.asked()) != 1 {
		t.Fatalf("it is %+v after %d questions", is, len(model.asked()))
	}
	has(t, model.asked()[0].prompt(), is.SQL)
	s.SetSQL("SELECT 1")
	if s.Snapshot().Words != "" {
		t.Error("the words are about another statement now")
	}
}

// Cancel ends each kind of work, where it is done.
func TestSheetCancel(t *testing.T) {
	for _, tc := range []struct {
		name  string
		holds string // the database's step; "": the model's
		doing Doing
		start func(*Sheet)
	}{
		{"the schema", "schema", LookingUp, (*Sheet).Ask},
		{"a question", "", Asking, (*Sheet).Ask},
		{"an explanation", "", Explaining, (*Sheet).Explain},
		{"a repair", "", Repairing, (*Sheet).Repair},
		{"a plan", "plan", Planning, (*Sheet).Plan},
		{"a run's plan", "plan", Planning, func(s *Sheet) { s.Run(false) }},
		{"a run", "run", Running, func(s *Sheet) { s.Run(false) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			model, src := newModel(t, []string{"I ", "count."}), shop(t)
			model.hold, model.holdAt = make(chan struct{}), 1
			var audit notes
			s := testSheets(t, "", src).Enter("anna", over{model.URL}, audit.note)
			rest(t, s)
			s.Cancel() // nothing
			s.SetQuestion("How many?")
			if tc.doing == Repairing {
				s.SetSQL("SELECT wrong")
				s.Run(false)
				rest(t, s)
			}
			s.SetSQL("SELECT 1")
			src.mu.Lock()
			src.hold, src.holds = make(chan struct{}), tc.holds
			src.mu.Unlock()
			tc.start(s)
			within(t, "work", func() bool { return s.Snapshot().Doing == tc.doing && (tc.holds != "" || len(model.asked()) == 1) })
			if tc.holds != "" {
				<-src.held
			}
			s.Cancel()
			is := rest(t, s)
			if !errors.Is(is.Err, ErrCancelled) || is.SQL != "SELECT 1" || is.Result != nil {
				t.Errorf("it is %+v", is)
			}
			if tc.holds == "" {
				within(t, "end of the model's work", func() bool { return model.gone() == 1 })
			} else if src.ended != 1 {
				t.Error("the database goes on")
			}
			if tc.holds != "" && tc.holds != "schema" && tc.name != "a plan" && (len(is.History) != 1 || is.History[0].Failed != "cancelled" || len(audit.told()) != 1) {
				t.Errorf("the history is %+v, the audit was told %q", is.History, audit.told())
			}
			src.mu.Lock()
			src.hold = nil
			src.mu.Unlock()
			s.Run(false) // as if nothing had been
			if is = rest(t, s); is.Err != nil || is.Result == nil {
				t.Errorf("after it, a run gave %v", is.Err)
			}
		})
	}
}

// Close ends what is under way.
func TestSheetsClose(t *testing.T) {
	model := newModel(t, []string{"I ", "count."})
	model.hold, model.holdAt = make(chan struct{}), 1
	all := testSheets(t, t.TempDir(), shop(t))
	s := all.Enter("anna", over{model.URL}, nil)
	rest(t, s)
	s.SetQuestion("How many?")
	s.Ask()
	within(t, "a question", func() bool { return len(model.asked()) == 1 })
	if err := errors.Join(all.Close(), all.Close()); err != nil {
		t.Fatal(err)
	}
	if is := s.Snapshot(); is.Doing != Nothing {
		t.Errorf("it still is %v", is.Doing)
	}
	within(t, "end of the model's work", func() bool { return model.gone() == 1 })
	s.Ask()
	s.Use("shop")
	all.Enter("ben", nil, nil).Run(true)
	if s.Snapshot().Doing != Nothing || len(model.asked()) != 1 {
		t.Error("it begins anew when it is closed")
	}
}
