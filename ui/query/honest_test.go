package query

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
)

// line writes a result in one line: cells with commas, rows with slashes.
func line(r *Result) string {
	var rows []string
	for _, row := range r.Rows {
		var cells []string
		for _, v := range row {
			switch {
			case v.Null:
				cells = append(cells, "NULL")
			default:
				cells = append(cells, v.Text)
			}
		}
		rows = append(rows, strings.Join(cells, ","))
	}
	return strings.Join(rows, "/")
}

type honest struct{ sql, want string }

func TestSQLiteHonest(t *testing.T) {
	path, _ := liteShop(t)
	for _, tables := range [][]string{nil, {"orders", "open_customers", "nested", "pairs"}} {
		s := liteSource(t, path, Config{Tables: tables}, guards{})
		for _, h := range []honest{
			{"SELECT count(*), min(amount), NULL, x'00ff', '' FROM orders", "5000,0.14285714285714285,NULL,x'00ff',"},
			{"select id, name from open_customers where id <= 2 order by id;", "1,customer 1/2,customer 2"},
			{"SELECT name FROM nested LIMIT 1 -- the first", "customer 1"},
			{"WITH a AS (SELECT customer, count(*) AS n FROM orders GROUP BY customer), b AS (SELECT max(n) AS m FROM a) SELECT m FROM b", "100"},
			{"WITH x AS (SELECT 1) SELECT count(*) FROM x", "1"},
			{"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 5) SELECT group_concat(n, '-') FROM r", "1-2-3-4-5"},
			{endless + "SELECT n FROM r LIMIT 3", "1/2/3"},
			{"SELECT id, row_number() OVER w, lag(id) OVER w, sum(amount) OVER (ORDER BY id ROWS 1 PRECEDING) > 0 FROM orders WINDOW w AS (ORDER BY id) LIMIT 2", "1,1,NULL,1/2,2,1,1"},
			{"SELECT json_extract(detail, '$.n'), detail ->> 'n' FROM orders WHERE id = 7", "7,7"},
			{"SELECT value FROM json_each('[1,\"b\",null]')", "1/b/NULL"},
			{"SELECT key FROM orders, json_tree(detail) WHERE orders.id = 1 AND key IS NOT NULL", "n"},
			{"SELECT datetime(placed, 'unixepoch'), strftime('%Y', placed, 'unixepoch'), date(1767229200, 'unixepoch') FROM orders WHERE id = 1", "2026-01-01 01:00:00,2026,2026-01-01"},
			{"SELECT CASE WHEN id % 2 THEN 'odd' ELSE 'even' END k, count(*) FROM orders GROUP BY k HAVING count(*) > 1 ORDER BY k DESC", "odd,2500/even,2500"},
			{"SELECT o.id FROM orders o JOIN open_customers c ON c.id = o.customer WHERE c.name LIKE '%7' AND o.id < 10", "6"},
			{"SELECT id FROM orders WHERE id IN (SELECT id FROM orders WHERE amount > 714) UNION SELECT 0 EXCEPT SELECT 5000", "0/4999"},
			{"VALUES (1, 'a'), (2, 'b')", "1,a/2,b"},
			{"SELECT upper('é') || substr('héllo', 2, 1), length('é'), instr('héllo', 'l'), instr(x'0102', x'02'), instr('x', ''), instr('abc', 'z'), instr(NULL, 'x')", "éé,1,3,2,1,0,NULL"},
			{"SELECT replace('a.b.c', '.', '--'), replace('abc', '', 'x'), replace('a', NULL, 'x'), replace(12321, 2, 'x')", "a--b--c,abc,NULL,1x3x1"},
			{"SELECT trim('  x '), trim('xxaxx', 'x'), ltrim('éax', 'éx'), rtrim('axé', 'éx'), trim('x', '')", "x,a,ax,a,x"},
			{"SELECT printf('%05.1f|%s', 3.14159, 'x'), round(2.5), abs(-3), coalesce(NULL, 4), typeof(1.0), hex('a')", "003.1|x,3.0,3,4,real,61"},
			{"SELECT 9223372036854775807, -1e300, 1/0", "9223372036854775807,-1.0e+300,NULL"},
			{"SELECT count(*) FROM pairs", "0"},
		} {
			r, err := s.Run(context.Background(), h.sql, Bounds{})
			if err != nil {
				t.Errorf("tables %v: %s: %v", tables, h.sql, err)
			} else if got := line(r); got != h.want || r.Cut != "" {
				t.Errorf("%s: %q (cut %q), want %q", h.sql, got, r.Cut, h.want)
			}
			if p, err := s.Plan(context.Background(), h.sql); err != nil || p.Expensive != "" {
				t.Errorf("%s: the plan: %v %+v", h.sql, err, p)
			}
		}
	}
}

func TestPostgresHonest(t *testing.T) {
	name, _ := shop(t)
	p := pgSource(t, name, Config{}, guards{})
	for _, h := range []honest{
		{"SELECT count(*), min(amount), NULL, ''::text, '\\x00ff'::bytea FROM orders", "5000,0.14,NULL,,\\x00ff"},
		{"select id, name from customers where id <= 2 order by id;", "1,customer 1/2,customer 2"},
		{"SELECT name FROM totals ORDER BY name LIMIT 1 -- the first", "customer 1"},
		{"WITH a AS (SELECT customer, count(*) AS n FROM orders GROUP BY customer) SELECT max(n) FROM a", "100"},
		{"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r LIMIT 3", "1/2/3"},
		{"SELECT id, row_number() OVER w, lag(id) OVER w FROM orders WINDOW w AS (ORDER BY id) LIMIT 2", "1,1,NULL/2,2,1"},
		{"SELECT detail ->> 'n', jsonb_typeof(detail -> 'n') FROM orders WHERE id = 7", "7,number"},
		{"SELECT value FROM jsonb_array_elements_text('[1,\"b\",null]')", "1/b/NULL"},
		{"SELECT date_trunc('day', placed AT TIME ZONE 'UTC')::date, extract(year FROM placed) FROM orders WHERE id = 1", "2026-01-01,2026"},
		{"SELECT o.id FROM orders o JOIN LATERAL (SELECT 1 FROM customers c WHERE c.id = o.customer AND c.name LIKE '%7') x ON true WHERE o.id < 10", "6"},
		{"VALUES (1, 'a'), (2, 'b')", "1,a/2,b"},
		{"(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 DESC", "2/1"},
		{"TABLE totals LIMIT 0", ""},
		{"SELECT 1 AS a, 2 AS a", "1,2"},
		{"SELECT", ""},
		{"SELECT ARRAY[1,2], 1.50, true, 'NaN'::float8, 2::money IS NOT NULL, interval '1 day'", "{1,2},1.50,t,NaN,t,1 day"},
		{"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM orders", "2500.5"},
		{"SELECT generate_series(1, 3)", "1/2/3"},
		{"SELECT current_setting('transaction_read_only'), current_setting('statement_timeout')", "on,10s"},
	} {
		r, err := p.Run(context.Background(), h.sql, Bounds{})
		if err != nil {
			t.Errorf("%s: %v", h.sql, err)
		} else if got := line(r); got != h.want || r.Cut != "" {
			t.Errorf("%s: %q (cut %q), want %q", h.sql, got, r.Cut, h.want)
		}
		if plan, err := p.Plan(context.Background(), h.sql); err != nil || plan.Expensive != "" || len(plan.Lines) == 0 {
			t.Errorf("%s: the plan: %v %+v", h.sql, err, plan)
		}
	}
	r, err := p.Run(context.Background(), "SELECT id, name, 1.5 AS x, now() FROM customers", Bounds{})
	if err != nil || fmt.Sprint(r.Columns) != "[{id integer true} {name text false} {x numeric true} {now timestamp with time zone false}]" {
		t.Errorf("columns: %v, %v", r, err)
	}
}

func TestErrors(t *testing.T) {
	path, _ := liteShop(t)
	name, _ := shop(t)
	lite, pg := Source(liteSource(t, path, Config{}, guards{})), Source(pgSource(t, name, Config{}, guards{}))
	for _, c := range []struct {
		s    Source
		sql  string
		want Reason
		at   string // what stands at At
	}{
		{lite, "SELECT 'é', nosuch FROM orders", Wrong, "nosuch FROM orders"},
		{lite, "SELEC 1", Wrong, "SELEC 1"},
		{lite, "", Wrong, "-"},
		{lite, "SELECT * FROM nowhere", Wrong, "-"},
		{pg, "SELECT 'é', nosuch FROM orders", Wrong, "nosuch FROM orders"},
		{pg, "SELECT 1 FRO orders WHERE", Wrong, "orders WHERE"},
		{pg, "SELECT * FROM nowhere", Wrong, "nowhere"},
		{pg, "SELECT 1/0", Wrong, "-"},
		{pg, "SELECT * FROM secrets", Refused, "-"},
		{pg, "SELECT '\xff'", Wrong, "-"},
	} {
		for what, try := range map[string]func() error{
			"run":  func() error { _, err := c.s.Run(context.Background(), c.sql, Bounds{}); return err },
			"plan": func() error { _, err := c.s.Plan(context.Background(), c.sql); return err },
		} {
			var e *Error
			if err := try(); !errors.As(err, &e) || e.Reason != c.want {
				t.Errorf("%s %q: %v", what, c.sql, err)
				continue
			}
			at := "-"
			if e.At >= 0 {
				at = c.sql[e.At:]
			}
			if at != c.at {
				t.Errorf("%s %q: at %q, want %q (%s)", what, c.sql, at, c.at, e.Text)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	path, _ := liteShop(t)
	name, _ := shop(t)
	c := Config{MaxRows: 2000, MaxBytes: 256 << 10}
	for _, s := range []Source{liteSource(t, path, c, guards{}), pgSource(t, name, c, guards{})} {
		series := "SELECT id FROM orders WHERE id > 0"
		text := map[Kind]string{SQLite: "SELECT hex(zeroblob(%d / 2))", Postgres: "SELECT repeat('0', %d)"}[s.Kind()]
		for _, c := range []struct {
			sql   string
			b     Bounds
			rows  int
			cut   string
			bytes int // of the first cell
		}{
			{series, Bounds{}, 2000, "2,000 rows", 1},
			{series, Bounds{Rows: 5000}, 2000, "2,000 rows", 1},
			{series, Bounds{Rows: 1}, 1, "1 row", 1},
			{series + " AND id <= 2000", Bounds{}, 2000, "", 1},
			{series, Bounds{Bytes: 1 << 10}, 57, "1 KiB", 1},
			{fmt.Sprintf(text, CellBytes), Bounds{}, 1, "", CellBytes},
			{fmt.Sprintf(text, CellBytes+2), Bounds{}, 1, cellCut, CellBytes},
			{fmt.Sprintf(text, 900_000), Bounds{}, 1, cellCut, CellBytes},
			{fmt.Sprintf(text, 60_000) + " FROM orders", Bounds{}, 4, "256 KiB", 60_000},
			{fmt.Sprintf(text, 60_000), Bounds{Bytes: 1 << 10}, 0, "1 KiB", 0},
		} {
			r, err := s.Run(context.Background(), c.sql, c.b)
			if err != nil {
				t.Errorf("%s: %s: %v", s.Kind(), c.sql, err)
				continue
			}
			if len(r.Rows) != c.rows || r.Cut != c.cut || c.rows > 0 && len(r.Rows[0][0].Text) != c.bytes || r.Cut == cellCut && !r.Rows[0][0].Cut {
				t.Errorf("%s: %s %+v: %d rows, cut %q", s.Kind(), c.sql, c.b, len(r.Rows), r.Cut)
			}
			if r.Took <= 0 {
				t.Errorf("%s: took %v", c.sql, r.Took)
			}
		}
	}
}

// TestCancel has the end of the context, and of the source, end the database's work.
func TestCancel(t *testing.T) {
	path, _ := liteShop(t)
	name, b := shop(t)
	c := Config{StatementTimeout: backends.Duration(10 * time.Minute)}
	for _, s := range []Source{liteSource(t, path, c, guards{}), pgSource(t, name, c, guards{})} {
		statements := map[Kind][]string{
			SQLite:   {endless + "SELECT count(*) FROM r", "SELECT 1 UNION ALL SELECT * FROM (" + endless + "SELECT count(*) FROM r)"},
			Postgres: {"SELECT pg_sleep(600)", "SELECT count(*) FROM generate_series(1, 900000000000)"},
		}[s.Kind()]
		for _, sql := range statements {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { _, err := s.Run(ctx, sql, Bounds{}); done <- err }()
			running(t, s, b, name)
			cancel()
			select {
			case err := <-done:
				if e := new(Error); !errors.As(err, &e) || e.Reason != Cancelled {
					t.Errorf("%s: %v", sql, err)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("%s: it runs on", sql)
			}
			gone(t, b, name, sql)
			_, err := s.Run(soon(t), sql, Bounds{})
			if e := new(Error); !errors.As(err, &e) || e.Reason != TimedOut {
				t.Errorf("%s: the caller's deadline: %v", sql, err)
			}
			if r, err := s.Run(context.Background(), "SELECT 1", Bounds{}); err != nil || line(r) != "1" {
				t.Errorf("after it: %v %v", r, err)
			}
		}
		// Eight at once, of which four run: Close ends all.
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := s.Run(context.Background(), statements[0], Bounds{})
				if e := new(Error); !errors.As(err, &e) || e.Reason != Unreachable {
					t.Errorf("when it is closed: %v", err)
				}
			})
		}
		running(t, s, b, name)
		s.Close()
		s.Close()
		all.Wait()
		gone(t, b, name, "Close")
		if _, err := s.Run(context.Background(), "SELECT 1", Bounds{}); err == nil {
			t.Error("a closed source runs")
		}
	}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// running waits until the database works.
func running(t *testing.T, s Source, b *boss, role string) {
	t.Helper()
	busy := func() bool {
		if s.Kind() == SQLite {
			began := false
			lites.Range(func(_, v any) bool { began = began || v.(*lite).began.Load(); return true })
			return began
		}
		return b.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = '"+role+"' AND query LIKE 'FETCH%' AND state = 'active'") != "0"
	}
	for until := time.Now().Add(30 * time.Second); !busy(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it doesn't begin")
		}
	}
}

// TestUnreachable has the errors say what is wrong, and nothing of the DSN.
func TestUnreachable(t *testing.T) {
	name, _ := shop(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := pgSource(t, name, Config{StatementTimeout: backends.Duration(2 * time.Second)}, guards{})
	socket := pgServer(t)
	for _, c := range []struct{ dsn, want string }{
		{"", "SHOP_DSN"},
		{"postgres://joe:hunter2@[::1/x", "SHOP_DSN"},
		{"host=" + socket + " user=nobodyhere dbname=" + name + " password=hunter2", "28000"},
		{"host=" + socket + " user=" + name + " dbname=secretname password=hunter2", "3D000"},
		{"host=" + dir + " user=joe dbname=x password=hunter2", "can't be reached: no such file"},
		{"host=127.0.0.1 port=1 user=joe dbname=x password=hunter2", "can't be reached: connection refused"},
		{"host=127.0.0.1 port=1 user=joe dbname=x password=hunter2 sslrootcert=/nowhere sslmode=verify-full", "SHOP_DSN"},
	} {
		t.Setenv("SHOP_DSN", c.dsn)
		for _, try := range []func() error{
			func() error { _, err := p.Run(context.Background(), "SELECT 1", Bounds{}); return err },
			func() error { _, err := p.Plan(context.Background(), "SELECT 1"); return err },
			func() error { _, err := p.Schema(context.Background()); return err },
		} {
			err := try()
			var e *Error
			if !errors.As(err, &e) || e.Reason != Unreachable || !strings.Contains(e.Text, c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			for _, secret := range []string{"hunter2", "joe", "nobodyhere", "secretname", socket, dir} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%v has %q in it", err, secret)
				}
			}
		}
	}
	for _, file := range []string{"none.db", "text.db", "."} {
		s := liteSource(t, filepath.Join(dir, file), Config{}, guards{})
		_, err := s.Run(context.Background(), "SELECT 1 FROM x", Bounds{})
		if e := new(Error); !errors.As(err, &e) || e.Reason != Unreachable {
			t.Errorf("%s: %v", file, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files were made: %v", files)
	}
}

// TestNothingIsLeft counts goroutines, files and connections after many calls.
func TestNothingIsLeft(t *testing.T) {
	path, _ := liteShop(t)
	name, _ := shop(t)
	for _, s := range []Source{liteSource(t, path, Config{}, guards{}), pgSource(t, name, Config{}, guards{})} {
		try := func(n int) {
			for range n {
				s.Run(context.Background(), "SELECT count(*) FROM orders", Bounds{})
				s.Run(context.Background(), "SELECT wrong", Bounds{})
				s.Plan(context.Background(), "SELECT * FROM orders a, orders b")
			}
		}
		try(3)
		routines, files := runtime.NumGoroutine(), openFiles(t)
		try(20)
		for until := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > routines || openFiles(t) > files; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%s: %d goroutines and %d files, and there were %d and %d", s.Kind(), runtime.NumGoroutine(), openFiles(t), routines, files)
			}
		}
	}
	lites.Range(func(_, v any) bool { t.Error("a connection is open"); return true })
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
