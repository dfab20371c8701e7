package query

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
)

const liteSchema = `
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, card TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), amount REAL, placed INTEGER, detail TEXT);
CREATE TABLE secrets (word TEXT);
CREATE TABLE pairs (a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE INDEX by_customer ON orders (customer);
CREATE VIEW open_customers AS SELECT id, name FROM customers WHERE card <> '';
CREATE VIEW nested AS SELECT name FROM open_customers;
CREATE VIEW evil AS SELECT load_extension('x') AS x;
INSERT INTO customers SELECT value, 'customer ' || value, 'topsecret' FROM generate(50);
INSERT INTO orders SELECT value, 1 + value % 50, value / 7.0, 1767225600 + value * 3600, json_object('n', value) FROM generate(5000);
INSERT INTO secrets VALUES ('topsecret');
`

// liteShop makes a database with a connection that writes, so that there is a WAL.
func liteShop(t testing.TB) (path string, db *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "shop ?#%.db")
	db, err := sql.Open("sqlite", liteURL(path)+"?_journal_mode=WAL")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for line := range strings.SplitSeq(liteSchema, ";\n") {
		for _, n := range []string{"50", "5000"} {
			line = strings.ReplaceAll(line, "generate("+n+")", "(WITH RECURSIVE g (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM g LIMIT "+n+") SELECT value FROM g)")
		}
		if _, err := db.Exec(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return path, db
}

func liteURL(path string) string {
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

func liteSource(t testing.TB, path string, c Config, off guards) *sqlite {
	t.Helper()
	c.Name, c.Kind, c.Path = "shop", SQLite, path
	s, err := Open(c, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l := s.(*sqlite)
	l.off = off
	return l
}

const endless = "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) "

// liteHostile are statements that may not get through where only customers' view, orders
// and pairs may be read. FILE is a path where nothing is.
var liteHostile = []hostile{
	// Writes, plain and hidden.
	{"INSERT INTO orders (customer) VALUES (1)", refused},
	{"INSERT INTO orders (customer) VALUES (1) RETURNING id", refused},
	{"REPLACE INTO pairs VALUES ('a', 1)", refused},
	{"UPDATE orders SET amount = 0", refused},
	{"DELETE FROM orders", refused},
	{"WITH x AS (SELECT 1) DELETE FROM orders RETURNING *", refused},
	{"WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d", wrong},
	{"CREATE TABLE t (a)", refused},
	{"CREATE TEMP TABLE t AS SELECT * FROM orders", refused},
	{"CREATE TEMP VIEW v AS SELECT 1", refused},
	{"CREATE VIRTUAL TABLE f USING fts5 (a)", refused},
	{"CREATE TRIGGER x AFTER INSERT ON orders BEGIN DELETE FROM orders; END", refused},
	{"CREATE INDEX i ON orders (amount)", refused},
	{"DROP TABLE orders", refused},
	{"ALTER TABLE orders RENAME TO o", refused},
	{"REINDEX", refused},
	{"ANALYZE", refused},
	{"VACUUM", refused},
	{"VACUUM INTO 'FILE'", refused},
	{"ATTACH 'FILE' AS f", refused},
	{"ATTACH ':memory:' AS f", refused},
	{"DETACH main", refused},
	// The connection's ways out.
	{"PRAGMA query_only = 0", refused},
	{"PRAGMA writable_schema = 1", refused},
	{"PRAGMA journal_mode = DELETE", refused},
	{"PRAGMA wal_checkpoint(TRUNCATE)", refused},
	{"PRAGMA user_version = 7", refused},
	{"PRAGMA temp_store_directory = '/tmp'", refused},
	{"PRAGMA table_info(secrets)", refused},
	{"PRAGMA database_list", refused},
	{"SELECT * FROM pragma_user_version", refused},
	{"SELECT count(*) FROM pragma_database_list", refused},
	{"SELECT 1 FROM pragma_table_info('secrets')", refused},
	{"BEGIN IMMEDIATE", refused},
	{"COMMIT", refused},
	{"SAVEPOINT s", refused},
	{"EXPLAIN DELETE FROM orders", refused},
	{"EXPLAIN QUERY PLAN DELETE FROM orders", refused},
	{"EXPLAIN SELECT 1", refused},
	// More than one, and comments that hide things.
	{"SELECT 1; DELETE FROM orders", refused},
	{"SELECT 1;;;DELETE FROM orders", refused},
	{"SELECT 1 /* ; */ ; -- \n DROP TABLE orders", refused},
	{"; DELETE FROM orders", refused},
	{"/* SELECT */ DELETE FROM orders", refused},
	{"SELECT 1; SELECT load_extension('x')", refused},
	{"SELECT 1 -- ; DELETE FROM orders", harmless},
	{"SELECT 1; /* unfinished DELETE", harmless},
	{"SELECT ';DELETE FROM orders'", harmless},
	{"SELECT 1;\x00DELETE FROM orders", wrong},
	// Functions with effects.
	{"SELECT load_extension('FILE')", refused},
	{"SELECT writefile('FILE', 'x')", refused | wrong},
	{"SELECT readfile('/etc/passwd')", refused | wrong},
	{"SELECT edit('x', 'sh')", refused | wrong},
	{"SELECT fts3_tokenizer('x')", refused | wrong},
	{"SELECT fts5('x')", refused | wrong},
	{"SELECT sqlite_log(1, 'x')", refused},
	{"SELECT sqlite_compileoption_get(1)", refused},
	{"SELECT geopoly_debug(1)", refused},
	{"SELECT rtreecheck('orders')", refused},
	{"SELECT json_patch('{}', '{}')", refused},
	// What may not be read.
	{"SELECT * FROM secrets", wrong | refused},
	{"SELECT count(*) FROM secrets", wrong | refused},
	{"SELECT 1 WHERE EXISTS (SELECT 1 FROM secrets)", wrong | refused},
	{"SELECT * FROM main.secrets", wrong | refused},
	{"SELECT (SELECT word FROM secrets)", wrong | refused},
	{"SELECT card FROM customers", wrong | refused},
	{"WITH open_customers AS (SELECT card FROM customers) SELECT * FROM open_customers", wrong | refused},
	{"WITH OPEN_CUSTOMERS (a) AS (SELECT word FROM secrets) SELECT a FROM OPEN_CUSTOMERS", wrong | refused},
	{"WITH nested AS MATERIALIZED (SELECT id, card FROM customers) SELECT * FROM nested", wrong | refused},
	{"SELECT * FROM open_customers JOIN customers USING (id)", wrong | refused},
	{"SELECT o.card FROM open_customers o", wrong | refused},
	{"SELECT * FROM evil", wrong | refused},
	{"SELECT sql FROM sqlite_schema", wrong | refused},
	{"SELECT * FROM sqlite_master", wrong | refused},
	{"SELECT count(*) FROM sqlite_temp_master", wrong | refused},
	{"SELECT * FROM sqlite_dbpage", wrong | refused},
	{"SELECT count(*) FROM sqlite_dbpage WHERE pgno = 1", wrong | refused},
	{"SELECT * FROM dbstat", wrong | refused},
	{"SELECT * FROM sqlite_stat1", wrong | refused},
	{"TABLE secrets", wrong},
	// Without end, and without measure.
	{endless + "SELECT count(*) FROM r", timedOut},
	{"SELECT 1 UNION ALL SELECT * FROM (" + endless + "SELECT count(*) FROM r)", timedOut},
	{endless + "SELECT n FROM r WHERE n < 0", timedOut},
	{endless + "SELECT n FROM r", harmless},
	{endless + "SELECT DISTINCT n FROM r ORDER BY n DESC", timedOut | tooMuch},
	{endless + "SELECT n, randomblob(1000000) FROM r ORDER BY 2", timedOut | tooMuch},
	{endless + "SELECT n, zeroblob(900000) FROM r ORDER BY 2", timedOut | tooMuch},
	{endless + "SELECT group_concat(n) FROM r", tooMuch | timedOut},
	{endless + "SELECT json_group_array(n) FROM r", tooMuch | timedOut},
	{endless + "SELECT sum(length(hex(randomblob(400000)))) FROM r", timedOut},
	{"WITH RECURSIVE r (x) AS (SELECT zeroblob(1000000) UNION ALL SELECT randomblob(1000000) FROM r) SELECT count(DISTINCT x) FROM r", timedOut | tooMuch},
	{"WITH RECURSIVE r (x) AS (SELECT 'x' UNION ALL SELECT x || x FROM r) SELECT length(x) FROM r", tooMuch},
	{"SELECT count(*) FROM orders a, orders b, orders c, orders d", timedOut},
	{"SELECT * FROM orders a, orders b, orders c ORDER BY a.detail || b.detail || c.detail", timedOut | tooMuch},
	{"SELECT zeroblob(1000000000)", tooMuch},
	{"SELECT randomblob(1000000000)", tooMuch},
	{"SELECT hex(zeroblob(1000000))", tooMuch},
	{"SELECT printf('%1000000000d', 1)", tooMuch},
	{"SELECT printf('%.1000000000f', 1.0)", tooMuch | harmless},
	{"SELECT printf('%*s', 2000000000, 'x')", tooMuch},
	{"SELECT replace(hex(zeroblob(400000)), '0', hex(zeroblob(400000)))", tooMuch},
	{"SELECT replace(hex(zeroblob(500000)), hex(zeroblob(200000)) || '1', 'x')", harmless | tooMuch},
	{"SELECT instr(hex(zeroblob(500000)), hex(zeroblob(200000)) || '1')", harmless},
	{"SELECT length(trim(hex(zeroblob(500000)), hex(randomblob(500000))))", harmless},
	{"SELECT hex(zeroblob(50000)) LIKE '%' || substr(hex(zeroblob(500)), 1, 90) || '1%'", harmless | timedOut},
	{"SELECT hex(zeroblob(500000)) LIKE '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%1'", harmless | timedOut},
	{"SELECT hex(zeroblob(500000)) GLOB '*[0-9]*[0-9]*[0-9]*[0-9]*[0-9]*[0-9]*[a-z]'", harmless | timedOut},
	{"SELECT 'x' LIKE hex(zeroblob(100000))", wrong | tooMuch},
	{"SELECT " + strings.Repeat("(", 2000) + "1" + strings.Repeat(")", 2000), wrong | harmless},
	{"SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 2000), wrong | tooMuch},
	{"SELECT '" + strings.Repeat("x", 70000) + "'", tooMuch},
	{"SELECT ?1, :a, @b", wrong},
}

func TestSQLiteHostile(t *testing.T) {
	path, db := liteShop(t)
	outside := t.TempDir()
	t.Setenv("TMPDIR", outside)
	t.Setenv("SQLITE_TMPDIR", outside)
	c := Config{
		StatementTimeout: backends.Duration(500 * time.Millisecond),
		MaxBytes:         1 << 20,
		Tables:           []string{"orders", "pairs", "open_customers", "Nested", "evil"},
	}
	short := liteSource(t, path, c, guards{})
	c.StatementTimeout = backends.Duration(time.Minute)
	s := liteSource(t, path, c, guards{})
	// The first reader makes the index of the WAL grow.
	if _, err := s.Run(context.Background(), "SELECT count(*) FROM orders", Bounds{}); err != nil {
		t.Fatal(err)
	}
	before := liteFiles(t, path)
	for _, h := range liteHostile {
		s := s
		if h.want&timedOut != 0 {
			s = short
		}
		sql := strings.ReplaceAll(h.sql, "FILE", filepath.Join(outside, "out"))
		name := fmt.Sprintf("%.100s", h.sql)
		peak := resetPeak(t)
		begun := time.Now()
		r, err := s.Run(context.Background(), sql, Bounds{})
		took := time.Since(begun)
		if got, text := became(err); got&h.want == 0 {
			t.Errorf("%s: %s", name, text)
		}
		leaks(t, name, r, err)
		if h.want&timedOut != 0 && took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if n := peak(); n > 3*workMemory {
			t.Errorf("%s: the process grew by %d MiB", name, n>>20)
		}
		if _, err := s.Plan(context.Background(), sql); err == nil && h.want == refused {
			t.Errorf("%s: has a plan", name)
		}
		if now := liteFiles(t, path); now != before {
			t.Fatalf("%s: changed the files:\n%s\n%s", name, before, now)
		}
	}
	if files, _ := os.ReadDir(outside); len(files) > 0 {
		t.Errorf("there are files: %v", files)
	}
	if _, err := db.Exec("UPDATE orders SET amount = 0 WHERE id = 1"); err != nil {
		t.Errorf("a writer, afterwards: %v", err)
	}
	if r, err := s.Run(context.Background(), "SELECT count(*) FROM orders", Bounds{}); err != nil || r.Rows[0][0].Text != "5000" {
		t.Errorf("afterwards: %v %v", r, err)
	}
}

// liteFiles is the database's files, the WAL among them, and what they hold; not the
// index in shared memory, in which readers write down how far they read.
func liteFiles(t testing.TB, path string) string {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var all string
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(path), f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name(), "-shm") {
			text = nil
		}
		all += fmt.Sprintf("%s %x\n", f.Name(), sha256.Sum256(text))
	}
	return all
}

// resetPeak has the kernel forget the most memory that the process had (proc(5),
// clear_refs), and gives what it grew by since, at most.
func resetPeak(t testing.TB) func() int64 {
	t.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	start := status(t, "VmRSS:")
	return func() int64 { return status(t, "VmHWM:") - start }
}

func status(t testing.TB, field string) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no %s", field)
	return 0
}
