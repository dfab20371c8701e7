package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// small has many segments and batches in little time.
var small = tuning{segment: 16 << 10, backlog: 1000, batch: 7}

func mustOpen(t testing.TB, dir string, tune tuning) *Ledger {
	t.Helper()
	l, err := open(Options{Dir: dir}, tune)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustClose(t testing.TB, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// crash leaves l as a process that dies would: nothing more is written.
func crash(t testing.TB, l *Ledger) {
	t.Helper()
	if s := l.journal.w.file; s != nil {
		if s.memory != nil {
			unix.Munmap(s.memory)
		}
		s.file.Close()
	}
	if err := errors.Join(l.store.close(), l.lock.release()); err != nil {
		t.Fatal(err)
	}
}

// kept is what the database says of a request.
type kept struct {
	times              int // that it is there
	end                string
	prompt, completion int64
	estimated, counted bool
}

// inDatabase returns what is there, by id.
func inDatabase(t testing.TB, dir string) map[string]kept {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT id, end_state, prompt_tokens, completion_tokens, estimated, counted FROM requests")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := make(map[string]kept)
	for rows.Next() {
		var id string
		var k kept
		if err := rows.Scan(&id, &k.end, &k.prompt, &k.completion, &k.estimated, &k.counted); err != nil {
			t.Fatal(err)
		}
		k.times = got[id].times + 1
		got[id] = k
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

func named(id string) *Row {
	row := sample(1)
	row.ID = id
	return &row
}

func mustBegin(t testing.TB, l *Ledger, row *Row) *Entry {
	t.Helper()
	e, err := l.Begin(row)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustEnd(t testing.TB, l *Ledger, e *Entry, row *Row) {
	t.Helper()
	if err := l.End(e, row); err != nil {
		t.Fatal(err)
	}
}

// TestEachOnce has many requests begin and end, through many segments, while
// the journal is drained; then the process dies and another opens the ledger.
func TestEachOnce(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()

	const workers, each = 16, 200
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			for i := range each {
				row := named(fmt.Sprintf("%d/%d", w, i))
				if i%5 == 0 {
					if err := l.End(nil, row); err != nil {
						t.Error(err)
					}
					continue
				}
				e, err := l.Begin(row)
				if err != nil {
					t.Error(err)
					return
				}
				e.Progress(1, int64(i), 0, false)
				if err := l.End(e, row); err != nil {
					t.Error(err)
				}
				if i%50 == 49 {
					if err := l.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	work.Wait()
	if s := l.Status(); s.Rows != workers*each || s.Open != 0 || s.Err != "" || s.Refusing {
		t.Errorf("status %+v after %d rows", s, workers*each)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if s := l.Status(); s.WaitingRows != 0 || s.WaitingBytes != 0 {
		t.Errorf("%d rows and %d bytes wait after the last drain", s.WaitingRows, s.WaitingBytes)
	}
	if n, err := listSegments(dir); err != nil || len(n) != 1 {
		t.Errorf("segments %v, error %v, after all is drained", n, err)
	}
	for i := range 10 {
		mustEnd(t, l, nil, named(fmt.Sprintf("undrained/%d", i)))
	}
	crash(t, l)
	l = mustOpen(t, dir, small)
	if s := l.Status(); s.WaitingRows != 0 || s.WaitingBytes != 0 {
		t.Errorf("%d rows and %d bytes wait after opening", s.WaitingRows, s.WaitingBytes)
	}
	mustClose(t, l)
	got := inDatabase(t, dir)
	if len(got) != workers*each+10 {
		t.Errorf("%d rows, want %d", len(got), workers*each+10)
	}
	for id, k := range got {
		if k.times != 1 || k.end != "done" {
			t.Errorf("%q is there %d times, %q", id, k.times, k.end)
		}
	}
	if n, err := listSegments(dir); err != nil || len(n) != 0 {
		t.Errorf("segments %v, error %v, after closing", n, err)
	}
}

// TestInterrupted has requests open when the process dies, then when the next
// one does, which drains nothing twice.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small)
	begun := func(id string, prompt int64, sent bool) *Entry {
		row := named(id)
		row.Prompt, row.Completion, row.Counted, row.Estimated, row.End = prompt, 0, false, false, None
		if !sent {
			row.Sent = time.Time{}
		}
		return mustBegin(t, l, row)
	}
	begun("only begun", 812, false)
	begun("nothing known", 0, false)
	begun("sent", 0, true)
	old := begun("known at the roll", 812, true)
	old.Progress(900, 17, 0, false)
	late := begun("known at the checkpoint", 812, true)
	over := begun("ended", 812, true)
	for i := range 400 {
		row := named(fmt.Sprint(i))
		mustEnd(t, l, mustBegin(t, l, row), row)
	}
	late.Progress(900, 40, 100, true)
	l.journal.do(checkpointTask)
	late.Progress(900, 99, 100, true) // never written
	mustEnd(t, l, over, named("ended"))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, err := listSegments(dir); err != nil || len(n) != 1 || n[0] < 5 {
		t.Fatalf("segments %v, error %v: want one, after several", n, err)
	}
	crash(t, l)

	want := map[string]kept{
		"only begun":              {1, "interrupted", 812, 0, true, true},
		"nothing known":           {1, "interrupted", 0, 0, true, false},
		"sent":                    {1, "interrupted", 0, 0, true, true},
		"known at the roll":       {1, "interrupted", 900, 17, true, true},
		"known at the checkpoint": {1, "interrupted", 900, 40, true, true},
		"ended":                   {1, "done", 812, 1, false, true},
	}
	for range 3 {
		l = mustOpen(t, dir, small)
		got := inDatabase(t, dir)
		for id, k := range want {
			if got[id] != k {
				t.Errorf("%q is %+v, want %+v", id, got[id], k)
			}
		}
		if len(got) != 400+len(want) {
			t.Errorf("%d rows, want %d", len(got), 400+len(want))
		}
		crash(t, l)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small)
	var used *InUseError
	if _, err := Open(Options{Dir: dir}); !errors.As(err, &used) || used.Dir != dir {
		t.Errorf("opening it twice: %v", err)
	}
	mustClose(t, l)
	mustClose(t, l)
	if _, err := l.Begin(named("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("a beginning after Close: %v", err)
	}
	if err := l.End(nil, named("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("an end after Close: %v", err)
	}
	mustClose(t, mustOpen(t, dir, small))
	if got := inDatabase(t, dir); len(got) != 0 {
		t.Errorf("rows %+v", got)
	}
}

// TestRunCheckpoints waits for what Run writes of a live request.
func TestRunCheckpoints(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	e := mustBegin(t, l, named("live"))
	before := l.journal.look().segments[0].Offset
	e.Progress(812, 33, 0, false)
	for l.journal.look().segments[0].Offset == before {
		time.Sleep(time.Millisecond)
	}
	e.Progress(812, 44, 0, false)
	stop()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	mustClose(t, mustOpen(t, dir, small))
	if got := inDatabase(t, dir)["live"]; got != (kept{1, "interrupted", 812, 44, true, true}) {
		t.Errorf("got %+v, want the last progress before the end", got)
	}
}

func TestEntryIsReset(t *testing.T) {
	e := &Entry{id: 1, frame: []byte("frame"), end: []byte("end"), index: 3, saved: progress{prompt: 4}}
	e.Progress(1, 2, 3, true)
	e.reset()
	if e.id != 0 || len(e.frame) != 0 || len(e.end) != 0 || e.index != 0 || e.saved != (progress{}) || e.now() != (progress{}) {
		t.Errorf("left in an entry that another request gets: id %d, frame %q, end %q, index %d, saved %+v, progress %+v",
			e.id, e.frame, e.end, e.index, e.saved, e.now())
	}
}
