package ledger

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// TestTornTail cuts the journal, or spoils it, at every byte of its last
// frames: what is before is kept, what is torn never was.
func TestTornTail(t *testing.T) {
	from := t.TempDir()
	l := mustOpen(t, from, usual)
	mustEnd(t, l, nil, named("first"))
	whole := l.journal.w.at
	e := mustBegin(t, l, named("second"))
	begun := l.journal.w.at
	mustEnd(t, l, e, named("second"))
	end := l.journal.w.at
	crash(t, l)

	segment, err := os.ReadFile(segmentPath(from, end.Segment))
	if err != nil {
		t.Fatal(err)
	}
	for cut := whole.Offset; cut <= end.Offset; cut += 17 {
		for _, how := range []string{"cut", "zeros", "spoilt"} {
			dir := t.TempDir()
			torn := append([]byte(nil), segment...)
			switch how {
			case "cut":
				torn = torn[:cut]
			case "zeros":
				clear(torn[cut:])
			case "spoilt":
				torn[cut] ^= 0x10
			}
			if err := os.WriteFile(segmentPath(dir, end.Segment), torn, 0o600); err != nil {
				t.Fatal(err)
			}
			mustClose(t, mustOpen(t, dir, usual))
			got := inDatabase(t, dir)
			second := kept{}
			switch {
			case cut >= end.Offset:
				second = kept{1, "done", 812, 1, false, true}
			case cut >= begun.Offset:
				second = kept{1, "interrupted", 812, 1, true, true}
			}
			if got["first"].times != 1 || got["second"] != second {
				t.Errorf("%s at %d of %d: got %+v, want the first and %+v", how, cut, end.Offset, got, second)
			}
		}
	}
}

// TestDamage spoils a segment in the middle of the journal: what cannot be read
// is counted, and all else is there.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small)
	first := l.journal.w.at.Segment
	for i := range 300 {
		mustEnd(t, l, nil, named(fmt.Sprint(i)))
	}
	crash(t, l)
	name := segmentPath(dir, first+1)
	segment, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := len(segment) / 2
	segment[at] ^= 1
	if err := os.WriteFile(name, segment, 0o600); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir, small)
	damaged := l.Status().Damaged
	if most := int64(len(segment) - at + 400); damaged < int64(len(segment)-at) || damaged > most {
		t.Errorf("%d bytes are said to be damaged, want those from the frame at %d of %d on", damaged, at, len(segment))
	}
	mustClose(t, l)
	got := inDatabase(t, dir)
	if lost := 300 - len(got); int64(lost) < damaged/300 || int64(lost) > damaged/100 {
		t.Errorf("%d rows are gone with %d bytes", lost, damaged)
	}
	if got["0"].times != 1 || got["299"].times != 1 {
		t.Errorf("the first and the last row are %+v and %+v", got["0"], got["299"])
	}
}

// TestWriteFails has the segment's writes fail: the ends given meanwhile are
// kept, and written once when that is possible. A frame that the failed write
// left whole behind the end does not count.
func TestWriteFails(t *testing.T) {
	for _, then := range []string{"close", "crash"} {
		dir := t.TempDir()
		tune := small
		tune.unmapped = true // in memory nothing fails
		l := mustOpen(t, dir, tune)
		e := mustBegin(t, l, named("open"))
		still := mustBegin(t, l, named("still open"))
		_ = still
		at := l.journal.w.at
		stray := appendRow(nil, endKind, 99, named("stray"))
		stray = appendRow(stray, beginKind, 100, named("stray beginning"))
		if _, err := l.journal.w.file.file.WriteAt(stray, at.Offset); err != nil {
			t.Fatal(err)
		}
		l.journal.w.file.file.Close()

		var refused *Unavailable
		if err := l.End(e, named("open")); !errors.As(err, &refused) {
			t.Fatalf("the end with no file: %v", err)
		}
		if _, err := l.Begin(named("never")); !errors.As(err, &refused) {
			t.Fatalf("a beginning with no file: %v", err)
		}
		if err := l.End(nil, named("loose")); !errors.As(err, &refused) {
			t.Fatalf("a loose end with no file: %v", err)
		}
		if s := l.Status(); !s.Refusing || s.Err == "" || s.Since.IsZero() || s.Backlog != 2 || s.Lost != 0 || s.Open != 1 {
			t.Fatalf("status %+v", s)
		}
		for l.Status().Refusing {
			l.journal.do(probeTask)
		}
		if s := l.Status(); s.Err != "" || s.Backlog != 0 || s.Rows != 2 || s.Open != 1 {
			t.Fatalf("status %+v after it works again", s)
		}
		row := named("after")
		mustEnd(t, l, mustBegin(t, l, row), row)
		if then == "crash" {
			crash(t, l)
			l = mustOpen(t, dir, small)
		}
		mustClose(t, l)
		if then == "close" {
			mustClose(t, mustOpen(t, dir, small))
		}
		got := inDatabase(t, dir)
		for _, id := range []string{"open", "loose", "after"} {
			if got[id].times != 1 || got[id].end != "done" {
				t.Errorf("%s: %q is %+v", then, id, got[id])
			}
		}
		if len(got) != 4 || got["still open"].end != "interrupted" {
			t.Errorf("%s: rows %+v", then, got)
		}
	}
}

// TestBacklogIsBounded counts what memory has no room for.
func TestBacklogIsBounded(t *testing.T) {
	tune := small
	tune.backlog, tune.unmapped = 6, true
	l := mustOpen(t, t.TempDir(), tune)
	l.journal.w.file.file.Close()
	lose := func(counted bool) {
		t.Helper()
		for range 5 {
			row := named("a row")
			row.Counted = counted
			if err := l.End(nil, row); err == nil {
				t.Fatal("an end was written to a closed file")
			}
		}
	}
	lose(false)
	if s := l.Status(); s.Backlog != 3 || s.Lost != 2 {
		t.Errorf("of those that count for nobody: status %+v, want 3 kept and 2 lost", s)
	}
	lose(true)
	if s := l.Status(); s.Backlog != 6 || s.Lost != 4 {
		t.Errorf("status %+v, want 6 kept and 4 lost", s)
	}
	if err := l.Close(); err == nil {
		t.Error("closing says nothing of what was lost")
	}
}
