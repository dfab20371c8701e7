package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// theDimensions are all there are.
var theDimensions = []Dimension{ByOrg, ByKey, ByModel, ByBackend, ByHour, ByDay, ByMonth}

// combinations are all ways to ask by at most so many of the dimensions, at
// most one of them a period.
func combinations(most int) [][]Dimension {
	all := [][]Dimension{nil}
	for _, d := range theDimensions {
		for _, by := range all {
			if q := (Query{By: append(slices.Clone(by), d)}); len(q.By) <= most && periods(q.By) <= 1 {
				all = append(all, q.By)
			}
		}
	}
	return all
}

func periods(by []Dimension) (n int) {
	for _, d := range by {
		if d == ByHour || d == ByDay || d == ByMonth {
			n++
		}
	}
	return n
}

// spansOfTime are pairs of Since and Until: within an hour, an hour, a day, from
// odd minutes to odd minutes over the ends of months, none of it, all of it.
var spansOfTime = [][2]string{
	{"", ""},
	{"", "2028-03-01 00:00:00"},
	{"2028-02-29 00:00:00", "2028-03-01 00:00:00"},
	{"2028-02-28 23:59:59.999999999", "2028-03-01 00:00:00.000000001"},
	{"2028-02-29 13:17:05", "2028-02-29 13:17:06"},
	{"2028-02-29 13:00:00", "2028-02-29 14:00:00"},
	{"2028-02-28 21:59:00", "2028-03-31 22:01:00"},
	{"2027-12-31 23:30:00", "2028-01-01 00:30:00"},
	{"2027-11-30 05:07:09", ""},
	{"2028-04-01 06:00:00", "2028-04-01 06:00:00"},
	{"2028-03-01 00:00:00", "2028-02-01 00:00:00"},
	{"2029-01-01 00:00:00", ""},
}

// spanOf reads a pair; "" is no bound.
func spanOf(pair [2]string) (since, until time.Time) {
	if pair[0] != "" {
		since = utc(pair[0])
	}
	if pair[1] != "" {
		until = utc(pair[1])
	}
	return since, until
}

// holds compares an answer with the reference's.
func holds(t *testing.T, l *Ledger, rows []Row, q Query, now time.Time) {
	t.Helper()
	got, err := l.Usage(t.Context(), q)
	if err != nil {
		t.Errorf("%+v: %v", q, err)
		return
	}
	want := sumUp(rows, q, now)
	if slices.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%+v: line %d of %d is\n%+v, want\n%+v", q, i, len(got), got[i], want[i])
			return
		}
	}
	t.Errorf("%+v: %d lines, want %d", q, len(got), len(want))
}

// TestUsage: whatever is asked for is what a loop over the rows adds up, in the
// order of times and names.
func TestUsage(t *testing.T) {
	now := utc("2028-04-01 07:30:00")
	l := openWith(t, Options{Clock: clockAt(now).now})
	rows := draw(1, 800)
	endAll(t, l, rows)
	r := rand.New(rand.NewPCG(2, 2))
	all := combinations(3)
	if len(all) != 48 {
		t.Errorf("%d combinations, want 1 of none, 7 of one, 18 of two and 22 of three", len(all))
	}
	for _, by := range all {
		for _, pair := range spansOfTime {
			r.Shuffle(len(by), func(i, j int) { by[i], by[j] = by[j], by[i] })
			q := Query{By: by}
			q.Since, q.Until = spanOf(pair)
			if r.IntN(2) == 0 { // and in another zone, whose days begin elsewhere
				q.Since, q.Until = elsewhere(q.Since), elsewhere(q.Until)
			}
			holds(t, l, rows, q, now)
		}
	}
}

func elsewhere(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.In(time.FixedZone("Kathmandu", 20700))
}

// TestUsageFilters: each filter and all of them together leave out what they
// say, and no more.
func TestUsageFilters(t *testing.T) {
	now := utc("2028-04-01 07:30:00")
	l := openWith(t, Options{Clock: clockAt(now).now})
	rows := draw(3, 500)
	endAll(t, l, rows)
	for _, q := range []Query{
		{Org: "acme"}, {Org: "a\x00b"}, {Org: `O'Neill "x"; --`}, {Key: "k1"}, {Key: "\xff\xfe"}, {Model: "m2"}, {Backend: "b3"},
		{Org: "globex", Key: "k2"}, {Org: "acme", Key: "k1", Model: "m1", Backend: "b1"},
		{Org: "nobody"}, {Org: "acme", Backend: "%"}, {Org: "ACME"}, {Model: "m1 "},
	} {
		for _, q.By = range [][]Dimension{nil, {ByOrg}, {ByKey}, {ByModel, ByDay}, {ByBackend, ByHour}, {ByMonth}} {
			for _, pair := range spansOfTime[:7] {
				q.Since, q.Until = spanOf(pair)
				holds(t, l, rows, q, now)
			}
		}
	}
}

// TestUsageIsExact: a request is in the sums from the moment at which End has
// returned, and from there on through a restart, even where its hour has only
// begun.
func TestUsageIsExact(t *testing.T) {
	dir := t.TempDir()
	c := clockAt(utc("2028-02-29 23:59:59.999"))
	o := Options{Dir: dir, Clock: c.now}
	l, err := open(o, small)
	if err != nil {
		t.Fatal(err)
	}
	var rows []Row
	for i := range 60 {
		row := Row{ID: fmt.Sprint(i), Org: "acme", Arrived: c.now(), Ended: c.now(), Prompt: int64(i), Counted: true, End: Done}
		mustEnd(t, l, nil, &row)
		rows = append(rows, row)
		holds(t, l, rows, Query{}, c.now())
		holds(t, l, rows, Query{By: []Dimension{ByDay}, Until: c.now().Add(1)}, c.now())
		if i%20 == 19 {
			crash(t, l)
			if l, err = open(o, small); err != nil {
				t.Fatal(err)
			}
			holds(t, l, rows, Query{By: []Dimension{ByHour}}, c.now())
		}
		c.add(100 * time.Microsecond)
	}
	mustClose(t, l)
}

// TestUsageOfNothing: a sum of everything is one line even of nothing, and sums
// by something are none.
func TestUsageOfNothing(t *testing.T) {
	now := utc("2028-02-29 12:00:00")
	l := openWith(t, Options{Clock: clockAt(now).now})
	for _, by := range combinations(1) {
		holds(t, l, nil, Query{By: by}, now)
	}
}

// TestBadQuery: what can't be answered is refused, with what to ask instead.
func TestBadQuery(t *testing.T) {
	l := openWith(t, Options{})
	for _, c := range []struct {
		by   []Dimension
		want []string
	}{
		{[]Dimension{ByOrg, ByModel, ByOrg}, []string{`"org"`, "name it once"}},
		{[]Dimension{ByDay, ByDay}, []string{`"day"`, "name it once"}},
		{[]Dimension{ByHour, ByDay}, []string{"hour, day and month", "name one"}},
		{[]Dimension{ByDay, ByOrg, ByMonth}, []string{"hour, day and month", "name one"}},
		{[]Dimension{"replica"}, []string{`"replica"`, "want org, key, model, backend, hour, day or month"}},
		{[]Dimension{ByOrg, ""}, []string{`""`, "want org, key"}},
		{[]Dimension{"org; DROP TABLE hourly"}, []string{`"org; DROP TABLE hourly"`, "want org, key"}},
		{[]Dimension{"Org"}, []string{`"Org"`, "want org, key"}},
	} {
		sums, err := l.Usage(t.Context(), Query{By: c.by})
		if err == nil || sums != nil {
			t.Errorf("by %q: %d lines, error %v", c.by, len(sums), err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("by %q: %q does not say %q", c.by, err, want)
			}
		}
	}
}
