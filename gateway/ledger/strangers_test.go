package ledger

import (
	"database/sql"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// execIn runs statements in a database that another program has.
func execIn(t *testing.T, path string, statements ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return db
}

// contents are the bytes of the files in dir, without what says nothing: the lock,
// and the empty log of a database and its index, which whoever reads it makes.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, f := range files {
		if f.Name() == "lock" || strings.HasSuffix(f.Name(), "-shm") || f.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 || f.Name() == "ledger.db" {
			all[f.Name()] = string(b)
		}
	}
	return all
}

// dieWith leaves in dir what a program that died then would leave of a database.
func dieWith(t *testing.T, from, dir string) {
	t.Helper()
	for name, b := range contents(t, from) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// oneRow makes a ledger of this version with a row in it.
func oneRow(t *testing.T, dir string) {
	t.Helper()
	l := mustOpen(t, dir, small)
	mustEnd(t, l, nil, named("there"))
	mustClose(t, l)
}

// strangers are files that are no ledger of ours, and what is said of them.
var strangers = map[string]struct {
	make func(t *testing.T, dir, path string)
	say  []string
}{
	"another program's": {
		func(t *testing.T, dir, path string) {
			execIn(t, path, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)").Close()
		}, []string{"another program's", "move it away"}},
	"another program's, marked": {
		func(t *testing.T, dir, path string) {
			execIn(t, path, "PRAGMA application_id = 1196444487", "PRAGMA user_version = 1", "CREATE TABLE theirs (a)").Close()
		}, []string{"another program's", "move it away"}},
	"another program's, marked, without tables": {
		func(t *testing.T, dir, path string) { execIn(t, path, "PRAGMA application_id = 1196444487").Close() },
		[]string{"another program's", "move it away"}},
	"another program's, without tables": {
		func(t *testing.T, dir, path string) { execIn(t, path, "PRAGMA user_version = 3").Close() },
		[]string{"another program's", "move it away"}},
	"another program's, with a log": {
		func(t *testing.T, dir, path string) {
			from := t.TempDir()
			execIn(t, filepath.Join(from, "ledger.db"), "PRAGMA journal_mode = WAL", "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)")
			dieWith(t, from, dir)
		}, []string{"another program's", "move it away"}},
	"another program's, in a transaction": {
		func(t *testing.T, dir, path string) {
			from := t.TempDir()
			execIn(t, filepath.Join(from, "ledger.db"), "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)", "PRAGMA cache_size = 5", "BEGIN",
				"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO theirs SELECT randomblob(1000) FROM n")
			dieWith(t, from, dir)
		}, []string{"can't be used", "move it away"}},
	"newer": {
		func(t *testing.T, dir, path string) {
			oneRow(t, dir)
			execIn(t, path, "PRAGMA user_version = 7", "ALTER TABLE gateway RENAME TO gateways").Close()
		}, []string{"newer version", "schema 7", "knows 1", "install that version again", "another state_dir"}},
	"newer, with a log": {
		func(t *testing.T, dir, path string) {
			from := t.TempDir()
			oneRow(t, from)
			execIn(t, filepath.Join(from, "ledger.db"), "PRAGMA user_version = 7")
			dieWith(t, from, dir)
		}, []string{"newer version", "install that version again"}},
	"ours by its mark only": {
		func(t *testing.T, dir, path string) {
			execIn(t, path, "PRAGMA application_id = 1346915399", "PRAGMA user_version = 1", "CREATE TABLE theirs (a)").Close()
		}, []string{"can't be used", "move it away"}},
	"text": {
		func(t *testing.T, dir, path string) {
			write(t, path, strings.Repeat("It was a dark and stormy night.\n", 500))
		},
		[]string{"not a database", "move it away"}},
	"one byte": {
		func(t *testing.T, dir, path string) { write(t, path, "x") },
		[]string{"can't be used", "move it away"}},
	"cut off": {
		func(t *testing.T, dir, path string) {
			oneRow(t, dir)
			if err := os.Truncate(path, 1000); err != nil {
				t.Fatal(err)
			}
		}, []string{"can't be used", "move it away"}},
	"a directory": {
		func(t *testing.T, dir, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"can't be used", "move it away"}},
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStrangers: what is no ledger of ours is named, with what to do, and no byte
// of it is changed. Once it is out of the way a ledger begins.
func TestStrangers(t *testing.T) {
	for name, c := range strangers {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "ledger.db")
			c.make(t, dir, path)
			before := contents(t, dir)
			for range 2 {
				l, err := Open(Options{Dir: dir})
				if err == nil {
					mustClose(t, l)
					t.Fatal("it was opened")
				}
				for _, want := range append(c.say, `"`+path+`"`) {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q does not say %q", err, want)
					}
				}
				if after := contents(t, dir); !maps.Equal(after, before) {
					t.Error("it was changed")
				}
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			mustClose(t, mustOpen(t, dir, small))
		})
	}
}
