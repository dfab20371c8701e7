package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway/ledger"
)

func TestGrant(t *testing.T) {
	b := quotas()
	b.grants = nil
	out, errOut, code := runBooks(t, b.options(), "grant", "--org", "acme", "--tokens", "5M", "--until", "36h", "--reason", " quarter's end ")
	if code != 0 || out != "g1\n" || errOut != "acme has 5,000,000 more tokens a day until 2026-11-24 00:00Z.\n" {
		t.Errorf("code %d, output %q, errors %q", code, out, errOut)
	}
	_, _, code = runBooks(t, b.options(), "grant", "--org", "globex", "--tokens", "1_000", "--window", "month", "--until", "2026-12-01", "--reason", "x")
	want := []ledger.Grant{
		{ID: "g1", Org: "acme", Window: "tokens_per_day", Amount: 5_000_000, Made: noon, Until: noon.Add(36 * time.Hour), Reason: "quarter's end", Author: "anna"},
		{ID: "g2", Org: "globex", Window: "tokens_per_month", Amount: 1_000, Made: noon, Until: noon.AddDate(0, 0, 8).Add(12 * time.Hour), Reason: "x", Author: "anna"},
	}
	if code != 0 || fmt.Sprint(b.grants) != fmt.Sprint(want) {
		t.Errorf("code %d, grants %v, want %v", code, b.grants, want)
	}
	out, _, code = runBooks(t, b.options(), "grant", "revoke", "g1")
	if code != 0 || out != "revoked g1: 5,000,000 more tokens a day of acme\n" || b.grants[0].Revoker != "anna" {
		t.Errorf("revoke: code %d, %q, grant %v", code, out, b.grants[0])
	}
	b.orgs[0].Windows[0].Limit = 100_000
	out, errOut, code = runBooks(t, b.options(), "grant", "--org=acme", "--requests=50k", "--until=1d", "--reason=x")
	if code != 0 || out != "g3\n" || !strings.HasPrefix(errOut, "acme has 50,000 more requests a day until") {
		t.Errorf("requests: code %d, %q %q", code, out, errOut)
	}
}

func TestGrantList(t *testing.T) {
	b := quotas()
	out, _, code := runBooks(t, b.options(), "grant", "list")
	want := `
ID  ORG      AMOUNT  OF            UNTIL              BY    REASON
g1  acme  4,000,000  tokens a day  2026-11-23 00:00Z  anna  quarter's\nend
g2  acme  1,000,000  tokens a day  2026-11-22 13:30Z  bert  demo
`
	if code != 0 || "\n"+out != want {
		t.Errorf("code %d, table:\n%s\nwant:\n%s", code, out, want)
	}
	b.grants[0].Until = noon
	b.grants[1].Revoked, b.grants[1].Revoker = noon, "anna"
	b.grants = append(b.grants, ledger.Grant{ID: "g3", Org: "globex", Window: "requests_per_month", Amount: 7, Made: noon, Until: noon.Add(time.Hour), Reason: "r", Author: "a"})
	out, _, _ = runBooks(t, b.options(), "grant", "list", "--all")
	want = `
ID  ORG       AMOUNT  OF                UNTIL              BY    STATE    REASON
g1  acme   4,000,000  tokens a day      2026-11-22 12:00Z  anna  ended    quarter's\nend
g2  acme   1,000,000  tokens a day      2026-11-22 13:30Z  bert  revoked  demo
g3  globex         7  requests a month  2026-11-22 13:00Z  a     valid    r
`
	if "\n"+out != want {
		t.Errorf("all:\n%s\nwant:\n%s", out, want)
	}
	out, _, _ = runBooks(t, b.options(), "grant", "list", "--all", "--json")
	wantJSON := `{"id":"g2","org":"acme","window":"tokens_per_day","amount":1000000,"made":"2026-11-22T12:00:00Z","until":"2026-11-22T13:30:00Z",` +
		`"reason":"demo","author":"bert","revoked":"2026-11-22T12:00:00Z","revoker":"anna","state":"revoked"}`
	if !strings.HasPrefix(out, `{"grants":[{"id":"g1",`) || !strings.Contains(out, wantJSON) {
		t.Errorf("JSON:\n%s\nwant in it:\n%s", out, wantJSON)
	}
	if out, errOut, code := runBooks(t, (&testBooks{}).options(), "grant", "list"); code != 0 || out != "" || errOut != "No grants.\n" {
		t.Errorf("none: code %d, %q %q", code, out, errOut)
	}
	if out, _, _ := runBooks(t, (&testBooks{}).options(), "grant", "list", "--json"); out != `{"grants":[]}`+"\n" {
		t.Errorf("none as JSON: %q", out)
	}
}
