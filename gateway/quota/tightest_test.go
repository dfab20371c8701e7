package quota

import (
	"testing"
	"time"
)

// What is told is what there was before, of the window of each kind that had
// least, the organisation's or the key's.
func TestReserveWithin(t *testing.T) {
	c := newClock(utc("2026-11-22 10:30:00"))
	w := NewWindows(Options{Clock: c.now})
	who := Who{Org: "acme", Key: "k1", Limits: Limits{TokensPerDay: 1000, TokensPerMonth: 900, RequestsPerDay: 5},
		KeyLimits: Limits{TokensPerDay: 850}}
	w.SetGrants([]Grant{{ID: "g", Org: "acme", Window: TokensPerMonth, Amount: 60, Until: c.now().Add(time.Hour)}})
	for i, want := range []Tightest{
		{Left{RequestsPerDay, false, 5, 5}, Left{TokensPerDay, true, 850, 850}},
		{Left{RequestsPerDay, false, 5, 4}, Left{TokensPerDay, true, 850, 750}},
	} {
		var got Tightest
		r, err := w.ReserveWithin(who, c.now(), 100, &got)
		if err != nil || got != want {
			t.Errorf("%d: %+v, %v; want %+v", i, got, err, want)
		}
		defer r.Release()
	}
	other, free := who, Who{Org: "free"}
	other.Key = "k2"
	var got Tightest
	if r, err := w.ReserveWithin(other, c.now(), 100, &got); err != nil || got.Tokens != (Left{TokensPerMonth, false, 960, 760}) {
		t.Errorf("another key: %+v, %v", got, err)
	} else {
		r.Settle(5000)
	}
	if _, err := w.ReserveWithin(other, c.now(), 100, &got); err == nil {
		t.Error("it was reserved above the limit")
	}
	if _, err := w.ReserveWithin(free, c.now(), 100, &got); err != nil || got != (Tightest{}) {
		t.Errorf("without limits: %+v, %v", got, err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		r, err := w.ReserveWithin(free, c.now(), 100, &got)
		if err != nil {
			t.Fatal(err)
		}
		r.Settle(50)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestResetsAt(t *testing.T) {
	at := utc("2026-12-31 23:59:59")
	for window, want := range map[string]time.Time{TokensPerDay: utc("2027-01-01 00:00:00"), RequestsPerMonth: utc("2027-01-01 00:00:00"), "": {}} {
		if got := ResetsAt(window, at); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", window, got, want)
		}
	}
	if got, want := ResetsAt(TokensPerDay, utc("2026-12-03 00:00:00")), utc("2026-12-04 00:00:00"); !got.Equal(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAsk(t *testing.T) {
	c := newClock(utc("2026-11-22 10:30:00"))
	a := NewAddresses(10, 3, c.now)
	ask := func(want Standing) {
		t.Helper()
		if got := a.Ask(addr4(1)); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	ask(Standing{Passed: true, Used: 1, Burst: 3})
	ask(Standing{Passed: true, Used: 2, Burst: 3})
	c.advance(50 * time.Millisecond)
	ask(Standing{Passed: true, Used: 3, Burst: 3}) // two and a half
	ask(Standing{Used: 3, Burst: 3, RetryAfter: 50 * time.Millisecond})
	c.advance(time.Minute)
	ask(Standing{Passed: true, Used: 1, Burst: 3})
	if got := NewAddresses(0, 3, c.now).Ask(addr4(1)); got != (Standing{Passed: true}) {
		t.Errorf("without a limit: %+v", got)
	}
}
