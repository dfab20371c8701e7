package pane

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// quotaRow is an organisation, a key with limits of its own, or a grant.
type quotaRow struct {
	ref     Ref
	windows []quotaWindow // in the order of quotaNames; of an organisation or a key
	org     int           // number of its organisation
	grant   *ledger.Grant // nil: it is none

	// Of the whole organisation, for the order.
	full    float64   // the largest share of a window; below 0: it has no limit
	soonest time.Time // when the first window runs out; zero: none does
	rate    float64   // tokens per second now
}

// quotaWindow is one window.
type quotaWindow struct {
	name, key string
	used      int64
	reserved  int64
	limit     int64 // 0: none
	resets    time.Time
	pace      float64   // share per second; NaN: not known
	out       time.Time // when it is used up at that pace; zero: not before it resets
}

// quotaNames are the windows in the order in which they are shown; others come
// behind them.
var quotaNames = [...]string{"tokens_per_day", "requests_per_day", "tokens_per_month", "requests_per_month"}

// quotaOrders are the ways to sort; rows of an organisation stay together.
var quotaOrders = [...]order[quotaRow]{
	{"fullest first", func(a, b *quotaRow) int { return cmp.Compare(b.full, a.full) }},
	{"soonest to run out", func(a, b *quotaRow) int {
		if a.soonest.IsZero() != b.soonest.IsZero() {
			return cmp.Compare(b.soonest.Unix(), a.soonest.Unix()) // the zero time is long ago
		}
		return cmp.Or(a.soonest.Compare(b.soonest), cmp.Compare(b.full, a.full))
	}},
	{name: "by name"},
	{"by tokens per second", func(a, b *quotaRow) int {
		return cmp.Or(cmp.Compare(b.rate, a.rate), cmp.Compare(b.full, a.full))
	}},
}

// place is a window's number in the order of quotaNames.
func (w *quotaWindow) place() int {
	if i := slices.Index(quotaNames[:], w.name); i >= 0 {
		return i
	}
	return len(quotaNames)
}

func (w *quotaWindow) monthly() bool { return strings.HasSuffix(w.name, "_month") }

// share is the part that is used, of 0 to 1 and above; NaN: it has no limit.
func (w *quotaWindow) share() float64 {
	if w.limit <= 0 {
		return math.NaN()
	}
	return float64(w.used) / float64(w.limit)
}

// left is the part that is still to be used.
func (w *quotaWindow) left() float64 { return min(max(1-w.share(), 0), 1) }

// spent tells whether there is nothing left to reserve: requests are refused.
func (w *quotaWindow) spent() bool { return w.limit > 0 && w.used >= w.limit-w.reserved }

// quotaHigh is the share from which on a window wants a look.
const quotaHigh = 0.9

// grade is what a window means to the one who looks.
func (w *quotaWindow) grade() widget.Style {
	switch {
	case w.limit <= 0:
		return widget.Plain
	case w.spent():
		return widget.Bad
	case !w.out.IsZero() || w.share() >= quotaHigh:
		return widget.Warn
	}
	return widget.Plain
}

// urgent orders windows: what is spent, what runs out first, what is fullest,
// what has no limit.
func (w *quotaWindow) urgent(than *quotaWindow) bool {
	rank := func(w *quotaWindow) int {
		switch {
		case w.spent():
			return 0
		case !w.out.IsZero():
			return 1
		case w.limit > 0:
			return 2
		}
		return 3
	}
	a, b := rank(w), rank(than)
	switch {
	case a != b:
		return a < b
	case a == 1:
		return w.out.Before(than.out)
	}
	return w.share() > than.share()
}

// tightest is the most urgent window's index; -1: there is no limit.
func (r *quotaRow) tightest() int {
	best := -1
	for i := range r.windows {
		if r.windows[i].limit > 0 && (best < 0 || r.windows[i].urgent(&r.windows[best])) {
			best = i
		}
	}
	return best
}

// window is that of a name; nil: there is none.
func (r *quotaRow) window(name string) *quotaWindow {
	for i := range r.windows {
		if r.windows[i].name == name {
			return &r.windows[i]
		}
	}
	return nil
}

// filtered is what filters are looked for in.
func (r *quotaRow) filtered() string {
	if g := r.grant; g != nil {
		return r.ref.Name + " grant " + g.ID + " " + g.Author + " " + g.Reason
	}
	return r.ref.Name + "/" + r.ref.ID
}

// build makes the rows: each organisation by name, its grants, its keys.
func (p *Quotas) build(d *Data) {
	all := p.all[:0]
	p.orgs, p.wide = 0, false
	if d.Past == nil {
		p.take(all)
		return
	}
	grants := grantsInForce(d.Past.Grants, d.Now)
	for i := range d.Past.Quotas {
		from := len(all)
		all = p.addOrg(all, &d.Past.Quotas[i], d)
		for _, g := range grants[d.Past.Quotas[i].Org] {
			all = slices.Insert(all, from+1, quotaRow{ref: Ref{Kind: RefGrant, Name: g.Org, ID: g.ID}, grant: g})
		}
		quotaSums(all[from:], p.orgs, p.users.of(all[from].ref.Name))
		p.orgs++
	}
	p.take(all)
}

// grantsInForce are those that count at a moment, by organisation, the last to
// end first.
func grantsInForce(all []ledger.Grant, now time.Time) map[string][]*ledger.Grant {
	var in map[string][]*ledger.Grant
	for i := range all {
		g := &all[i]
		if !g.Until.After(now) || !g.Revoked.IsZero() && !g.Revoked.After(now) || g.Made.After(now) {
			continue
		}
		if in == nil {
			in = make(map[string][]*ledger.Grant)
		}
		in[g.Org] = append(in[g.Org], g)
	}
	for _, of := range in {
		slices.SortStableFunc(of, func(a, b *ledger.Grant) int { return b.Until.Compare(a.Until) })
	}
	return in
}

// addOrg adds an organisation and its keys.
func (p *Quotas) addOrg(all []quotaRow, q *gateway.OrgQuotas, d *Data) []quotaRow {
	windows := make([]quotaWindow, len(q.Windows))
	for i := range q.Windows {
		w := &q.Windows[i]
		windows[i] = quotaWindow{name: w.Name, key: w.Key, used: w.Used, reserved: w.Reserved, limit: w.Limit, resets: w.ResetsAt}
		o := past.Foresee(d.Trends, q.Org, w, d.Now)
		windows[i].pace, windows[i].out = o.Pace, o.Out
		p.wide = p.wide || w.Limit > 0 && w.Name == quotaNames[3]
	}
	// The organisation's own have no key, and so come first.
	slices.SortStableFunc(windows, func(a, b quotaWindow) int {
		return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.place(), b.place()))
	})
	own := 0
	for own < len(windows) && windows[own].key == "" {
		own++
	}
	all = append(all, quotaRow{ref: Ref{Kind: RefOrg, Name: q.Org}, windows: windows[:own]})
	for own < len(windows) {
		from := own
		for own < len(windows) && windows[own].key == windows[from].key {
			own++
		}
		all = append(all, quotaRow{ref: Ref{Kind: RefKey, Name: q.Org, ID: windows[from].key}, windows: windows[from:own]})
	}
	return all
}

// quotaSums tells all rows of an organisation what they are sorted by.
func quotaSums(of []quotaRow, org int, rate float64) {
	full, soonest := -1.0, time.Time{}
	for i := range of {
		for j := range of[i].windows {
			w := &of[i].windows[j]
			out, share := w.out, w.share()
			if w.spent() {
				// Requests are refused now: before all that only will be.
				share, out = max(share, 1), time.Unix(1, 0)
			}
			if share > full { // false for NaN
				full = share
			}
			if !out.IsZero() && (soonest.IsZero() || out.Before(soonest)) {
				soonest = out
			}
		}
	}
	for i := range of {
		of[i].org, of[i].full, of[i].soonest, of[i].rate = org, full, soonest, rate
	}
}
