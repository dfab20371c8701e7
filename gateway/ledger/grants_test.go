package ledger

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

var noon = utc("2028-02-29 12:00:00.123456789")

// aGrant is one that can be made at noon.
func aGrant() Grant {
	return Grant{Org: "acme", Window: "tokens_per_day", Amount: 5_000_000, Until: noon.Add(12 * time.Hour), Reason: "quarter's end", Author: "ana"}
}

func mustGrant(t *testing.T, l *Ledger, g Grant) Grant {
	t.Helper()
	g, err := l.AddGrant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func grants(t *testing.T, l *Ledger, all bool) []Grant {
	t.Helper()
	list, err := l.Grants(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// audit is all of it, newest first.
func audit(t *testing.T, l *Ledger) []Event {
	t.Helper()
	list, err := l.Audit(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestAddGrant: what AddGrant returns is what Grants returns, to the µs, from
// then on and after a restart; and the audit says who granted what.
func TestAddGrant(t *testing.T) {
	o := Options{Dir: t.TempDir(), Clock: clockAt(noon).now}
	l, err := open(o, small)
	if err != nil {
		t.Fatal(err)
	}
	given := aGrant()
	given.ID, given.Made, given.Until = "given", noon.Add(-time.Hour), elsewhere(noon.Add(time.Hour))
	given.Org, given.Reason, given.Author = "gl\x00bex", `"'; --`, "\xff"
	want := []Grant{mustGrant(t, l, given), mustGrant(t, l, aGrant())}
	for _, g := range want[1:] {
		if !regexp.MustCompile(`^g[a-z2-7]{7}$`).MatchString(g.ID) || !g.Made.Equal(noon.Truncate(time.Microsecond)) {
			t.Errorf("made %q at %s, want an id of its own, and %s", g.ID, g.Made, noon)
		}
	}
	if got := want[0]; got.ID != "given" || !got.Made.Equal(noon.Add(-time.Hour).Truncate(time.Microsecond)) ||
		!got.Until.Equal(noon.Add(time.Hour).Truncate(time.Microsecond)) || got.Org != given.Org || got.Reason != given.Reason || got.Author != given.Author {
		t.Errorf("made %+v of %+v", got, given)
	}
	events := []Event{
		{noon.Truncate(time.Microsecond), "ana", "grant", want[1].ID, "acme tokens_per_day +5000000 until 2028-03-01T00:00:00Z: quarter's end"},
		{noon.Truncate(time.Microsecond), "\xff", "grant", "given", "gl\x00bex tokens_per_day +5000000 until 2028-02-29T13:00:00Z: \"'; --"},
	}
	for range 2 {
		for _, all := range []bool{true, false} {
			if got := grants(t, l, all); !slices.Equal(got, want) {
				t.Errorf("all %v: grants\n%+v, want\n%+v", all, got, want)
			}
		}
		if got := audit(t, l); !slices.Equal(got, events) {
			t.Errorf("audit\n%+v, want\n%+v", got, events)
		}
		mustClose(t, l)
		if l, err = open(o, small); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
}

// TestGrantError: what can't be granted says which field is wrong, and leaves
// nothing behind.
func TestGrantError(t *testing.T) {
	l := openWith(t, Options{Clock: clockAt(noon).now})
	there := mustGrant(t, l, aGrant())
	if _, err := l.RevokeGrant(t.Context(), there.ID, "ben"); err != nil {
		t.Fatal(err)
	}
	before, events := grants(t, l, true), audit(t, l)
	for _, c := range []struct {
		want   string
		change func(*Grant)
	}{
		{"organisation", func(g *Grant) { g.Org = "" }},
		{"window", func(g *Grant) { g.Window = "" }},
		{"amount", func(g *Grant) { g.Amount = 0 }},
		{"amount", func(g *Grant) { g.Amount = -5 }},
		{"until", func(g *Grant) { g.Until = time.Time{} }},
		{"until", func(g *Grant) { g.Until = noon }},
		{"until", func(g *Grant) { g.Until = noon.Truncate(time.Microsecond).Add(999) }},
		{"reason", func(g *Grant) { g.Reason = "" }},
		{"author", func(g *Grant) { g.Author = "" }},
		{"id", func(g *Grant) { g.ID = there.ID }},
	} {
		g := aGrant()
		c.change(&g)
		_, err := l.AddGrant(t.Context(), g)
		if bad, ok := errors.AsType[*GrantError](err); !ok || bad.Field != c.want || bad.Got == "" || bad.Want == "" {
			t.Errorf("%+v: error %v, want one about %q", g, err, c.want)
		}
	}
	if got := grants(t, l, true); !slices.Equal(got, before) {
		t.Errorf("grants %+v, want %+v", got, before)
	}
	if got := audit(t, l); !slices.Equal(got, events) {
		t.Errorf("audit %+v, want %+v", got, events)
	}
}

// TestGrantsExpire: a grant is in force up to its end, and known for good.
func TestGrantsExpire(t *testing.T) {
	c := clockAt(noon)
	l := openWith(t, Options{Clock: c.now})
	var made []Grant
	for i := range 3 {
		g := aGrant()
		g.Until = noon.Truncate(time.Microsecond).Add(time.Duration(3-i) * time.Hour)
		made = append(made, mustGrant(t, l, g))
		c.add(time.Second)
	}
	for left := 3; left >= 0; left-- {
		if got := grants(t, l, false); !slices.Equal(got, made[:left]) {
			t.Errorf("at %s: %+v, want %+v", c.now(), got, made[:left])
		}
		if left == 0 {
			break
		}
		c.set(made[left-1].Until.Add(-time.Microsecond))
		if got := grants(t, l, false); !slices.Equal(got, made[:left]) {
			t.Errorf("at %s: %+v, want %+v", c.now(), got, made[:left])
		}
		c.set(made[left-1].Until)
	}
	if got := grants(t, l, true); !slices.Equal(got, made) {
		t.Errorf("all are %+v, want %+v", got, made)
	}
}

// TestRevokeGrant: the first to revoke a grant is the one that the ledger names;
// the others get to know who it was.
func TestRevokeGrant(t *testing.T) {
	c := clockAt(noon)
	l := openWith(t, Options{Clock: c.now})
	g, other := mustGrant(t, l, aGrant()), mustGrant(t, l, aGrant())
	c.add(time.Hour)
	g.Revoked, g.Revoker = noon.Add(time.Hour).Truncate(time.Microsecond), "ben"
	for _, by := range []string{"ben", "ana"} {
		got, err := l.RevokeGrant(t.Context(), g.ID, by)
		if err != nil || got != g {
			t.Errorf("by %s: %+v, error %v, want %+v", by, got, err, g)
		}
		c.add(time.Hour)
	}
	if got := grants(t, l, false); !slices.Equal(got, []Grant{other}) {
		t.Errorf("in force: %+v, want %+v", got, other)
	}
	if got := grants(t, l, true); len(got) != 2 || !slices.Contains(got, g) {
		t.Errorf("all are %+v, want %+v among them", got, g)
	}
	var none *NoGrantError
	if _, err := l.RevokeGrant(t.Context(), "g0", "ben"); !errors.As(err, &none) || none.ID != "g0" {
		t.Errorf("an unknown id: %v", err)
	}
	events := audit(t, l)
	if want := (Event{g.Revoked, "ben", "revoke", g.ID, "acme tokens_per_day +5000000"}); len(events) != 3 || events[0] != want {
		t.Errorf("audit %+v, want two grants and %+v", events, want)
	}
}

// TestRevokeAtOnce: of many who revoke a grant at once one has, and all hear
// that.
func TestRevokeAtOnce(t *testing.T) {
	l := openWith(t, Options{Clock: clockAt(noon).now})
	for range 20 {
		g := mustGrant(t, l, aGrant())
		var got [8]Grant
		var work sync.WaitGroup
		for i := range got {
			work.Go(func() {
				var err error
				if got[i], err = l.RevokeGrant(t.Context(), g.ID, fmt.Sprint("operator ", i)); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		events := audit(t, l)
		if events[1].Action != "grant" || events[0].Action != "revoke" || events[0].Object != g.ID {
			t.Fatalf("the audit ends with %+v, want one grant and one revocation", events[:3])
		}
		for _, r := range append(got[:], grants(t, l, true)...) {
			if r.ID == g.ID && r.Revoker != events[0].Author {
				t.Fatalf("revoked by %q, and by %q as the audit has it", r.Revoker, events[0].Author)
			}
		}
	}
}

// TestCancelledGrant: a grant whose caller goes away, at whatever moment, is made
// and noted, or neither, as the answer says; and whoever comes next is not held
// up by it.
func TestCancelledGrant(t *testing.T) {
	l := openWith(t, Options{Clock: clockAt(noon).now})
	start := time.Now()
	for range 100 {
		mustGrant(t, l, aGrant())
	}
	usual := time.Since(start) / 100
	const times = 1500
	made := 100
	for i := range times {
		ctx, stop := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for at := time.Now(); time.Since(at) < usual*time.Duration(i)*2/times; {
				continue
			}
			stop()
		}()
		_, err := l.AddGrant(ctx, aGrant())
		<-gone
		switch {
		case err == nil:
			made++
		case !errors.Is(err, context.Canceled):
			t.Fatalf("after %d grants: %v", made, err)
		}
	}
	mustGrant(t, l, aGrant())
	if g, e := grants(t, l, true), number(t, l.store.reads, "SELECT count(*) FROM audit"); len(g) != made+1 || int(e) != made+1 {
		t.Errorf("%d grants and %d notes of %d that were made", len(g), e, made+1)
	}
}
