package quota

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// model is what Windows must be the same as, in the plainest way: the list of
// all reservations that were ever made, summed up for each question.
type model struct{ made []*modelled }

type modelled struct {
	org, key         string
	periods          [spans]string // in which it counts; "": forgotten
	requests, tokens int64         // used
	held             int64         // requests, reserved
	heldTokens       int64
}

var layouts = [spans]string{day: "2006-01-02", month: "2006-01"}

// sum adds up what an organisation, or a key of it, has used and reserved of a
// window at a time.
func (m *model) sum(org, key string, window int, at time.Time) (used, reserved int64) {
	w := windows[window]
	for _, r := range m.made {
		if r.org == org && (key == "" || r.key == key) && r.periods[w.span] == at.Format(layouts[w.span]) {
			used += [units]int64{r.requests, r.tokens}[w.unit]
			reserved += [units]int64{r.held, r.heldTokens}[w.unit]
		}
	}
	return used, reserved
}

// world is what is done to the windows and to the model alike.
type world struct {
	t      *testing.T
	r      *rand.Rand
	w      *Windows
	m      model
	back   time.Duration // how far the clock was set back
	grants []Grant
	open   map[*modelled]Reservation

	refused, granted, crashes, backs int
}

func (d *world) now() time.Time { return time.Now().UTC().Add(-d.back) }

// restart makes windows out of what the ledger would have: all that has ended.
// What was in flight has ended, too, with some of what it had reserved.
func (d *world) restart() {
	now := d.now()
	byKey := map[[2]string]*Count{}
	var counts []Count
	for _, made := range d.m.made {
		if made.held > 0 {
			made.requests, made.tokens = 1, d.r.Int64N(made.heldTokens+1)
			made.held, made.heldTokens = 0, 0
		}
		for s := range spans {
			if made.periods[s] != now.Format(layouts[s]) {
				made.periods[s] = ""
			}
		}
		c := byKey[[2]string{made.org, made.key}]
		if c == nil {
			c = &Count{Org: made.org, Key: made.key}
			byKey[[2]string{made.org, made.key}] = c
		}
		if made.periods[day] != "" {
			c.DayRequests, c.DayTokens = c.DayRequests+made.requests, c.DayTokens+made.tokens
		}
		if made.periods[month] != "" {
			c.MonthRequests, c.MonthTokens = c.MonthRequests+made.requests, c.MonthTokens+made.tokens
		}
	}
	for _, c := range byKey {
		counts = append(counts, *c)
	}
	d.w = NewWindows(Options{Clock: d.now})
	d.w.Restore(now, counts)
	d.w.SetGrants(d.grants)
	clear(d.open)
	d.crashes++
}

// limit is a limit with what was granted.
func (d *world) limit(org string, window int, limit int64, at time.Time) int64 {
	for _, g := range d.grants {
		if limit > 0 && g.Org == org && g.Window == windows[window].name && at.Before(g.Until) {
			limit += g.Amount
		}
	}
	return limit
}

func (d *world) fits(who Who, at time.Time, n int64) bool {
	for i := range windows {
		asked := [units]int64{1, n}[windows[i].unit]
		used, reserved := d.m.sum(who.Org, "", i, at)
		if limit := d.limit(who.Org, i, who.Limits.of(i), at); limit > 0 && used+reserved+asked > limit {
			return false
		}
		used, reserved = d.m.sum(who.Org, who.Key, i, at)
		if limit := who.KeyLimits.of(i); limit > 0 && used+reserved+asked > limit {
			return false
		}
	}
	return true
}

func (d *world) reserve(who Who) {
	n := d.r.Int64N(120)
	at := d.now().Add(-time.Duration(d.r.Int64N(int64(2 * time.Second)))) // it arrived a moment ago
	res, err := d.w.Reserve(who, at, n)
	if fits := d.fits(who, at, n); fits != (err == nil) {
		d.t.Fatalf("reserve %d of %+v at %v: %v, the model says %v", n, who, at, err, fits)
	}
	if err != nil {
		var full *Exceeded
		if !errors.As(err, &full) || !full.ResetsAt.After(at) || full.Key != "" && full.Key != who.Key {
			d.t.Fatalf("refused with %v", err)
		}
		d.refused++
		return
	}
	all := d.grants
	if d.grants = nil; !d.fits(who, at, n) {
		d.granted++
	}
	d.grants = all
	made := &modelled{org: who.Org, key: who.Key, held: 1, heldTokens: n}
	for s := range spans {
		made.periods[s] = at.Format(layouts[s])
	}
	d.m.made = append(d.m.made, made)
	d.open[made] = res
}

// end settles or releases a reservation in flight, if there is one, and tries
// that once more, in vain.
func (d *world) end() {
	var in []*modelled // by the list, for a map's order would be another in each run
	for _, made := range d.m.made {
		if made.held > 0 {
			in = append(in, made)
		}
	}
	if len(in) == 0 {
		return
	}
	made := in[d.r.IntN(len(in))]
	res := d.open[made]
	made.held, made.heldTokens = 0, 0
	ended := true
	if d.r.IntN(4) == 0 {
		ended = res.Release()
	} else {
		made.requests, made.tokens = 1, d.r.Int64N(150)
		ended = res.Settle(made.tokens)
	}
	if !ended || res.Settle(99) || res.Release() {
		d.t.Fatal("a reservation did not end once")
	}
	delete(d.open, made)
}

func (d *world) grant(org string) {
	g := Grant{Org: org, Window: windows[d.r.IntN(len(windows))].name, Amount: 1 + d.r.Int64N(200), Until: d.now().Add(time.Duration(d.r.Int64N(int64(30 * time.Hour))))}
	if d.grants = append(d.grants, g); len(d.grants) > 3 {
		d.grants = d.grants[1:] // revoked
	}
	d.w.SetGrants(d.grants)
}

func (d *world) compare(who Who) {
	now := d.now()
	got := d.w.Query(who)
	var want []Window
	for _, key := range []string{"", who.Key} {
		limits := who.Limits
		if key != "" {
			limits = who.KeyLimits
		}
		for i, w := range windows {
			used, reserved := d.m.sum(who.Org, key, i, now)
			limit := limits.of(i)
			if key == "" {
				limit = d.limit(who.Org, i, limit, now)
			}
			if limit > 0 || key == "" && w.name != RequestsPerMonth {
				y, m, dd := now.Date()
				resets := time.Date(y, m, dd+1, 0, 0, 0, 0, time.UTC)
				if w.span == month {
					resets = time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
				}
				want = append(want, Window{w.name, key, used, reserved, limit, resets})
			}
		}
	}
	if !slices.Equal(got, want) {
		d.t.Fatalf("%v: %+v\ngot  %+v\nwant %+v", now, who, got, want)
	}
}

// TestWindowsModel does at random what a gateway does, over some months (one of
// them a leap year's February), with crashes and a clock that is set back, and
// compares every answer with the model's.
func TestWindowsModel(t *testing.T) {
	var granted atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(24) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // its time begins at midnight, 1 January 2000
					d := &world{t: t, r: rand.New(rand.NewPCG(seed, 1)), open: map[*modelled]Reservation{}}
					d.restart()
					for range 1500 {
						d.step()
					}
					if granted.Add(int64(d.granted)); d.refused == 0 || d.crashes < 5 || d.backs == 0 {
						t.Errorf("%d refused, %d crashes, %d times set back: the test shows too little", d.refused, d.crashes, d.backs)
					}
				})
			})
		}
	})
	if granted.Load() < 100 {
		t.Errorf("%d reservations fitted by a grant: the test shows too little", granted.Load())
	}
}

func (d *world) step() {
	limits := []Limits{{}, {3, 300, 0, 2000}, {0, 300, 60, 0}, {5, 0, 0, 900}, {1, 50, 4, 100}}
	who := Who{Org: []string{"acme", "beta"}[d.r.IntN(2)], Key: []string{"k1", "k2"}[d.r.IntN(2)], Limits: limits[d.r.IntN(len(limits))]}
	if d.r.IntN(3) == 0 {
		who.KeyLimits = limits[d.r.IntN(len(limits))]
	}
	switch d.r.IntN(20) {
	default:
		d.reserve(who)
	case 8, 9, 10, 11, 12, 13:
		d.end()
	case 14, 15, 16:
		time.Sleep(time.Duration(d.r.Int64N(int64(9 * time.Hour))))
	case 17:
		if d.back != 0 {
			d.back = 0
		} else {
			d.back = time.Duration(d.r.Int64N(int64(3 * time.Hour)))
			d.backs++
		}
	case 18:
		d.grant(who.Org)
	case 19:
		if d.r.IntN(4) == 0 {
			d.restart()
		} else {
			d.w.forget()
		}
	}
	d.compare(who)
}
