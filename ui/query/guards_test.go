package query

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
)

// Where several guards hold the same, each must hold it alone.

var liteOff = guards{readOnly: true, queryOnly: true, authorizer: true, statement: true, limits: true, mirror: true, functions: true, memory: true}

func TestSQLiteGuardAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		on    func(*guards)
		stops []hostile
	}{
		{"read-only", func(g *guards) { g.readOnly = false }, []hostile{{"INSERT INTO orders (customer) VALUES (1)", refused}, {"CREATE TABLE t (a)", refused}, {"DROP TABLE orders", refused}, {"PRAGMA user_version = 7", refused}}},
		{"query_only", func(g *guards) { g.queryOnly = false }, []hostile{{"INSERT INTO orders (customer) VALUES (1)", refused}, {"CREATE TABLE t (a)", refused}, {"DROP TABLE orders", refused}}},
		{"authorizer", func(g *guards) { g.authorizer = false }, []hostile{{"INSERT INTO orders (customer) VALUES (1)", refused}, {"PRAGMA user_version = 7", refused}, {"ATTACH ':memory:' AS x", refused},
			{"SELECT * FROM secrets", refused}, {"SELECT count(*) FROM secrets", refused}, {"SELECT * FROM sqlite_dbpage", refused}, {"BEGIN IMMEDIATE", refused}}},
		{"functions", func(g *guards) { g.authorizer, g.functions = false, false }, []hostile{{"SELECT load_extension('x')", refused}, {"SELECT rtreecheck('orders')", refused}, {"SELECT json_patch('{}', '{}')", refused}}},
		{"statement", func(g *guards) { g.statement = false }, []hostile{{"INSERT INTO orders (customer) VALUES (1)", refused}, {"DELETE FROM orders RETURNING id", refused}, {"VACUUM", refused}, {"EXPLAIN SELECT 1", refused}}},
		{"limits", func(g *guards) { g.limits = false }, []hostile{{"ATTACH ':memory:' AS x", wrong}, {"SELECT zeroblob(2000000)", tooMuch}, {"SELECT ?1", wrong}, {"SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 200), wrong}}},
		{"mirror", func(g *guards) { g.mirror = false }, []hostile{{"SELECT * FROM secrets", wrong}, {"WITH open_customers AS (SELECT card FROM customers) SELECT * FROM open_customers", wrong}}},
		{"memory", func(g *guards) { g.memory = false }, []hostile{{"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n, zeroblob(900000) FROM r ORDER BY 2", tooMuch}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, _ := liteShop(t)
			off := liteOff
			c.on(&off)
			s := liteSource(t, path, Config{StatementTimeout: backends.Duration(20 * time.Second), Tables: []string{"orders", "open_customers"}}, off)
			if _, err := s.Run(context.Background(), "SELECT 1 FROM orders", Bounds{}); err != nil {
				t.Fatal(err)
			}
			before := liteFiles(t, path)
			for _, h := range c.stops {
				_, err := s.Run(context.Background(), h.sql, Bounds{})
				if got, text := became(err); got&h.want == 0 {
					t.Errorf("%s: %s", h.sql, text)
				}
				if liteFiles(t, path) != before {
					t.Fatalf("%s: changed the files", h.sql)
				}
			}
		})
	}
	t.Run("none", func(t *testing.T) { // or nothing above means anything
		path, _ := liteShop(t)
		s := liteSource(t, path, Config{Tables: []string{"orders"}}, liteOff)
		before := liteFiles(t, path)
		for _, sql := range []string{"INSERT INTO orders (customer) VALUES (1)", "SELECT * FROM secrets", "ATTACH ':memory:' AS x", "SELECT json_patch('{}', '{}')", "SELECT zeroblob(2000000)"} {
			if _, err := s.Run(context.Background(), sql, Bounds{}); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		if liteFiles(t, path) == before {
			t.Error("nothing was written")
		}
	})
}

// TestSQLiteViewUnderAnotherName is what the authorizer alone lets through: within a table
// of the statement's own that is named like a view, what the view reads; and no more.
func TestSQLiteViewUnderAnotherName(t *testing.T) {
	path, _ := liteShop(t)
	off := guards{mirror: true}
	s := liteSource(t, path, Config{Tables: []string{"nested"}}, off)
	for sql, want := range map[string]outcome{
		"WITH nested AS (SELECT word FROM secrets) SELECT * FROM nested":                   refused,
		"WITH open_customers AS (SELECT card FROM customers) SELECT * FROM open_customers": harmless, // card is in the view's WHERE
		"SELECT * FROM nested": harmless,
	} {
		_, err := s.Run(context.Background(), sql, Bounds{})
		if got, text := became(err); got != want {
			t.Errorf("%s: %s", sql, text)
		}
	}
}

func TestPostgresGuardAlone(t *testing.T) {
	name, b := shop(t)
	b.do("GRANT ALL ON secrets, orders TO PUBLIC; GRANT USAGE, SELECT, UPDATE ON counter TO PUBLIC")
	all := guards{transaction: true, role: true, cursor: true}
	short := Config{StatementTimeout: backends.Duration(time.Minute)}
	state := b.ask(pgState)
	for _, c := range []struct {
		name  string
		on    func(*guards)
		stops []hostile
	}{
		{"transaction", func(g *guards) { g.transaction = false }, []hostile{{"INSERT INTO secrets VALUES ('x')", refused}, {"SELECT nextval('counter')", refused}, {"SELECT bump()", refused}, {"SELECT unlock()", refused | wrong},
			{"SET TRANSACTION READ WRITE", harmless | refused | wrong}, {"CREATE TEMP TABLE t (a int)", refused}, {"SELECT * FROM orders FOR UPDATE", refused}}},
		{"cursor", func(g *guards) { g.cursor = false }, []hostile{{"INSERT INTO secrets SELECT nextval('counter')::text", refused}, {"WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d", refused}, {"COMMIT", refused},
			{"SELECT * INTO t FROM orders", refused}, {"SELECT 1; COMMIT", refused}, {"DO $$ BEGIN END $$", refused}, {"COPY orders TO PROGRAM 'true'", refused}, {"SET ROLE boss", refused}}},
		{"role", func(g *guards) { g.role = false }, []hostile{{"SELECT 1", 0}, {"INSERT INTO secrets VALUES ('x')", 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			off := all
			c.on(&off)
			p := pgSource(t, name, short, off)
			for _, h := range c.stops {
				_, err := p.Run(context.Background(), h.sql, Bounds{})
				got, text := became(err)
				if e := new(Error); h.want == 0 && (!errors.As(err, &e) || e.Reason != Unreachable || !strings.Contains(e.Text, "it may change public.orders")) || h.want != 0 && got&h.want == 0 {
					t.Errorf("%s: %s", h.sql, text)
				}
				if now := b.ask(pgState); now != state {
					t.Fatalf("%s: changed the database", h.sql)
				}
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		p := pgSource(t, name, short, all)
		for _, sql := range []string{"INSERT INTO secrets VALUES ('x')", "SELECT nextval('counter')"} {
			if _, err := p.Run(context.Background(), sql, Bounds{}); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		if now := b.ask("SELECT last_value FROM counter WHERE is_called UNION ALL SELECT count(*) FROM secrets"); now != "1\n1" {
			t.Errorf("the counter, and the rows, which were rolled back: %q", now)
		}
	})
}

// TestPostgresClocks has each of the two end a statement alone.
func TestPostgresClocks(t *testing.T) {
	name, b := shop(t)
	for what, off := range map[string]guards{"the server's": {clock: true}, "ours": {serverClock: true}} {
		p := pgSource(t, name, Config{StatementTimeout: backends.Duration(300 * time.Millisecond)}, off)
		for _, sql := range []string{"SELECT pg_sleep(600)", "SELECT set_config('statement_timeout', '0', false), pg_sleep(600)", "SELECT count(*) FROM generate_series(1, 900000000000)"} {
			begun := time.Now()
			_, err := p.Run(context.Background(), sql, Bounds{})
			if got, text := became(err); got != timedOut || time.Since(begun) > 20*time.Second {
				t.Errorf("%s clock: %s: %s after %v", what, sql, text, time.Since(begun))
			}
			gone(t, b, name, sql)
		}
	}
}

// TestPostgresRole refuses every role that could do more than read.
func TestPostgresRole(t *testing.T) {
	name, b := shop(t)
	b.do("CREATE ROLE " + name + "w; GRANT INSERT ON orders TO " + name + "w; CREATE ROLE " + name + "n LOGIN NOINHERIT IN ROLE " + name + "w")
	b.do("CREATE EXTENSION dblink SCHEMA public; REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC")
	for i, c := range []struct{ make, want string }{
		{"SELECT 1", ""},
		{"ALTER ROLE R SUPERUSER", "superuser"},
		{"ALTER ROLE R CREATEROLE", "make roles"},
		{"ALTER ROLE R CREATEDB", "make databases"},
		{"ALTER ROLE R REPLICATION", "replicate"},
		{"GRANT pg_execute_server_program TO R", "pg_execute_server_program"},
		{"GRANT pg_write_server_files TO R", "pg_write_server_files"},
		{"GRANT pg_read_server_files TO R", "pg_read_server_files"},
		{"GRANT pg_signal_backend TO R", "pg_signal_backend"},
		{"GRANT pg_read_all_data TO R", ""},
		{"CREATE TABLE mineR (a int); ALTER TABLE mineR OWNER TO R", "owns 1"},
		{"CREATE FUNCTION mineR() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION mineR OWNER TO R", "owns 1"},
		{"GRANT CREATE ON SCHEMA public TO R", "objects in the schema public"},
		{"GRANT CREATE ON DATABASE " + name + " TO R", "objects in this database"},
		{"GRANT INSERT ON orders TO R", "change public.orders"},
		{"GRANT UPDATE (amount) ON orders TO R", "change public.orders"},
		{"GRANT TRUNCATE ON secrets TO R", "change public.secrets"},
		{"GRANT REFERENCES (id) ON orders TO R", "change public.orders"},
		{"GRANT USAGE ON SEQUENCE counter TO R", "advance public.counter"},
		{"GRANT EXECUTE ON FUNCTION pg_read_file(text) TO R", "call pg_read_file(text)"},
		{"GRANT EXECUTE ON FUNCTION lo_import(text) TO R", "call lo_import(text)"},
		{"GRANT EXECUTE ON FUNCTION pg_reload_conf() TO R", "call pg_reload_conf()"},
		{"GRANT EXECUTE ON FUNCTION dblink(text, text) TO R", "call dblink(text,text)"},
		{"GRANT " + name + "w TO R", "change public.orders"},
	} {
		role := name + "r" + string(rune('a'+i))
		b.do("CREATE ROLE " + role + " LOGIN")
		b.do(replaceRole(c.make, role))
		checkRole(t, name, role, c.make, c.want)
	}
	checkRole(t, name, name+"n", "NOINHERIT", "change public.orders")
}

func replaceRole(sql, role string) string {
	sql = strings.ReplaceAll(sql, "mineR", "mine"+role)
	for _, word := range []string{" ROLE R ", " TO R"} {
		sql = strings.ReplaceAll(sql, word, strings.TrimSuffix(strings.TrimSuffix(word, "R "), "R")+role+" ")
	}
	return sql
}

func checkRole(t *testing.T, database, role, what, want string) {
	t.Helper()
	p := pgSource(t, database, Config{}, guards{})
	t.Setenv("SHOP_DSN", "host="+pgServer(t)+" user="+role+" dbname="+database)
	_, err := p.Run(context.Background(), "SELECT 1", Bounds{})
	var e *Error
	switch {
	case want == "" && err != nil, want != "" && (!errors.As(err, &e) || e.Reason != Unreachable || !strings.Contains(e.Text, want)):
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}
