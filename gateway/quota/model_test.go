package quota

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// model is what Windows must be the same as, in the plainest way: the list of
// all reservations that were ever made, summed up for each question.
type model struct{ made []*modelled }

type modelled struct {
	org, day, month   string
	reserved, used    int64
	settled, released bool
}

const dayLayout, monthLayout = "2006-01-02", "2006-01"

// sum adds up what an organisation has used and reserved: requests and tokens of
// the day, tokens of the month.
func (m *model) sum(org string, now time.Time) (requests, day, month count) {
	today, thisMonth := now.Format(dayLayout), now.Format(monthLayout)
	for _, r := range m.made {
		if r.org != org || r.released {
			continue
		}
		one, tokens := count{reserved: 1}, count{reserved: r.reserved}
		if r.settled {
			one, tokens = count{used: 1}, count{used: r.used}
		}
		if r.day == today {
			requests = requests.plus(one)
			day = day.plus(tokens)
		}
		if r.month == thisMonth {
			month = month.plus(tokens)
		}
	}
	return requests, day, month
}

func (c count) plus(d count) count { return count{c.used + d.used, c.reserved + d.reserved} }

func (m *model) fits(org string, now time.Time, lim Limits, tokens int64) bool {
	requests, day, month := m.sum(org, now)
	fits := func(limit int64, c count, n int64) bool { return limit == 0 || c.used+c.reserved+n <= limit }
	return fits(lim.RequestsPerDay, requests, 1) && fits(lim.TokensPerDay, day, tokens) && fits(lim.TokensPerMonth, month, tokens)
}

// TestWindowsModel does at random what a gateway does, over some months, and
// compares every answer with the model's.
func TestWindowsModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			c := newClock(utc("2026-01-30 22:00:00"))
			w := NewWindows(c.now)
			var m model
			open := make(map[*modelled]Reservation)
			lims := []Limits{{}, {3, 300, 2000}, {0, 300, 0}, {5, 0, 900}, {1, 50, 100}}
			refused := 0
			for step := range 1500 {
				org := []string{"acme", "beta"}[r.IntN(2)]
				lim := lims[r.IntN(len(lims))]
				now := c.now().UTC()
				switch r.IntN(6) {
				case 0, 1, 2:
					tokens := r.Int64N(120)
					res, err := w.Reserve(org, lim, tokens)
					if fits := m.fits(org, now, lim, tokens); fits != (err == nil) {
						t.Fatalf("step %d: reserve %d of %v: %v, the model says %v", step, tokens, lim, err, fits)
					}
					if err != nil {
						refused++
						break
					}
					made := &modelled{org: org, day: now.Format(dayLayout), month: now.Format(monthLayout), reserved: tokens}
					m.made = append(m.made, made)
					open[made] = res
				case 3, 4:
					if made := anyOf(r, &m, open); made != nil {
						if r.IntN(4) == 0 {
							made.released = true
							open[made].Release()
						} else {
							made.settled, made.used = true, r.Int64N(150)
							open[made].Settle(made.used)
						}
						delete(open, made)
					}
				case 5:
					c.advance(time.Duration(r.Int64N(int64(9 * time.Hour))))
				}
				m.compare(t, step, w, org, c.now().UTC())
			}
			if refused == 0 {
				t.Error("nothing was ever refused: the test shows nothing")
			}
		})
	}
}

// anyOf picks a reservation in flight, nil if there is none. It goes by the
// list, for a map's order would be another in each run.
func anyOf(r *rand.Rand, m *model, open map[*modelled]Reservation) *modelled {
	var in []*modelled
	for _, made := range m.made {
		if _, ok := open[made]; ok {
			in = append(in, made)
		}
	}
	if len(in) == 0 {
		return nil
	}
	return in[r.IntN(len(in))]
}

func (m *model) compare(t *testing.T, step int, w *Windows, org string, now time.Time) {
	t.Helper()
	requests, day, month := m.sum(org, now)
	want := []count{requests, day, month}
	var got []count
	for _, win := range w.Query(org, Limits{}) {
		got = append(got, count{win.Used, win.Reserved})
	}
	if !slices.Equal(got, want) {
		t.Fatalf("step %d, %s: counts %+v, want %+v", step, now.Format(time.DateTime), got, want)
	}
}
