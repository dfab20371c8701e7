package quota

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var limits = Limits{RequestsPerDay: 3, TokensPerDay: 100, TokensPerMonth: 150}

// used and reserved return the three windows' counts.
func used(w *Windows, org string) (n [3]int64) {
	for i, win := range w.Query(Who{Org: org, Limits: limits}) {
		n[i] = win.Used
	}
	return n
}

func reserved(w *Windows, org string) (n [3]int64) {
	for i, win := range w.Query(Who{Org: org, Limits: limits}) {
		n[i] = win.Reserved
	}
	return n
}

func mustReserve(t *testing.T, w *Windows, org string, tokens int64) Reservation {
	t.Helper()
	r, err := w.Reserve(Who{Org: org, Limits: limits}, w.now(), tokens)
	if err != nil {
		t.Fatalf("reserve %d: %v", tokens, err)
	}
	return r
}

func TestQuery(t *testing.T) {
	c := newClock(utc("2026-11-22 10:30:00"))
	w := NewWindows(Options{Clock: c.now})
	mustReserve(t, w, "acme", 30).Settle(20)
	mustReserve(t, w, "acme", 40)
	mustReserve(t, w, "beta", 7)
	midnight, month := utc("2026-11-23 00:00:00"), utc("2026-12-01 00:00:00")
	want := []Window{
		{Name: "requests_per_day", Used: 1, Reserved: 1, Limit: 3, ResetsAt: midnight},
		{Name: "tokens_per_day", Used: 20, Reserved: 40, Limit: 100, ResetsAt: midnight},
		{Name: "tokens_per_month", Used: 20, Reserved: 40, Limit: 150, ResetsAt: month},
	}
	got := w.Query(Who{Org: "acme", Limits: limits})
	if len(got) != len(want) {
		t.Fatalf("Query = %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("window %d = %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestReserveRefuses(t *testing.T) {
	midnight, month := utc("2026-11-23 00:00:00"), utc("2026-12-01 00:00:00")
	for _, tc := range []struct {
		name   string
		limits Limits
		ask    []int64 // each but the last fits; all but the first stay reserved, the first is settled
		want   Exceeded
	}{
		{"requests", Limits{RequestsPerDay: 2}, []int64{1, 1, 0},
			Exceeded{RequestsPerDay, 2, 1, 1, 1, midnight, ""}},
		{"tokens of the day", Limits{TokensPerDay: 100}, []int64{10, 60, 31},
			Exceeded{TokensPerDay, 100, 10, 60, 31, midnight, ""}},
		{"tokens of the month", Limits{TokensPerMonth: 100}, []int64{10, 60, 31},
			Exceeded{TokensPerMonth, 100, 10, 60, 31, month, ""}},
		{"more than the limit at once", Limits{TokensPerDay: 100}, []int64{101},
			Exceeded{TokensPerDay, 100, 0, 0, 101, midnight, ""}},
		{"day and month: what lasts longest", Limits{RequestsPerDay: 1, TokensPerDay: 50, TokensPerMonth: 50}, []int64{10, 41},
			Exceeded{TokensPerMonth, 50, 10, 0, 41, month, ""}},
		{"absurd", Limits{TokensPerDay: math.MaxInt64, TokensPerMonth: 100}, []int64{100, math.MaxInt64},
			Exceeded{TokensPerMonth, 100, 100, 0, MaxTokens, month, ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := NewWindows(Options{Clock: newClock(utc("2026-11-22 10:00:00")).now})
			last := len(tc.ask) - 1
			for i, n := range tc.ask[:last] {
				r, err := w.Reserve(Who{Org: "acme", Limits: tc.limits}, w.now(), n)
				if err != nil {
					t.Fatalf("reserve %d: %v", n, err)
				}
				if i == 0 {
					r.Settle(n)
				}
			}
			before := w.Query(Who{Org: "acme", Limits: tc.limits})
			r, err := w.Reserve(Who{Org: "acme", Limits: tc.limits}, w.now(), tc.ask[last])
			var got *Exceeded
			if !errors.As(err, &got) {
				t.Fatalf("reserve %d: %v, want an *Exceeded", tc.ask[last], err)
			}
			if *got != tc.want {
				t.Errorf("got %+v, want %+v", *got, tc.want)
			}
			if r.Settle(1) || r.Release() {
				t.Error("a refused reservation could be ended")
			}
			for i, win := range w.Query(Who{Org: "acme", Limits: tc.limits}) {
				if win != before[i] {
					t.Errorf("the refusal changed %+v to %+v", before[i], win)
				}
			}
		})
	}
}

func TestRemaining(t *testing.T) {
	for _, tc := range []struct {
		window Window
		want   int64
	}{
		{Window{Limit: 100, Used: 20, Reserved: 30}, 50},
		{Window{Limit: 100, Used: 90, Reserved: 30}, 0},
		{Window{Used: 20, Reserved: 30}, math.MaxInt64},
	} {
		if got := tc.window.Remaining(); got != tc.want {
			t.Errorf("%+v: %d remain, want %d", tc.window, got, tc.want)
		}
	}
}

func TestExceededSays(t *testing.T) {
	err := &Exceeded{TokensPerDay, 100, 10, 60, 31, utc("2026-11-23 00:00:00"), ""}
	const want = "no room in tokens_per_day: 31 asked for, 10 used and 60 reserved of 100, begins anew at 2026-11-23T00:00:00Z"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestEndCountsOnce(t *testing.T) {
	settle := func(n int64) func(Reservation) bool {
		return func(r Reservation) bool { return r.Settle(n) }
	}
	for _, tc := range []struct {
		name          string
		first, second func(Reservation) bool
		used          [3]int64
	}{
		{"settle, settle", settle(7), settle(9), [3]int64{1, 7, 7}},
		{"settle, release", settle(7), Reservation.Release, [3]int64{1, 7, 7}},
		{"release, settle", Reservation.Release, settle(9), [3]int64{}},
		{"release, release", Reservation.Release, Reservation.Release, [3]int64{}},
		{"settle nothing", settle(0), settle(9), [3]int64{1, 0, 0}},
		{"settle less than nothing", settle(-5), settle(9), [3]int64{1, 0, 0}},
		{"settle more than was reserved", settle(40), settle(9), [3]int64{1, 40, 40}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := NewWindows(Options{Clock: newClock(utc("2026-11-22 10:00:00")).now})
			r := mustReserve(t, w, "acme", 10)
			again := r // a copy is the same reservation
			if !tc.first(r) {
				t.Error("the first call says that it was not")
			}
			next := mustReserve(t, w, "acme", 5) // takes the same place
			if tc.second(again) {
				t.Error("the second call says that it was the first")
			}
			if got := used(w, "acme"); got != tc.used {
				t.Errorf("used %v, want %v", got, tc.used)
			}
			if got, want := reserved(w, "acme"), [3]int64{1, 5, 5}; got != want {
				t.Errorf("reserved %v, want %v: the next reservation alone", got, want)
			}
			if !next.Release() {
				t.Error("the next reservation was ended by a copy of the one before")
			}
		})
	}
}

func TestReserveNegative(t *testing.T) {
	w := NewWindows(Options{Clock: newClock(utc("2026-11-22 10:00:00")).now})
	mustReserve(t, w, "acme", -5)
	if got, want := reserved(w, "acme"), [3]int64{1, 0, 0}; got != want {
		t.Errorf("reserved %v, want %v", got, want)
	}
}

func TestWindowsEnd(t *testing.T) {
	for _, tc := range []struct {
		name           string
		reserve, end   string
		used, reserved [3]int64 // seen at the end, after a settle of 20; another 10 stay reserved
		resets         [2]string
	}{
		{"same day", "2026-11-22 23:59:58", "2026-11-22 23:59:59",
			[3]int64{1, 20, 20}, [3]int64{1, 10, 10}, [2]string{"2026-11-23 00:00:00", "2026-12-01 00:00:00"}},
		{"over midnight", "2026-11-22 23:59:59", "2026-11-23 00:00:00",
			[3]int64{0, 0, 20}, [3]int64{0, 0, 10}, [2]string{"2026-11-24 00:00:00", "2026-12-01 00:00:00"}},
		{"over the month", "2026-11-30 23:59:59", "2026-12-01 00:00:00",
			[3]int64{}, [3]int64{}, [2]string{"2026-12-02 00:00:00", "2027-01-01 00:00:00"}},
		{"over the year", "2026-12-31 23:59:59", "2027-01-01 00:00:00",
			[3]int64{}, [3]int64{}, [2]string{"2027-01-02 00:00:00", "2027-02-01 00:00:00"}},
		{"same month of another year", "2025-11-22 10:00:00", "2026-11-22 10:00:00",
			[3]int64{}, [3]int64{}, [2]string{"2026-11-23 00:00:00", "2026-12-01 00:00:00"}},
		{"end of February", "2028-02-28 23:59:59", "2028-02-29 12:00:00",
			[3]int64{0, 0, 20}, [3]int64{0, 0, 10}, [2]string{"2028-03-01 00:00:00", "2028-03-01 00:00:00"}},
		{"before the first day of all", "1969-12-31 23:59:59", "1970-01-01 00:00:00",
			[3]int64{}, [3]int64{}, [2]string{"1970-01-02 00:00:00", "1970-02-01 00:00:00"}},
		{"the first day of all", "1970-01-01 00:00:00", "1970-01-01 00:00:01",
			[3]int64{1, 20, 20}, [3]int64{1, 10, 10}, [2]string{"1970-01-02 00:00:00", "1970-02-01 00:00:00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock(utc(tc.reserve))
			w := NewWindows(Options{Clock: c.now})
			r := mustReserve(t, w, "acme", 30)
			mustReserve(t, w, "acme", 10)
			c.set(utc(tc.end))
			if !r.Settle(20) {
				t.Error("Settle: not the first")
			}
			if got := used(w, "acme"); got != tc.used {
				t.Errorf("used %v, want %v", got, tc.used)
			}
			if got := reserved(w, "acme"); got != tc.reserved {
				t.Errorf("reserved %v, want %v", got, tc.reserved)
			}
			all := w.Query(Who{Org: "acme", Limits: limits})
			for i, want := range []string{tc.resets[0], tc.resets[0], tc.resets[1]} {
				if !all[i].ResetsAt.Equal(utc(want)) {
					t.Errorf("%s resets at %v, want %s", all[i].Name, all[i].ResetsAt, want)
				}
			}
		})
	}
}

// What was used on a day is still there if the clock goes back to it, with what
// was settled in it meanwhile.
func TestClockSetBack(t *testing.T) {
	c := newClock(utc("2026-11-30 23:59:59"))
	w := NewWindows(Options{Clock: c.now})
	mustReserve(t, w, "acme", 30).Settle(20)
	late := mustReserve(t, w, "acme", 30)
	c.set(utc("2026-12-01 00:00:01"))
	mustReserve(t, w, "acme", 5).Settle(5)
	late.Settle(11)
	c.set(utc("2026-11-30 23:59:59"))
	if got, want := used(w, "acme"), [3]int64{2, 31, 31}; got != want {
		t.Errorf("back before midnight: used %v, want %v", got, want)
	}
	c.set(utc("2026-12-01 00:00:02"))
	if got, want := used(w, "acme"), [3]int64{1, 5, 5}; got != want {
		t.Errorf("after midnight again: used %v, want %v", got, want)
	}
}

func TestRoom(t *testing.T) {
	const day, month = 14 * time.Hour, (8*24 + 14) * time.Hour
	for _, tc := range []struct {
		name             string
		limits           Limits
		requests, tokens Room
	}{
		{"no limits", Limits{}, Room{}, Room{}},
		{"requests only", Limits{RequestsPerDay: 10}, Room{10, 8, day}, Room{}},
		{"the day is tighter", Limits{TokensPerDay: 100, TokensPerMonth: 1000}, Room{}, Room{100, 50, day}},
		{"the month is tighter", Limits{TokensPerDay: 1000, TokensPerMonth: 100}, Room{}, Room{100, 50, month}},
		{"as tight", Limits{TokensPerDay: 100, TokensPerMonth: 100}, Room{}, Room{100, 50, month}},
		{"day only", Limits{TokensPerDay: 100}, Room{}, Room{100, 50, day}},
		{"month only", Limits{TokensPerMonth: 100}, Room{}, Room{100, 50, month}},
		{"overdrawn", Limits{RequestsPerDay: 1, TokensPerDay: 45, TokensPerMonth: 1000}, Room{1, 0, day}, Room{45, 0, day}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := NewWindows(Options{Clock: newClock(utc("2026-11-22 10:00:00")).now})
			mustReserve(t, w, "acme", 30).Settle(20)
			mustReserve(t, w, "acme", 30)
			requests, tokens := w.Room(Who{Org: "acme", Limits: tc.limits})
			if requests != tc.requests || tokens != tc.tokens {
				t.Errorf("Room = %v, %v, want %v, %v", requests, tokens, tc.requests, tc.tokens)
			}
		})
	}
}

func TestUsageDoesNotWrap(t *testing.T) {
	w := NewWindows(Options{Clock: newClock(utc("2026-11-22 10:00:00")).now})
	w.Restore(w.now(), []Count{{Org: "acme", MonthTokens: math.MaxInt64 - 10}})
	r, err := w.Reserve(Who{Org: "acme", Limits: Limits{}}, w.now(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Settle(math.MaxInt64)
	all := w.Query(Who{Org: "acme", Limits: Limits{}})
	if all[1].Used != MaxTokens || all[2].Used != math.MaxInt64 {
		t.Errorf("used %d in the day and %d in the month, want %d and %d", all[1].Used, all[2].Used, int64(MaxTokens), int64(math.MaxInt64))
	}
	if _, err := w.Reserve(Who{Org: "acme", Limits: Limits{TokensPerMonth: math.MaxInt64}}, w.now(), 1); err == nil {
		t.Error("a month used up let one more token through")
	}
}

// Goroutines that reserve, settle and release as fast as they can never hold more
// than the limits together.
func TestLimitsHoldUnderContention(t *testing.T) {
	lim := Limits{RequestsPerDay: 1500, TokensPerDay: 20_000, TokensPerMonth: 18_000}
	w := NewWindows(Options{Clock: newClock(utc("2026-11-22 10:00:00")).now})
	var tokens, requests, refused atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				r, err := w.Reserve(Who{Org: "acme", Limits: lim}, w.now(), 10)
				if err != nil {
					refused.Add(1)
					continue
				}
				var ends sync.WaitGroup
				for range 2 { // both try to end it
					ends.Go(func() {
						if (g+i)%2 == 0 {
							if r.Settle(10) {
								tokens.Add(10)
								requests.Add(1)
							}
						} else {
							r.Release()
						}
					})
				}
				ends.Wait()
			}
		})
	}
	wg.Wait()
	all := w.Query(Who{Org: "acme", Limits: lim})
	for i, want := range []int64{requests.Load(), tokens.Load(), tokens.Load()} {
		if all[i].Used != want || all[i].Reserved != 0 {
			t.Errorf("%s: used %d, reserved %d, want %d, 0", all[i].Name, all[i].Used, all[i].Reserved, want)
		}
		if all[i].Used > all[i].Limit {
			t.Errorf("%s: %d used of %d", all[i].Name, all[i].Used, all[i].Limit)
		}
	}
	if requests.Load() != lim.RequestsPerDay {
		t.Errorf("%d requests passed, want the %d of the day: nobody else was in the way", requests.Load(), lim.RequestsPerDay)
	}
	if refused.Load() == 0 {
		t.Error("nothing was ever refused: the test shows nothing")
	}
}

func TestReserveAllocatesNothing(t *testing.T) {
	w := NewWindows(Options{})
	lim := Limits{RequestsPerDay: 1 << 40, TokensPerDay: 1 << 40, TokensPerMonth: 1 << 40}
	if n := testing.AllocsPerRun(1000, func() {
		r, err := w.Reserve(Who{Org: "acme", Limits: lim}, w.now(), 100)
		if err != nil {
			t.Fatal(err)
		}
		w.Room(Who{Org: "acme", Limits: lim})
		r.Settle(50)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkReserveSettle(b *testing.B) {
	lim := Limits{RequestsPerDay: 1 << 60, TokensPerDay: 1 << 60, TokensPerMonth: 1 << 60}
	b.Run("alone", func(b *testing.B) {
		w := NewWindows(Options{})
		b.ReportAllocs()
		for b.Loop() {
			r, _ := w.Reserve(Who{Org: "acme", Limits: lim}, w.now(), 100)
			r.Settle(50)
		}
	})
	b.Run("with room", func(b *testing.B) {
		w := NewWindows(Options{})
		b.ReportAllocs()
		for b.Loop() {
			r, _ := w.Reserve(Who{Org: "acme", Limits: lim}, w.now(), 100)
			w.Room(Who{Org: "acme", Limits: lim})
			r.Settle(50)
		}
	})
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("organisations=%d", n), func(b *testing.B) {
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprintf("org-%d", i)
			}
			w := NewWindows(Options{})
			before := heap()
			for _, name := range names {
				r, _ := w.Reserve(Who{Org: name, Key: "key", Limits: lim}, w.now(), 100)
				r.Settle(50)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i = (i + 7919) % n // in no order that a cache likes
				r, _ := w.Reserve(Who{Org: names[i], Key: "key", Limits: lim}, w.now(), 100)
				r.Settle(50)
			}
			b.ReportMetric(float64(heap()-before)/float64(n), "B/org")
			runtime.KeepAlive(w)
		})
	}
	b.Run("one organisation in parallel", func(b *testing.B) {
		w := NewWindows(Options{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r, _ := w.Reserve(Who{Org: "acme", Limits: lim}, w.now(), 100)
				r.Settle(50)
			}
		})
	})
}
