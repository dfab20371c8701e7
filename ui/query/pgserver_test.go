package query

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if server.end != nil {
		server.end()
	}
	os.Exit(code)
}

// server is the one PostgreSQL of this package's tests, on a unix socket alone.
var server struct {
	once sync.Once
	dir  string
	err  error
	end  func()
}

// pgServer starts it, if need be, and tells where its socket is.
func pgServer(t testing.TB) string {
	t.Helper()
	server.once.Do(startServer)
	if server.err != nil {
		t.Fatalf("start PostgreSQL (make deps installs it): %v", server.err)
	}
	return server.dir
}

func startServer() {
	server.dir, server.err = os.MkdirTemp("/tmp", "pq") // a socket's path is short
	if server.err != nil {
		return
	}
	dir := server.dir
	server.end = func() { os.RemoveAll(dir) }
	who := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} // where the tests panic, too
	if os.Getuid() == 0 {                                   // as which it doesn't run
		if who.Credential, server.err = unprivileged(dir); server.err != nil {
			return
		}
	}
	bin := binaries()
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "boss", "--no-sync", "-E", "UTF8", "--locale", "C.UTF-8")
	initdb.SysProcAttr, initdb.Dir = who, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		server.err = &exec.Error{Name: string(out), Err: err}
		return
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		server.err = err
		return
	}
	defer log.Close()
	run := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "shared_buffers=16MB", "-c", "autovacuum=off", "-c", "max_prepared_transactions=4", "-c", "log_statement=none")
	run.SysProcAttr, run.Dir, run.Stdout, run.Stderr = who, dir, log, log
	if server.err = run.Start(); server.err != nil {
		return
	}
	server.end = func() {
		run.Process.Signal(syscall.SIGQUIT) // at once
		run.Wait()
		os.RemoveAll(dir)
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var c *pgconn.PgConn
		if c, server.err = pgconn.Connect(context.Background(), "host="+dir+" user=boss dbname=postgres"); server.err == nil {
			c.Close(context.Background())
			return
		}
		if time.Now().After(until) {
			return
		}
	}
}

func unprivileged(dir string) (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}

func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	path, _ := exec.LookPath("postgres")
	return filepath.Dir(path)
}

// boss is a superuser's connection to a database. It ends with the test.
type boss struct {
	t testing.TB
	c *pgconn.PgConn
}

func pgBoss(t testing.TB, database string) *boss {
	t.Helper()
	c, err := pgconn.Connect(context.Background(), "host="+pgServer(t)+" user=boss dbname="+database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return &boss{t, c}
}

func (b *boss) do(sql string) {
	b.t.Helper()
	if _, err := b.c.Exec(context.Background(), sql).ReadAll(); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// ask gives the first column of all rows.
func (b *boss) ask(sql string) string {
	b.t.Helper()
	results, err := b.c.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	var lines []string
	for _, r := range results {
		for _, row := range r.Rows {
			lines = append(lines, string(row[0]))
		}
	}
	return strings.Join(lines, "\n")
}

// shopSchema is what the tests read, and what they mustn't.
const shopSchema = `
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, card text);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers (id), amount numeric(10,2), placed timestamptz, detail jsonb);
CREATE TABLE secrets (word text);
CREATE SEQUENCE counter;
CREATE VIEW totals AS SELECT name, sum(amount) AS total FROM orders JOIN customers ON customers.id = customer GROUP BY name;
COMMENT ON TABLE orders IS 'what was bought';
COMMENT ON COLUMN orders.placed IS 'when';
INSERT INTO customers SELECT i, 'customer ' || i, 'topsecret' FROM generate_series(1, 50) i;
INSERT INTO orders SELECT i, 1 + i % 50, i / 7.0, timestamptz '2026-01-01' + i * interval '1 hour', jsonb_build_object('n', i) FROM generate_series(1, 5000) i;
INSERT INTO secrets VALUES ('topsecret');
CREATE FUNCTION bump() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO secrets VALUES ('bumped'); RETURN 1; END $$;
CREATE FUNCTION unlock() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('transaction_read_only', 'off', true); INSERT INTO secrets VALUES ('bumped'); RETURN 1; END $$;
CREATE FUNCTION lies() RETURNS int LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER AS $$ BEGIN EXECUTE 'DELETE FROM secrets'; RETURN 1; END $$;
CREATE FUNCTION catches() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$;
SELECT lo_from_bytea(4711, 'topsecret');
GRANT SELECT ON orders, totals TO PUBLIC;
GRANT SELECT (id, name) ON customers TO PUBLIC;
ANALYZE;
`

// shop makes a database for the test, and a role of that name that may read it.
func shop(t testing.TB) (name string, b *boss) {
	t.Helper()
	name = "shop" + strconv.FormatInt(time.Now().UnixNano(), 36)
	pgBoss(t, "postgres").do("CREATE DATABASE " + name)
	b = pgBoss(t, name)
	b.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	b.do(shopSchema)
	b.do("CREATE ROLE " + name + " LOGIN")
	return name, b
}

// pgSource is a source on that database, with that role.
func pgSource(t *testing.T, name string, c Config, off guards) *postgres {
	t.Helper()
	t.Setenv("SHOP_DSN", "host="+pgServer(t)+" user="+name+" dbname="+name+" password=hunter2")
	c.Name, c.Kind, c.DSNEnv = "shop", Postgres, "SHOP_DSN"
	s, err := Open(c, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p := s.(*postgres)
	p.off = off
	return p
}
