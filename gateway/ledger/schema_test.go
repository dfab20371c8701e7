package ledger

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBeginnings: where there is no file, none with anything in it, or one that
// was only being made when a process died, a ledger begins, and stays the same.
func TestBeginnings(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir, path string){
		"nothing":    func(*testing.T, string, string) {},
		"empty file": func(t *testing.T, dir, path string) { write(t, path, "") },
		"no tables yet": func(t *testing.T, dir, path string) {
			execIn(t, path, "PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL").Close()
		},
		"tables in the log": func(t *testing.T, dir, path string) {
			from := t.TempDir()
			crashAfter := mustOpen(t, from, small)
			dieWith(t, from, dir)
			mustClose(t, crashAfter)
		},
	} {
		dir := filepath.Join(t.TempDir(), "a % b?c#d")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		prepare(t, dir, filepath.Join(dir, "ledger.db"))
		oneRow(t, dir)
		l := mustOpen(t, dir, small)
		id := l.ID()
		for pragma, want := range map[string]int64{"application_id": 0x50484c47, "user_version": 1, "auto_vacuum": 2} {
			if got := number(t, l.store.conn, "PRAGMA "+pragma); got != want {
				t.Errorf("%s: %s is %d, want %d", name, pragma, got, want)
			}
		}
		if n := number(t, l.store.reads, "SELECT count(*) FROM requests WHERE id = 'there'"); n != 1 {
			t.Errorf("%s: the row is there %d times", name, n)
		}
		mustClose(t, l)
		l = mustOpen(t, dir, small)
		if len(id) != 16 || l.ID() != id {
			t.Errorf("%s: the ledger is %q, and was %q", name, l.ID(), id)
		}
		mustClose(t, l)
	}
}

// TestNoHotJournal: at no moment of its making has the file a journal beside it
// that SQLite would have to roll back, which is writing, before a look at it.
func TestNoHotJournal(t *testing.T) {
	dir := t.TempDir()
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, dir, unix.IN_CREATE); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, dir, small))
	made := make([]byte, 1<<16)
	n, err := unix.Read(watch, made)
	if err != nil {
		t.Fatal(err)
	}
	if made = made[:n]; !bytes.Contains(made, []byte("ledger.db-wal\x00")) || bytes.Contains(made, []byte("ledger.db-journal\x00")) {
		t.Errorf("files made: %q, want a -wal and no -journal", made)
	}
}

// TestOpenWithoutRoom: where the disk is full and not the file wrong, nobody is told
// to move it away, and it opens once there is room.
func TestOpenWithoutRoom(t *testing.T) {
	for _, there := range []bool{false, true} {
		dir := smallDisk(t, 4<<20)
		path := filepath.Join(dir, "ledger.db")
		if there {
			from := t.TempDir()
			l := mustOpen(t, from, small)
			mustEnd(t, l, nil, named("there"))
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			dieWith(t, from, dir)
			mustClose(t, l)
		}
		filler := fill(t, dir)
		l, err := Open(Options{Dir: dir})
		if err == nil {
			mustClose(t, l)
			t.Fatal("it was opened on a full disk")
		}
		if text := err.Error(); !strings.Contains(text, `"`+path+`"`) || strings.Contains(text, "move it away") {
			t.Errorf("there %v: %q, want the file's name and no more of it", there, text)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		mustClose(t, mustOpen(t, dir, small))
		if got := inDatabase(t, dir); (got["there"].times == 1) != there {
			t.Errorf("there %v: rows %+v", there, got)
		}
	}
}

// TestPragmas: the writer's connection is as durable as was asked for, and what
// reads can't write.
func TestPragmas(t *testing.T) {
	for sync, level := range map[bool]int64{false: 1, true: 2} {
		l := openWith(t, Options{Sync: sync})
		if got := number(t, l.store.conn, "PRAGMA synchronous"); got != level {
			t.Errorf("sync %v: synchronous is %d, want %d", sync, got, level)
		}
		var mode string
		if err := l.store.conn.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
			t.Errorf("sync %v: journal_mode is %q, error %v, want wal", sync, mode, err)
		}
		if got := number(t, l.store.reads, "PRAGMA query_only"); got != 1 {
			t.Errorf("query_only is %d, want 1", got)
		}
		if _, err := l.store.reads.Exec("DELETE FROM rows"); err == nil {
			t.Error("a connection for reading has written")
		}
	}
}

// TestOpenAtOnce: of many that open a directory at once one gets it, and the
// others are told who has it and what to do. Nor do they disturb it.
func TestOpenAtOnce(t *testing.T) {
	dir := t.TempDir()
	var ledgers [8]*Ledger
	var work sync.WaitGroup
	for i := range ledgers {
		work.Go(func() {
			var err error
			if ledgers[i], err = Open(Options{Dir: dir}); err == nil {
				return
			}
			if used, ok := errors.AsType[*InUseError](err); !ok || used.Dir != dir {
				t.Errorf("error %v, want one that %q is in use", err, dir)
			}
			for _, want := range []string{`"` + dir + `"`, "in use", "stop it", "another state_dir"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
	work.Wait()
	var open []*Ledger
	for _, l := range ledgers {
		if l != nil {
			open = append(open, l)
		}
	}
	if len(open) != 1 {
		t.Fatalf("%d have it open", len(open))
	}
	mustEnd(t, open[0], nil, named("there"))
	mustClose(t, open[0])
	if got := inDatabase(t, dir); got["there"].times != 1 {
		t.Errorf("rows %+v", got)
	}
}
