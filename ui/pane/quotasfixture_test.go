package pane

import (
	"fmt"
	"math"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/ui/past"
)

// quotaNight is when the fixtures of quotas are.
var quotaNight = time.Date(2026, 11, 22, 3, 12, 44, 0, time.UTC)

var (
	quotaMidnight = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	quotaDecember = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
)

// quotaCurve is a share over time, and since when it is known.
type quotaCurve struct {
	at    func(time.Time) float64
	since time.Time
}

// quotaCurves are fixed series of what windows have used.
type quotaCurves map[string]quotaCurve

func (c quotaCurves) Series(m past.Metric, of string, end time.Time, step time.Duration, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
		at := end.Add(-time.Duration(n-1-i) * step)
		if s, ok := c[of]; ok && m == past.Spent && !at.Before(s.since) && at.Sub(end) > -24*time.Hour {
			out[i] = s.at(at)
		}
	}
	return out
}

// quotaRising is one that reaches a share at quotaNight, at a pace per hour.
func quotaRising(share, perHour float64) quotaCurve {
	return quotaCurve{func(t time.Time) float64 { return share + perHour*t.Sub(quotaNight).Hours() }, quotaNight.Add(-10 * time.Hour)}
}

// quotaWindowAt makes a window that is used up to a share.
func quotaWindowAt(name, key string, limit int64, share float64) quota.Window {
	w := quota.Window{Name: name, Key: key, Limit: limit, Used: int64(share * float64(limit)), ResetsAt: quotaMidnight}
	if name == quota.TokensPerMonth || name == quota.RequestsPerMonth {
		w.ResetsAt = quotaDecember
	}
	return w
}

// quotaCalm has the three organisations of a quiet night.
func quotaCalm() Data {
	d := Data{Now: quotaNight, Gateway: quotaTraffic(), Past: &past.Snapshot{At: quotaNight, QuotasAt: quotaNight.Add(-2 * time.Second)}}
	all := quotaCurves{}
	for i, org := range []string{"acme", "globex", "initech"} {
		q := gateway.OrgQuotas{Org: org}
		for j, name := range []string{quota.RequestsPerDay, quota.TokensPerDay, quota.TokensPerMonth} {
			share := [3][3]float64{{0.033, 0.041, 0.44}, {0.021, 0.028, 0.28}, {0.005, 0.002, 0.04}}[i][j]
			limit := [...]int64{100_000, 10_000_000, 300_000_000}[j]
			q.Windows = append(q.Windows, quotaWindowAt(name, "", limit, share))
			all[past.WindowName(org, "", name)] = quotaRising(share, share/[...]float64{20, 20, 510}[j])
		}
		d.Past.Quotas = append(d.Past.Quotas, q)
	}
	d.Trends = all
	return d
}

// quotaTrouble has one that runs out before the morning, one of whose keys is
// spent, another that a grant has lifted, and one without limits.
func quotaTrouble() Data {
	d := quotaCalm()
	all := d.Trends.(quotaCurves)
	acme := &d.Past.Quotas[0]
	acme.Windows[0] = quotaWindowAt(quota.RequestsPerDay, "", 100_000, 0.3312)
	acme.Windows[1] = quotaWindowAt(quota.TokensPerDay, "", 10_000_000, 0.912440)
	acme.Windows[1].Reserved = 42_160
	acme.Windows = append(acme.Windows, quotaWindowAt(quota.TokensPerDay, "k-etl", 8_000_000, 0.9961), quotaWindowAt(quota.RequestsPerDay, "k-etl", 50_000, 0.61))
	acme.Windows[3].Reserved = 40_000
	all[past.WindowName("acme", "", quota.RequestsPerDay)] = quotaRising(0.3312, 0.02)
	all[past.WindowName("acme", "", quota.TokensPerDay)] = quotaCurve{func(t time.Time) float64 {
		// Idle until half past one, then all at once.
		return max(0.04, 0.912440+0.06*t.Sub(quotaNight).Hours()-0.4*max(0, -t.Sub(quotaNight).Hours()-0.5))
	}, quotaNight.Add(-10 * time.Hour)}
	all[past.WindowName("acme", "k-etl", quota.TokensPerDay)] = quotaRising(0.9961, 0.1)
	all[past.WindowName("acme", "k-etl", quota.RequestsPerDay)] = quotaRising(0.61, 0.01)
	globex := &d.Past.Quotas[1]
	globex.Windows[1] = quotaWindowAt(quota.TokensPerDay, "", 12_500_000, 0.81)
	all[past.WindowName("globex", "", quota.TokensPerDay)] = quotaCurve{func(t time.Time) float64 {
		if t.Before(quotaNight.Add(-31 * time.Minute)) {
			return min(1, 0.3+0.25*(t.Sub(quotaNight).Hours()+4))
		}
		return 0.81 + 0.03*t.Sub(quotaNight).Hours()
	}, quotaNight.Add(-10 * time.Hour)}
	d.Past.Grants = []ledger.Grant{
		{ID: "g7", Org: "globex", Window: quota.TokensPerDay, Amount: 2_500_000, Made: quotaNight.Add(-31 * time.Minute), Until: quotaMidnight.Add(-18 * time.Hour), Author: "ana", Reason: "month-end run, see 02:41"},
		{ID: "g6", Org: "globex", Window: quota.TokensPerDay, Amount: 1, Made: quotaNight.Add(-50 * time.Hour), Until: quotaNight.Add(-26 * time.Hour), Author: "bo", Reason: "ended"},
		{ID: "g5", Org: "globex", Window: quota.TokensPerDay, Amount: 1, Made: quotaNight.Add(-50 * time.Hour), Until: quotaDecember, Revoked: quotaNight.Add(-time.Hour), Author: "bo", Reason: "revoked"},
	}
	free := gateway.OrgQuotas{Org: "umbrella"}
	for _, name := range []string{quota.RequestsPerDay, quota.TokensPerDay, quota.TokensPerMonth} {
		free.Windows = append(free.Windows, quotaWindowAt(name, "", 0, 0))
		free.Windows[len(free.Windows)-1].Used = 1_204_211
	}
	d.Past.Quotas = append(d.Past.Quotas, free)
	return d
}

// quotaTraffic is a gateway that serves four keys.
func quotaTraffic() *gateway.Snapshot {
	g := &gateway.Snapshot{At: quotaNight}
	for i := range 40 {
		org, name := [...]string{"acme", "globex", "acme", "acme"}[i%4], [...]string{"etl-nightly", "web", "etl-nightly", "notebooks"}[i%4]
		if i == 5 {
			org, name = "initech", "ci"
		}
		r := gateway.Record{ID: fmt.Sprint(i), Org: org, KeyName: name, Phase: gateway.PhaseEnded, Status: 200,
			Start: quotaNight.Add(-time.Duration(8+i) * time.Second), First: time.Second, Duration: 7 * time.Second, Output: 400 + 37*(i%7)}
		if i < 8 {
			r.Phase, r.Duration = gateway.PhaseDecode, quotaNight.Sub(r.Start)
			g.Live = append(g.Live, r)
		} else {
			g.Recent = append(g.Recent, r)
		}
	}
	return g
}

// quotaMany has 500 organisations with a key each.
func quotaMany() Data {
	d := quotaTrouble()
	all := d.Trends.(quotaCurves)
	for i := range 496 {
		q := gateway.OrgQuotas{Org: fmt.Sprintf("org-%03d", i)}
		pace := 150.0
		if i%37 == 0 {
			pace = 8
		}
		for j, name := range []string{quota.RequestsPerDay, quota.TokensPerDay, quota.TokensPerMonth, quota.TokensPerDay} {
			key := ""
			if j == 3 {
				key = fmt.Sprintf("k-%03d", i)
			}
			share := math.Mod(float64(i*31+j*7)/101, 0.83)
			q.Windows = append(q.Windows, quotaWindowAt(name, key, [...]int64{100_000, 10_000_000, 300_000_000, 5_000_000}[j], share))
			all[past.WindowName(q.Org, key, name)] = quotaRising(share, share/pace)
		}
		d.Past.Quotas = append(d.Past.Quotas, q)
	}
	return d
}

// quotaHostile has names as an attacker would choose them.
func quotaHostile() Data {
	d := quotaTrouble()
	for i, name := range []string{"\x1b[2J\x1b[H\x1b]0;pwned\a", "東京都庁舎第一本庁舎", "\u202egnp.exe", "a\nb\r\nc"} {
		q := &d.Past.Quotas[i]
		d.Trends.(quotaCurves)[past.WindowName(name, "", quota.TokensPerDay)] = quotaRising(0.8, 0.2)
		for j := range q.Windows {
			if q.Windows[j].Key != "" {
				q.Windows[j].Key = "\xff\u200b" + name
			}
		}
		for j := range d.Past.Grants {
			if d.Past.Grants[j].Org == q.Org {
				d.Past.Grants[j].Org, d.Past.Grants[j].Author, d.Past.Grants[j].Reason = name, name, "\x1b[31m"+name
			}
		}
		for j := range d.Gateway.Live {
			if d.Gateway.Live[j].Org == q.Org {
				d.Gateway.Live[j].Org, d.Gateway.Live[j].KeyName = name, "👩\u200d👩"+name
			}
		}
		q.Org = name
	}
	return d
}
