package cli

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backends/sim"
	"pilothouse/ui/ask"
	"pilothouse/ui/query"

	_ "modernc.org/sqlite"
)

// shopSource is the sample database.
type shopSource struct {
	db        *sql.DB
	expensive string
	ran       atomic.Int32
}

func newShop(t *testing.T) *shopSource {
	t.Helper()
	text, err := os.ReadFile("../../docs/sample/shop.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "shop.db"))
	if err == nil {
		_, err = db.Exec(string(text) + "PRAGMA query_only = 1")
	}
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // that which only reads
	t.Cleanup(func() { _ = db.Close() })
	return &shopSource{db: db}
}

func (s *shopSource) Name() string     { return "shop" }
func (s *shopSource) Kind() query.Kind { return query.SQLite }
func (s *shopSource) Close() error     { return nil }

func (s *shopSource) Schema(ctx context.Context) (*query.Schema, error) {
	r, err := s.rows(ctx, "SELECT m.name, c.name, c.type FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c ORDER BY m.name, c.cid")
	if err != nil {
		return nil, err
	}
	all := &query.Schema{}
	for _, row := range r.Rows {
		if n := len(all.Tables); n == 0 || all.Tables[n-1].Name != row[0].Text {
			all.Tables = append(all.Tables, query.Table{Name: row[0].Text, Rows: -1})
		}
		t := &all.Tables[len(all.Tables)-1]
		t.Columns = append(t.Columns, query.Column{Name: row[1].Text, Type: row[2].Text})
	}
	return all, nil
}

func (s *shopSource) Plan(ctx context.Context, text string) (*query.Plan, error) {
	_, err := s.rows(ctx, "EXPLAIN QUERY PLAN "+text)
	return &query.Plan{Expensive: s.expensive}, err
}

func (s *shopSource) Run(ctx context.Context, text string, _ query.Bounds) (*query.Result, error) {
	s.ran.Add(1)
	return s.rows(ctx, text)
}

func (s *shopSource) rows(ctx context.Context, text string) (*query.Result, error) {
	wrong := func(err error) error { return &query.Error{Text: err.Error() + " \x1b[2J", At: -1} }
	in, err := s.db.QueryContext(ctx, text)
	if err != nil {
		return nil, wrong(err)
	}
	defer in.Close()
	names, err := in.Columns()
	if err != nil {
		return nil, wrong(err)
	}
	r := &query.Result{Took: 3 * time.Millisecond}
	for i, n := range names {
		r.Columns = append(r.Columns, query.ResultColumn{Name: n, Type: "x", Numeric: i > 0})
	}
	for in.Next() {
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
	return r, nil
}

// simModels ask a simulated model, or one that always says the same.
type simModels struct {
	url    string
	always string // a stream; "": the simulator's
	err    error
}

func (m simModels) Ask(ctx context.Context, _ string, body []byte) (*http.Response, error) {
	if m.err != nil {
		return nil, m.err
	}
	if m.always != "" {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: readCloser{bytes.NewReader([]byte(m.always))}}, nil
	}
	r, err := http.NewRequestWithContext(ctx, "POST", m.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return http.DefaultClient.Do(r)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// simulated serves the simulated text2sql model.
func simulated(t *testing.T) simModels {
	t.Helper()
	s, err := sim.New(sim.Config{Model: "arctic", Kind: sim.Text2SQL, Speed: 1000})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return simModels{url: "http://" + l.Addr().String()}
}

func arctic() []ask.Model {
	return []ask.Model{{Name: "chat"}, {Name: "arctic", Routes: []string{"/text2sql"}, MaxContext: 8192}}
}

// askFunc are models that fail, in time.
type askFunc func(context.Context) error

func (f askFunc) Ask(ctx context.Context, _ string, _ []byte) (*http.Response, error) {
	return nil, f(ctx)
}
