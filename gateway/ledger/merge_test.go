package ledger

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
)

// permutations are all orders of a list.
func permutations(of []Grant) [][]Grant {
	if len(of) == 0 {
		return [][]Grant{nil}
	}
	var all [][]Grant
	for i := range of {
		rest := slices.Delete(slices.Clone(of), i, i+1)
		for _, p := range permutations(rest) {
			all = append(all, append([]Grant{of[i]}, p...))
		}
	}
	return all
}

// TestMergeGrants: gateways that hear the same come to the same, in whatever
// order and portions they hear it. What was revoked stays so, and of two
// revocations the earlier counts.
func TestMergeGrants(t *testing.T) {
	at := noon.Truncate(time.Microsecond)
	revoked := func(g Grant, after time.Duration, by string) Grant {
		g.Revoked, g.Revoker = at.Add(after), by
		return g
	}
	a, b := aGrant(), aGrant()
	a.ID, a.Made, a.Until = "ga", at, at.Add(time.Hour)
	b.ID, b.Made, b.Until, b.Org = "gb", at.Add(-time.Hour), at.Add(time.Hour), "globex"
	heard := []Grant{a, revoked(a, 2*time.Minute, "ana"), revoked(a, time.Minute, "zoe"), revoked(a, time.Minute, "ben"), b}
	want := []Grant{b, revoked(a, time.Minute, "ben")}

	clear := func(l *Ledger) {
		if _, err := l.store.conn.ExecContext(t.Context(), "DELETE FROM grants"); err != nil {
			t.Fatal(err)
		}
	}
	l := openWith(t, Options{Clock: clockAt(noon).now})
	for i, order := range permutations(heard) {
		clear(l)
		for first := range slices.Chunk(order, 1+i%len(order)) {
			before := grants(t, l, true)
			changed, err := l.MergeGrants(t.Context(), first)
			if err != nil {
				t.Fatal(err)
			}
			if got := grants(t, l, true); changed == slices.Equal(got, before) {
				t.Fatalf("told %+v, changed is %v, and\n%+v are now\n%+v", first, changed, before, got)
			}
		}
		if got := grants(t, l, true); !slices.Equal(got, want) {
			t.Fatalf("told\n%+v there is\n%+v, want\n%+v", order, got, want)
		}
	}
	if got := grants(t, l, false); !slices.Equal(got, want[:1]) {
		t.Errorf("in force: %+v, want %+v", got, want[:1])
	}
	if got := audit(t, l); len(got) != 0 {
		t.Errorf("what was done elsewhere is in the audit: %+v", got)
	}
	if changed, err := l.MergeGrants(t.Context(), nil); changed || err != nil {
		t.Errorf("told nothing: changed %v, error %v", changed, err)
	}
}

// TestMergeIsWhole: of a portion with a grant that can't be kept none is.
func TestMergeIsWhole(t *testing.T) {
	l := openWith(t, Options{Clock: clockAt(noon).now})
	good, bad := aGrant(), aGrant()
	good.ID, good.Made, bad.ID = "good", noon, "bad: never made"
	if changed, err := l.MergeGrants(t.Context(), []Grant{good, bad}); changed || err == nil {
		t.Errorf("changed %v, error %v", changed, err)
	}
	if got := grants(t, l, true); len(got) != 0 {
		t.Errorf("grants %+v", got)
	}
}

// TestMergeAtOnce: a revocation that is made here while gateways tell of the
// grant as it was before wins.
func TestMergeAtOnce(t *testing.T) {
	l := openWith(t, Options{Clock: clockAt(noon).now})
	for range 50 {
		g := mustGrant(t, l, aGrant())
		if _, err := l.store.conn.ExecContext(t.Context(), "DELETE FROM grants WHERE id = ?", g.ID); err != nil {
			t.Fatal(err)
		}
		elsewhere := g
		elsewhere.Revoked, elsewhere.Revoker = g.Made.Add(time.Minute), "zoe"
		var work sync.WaitGroup
		for _, told := range []Grant{g, elsewhere, g, g} {
			work.Go(func() {
				if _, err := l.MergeGrants(context.Background(), []Grant{told}); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if got := grants(t, l, true); !slices.Contains(got, elsewhere) {
			t.Fatalf("grants %+v, want %+v", got, elsewhere)
		}
		if _, err := l.store.conn.ExecContext(t.Context(), "DELETE FROM grants"); err != nil {
			t.Fatal(err)
		}
	}
}
