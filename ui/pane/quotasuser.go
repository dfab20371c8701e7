package pane

import (
	"cmp"
	"slices"
	"time"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// quotaUser is a key and how much is generated for it now.
type quotaUser struct {
	org, name string
	tokens    float64 // per second
}

// quotaUsers tells who uses most now, from the requests in flight and those that
// ended last.
type quotaUsers struct {
	all   []quotaUser // the most first
	total float64
	index map[[2]string]int
	known bool
}

const (
	usersSpan = time.Minute // that now is
	usersKept = 200         // ended requests that a snapshot has at most
)

// count takes a snapshot in.
func (u *quotaUsers) count(g *gateway.Snapshot) {
	u.all, u.total, u.known = u.all[:0], 0, g != nil
	if g == nil {
		return
	}
	if u.index == nil {
		u.index = make(map[[2]string]int)
	}
	clear(u.index)
	span := usersSpan
	// Where more ended than a snapshot holds, now is as far back as it reaches.
	if n := len(g.Recent); n >= usersKept {
		oldest := &g.Recent[n-1]
		span = max(time.Second, min(span, g.At.Sub(oldest.Start.Add(oldest.Duration))))
	}
	since := g.At.Add(-span)
	for i := range g.Live {
		u.add(&g.Live[i], since, g.At)
	}
	for i := range g.Recent {
		u.add(&g.Recent[i], since, g.At)
	}
	slices.SortStableFunc(u.all, func(a, b quotaUser) int {
		return cmp.Or(cmp.Compare(b.tokens, a.tokens), cmp.Compare(a.org, b.org), cmp.Compare(a.name, b.name))
	})
	for i := range u.all {
		u.total += u.all[i].tokens
	}
}

// add counts what of a request was generated between two moments, as if each
// of its tokens had taken as long.
func (u *quotaUsers) add(r *gateway.Record, since, at time.Time) {
	if r.Org == "" || r.Output <= 0 {
		return
	}
	from, to := r.Start.Add(r.First), r.Start.Add(r.Duration)
	if !to.After(since) {
		return
	}
	part := 1.0
	if took := to.Sub(from); took > 0 && from.Before(since) {
		part = float64(to.Sub(since)) / float64(took)
	}
	who := [2]string{r.Org, r.KeyName}
	i, ok := u.index[who]
	if !ok {
		i = len(u.all)
		u.index[who] = i
		u.all = append(u.all, quotaUser{org: r.Org, name: r.KeyName})
	}
	u.all[i].tokens += part * float64(r.Output) / at.Sub(since).Seconds()
}

// of is what is generated for an organisation, per second.
func (u *quotaUsers) of(org string) float64 {
	sum := 0.0
	for i := range u.all {
		if u.all[i].org == org {
			sum += u.all[i].tokens
		}
	}
	return sum
}

// figure is the same as it is written; "": it is not known.
func (u *quotaUsers) figure(org string) string {
	if !u.known {
		return ""
	}
	return widget.Figure(u.of(org))
}
