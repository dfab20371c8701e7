package ask

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pilothouse/backends/sim"
	"pilothouse/gateway/ledger"
	"pilothouse/ui/query"
)

func sampleCases(t *testing.T) []Case {
	t.Helper()
	in, err := os.Open("../../docs/sample/shop.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cases, err := ReadCases(in)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func only(s query.Source) func(string) query.Source {
	return func(name string) query.Source {
		if name == "" || name == s.Name() {
			return s
		}
		return nil
	}
}

// Each query of the sample gives rows, the same each time, and is the same as itself
// and as no other's.
func TestSample(t *testing.T) {
	src, cases := shop(t), sampleCases(t)
	if len(cases) < 25 {
		t.Errorf("there are %d cases", len(cases))
	}
	results := make([]*query.Result, len(cases))
	for i, c := range cases {
		r, err := src.Run(t.Context(), c.SQL, query.Bounds{})
		if err != nil || len(r.Rows) == 0 {
			t.Fatalf("%s: %v", c.ID, err)
		}
		results[i] = r
	}
	for i := range cases {
		for j := range cases {
			if same := Same(results[i], results[j], Ordered(cases[i].SQL)); same != (i == j) {
				t.Errorf("%s and %s: the same is %v", cases[i].ID, cases[j].ID, same)
			}
		}
	}
}

// simulatedRight is how many of the sample's cases the simulated model knows; to all
// others it writes a query that is true of the schema and answers nothing.
const simulatedRight = 9

func TestEvaluateSample(t *testing.T) {
	cases := sampleCases(t)
	told := 0
	r, err := Evaluate(t.Context(), Evaluation{Cases: cases, Source: only(shop(t)), Models: simulated(t), Model: arctic, Each: func(Finding) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, q := range sim.ShopQuestions() {
		known[q.Text] = true
	}
	for i, f := range r.Findings {
		want := Different
		if known[f.Question] {
			want = Right
		}
		if f.Outcome != want || f.ID != cases[i].ID || f.Answer.SQL == "" || f.Answer.Prompt == 0 || f.Answer.Completion == 0 {
			t.Errorf("%s (%s) is %q, want %q: %+v", f.ID, f.Question, f.Outcome, want, f)
		}
	}
	prompt, completion := r.Tokens()
	if r.Count(Right) != simulatedRight || r.Accuracy() != float64(simulatedRight)/float64(len(cases)) || told != len(cases) || prompt == 0 || completion == 0 || r.Model != "arctic" || r.Took == 0 {
		t.Errorf("%d right, accuracy %v, told of %d, %d and %d tokens", r.Count(Right), r.Accuracy(), told, prompt, completion)
	}
	// A wrong answer lowers it.
	for i := range cases {
		if cases[i].Question == "How many customers are there?" {
			cases[i].SQL = "SELECT COUNT(*) + 1 FROM customers"
		}
	}
	if r, err = Evaluate(t.Context(), Evaluation{Cases: cases, Source: only(shop(t)), Models: simulated(t), Model: arctic}); err != nil || r.Count(Right) != simulatedRight-1 {
		t.Errorf("with a wrong answer %d are right, %v", r.Count(Right), err)
	}
}

// What may become of a case.
func TestEvaluateOutcomes(t *testing.T) {
	src := shop(t)
	for name, tc := range map[string]struct {
		answer string
		sql    string
		source string
		want   Outcome
		why    string
	}{
		"right":          {counting, "SELECT 24", "", Right, ""},
		"of a source":    {counting, "SELECT 24", "shop", Right, ""},
		"different":      {counting, "SELECT 23", "", Different, ""},
		"longer":         {"```sql\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000) SELECT i FROM n\n```", "SELECT 23", "", Different, ""},
		"wrong":          {"```sql\nSELECT x\n```", "SELECT 23", "", Failed, "no such column"},
		"writes":         {"```sql\nDELETE FROM orders\n```", "SELECT 23", "", Failed, "readonly"},
		"nothing":        {"I don't know", "SELECT 23", "", NoSQL, ErrNoSQL.Error()},
		"for ever":       {"```sql\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n\n```", "SELECT 23", "", TimedOut, ""},
		"a bad case":     {counting, "SELECT x", "", BadCase, "no such column"},
		"a long case":    {counting, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000) SELECT i FROM n", "", BadCase, "longer than 10000 rows"},
		"another source": {counting, "SELECT 24", "bank", BadCase, `no database "bank"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := query.Bounds{}
			if tc.want == TimedOut {
				b.Time = 300 * time.Millisecond
			}
			r, err := Evaluate(t.Context(), Evaluation{Cases: []Case{{"a", "How many?", tc.sql, tc.source}}, Source: only(src),
				Models: over{newModel(t, []string{tc.answer}).URL}, Model: arctic, Bounds: b})
			if err != nil || r.Findings[0].Outcome != tc.want || !strings.Contains(r.Findings[0].Why, tc.why) {
				t.Errorf("got %+v, %v", r.Findings[0], err)
			}
		})
	}
	r, err := Evaluate(t.Context(), Evaluation{Cases: []Case{{ID: "a", Question: "?", SQL: "SELECT 1"}}, Source: only(src), Models: over{}, Model: arctic})
	if err != nil || r.Findings[0].Outcome != Failed || r.Accuracy() != 0 {
		t.Errorf("without a model it is %+v, %v", r.Findings[0], err)
	}
	known := over{newModel(t, []string{counting}).URL}
	r, err = Evaluate(t.Context(), Evaluation{Cases: []Case{{"a", "?", "SELECT 24", ""}, {"b", "?", "SELECT x", ""}, {"c", "?", "SELECT 7", ""}}, Source: only(src), Models: known, Model: arctic})
	if err != nil || r.Accuracy() != 0.5 {
		t.Errorf("with a bad case it is %v, %v", r.Accuracy(), err)
	}
	r, err = Evaluate(t.Context(), Evaluation{})
	if err != nil || r.Accuracy() != 0 || len(r.Findings) != 0 {
		t.Errorf("of nothing it is %+v, %v", r, err)
	}
}

// Few are put at once, and the end of the context ends all of it.
func TestEvaluateCancelled(t *testing.T) {
	model := newModel(t, []string{"I ", "think"})
	model.hold, model.holdAt = make(chan struct{}), 1
	cases := make([]Case, 20)
	for i := range cases {
		cases[i] = Case{ID: fmt.Sprint(i), Question: "?", SQL: "SELECT 1"}
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan *Report)
	go func() {
		r, err := Evaluate(ctx, Evaluation{Cases: cases, Source: only(shop(t)), Models: over{model.URL}, Model: arctic, Each: func(f Finding) { t.Errorf("told of %+v", f) }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		done <- r
	}()
	within(t, "four questions", func() bool { return len(model.asked()) == inParallel })
	stop()
	if r := <-done; r.Count(Undone) != len(cases) || len(model.asked()) != inParallel {
		t.Errorf("%d are undone after %d questions", r.Count(Undone), len(model.asked()))
	}
	within(t, "end of the model's work", func() bool { return model.gone() == inParallel })
}

func TestReadCases(t *testing.T) {
	got, err := ReadCases(strings.NewReader("\ufeff{\"question\":\"a\",\"sql\":\"b\"}\n\n \n{\"id\":\"x\",\"question\":\"c\",\"sql\":\"d\",\"source\":\"s\"}"))
	if err != nil || len(got) != 2 || got[0] != (Case{"1", "a", "b", ""}) || got[1] != (Case{"x", "c", "d", "s"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"":                                       "line 1: there is no case",
		"{}":                                     "line 1: \"question\" and \"sql\" are both needed",
		"{\"question\":\"a\",\"sql\":\"b\"}\n[]": "line 2: want an object",
		"{\"question\":\"a\",\"SQL_\":\"b\"}":    `unknown field "SQL_"`,
		"{\"question\":\"a\",\"sql\":\"b\"} {}":  "line 1: there is more behind the object",
		"{\"id\":\"2\",\"question\":\"a\",\"sql\":\"b\"}\n{\"question\":\"a\",\"sql\":\"b\"}": `line 2: the id "2" is that of line 1, too`,
		strings.Repeat(" ", maxCase+1):                                     "line 1: it is longer than 128 KiB",
		strings.Repeat("{\"question\":\"a\",\"sql\":\"b\"}\n", maxCases+1): "line 2001: there are more than 2000 cases",
	} {
		if _, err := ReadCases(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

func FuzzReadCases(f *testing.F) {
	f.Add(`{"id":"x","question":"c","sql":"d","source":"s"}`)
	f.Fuzz(func(t *testing.T, text string) {
		cases, err := ReadCases(strings.NewReader(text))
		if (err == nil) == (len(cases) == 0) {
			t.Errorf("%d cases, %v", len(cases), err)
		}
		for _, c := range cases {
			if c.ID == "" || c.Question == "" || c.SQL == "" {
				t.Errorf("%q has the case %+v", text, c)
			}
		}
	})
}

// liveLedger is a real ledger of yesterday and today.
func liveLedger(t *testing.T) *liteSource {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(ledger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, at := range []time.Time{now.Add(-24 * time.Hour), now.Add(-24 * time.Hour), now, now, now} {
		row := ledger.Row{ID: fmt.Sprint("r", i), Arrived: at, Sent: at, First: at.Add(time.Second), Ended: at.Add(2 * time.Second), Org: []string{"acme", "beta"}[i%2], Key: "k",
			Model: "m", Backend: "b", Replica: "http://b", Status: 200, Prompt: 100 * int64(i+1), Completion: 10, Counted: true, End: ledger.Done}
		if err := l.End(nil, &row); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, "ledger", query.Ledger, dir+"/ledger.db")
}

// The questions that the demo suggests are answered from end to end, on a ledger as it
// is and with a model that needs no GPU.
func TestDemo(t *testing.T) {
	s := testSheets(t, "", liveLedger(t)).Enter("anna", simulated(t), nil)
	rest(t, s)
	for _, q := range sim.LedgerQuestions() {
		s.SetQuestion(q.Text)
		s.Ask()
		is := rest(t, s)
		if is.Err != nil || is.SQL != q.SQL || is.Answer.Reasoning != q.Reasoning {
			t.Fatalf("%q: %v, %q", q.Text, is.Err, is.SQL)
		}
		s.Run(false)
		if is = rest(t, s); is.Err != nil || is.Result == nil {
			t.Errorf("%q: %v", q.Text, is.Err)
		}
		s.Explain()
		if is = rest(t, s); is.Err != nil || !strings.Contains(is.Words, q.Reasoning) {
			t.Errorf("%q is explained by %q, %v", q.Text, is.Words, is.Err)
		}
	}
}
