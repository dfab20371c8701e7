package ask

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/ui/query"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// liteSource reads a real SQLite database, with no more care than these tests need.
type liteSource struct {
	name string
	kind query.Kind
	db   *sql.DB

	mu        sync.Mutex
	expensive string // of all plans
	schemas   int    // that were looked up
	ran       int
	hold      chan struct{} // of each step, until it is closed or ctx ends; nil: nothing is held
	holds     string        // the step that is held: "schema", "plan" or "run"
	held      chan struct{} // is sent a step that is held
	ended     int           // steps that ended with ctx
}

// lite makes a source of a script.
func lite(t testing.TB, name, script string) *liteSource {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source.db")
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec(script)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return open(t, name, query.SQLite, path)
}

func open(t testing.TB, name string, kind query.Kind, path string) *liteSource {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_query_only=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &liteSource{name: name, kind: kind, db: db, held: make(chan struct{}, 16)}
}

// shop is the sample database.
func shop(t testing.TB) *liteSource {
	t.Helper()
	text, err := os.ReadFile("../../docs/sample/shop.sql")
	if err != nil {
		t.Fatal(err)
	}
	return lite(t, "shop", string(text))
}

func (s *liteSource) Name() string     { return s.name }
func (s *liteSource) Kind() query.Kind { return s.kind }
func (s *liteSource) Close() error     { return s.db.Close() }

// step waits where the test wants that.
func (s *liteSource) step(ctx context.Context, name string) error {
	s.mu.Lock()
	switch name {
	case "schema":
		s.schemas++
	case "run":
		s.ran++
	}
	hold := s.hold
	if s.holds != name {
		hold = nil
	}
	s.mu.Unlock()
	if hold == nil {
		return nil
	}
	s.held <- struct{}{}
	select {
	case <-hold:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended++
		return &query.Error{Reason: query.Cancelled, Text: "interrupted", At: -1}
	}
}

func (s *liteSource) Schema(ctx context.Context) (*query.Schema, error) {
	if err := s.step(ctx, "schema"); err != nil {
		return nil, err
	}
	names, err := s.rows(ctx, "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name", 0)
	if err != nil {
		return nil, err
	}
	all := &query.Schema{}
	for _, n := range names.Rows {
		t := query.Table{Name: n[0].Text, View: n[1].Text == "view", Rows: -1}
		columns, err := s.rows(ctx, fmt.Sprintf("SELECT name, type, pk > 0, \"notnull\" FROM pragma_table_info('%s')", t.Name), 0)
		if err != nil {
			return nil, err
		}
		for _, c := range columns.Rows {
			t.Columns = append(t.Columns, query.Column{Name: c[0].Text, Type: c[1].Text, PrimaryKey: c[2].Text == "1", NotNull: c[3].Text == "1"})
		}
		keys, err := s.rows(ctx, fmt.Sprintf(`SELECT "from", "table", "to" FROM pragma_foreign_key_list('%s')`, t.Name), 0)
		if err != nil {
			return nil, err
		}
		for _, k := range keys.Rows {
			for i := range t.Columns {
				if t.Columns[i].Name == k[0].Text {
					t.Columns[i].References = k[1].Text + "(" + k[2].Text + ")"
				}
			}
		}
		all.Tables = append(all.Tables, t)
	}
	return all, nil
}

func (s *liteSource) Plan(ctx context.Context, text string) (*query.Plan, error) {
	if err := s.step(ctx, "plan"); err != nil {
		return nil, err
	}
	r, err := s.rows(ctx, "EXPLAIN QUERY PLAN "+text, 0)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &query.Plan{Rows: -1, Expensive: s.expensive}
	for _, row := range r.Rows {
		p.Lines = append(p.Lines, query.PlanLine{Text: row[3].Text})
	}
	return p, nil
}

func (s *liteSource) Run(ctx context.Context, text string, b query.Bounds) (*query.Result, error) {
	if b.Time > 0 {
		limited, stop := context.WithTimeout(ctx, b.Time)
		defer stop()
		ctx = limited
	}
	if err := s.step(ctx, "run"); err != nil {
		return nil, err
	}
	return s.rows(ctx, text, b.Rows)
}

func (s *liteSource) rows(ctx context.Context, text string, most int) (*query.Result, error) {
	began := time.Now()
	wrong := func(err error) error {
		e := &query.Error{Reason: query.Wrong, Text: err.Error(), At: -1}
		if lite, ok := errors.AsType[*sqlite.Error](err); ok && lite.Code()&0xff == sqlite3.SQLITE_READONLY {
			e.Reason = query.Refused
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			e.Reason = query.TimedOut
		} else if ctx.Err() != nil {
			e.Reason = query.Cancelled
		}
		return e
	}
	in, err := s.db.QueryContext(ctx, text)
	if err != nil {
		return nil, wrong(err)
	}
	defer in.Close()
	names, err := in.Columns()
	if err != nil {
		return nil, wrong(err)
	}
	r := &query.Result{}
	for _, n := range names {
		r.Columns = append(r.Columns, query.ResultColumn{Name: n})
	}
	for in.Next() {
		if most > 0 && len(r.Rows) == most {
			r.Cut = fmt.Sprintf("%d rows", most)
			break
		}
		values, to := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			to[i] = &values[i]
		}
		if err := in.Scan(to...); err != nil {
			return nil, wrong(err)
		}
		row := make([]query.Value, len(names))
		for i, v := range values {
			row[i] = query.Value{Null: !v.Valid, Text: v.String}
		}
		r.Rows = append(r.Rows, row)
	}
	if err := in.Err(); err != nil {
		return nil, wrong(err)
	}
	r.Took = time.Since(began)
	return r, nil
}

// within waits for a condition.
func within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute there is still no %s", what)
		}
	}
}

// rest waits until a sheet does nothing, and gives how it stands.
func rest(t testing.TB, s *Sheet) *Snapshot {
	t.Helper()
	within(t, "rest", func() bool { return s.Snapshot().Doing == Nothing })
	return s.Snapshot()
}

func has(t testing.TB, text string, all ...string) {
	t.Helper()
	for _, s := range all {
		if !strings.Contains(text, s) {
			t.Errorf("there is no %q in:\n%s", s, text)
		}
	}
}
