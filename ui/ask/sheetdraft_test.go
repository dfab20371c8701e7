package ask

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pilothouse/ui/query"
)

// There may be no model, no source, or another one.
func TestSheetWithout(t *testing.T) {
	s := testSheets(t, "").Enter("anna", nil, nil)
	s.SetQuestion("How many?")
	s.Ask()
	if is := rest(t, s); !errors.Is(is.Err, ErrNoSource) || is.Source != "" {
		t.Errorf("without a source it is %v", is.Err)
	}
	s.SetSQL("SELECT 1")
	s.Run(true)
	s.Plan()
	rest(t, s)
	none := New(Options{Sources: []query.Source{shop(t)}})
	defer none.Close()
	s = none.Enter("anna", nil, nil)
	rest(t, s)
	s.SetQuestion("How many?")
	s.Ask()
	if is := rest(t, s); !errors.Is(is.Err, ErrNoModel) || is.Model != "" {
		t.Errorf("without a model it is %v", is.Err)
	}
}

func TestSheetUse(t *testing.T) {
	a, b := shop(t), lite(t, "other", "CREATE TABLE things (id INTEGER)")
	s := testSheets(t, "", a, b).Enter("anna", nil, nil)
	rest(t, s)
	s.SetSQL("SELECT 1 AS one")
	s.Run(false)
	rest(t, s)
	s.Use("nonsense")
	s.Use("shop")
	if is := s.Snapshot(); is.Result == nil || is.Source != "shop" {
		t.Fatalf("it is %+v", is)
	}
	s.Use("other")
	is := rest(t, s)
	if is.Source != "other" || is.Schema == nil || is.Schema.Tables[0].Name != "things" || is.Result != nil || is.Plan != nil || is.Suggested != nil || is.SQL != "SELECT 1 AS one" {
		t.Errorf("it is %+v", is)
	}
	s.SetSQL("SELECT 2")
	s.Recall(1)
	s.Recall(-1)
	if is = rest(t, s); is.SQL != "SELECT 2" {
		t.Errorf("a recall of nothing gave %q", is.SQL)
	}
	s.Recall(0)
	if is = rest(t, s); is.SQL != "SELECT 1 AS one" || is.Source != "shop" || is.Schema.Tables[0].Name != "customers" {
		t.Errorf("recalled, it is %q on %q", is.SQL, is.Source)
	}
}

func TestSheetSaved(t *testing.T) {
	s := testSheets(t, "", shop(t)).Enter("anna", nil, nil)
	rest(t, s)
	s.Save("nothing")
	s.SetQuestion("One?")
	s.SetSQL("SELECT 1")
	s.Save(" ")
	s.Save(" one\x1b[2J\n x ")
	s.SetSQL("SELECT 2")
	s.Save("a")
	s.Save("a")
	is := s.Snapshot()
	if len(is.Saved) != 2 || is.Saved[0] != (Saved{"a", "shop", "One?", "SELECT 2"}) || is.Saved[1].Name != "one[2J x" {
		t.Fatalf("saved are %+v", is.Saved)
	}
	s.Load("nonsense")
	s.Load("one[2J x")
	if is = rest(t, s); is.SQL != "SELECT 1" {
		t.Errorf("loaded is %q", is.SQL)
	}
	s.Forget("nonsense")
	s.Forget("a")
	if is = s.Snapshot(); len(is.Saved) != 1 {
		t.Errorf("saved are %+v", is.Saved)
	}
	s.SetSQL(strings.Repeat("x", 2*maxSQL))
	if is = s.Snapshot(); len(is.SQL) != maxSQL {
		t.Errorf("the SQL has %d bytes", len(is.SQL))
	}
	for i := range 20 {
		s.Save(fmt.Sprint("large ", i))
	}
	if is = s.Snapshot(); !errors.Is(is.Err, errFull) || len(is.Saved) > 9 || len(is.Saved) < 8 {
		t.Errorf("%d are saved, %v", len(is.Saved), is.Err)
	}
}

// The history is bounded by its number and its text.
func TestSheetHistory(t *testing.T) {
	s := testSheets(t, "", shop(t)).Enter("anna", nil, nil)
	rest(t, s)
	for i := range 300 {
		s.mu.Lock()
		s.remember(Entry{Rows: i})
		s.mu.Unlock()
	}
	s.change(func(*Snapshot) {})
	if h := s.Snapshot().History; len(h) != maxHistory || h[0].Rows != 299 {
		t.Errorf("%d entries, the newest is %+v", len(h), h[0])
	}
	before := s.Snapshot().History
	s.mu.Lock()
	for i := range 20 {
		s.remember(Entry{Rows: i, SQL: strings.Repeat("x", maxSQL)})
	}
	s.mu.Unlock()
	s.change(func(*Snapshot) {})
	if h := s.Snapshot().History; len(h) != 8 || h[0].Rows != 19 {
		t.Errorf("%d entries, the newest is %+v", len(h), h[0].Rows)
	}
	if before[0].Rows != 299 {
		t.Error("a snapshot was changed")
	}
}

// Rows are held for those who came last.
func TestSheetsHold(t *testing.T) {
	all := testSheets(t, "", shop(t))
	first := all.Enter("anna", nil, nil)
	rest(t, first)
	first.SetSQL("SELECT 1")
	first.Run(false)
	if rest(t, first).Result == nil {
		t.Fatal("no rows")
	}
	for i := range holding {
		if first.Snapshot().Result == nil {
			t.Fatalf("the rows are gone after %d others", i)
		}
		rest(t, all.Enter(fmt.Sprint("op", i), nil, nil))
	}
	if first.Snapshot().Result != nil {
		t.Error("the rows are still there")
	}
	if all.Enter("anna", nil, nil) != first {
		t.Error("there are two sheets of one operator")
	}
}

// All methods may be called at once.
func TestSheetAtOnce(t *testing.T) {
	model := newModel(t, []string{counting})
	all := testSheets(t, t.TempDir(), shop(t), lite(t, "other", "CREATE TABLE things (id INTEGER)"))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			s := all.Enter("anna", over{model.URL}, nil)
			last := uint64(0)
			for j := range 40 {
				switch (i + j) % 11 {
				case 0:
					s.SetQuestion(fmt.Sprint("How many? ", j))
				case 1:
					s.Ask()
				case 2:
					s.Run(true)
				case 3:
					s.Cancel()
				case 4:
					s.SetSQL("SELECT " + fmt.Sprint(j))
				case 5:
					s.Save("x")
				case 6:
					s.Recall(0)
				case 7:
					s.Explain()
				case 8:
					s.Forget("x")
				case 9:
					s.Use([]string{"shop", "other"}[j%2])
				case 10:
					s.Repair()
				}
				if v := s.Snapshot().Version; v < last {
					t.Errorf("version %d came after %d", v, last)
				} else {
					last = v
				}
			}
		})
	}
	group.Wait()
	rest(t, all.Enter("anna", nil, nil))
}

// What the model's context had no room for is told.
func TestSheetLeft(t *testing.T) {
	script := "CREATE TABLE orders (id INTEGER);"
	for i := range 500 {
		script += fmt.Sprintf("CREATE TABLE archive_of_measures_%d (first_value INTEGER, second_value INTEGER);", i)
	}
	model := newModel(t, []string{"```sql\nSELECT count(*) FROM orders\n```"})
	s := testSheets(t, "", lite(t, "many", script)).Enter("anna", over{model.URL}, nil)
	rest(t, s)
	s.SetQuestion("How many orders?")
	s.Ask()
	is := rest(t, s)
	if is.Err != nil || len(is.Left) < 100 || slices.Contains(is.Left, "orders") || len(is.Schema.Tables) != 501 {
		t.Errorf("%v; of %d tables %d are left out", is.Err, len(is.Schema.Tables), len(is.Left))
	}
	has(t, model.asked()[0].prompt(), "CREATE TABLE orders (")
}
