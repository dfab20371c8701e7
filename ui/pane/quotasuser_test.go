package pane

import (
	"math"
	"testing"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/quota"
)

func TestQuotaUsers(t *testing.T) {
	ended := func(org, key string, before, took time.Duration, output int) gateway.Record {
		return gateway.Record{Org: org, KeyName: key, Start: quotaNight.Add(-before - took), Duration: took, Output: output}
	}
	g := &gateway.Snapshot{At: quotaNight, Recent: []gateway.Record{
		ended("acme", "a", 10*time.Second, 5*time.Second, 600),
		ended("acme", "b", 30*time.Second, 60*time.Second, 1200), // half of it in the last minute
		ended("acme", "c", 61*time.Second, time.Second, 1e6),     // before it
		ended("", "", 0, time.Second, 1e6),                       // whose key was not valid
		ended("globex", "a", time.Second, 0, 300),
	}}
	live := ended("globex", "a", 0, 10*time.Second, 300)
	g.Live = []gateway.Record{live}
	var u quotaUsers
	u.count(g)
	want := []quotaUser{{"acme", "a", 10}, {"acme", "b", 10}, {"globex", "a", 10}}
	if len(u.all) != len(want) {
		t.Fatalf("%v, want %v", u.all, want)
	}
	for i := range want {
		if got := u.all[i]; got.org != want[i].org || got.name != want[i].name || math.Abs(got.tokens-want[i].tokens) > 1e-9 {
			t.Errorf("%v, want %v", got, want[i])
		}
	}
	if of := u.of("acme"); math.Abs(of-20) > 1e-9 || math.Abs(u.total-30) > 1e-9 {
		t.Errorf("acme has %v of %v, want 20 of 30", of, u.total)
	}
	// So many ended that the snapshot reaches back four seconds.
	g.Live, g.Recent = nil, nil
	for i := range usersKept {
		g.Recent = append(g.Recent, ended("acme", "a", time.Duration(i)*4*time.Second/(usersKept-1), 10*time.Millisecond, 2))
	}
	u.count(g)
	if math.Abs(u.total-100) > 1 {
		t.Errorf("%v per second, want 100", u.total)
	}
	u.count(nil)
	if u.known || len(u.all) != 0 {
		t.Error("without a gateway something is known")
	}
}

func TestQuotaWords(t *testing.T) {
	for n, want := range map[int64]string{10_000_000: "10M", 12_500_000: "12.5M", 300_000_000: "300M", 100_000: "100k", 912_440: "912,440", 1_500: "1.5k", 999: "999", 0: "0", 2_000_000_000: "2G", -5: "-5"} {
		if got := quotaAmount(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for share, want := range map[float64]string{0: "0%", 0.001: "<1%", 0.91: "91%", 0.996: "99%", 1: "100%", 1.12: "112%", 1e9: "999%"} {
		if got := quotaPercent(share); got != want {
			t.Errorf("%v is %s, want %s", share, got, want)
		}
	}
	for name, want := range map[string][2]string{quota.TokensPerDay: {"tokens/day", "tok/day"}, quota.RequestsPerMonth: {"requests/month", "req/mon"}, "odd": {"odd", "odd/"}} {
		if got := [2]string{quotaLabel(name), quotaShort(name)}; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for most, want := range map[float64]string{0.049: "+3 more orgs, all below 5%", 0.05: "+3 more orgs, all below 10%", 0: "+3 more orgs, all below 5%", 1.1: "+3 more orgs", -1: "+3 more orgs, none with limits"} {
		if got := moreOrgs(3, most, true); got != want {
			t.Errorf("%v: %s, want %s", most, got, want)
		}
	}
}
