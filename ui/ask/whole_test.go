package ask

import (
	"path/filepath"
	"testing"

	"pilothouse/backends/sim"
	"pilothouse/ui/query"
)

// pathOf is where a test's database lies.
func pathOf(t *testing.T, s *liteSource) (path string) {
	t.Helper()
	var seq int
	var name string
	if err := s.db.QueryRow("PRAGMA database_list").Scan(&seq, &name, &path); err != nil {
		t.Fatal(err)
	}
	return path
}

// opened is a source as a gateway opens it.
func opened(t *testing.T, c query.Config, ledgerDir string) query.Source {
	t.Helper()
	src, err := query.Open(c, ledgerDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return src
}

// Each question that is suggested about a ledger becomes SQL that runs on a live one.
func TestLedgerFromQuestionToRows(t *testing.T) {
	src := opened(t, query.Config{Name: "usage", Kind: query.Ledger}, filepath.Dir(pathOf(t, liveLedger(t))))
	s := testSheets(t, "", src).Enter("anna", simulated(t), nil)
	rest(t, s)
	for _, q := range sim.LedgerQuestions() {
		s.SetQuestion(q.Text)
		s.Ask()
		is := rest(t, s)
		if is.Err != nil || is.SQL != q.SQL {
			t.Errorf("%q: %v %q", q.Text, is.Err, is.SQL)
			continue
		}
		s.Run(false)
		if is = rest(t, s); is.Err != nil || is.Result == nil || is.Held {
			t.Errorf("%q: %v, held %v, %+v", q.Text, is.Err, is.Held, is.Plan)
		}
	}
}

// The sample's evaluation, and statements that fail, on a source as a gateway has it.
func TestSampleOnSource(t *testing.T) {
	src := opened(t, query.Config{Name: "shop", Kind: query.SQLite, Path: pathOf(t, shop(t))}, "")
	r, err := Evaluate(t.Context(), Evaluation{Cases: sampleCases(t), Source: only(src), Models: simulated(t), Model: arctic})
	if err != nil || r.Count(Right) != simulatedRight || r.Count(Different) != len(sampleCases(t))-simulatedRight {
		t.Errorf("%v: %d right, %d different", err, r.Count(Right), r.Count(Different))
		for _, f := range r.Findings {
			t.Log(f.ID, f.Outcome, f.Why)
		}
	}
	s := testSheets(t, "", src).Enter("anna", simulated(t), nil)
	rest(t, s)
	for sql, want := range map[string]string{"DELETE FROM orders": "refused", "SELECT 1; SELECT 2": "refused", "SELECT x": "no such column: x"} {
		s.SetSQL(sql)
		s.Run(true)
		if is := rest(t, s); is.Err == nil || is.Result != nil || is.History[0].Failed != want {
			t.Errorf("%s: %v, %q", sql, is.Err, is.History[0].Failed)
		}
	}
}
