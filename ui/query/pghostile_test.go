package query

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
)

// outcome of a hostile statement.
type outcome uint8

const (
	refused  outcome = 1 << iota // it would do more than read
	wrong                        // it isn't understood
	timedOut                     // it was ended
	tooMuch
	harmless // it may run: what it does ends with it
)

var outcomes = map[Reason]outcome{Wrong: wrong, Refused: refused, TimedOut: timedOut, TooMuch: tooMuch}

// became tells how it went.
func became(err error) (outcome, string) {
	var e *Error
	if err == nil {
		return harmless, "a result"
	}
	if !errors.As(err, &e) {
		return 0, "not an *Error: " + err.Error()
	}
	return outcomes[e.Reason], fmt.Sprintf("reason %d: %s", e.Reason, e.Text)
}

type hostile struct {
	sql  string
	want outcome
}

// pgHostile are statements that a role must not get through. FILE is a path in a directory
// where the server may write.
var pgHostile = []hostile{
	// Writes, plain and hidden.
	{"INSERT INTO secrets VALUES ('x')", refused},
	{"UPDATE orders SET amount = 0", refused},
	{"DELETE FROM orders", refused},
	{"TRUNCATE orders", refused},
	{"MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE", refused},
	{"WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d", refused},
	{"WITH i AS (INSERT INTO secrets VALUES ('x') RETURNING word) SELECT word FROM i", refused},
	{"WITH RECURSIVE u AS (UPDATE orders SET amount = 1 RETURNING id) TABLE u", refused},
	{"SELECT * INTO stolen FROM orders", refused},
	{"SELECT * INTO TEMP stolen FROM orders", refused},
	{"CREATE TEMP TABLE t AS SELECT * FROM orders", refused},
	{"CREATE TABLE t (a int)", refused},
	{"DROP TABLE orders", refused},
	{"ALTER TABLE orders ADD COLUMN x int", refused},
	{"SELECT * FROM orders FOR UPDATE", refused},
	{"SELECT * FROM orders FOR KEY SHARE", refused},
	{"LOCK TABLE orders", refused},
	{"VACUUM FULL", refused},
	{"REFRESH MATERIALIZED VIEW totals", refused},
	// More than one, and comments that hide things.
	{"SELECT 1; DELETE FROM orders", refused},
	{"SELECT 1; COMMIT; DELETE FROM orders", refused},
	{"SELECT 1 /* ; */ ; /* -- */ DROP TABLE orders --", refused},
	{"SELECT 1; ROLLBACK; BEGIN; INSERT INTO secrets VALUES ('x'); COMMIT", refused},
	{"/* SELECT */ DELETE FROM orders", refused},
	{"--\nDELETE FROM orders", refused},
	{"SELECT 1 -- \u2028; DELETE FROM orders", harmless},
	{"SELECT 1 /* unfinished", wrong},
	{"SELECT $$; DELETE FROM orders; $$", harmless},
	{"SELECT 1) TO '/tmp/x'", wrong},
	{"EXPLAIN ANALYZE DELETE FROM orders", refused},
	{"EXPLAIN (ANALYZE) SELECT bump()", refused},
	{"ANALYZE DELETE FROM orders", wrong},
	{"(ANALYZE) SELECT 1", wrong},
	// The session's ways out.
	{"COMMIT", refused},
	{"ROLLBACK", refused},
	{"BEGIN READ WRITE", refused},
	{"SET TRANSACTION READ WRITE", refused},
	{"SET statement_timeout = 0", refused},
	{"SET ROLE boss", refused},
	{"SET SESSION AUTHORIZATION boss", refused},
	{"RESET ALL", refused},
	{"DISCARD ALL", refused},
	{"PREPARE TRANSACTION 'x'", refused},
	{"PREPARE p AS DELETE FROM orders", refused},
	{"EXECUTE f", refused | wrong},
	{"LISTEN x", refused},
	{"NOTIFY x, 'y'", refused},
	{"SELECT pg_notify('x', 'y')", harmless},
	{"DO $$ BEGIN DELETE FROM orders; END $$", refused},
	{"CALL bump()", refused | wrong},
	{"DECLARE c CURSOR WITH HOLD FOR SELECT 1", refused},
	{"FETCH ALL FROM pilothouse", refused | wrong},
	{"MOVE ALL FROM pilothouse", refused | wrong},
	{"SELECT set_config('transaction_read_only', 'off', true), bump()", refused | wrong},
	{"SELECT set_config('transaction_read_only', 'off', false)", refused | wrong},
	{"SELECT set_config('role', 'boss', false)", refused | wrong},
	{"SELECT set_config('session_authorization', 'boss', false)", refused | wrong},
	{"SELECT set_config('statement_timeout', '0', false), pg_sleep(600)", timedOut},
	{"SELECT set_config('default_transaction_read_only', 'off', false)", harmless},
	// Files, programs and other servers.
	{"COPY orders TO 'FILE'", refused},
	{"COPY (SELECT 1) TO PROGRAM 'touch FILE'", refused},
	{"COPY secrets FROM PROGRAM 'touch FILE'", refused},
	{"SELECT lo_export(4711, 'FILE')", refused},
	{"SELECT lo_import('/etc/passwd')", refused},
	{"SELECT pg_read_file('/etc/passwd')", refused},
	{"SELECT pg_ls_dir('/')", refused},
	{"SELECT pg_stat_file('/etc/passwd')", refused},
	{"LOAD 'FILE'", refused},
	{"SELECT * FROM dblink('dbname=postgres', 'DELETE FROM orders') AS t (a int)", wrong},
	{"CREATE EXTENSION dblink", refused},
	// Functions with effects.
	{"SELECT nextval('counter')", refused},
	{"SELECT setval('counter', 99)", refused},
	{"SELECT bump()", refused},
	{"SELECT unlock()", refused | wrong},
	{"SELECT lies()", refused | wrong},
	{"SELECT lo_from_bytea(0, 'x')", harmless | refused},
	{"SELECT lo_put(4711, 0, 'x')", refused},
	{"SELECT lo_unlink(4711)", refused},
	{"SELECT lo_get(4711)", refused},
	{"SELECT pg_advisory_lock(1)", harmless},
	{"SELECT pg_try_advisory_lock(g) FROM generate_series(1, 50) g", harmless},
	{"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'boss'", refused},
	{"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'boss'", refused},
	{"SELECT pg_reload_conf()", refused},
	{"SELECT pg_switch_wal()", refused},
	{"SELECT pg_create_physical_replication_slot('x')", refused | wrong},
	{"SELECT pg_stat_reset()", refused},
	{"SELECT query_to_xml('DELETE FROM orders', true, true, '')", refused | wrong},
	{"SELECT * FROM ts_stat('DELETE FROM orders RETURNING detail::text::tsvector')", refused | wrong},
	{"SELECT txid_current()", harmless},
	{"UPDATE pg_settings SET setting = '0' WHERE name = 'statement_timeout'", refused},
	// What may not be read.
	{"SELECT * FROM secrets", refused},
	{"TABLE secrets", refused},
	{"SELECT card FROM customers", refused},
	{"SELECT * FROM customers", refused},
	{"SELECT c FROM customers c", refused},
	{"SELECT rolpassword FROM pg_authid", refused},
	{"SELECT data FROM pg_largeobject", refused},
	{"SELECT query_to_xml('SELECT * FROM secrets', true, true, '')", refused},
	{"SELECT most_common_vals FROM pg_stats WHERE tablename = 'secrets'", harmless},
	// Without end, and without measure.
	{"SELECT pg_sleep(600)", timedOut},
	{"SELECT catches()", timedOut},
	{"SELECT 1 FROM orders WHERE pg_sleep(600) IS NULL", timedOut},
	{"SELECT count(*) FROM generate_series(1, 9000000000000)", timedOut},
	{"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n::bigint) FROM r", timedOut | wrong},
	{"SELECT count(*) FROM orders a, orders b, orders c, orders d", timedOut},
	{"SELECT * FROM orders a, orders b, orders c, orders d", harmless | timedOut},
	{"SELECT * FROM generate_series(1, 100000000)", harmless | timedOut},
	{"SELECT repeat('x', 1000000000)", tooMuch | harmless | timedOut},
	{"SELECT repeat('x', 200000000), 1", harmless | timedOut},
	{"SELECT repeat('x', 3000000) FROM generate_series(1, 1000)", harmless | timedOut},
	{"SELECT replace(repeat('x', 1000000), 'x', repeat('y', 10000))", tooMuch | timedOut | wrong},
	{"SELECT lpad('x', 1000000000)", tooMuch | harmless | timedOut},
	{"SELECT ('x' || repeat('1', 50000000))::int", tooMuch | harmless | wrong | timedOut},
	{"SELECT string_agg(repeat('x', 100000), '') FROM generate_series(1, 100000)", tooMuch | timedOut},
	{"SELECT array_fill(0, ARRAY[100000000])", tooMuch | harmless | timedOut},
	{"SELECT regexp_replace(repeat('a', 100000), '(a+)+(a+)+(a+)+b', '')", timedOut | harmless | wrong},
	{"SELECT repeat('a', 40) ~ '^(a*)*(a*)*\\1\\2b$'", timedOut | harmless | wrong},
	{"SELECT 9 ^ 9 ^ 9 ^ 9, factorial(100000)", timedOut | tooMuch | wrong},
	{"SELECT count(*) FROM (SELECT * FROM orders a, orders b ORDER BY a.detail, b.detail) x", timedOut},
	{"SELECT pg_advisory_lock(1), pg_sleep(600)", timedOut},
}

// pgState is what must not change: every table's rows, and the catalogue.
const pgState = `
SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM customers t
UNION ALL SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM orders t
UNION ALL SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM secrets t
UNION ALL SELECT last_value || ' ' || is_called FROM counter
UNION ALL SELECT md5(string_agg(loid || encode(data, 'hex'), '|' ORDER BY loid)) FROM pg_largeobject
UNION ALL SELECT md5(string_agg(relname || relkind::text || coalesce(relacl::text, ''), '|' ORDER BY oid)) FROM pg_class
UNION ALL SELECT count(*)::text FROM pg_class
UNION ALL SELECT count(*)::text FROM pg_proc
UNION ALL SELECT count(*)::text FROM pg_largeobject_metadata
UNION ALL SELECT count(*)::text FROM pg_extension
UNION ALL SELECT count(*)::text FROM pg_replication_slots
UNION ALL SELECT count(*)::text FROM pg_prepared_xacts
UNION ALL SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM pg_db_role_setting t
UNION ALL SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM pg_authid t`

func TestPostgresHostile(t *testing.T) {
	name, b := shop(t)
	outside := filepath.Join(pgServer(t), "outside"+name)
	if err := os.Mkdir(outside, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(outside, 0o777); err != nil {
		t.Fatal(err)
	}
	dumped := pgDump(t, name)
	state := b.ask(pgState)
	short := pgSource(t, name, Config{StatementTimeout: backends.Duration(500 * time.Millisecond), MaxBytes: 1 << 20}, guards{})
	p := pgSource(t, name, Config{StatementTimeout: backends.Duration(time.Minute), MaxBytes: 1 << 20}, guards{})
	for _, h := range pgHostile {
		p := p
		if h.want&timedOut != 0 {
			p = short
		}
		sql := strings.ReplaceAll(h.sql, "FILE", filepath.Join(outside, "out"))
		begun := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := p.Run(context.Background(), sql, Bounds{})
		runtime.ReadMemStats(&after)
		got, text := became(err)
		if got&h.want == 0 {
			t.Errorf("%s: %s", h.sql, text)
		}
		leaks(t, h.sql, r, err)
		if took := time.Since(begun); h.want&timedOut != 0 && took > 10*time.Second {
			t.Errorf("%s: took %v", h.sql, took)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", h.sql, n>>20)
		}
		if _, err := p.Plan(context.Background(), sql); err == nil && h.want == refused && !plans[h.sql] {
			t.Errorf("%s: has a plan", h.sql)
		}
		gone(t, b, name, h.sql)
		if now := b.ask(pgState); now != state {
			t.Fatalf("%s: changed the database:\n%s\n%s", h.sql, state, now)
		}
	}
	if files, _ := os.ReadDir(outside); len(files) > 0 {
		t.Errorf("there are files: %v", files)
	}
	if now := pgDump(t, name); now != dumped {
		t.Error("the dump is another one")
	}
	if r, err := p.Run(context.Background(), "SELECT count(*) FROM orders", Bounds{}); err != nil || r.Rows[0][0].Text != "5000" {
		t.Errorf("afterwards: %v %v", r, err)
	}
}

// plans are those that are refused only as they run: a plan of them runs nothing.
var plans = map[string]bool{
	"SELECT nextval('counter')":    true,
	"SELECT setval('counter', 99)": true,
	"SELECT bump()":                true,
	"SELECT lo_put(4711, 0, 'x')":  true,
	"SELECT lo_unlink(4711)":       true,
	"SELECT lo_get(4711)":          true,
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'boss'": true,
	"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'boss'":    true,
	"SELECT query_to_xml('SELECT * FROM secrets', true, true, '')":                  true,
}

func leaks(t *testing.T, sql string, r *Result, err error) {
	t.Helper()
	if r != nil {
		for _, row := range r.Rows {
			for _, v := range row {
				if strings.Contains(v.Text, "topsecret") || strings.Contains(v.Text, "root:") {
					t.Errorf("%s: read what it mustn't", sql)
				}
			}
		}
	}
	if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "topsecret")) {
		t.Errorf("%s: the error tells a secret: %v", sql, err)
	}
}

// gone waits until the role has no backend and no lock.
func gone(t *testing.T, b *boss, role, sql string) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := b.ask("SELECT query FROM pg_stat_activity WHERE usename = '" + role + "' UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory'")
		if left == "" {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s: outlives it: %s", sql, left)
		}
	}
}

func pgDump(t *testing.T, database string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(binaries(), "pg_dump"), "-h", pgServer(t), "-U", "boss", database).Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) { // with a word of its own each time
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
