package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestAuditIsPartOfIt: a grant that can't be noted is not made, nor revoked.
func TestAuditIsPartOfIt(t *testing.T) {
	l := openWith(t, Options{Clock: clockAt(noon).now})
	mustGrant(t, l, aGrant())
	before := grants(t, l, true)
	do := func(text string) {
		t.Helper()
		if _, err := l.store.conn.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	do("CREATE TEMP TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'broken'); END")
	if _, err := l.AddGrant(t.Context(), aGrant()); err == nil {
		t.Error("a grant was made without a note of it")
	}
	if _, err := l.RevokeGrant(t.Context(), before[0].ID, "ben"); err == nil {
		t.Error("a grant was revoked without a note of it")
	}
	if got := grants(t, l, true); !slices.Equal(got, before) {
		t.Errorf("grants %+v, want %+v", got, before)
	}
	do("DROP TRIGGER broken")
	mustGrant(t, l, aGrant())
	if got := audit(t, l); len(got) != 2 {
		t.Errorf("audit %+v, want two grants", got)
	}
}

// TestAuditIsLimited: the newest come first, and no more than asked for.
func TestAuditIsLimited(t *testing.T) {
	c := clockAt(noon)
	l := openWith(t, Options{Clock: c.now})
	var want []Event
	for i := range 10 {
		g := aGrant()
		g.Author = fmt.Sprint("operator ", i)
		mustGrant(t, l, g)
		c.add(-time.Minute) // a clock that is set back changes nothing of the order
	}
	want = audit(t, l)
	for most := range 12 {
		got, err := l.Audit(t.Context(), most)
		if err != nil || len(got) != min(most, 10) || !slices.Equal(got, want[:len(got)]) {
			t.Errorf("at most %d: %+v, error %v", most, got, err)
		}
	}
	if want[0].Author != "operator 9" || want[9].Author != "operator 0" {
		t.Errorf("%+v, want the newest first", want)
	}
}

// TestNote: what an operator did is there at once, in its order, and not where it
// can't be written.
func TestNote(t *testing.T) {
	l := openWith(t, Options{Clock: clockAt(noon).now})
	first := Event{Author: "ada", Action: "cancel", Object: "r1", Detail: "it runs away"}
	second := Event{At: noon.Add(-time.Hour), Author: "ada", Action: "cancelled", Object: "r1", Detail: "1 request"}
	for _, e := range []Event{first, second} {
		if err := l.Note(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := l.Note(ended, second); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	first.At, second.At = whole(noon), whole(second.At)
	if got := audit(t, l); !slices.Equal(got, []Event{second, first}) {
		t.Errorf("audit %+v", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Note(t.Context(), second); err == nil {
		t.Error("noted after Close")
	}
}
