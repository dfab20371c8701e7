package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
)

var someSums = []ledger.Sum{
	{Org: "acme", Requests: 98_765, Counted: 98_700, Refused: 1_024, Failed: 12, Left: 7, Estimated: 3, Suspect: 1,
		Prompt: 7_654_321, Cached: 4_765_432, Completion: 1_234_567, BytesIn: 10, BytesOut: 20},
	{Org: "=cmd|'/c calc'!A1\x1b[2J", Requests: 1, Refused: 1},
}

func TestUsageTable(t *testing.T) {
	b := &testBooks{sums: someSums}
	out, errOut, code := runBooks(t, b.options(), "usage")
	want := `
ORG                      REQUESTS REFUSED FAILED    PROMPT CACHED COMPLETION    TOKENS EST.
acme                       98,765   1,024     12 7,654,321    62%  1,234,567 8,888,888  <1%
=cmd|'/c calc'!A1\x1b[2J        1       1      0         0      -          0         0   0%
total                      98,766   1,025     12 7,654,321    62%  1,234,567 8,888,888  <1%
`
	if code != 0 || errOut != "" || "\n"+out != want {
		t.Errorf("code %d, errors %q, table:\n%s\nwant:\n%s", code, errOut, out, want)
	}
	if fmt.Sprint(b.asked) != fmt.Sprint(ledger.Query{By: []ledger.Dimension{"org"}, Since: noon.Truncate(24 * time.Hour), Until: noon}) {
		t.Errorf("asked for %v", b.asked)
	}
	// One organisation with a full day's default quota fits a screen, and needs no total.
	b.sums = []ledger.Sum{{Org: "engineering", Requests: 100_000, Refused: 5_000, Failed: 1_000, Prompt: 9_000_000, Cached: 1, Completion: 1_000_000}}
	out, _, _ = runBooks(t, b.options(), "usage")
	for line := range strings.Lines(out) {
		if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); w > screen {
			t.Errorf("%d cells wide: %s", w, line)
		}
	}
	if strings.Count(out, "\n") != 2 {
		t.Errorf("one sum is\n%s", out)
	}
}

func TestUsageTimesAndTotals(t *testing.T) {
	b := &testBooks{}
	out, errOut, code := runBooks(t, b.options(), "usage", "--since", "yesterday", "--until", "today", "--org", "acme")
	if code != 0 || out != "" || errOut != "No requests between 2026-11-21 00:00Z and 2026-11-22 00:00Z.\n" || b.asked.Org != "acme" {
		t.Errorf("nothing: code %d, %q %q, asked %v", code, out, errOut, b.asked)
	}
	b.sums = []ledger.Sum{{Time: noon.Truncate(time.Hour), Org: "acme", Key: "k1", Requests: 1, Prompt: 5, Completion: 5, Estimated: 1}}
	out, _, _ = runBooks(t, b.options(), "usage", "--by", "key,hour", "--since", "90m")
	want := `
HOUR               ORG   KEY REQUESTS REFUSED FAILED PROMPT CACHED COMPLETION TOKENS EST.
2026-11-22 12:00Z  acme  k1         1       0      0      5     0%          5     10 100%
`
	if "\n"+out != want {
		t.Errorf("by hour and key:\n%s\nwant:\n%s", out, want)
	}
	if got := fmt.Sprint(b.asked.By, b.asked.Since); got != "[hour org key] 2026-11-22 10:00:00 +0000 UTC" {
		t.Errorf("asked by %s", got)
	}
	b.sums = someSums[:1]
	out, _, _ = runBooks(t, b.options(), "usage", "--by=", "--key", "k1", "--model", "m", "--backend", "b")
	if lines := strings.Split(out, "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], "total") {
		t.Errorf("by nothing:\n%s", out)
	}
	if len(b.asked.By) != 0 || b.asked.Key != "k1" || b.asked.Model != "m" || b.asked.Backend != "b" {
		t.Errorf("asked %v", b.asked)
	}
}

func TestUsageJSON(t *testing.T) {
	b := &testBooks{sums: []ledger.Sum{someSums[0]}}
	b.sums[0].Time = noon.Truncate(24 * time.Hour)
	out, _, _ := runBooks(t, b.options(), "usage", "--json", "--by", "day,org", "--backend", "b1", "--since", "7d")
	want := `{"since":"2026-11-15T12:00:00Z","until":"2026-11-22T12:00:00Z","by":["day","org"],"backend":"b1",` +
		`"sums":[{"time":"2026-11-22T00:00:00Z","org":"acme","requests":98765,"counted":98700,"refused":1024,"failed":12,"client_left":7,` +
		`"estimated":3,"suspect":1,"prompt_tokens":7654321,"completion_tokens":1234567,"cached_tokens":4765432,"total_tokens":8888888,` +
		`"bytes_in":10,"bytes_out":20}]}` + "\n"
	if out != want {
		t.Errorf("JSON:\n%s\nwant:\n%s", out, want)
	}
	b.sums = nil
	if out, _, _ := runBooks(t, b.options(), "usage", "--json", "--by="); out != `{"since":"2026-11-22T00:00:00Z","until":"2026-11-22T12:00:00Z","by":[],"sums":[]}`+"\n" {
		t.Errorf("nothing as JSON: %s", out)
	}
}

func TestUsageCSV(t *testing.T) {
	b := &testBooks{sums: someSums}
	out, _, _ := runBooks(t, b.options(), "usage", "--csv")
	want := `org,requests,counted,refused,failed,client_left,estimated,suspect,prompt_tokens,completion_tokens,cached_tokens,total_tokens,bytes_in,bytes_out
acme,98765,98700,1024,12,7,3,1,7654321,1234567,4765432,8888888,10,20
'=cmd|'/c calc'!A1\x1b[2J,1,0,1,0,0,0,0,0,0,0,0,0,0
`
	if out != want {
		t.Errorf("CSV:\n%s\nwant:\n%s", out, want)
	}
	for in, want := range map[string]string{"": "", "a=b": "a=b", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\t=1": `\t=1`, "'=1": "'=1", "ä": "ä"} {
		if got := safeCell(in); got != want {
			t.Errorf("cell %q is %q, want %q", in, got, want)
		}
	}
}

func TestShare(t *testing.T) {
	for _, tc := range []struct {
		part, whole int64
		want        string
	}{{0, 0, "-"}, {1, 0, "-"}, {0, 5, "0%"}, {1, 1000, "<1%"}, {5, 1000, "1%"}, {1, 2, "50%"}, {994, 1000, "99%"}, {999, 1000, ">99%"}, {1000, 1000, "100%"}, {7, 5, "100%"}} {
		if got := share(tc.part, tc.whole); got != tc.want {
			t.Errorf("%d of %d: %s, want %s", tc.part, tc.whole, got, tc.want)
		}
	}
	if got := digits(-1234567); got != "-1,234,567" {
		t.Errorf("a negative number is %s", got)
	}
}

// quotas are those of two organisations, of which one has a grant.
func quotas() *testBooks {
	tomorrow, december := noon.Truncate(24*time.Hour).AddDate(0, 0, 1), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	windows := func(used, limit int64) []quota.Window {
		return []quota.Window{
			{Name: quota.RequestsPerDay, Used: used / 100, ResetsAt: tomorrow},
			{Name: quota.TokensPerDay, Used: used, Reserved: 8_192, Limit: limit, ResetsAt: tomorrow},
			{Name: quota.TokensPerMonth, Used: 30 * used, Reserved: 8_192, Limit: 300_000_000, ResetsAt: december},
		}
	}
	return &testBooks{
		orgs: []gateway.OrgQuotas{{Org: "acme", Windows: windows(1_234_567, 15_000_000)}, {Org: "globex", Windows: windows(0, 10_000_000)}},
		grants: []ledger.Grant{
			{ID: "g1", Org: "acme", Window: quota.TokensPerDay, Amount: 4_000_000, Made: noon, Until: noon.Add(12 * time.Hour), Reason: "quarter's\nend", Author: "anna"},
			{ID: "g2", Org: "acme", Window: quota.TokensPerDay, Amount: 1_000_000, Made: noon, Until: noon.Add(90 * time.Minute), Reason: "demo", Author: "bert"},
		},
	}
}

func TestUsageWindows(t *testing.T) {
	b := quotas()
	out, _, code := runBooks(t, b.options(), "usage", "--windows")
	want := `
ORG     WINDOW                 USED RESERVED       LIMIT  RESETS        GRANTED
acme    requests_per_day     12,345        0           -  2026-11-23          -
acme    tokens_per_day    1,234,567    8,192  15,000,000  2026-11-23 +5,000,000
acme    tokens_per_month 37,037,010    8,192 300,000,000  2026-12-01          -
globex  requests_per_day          0        0           -  2026-11-23          -
globex  tokens_per_day            0    8,192  10,000,000  2026-11-23          -
globex  tokens_per_month          0    8,192 300,000,000  2026-12-01          -
`
	if code != 0 || "\n"+out != want {
		t.Errorf("code %d, table:\n%s\nwant:\n%s", code, out, want)
	}
	// A key's own limits are lines of their own, which grants add nothing to.
	b.orgs[0].Windows = append(b.orgs[0].Windows[1:2], quota.Window{Name: quota.TokensPerDay, Key: "k1", Limit: 7, ResetsAt: b.orgs[0].Windows[1].ResetsAt})
	out, _, _ = runBooks(t, b.options(), "usage", "--windows", "--org", "acme")
	want = `
ORG   KEY  WINDOW              USED RESERVED      LIMIT  RESETS        GRANTED
acme  -    tokens_per_day 1,234,567    8,192 15,000,000  2026-11-23 +5,000,000
acme  k1   tokens_per_day         0        0          7  2026-11-23          -
`
	if "\n"+out != want {
		t.Errorf("with a key's:\n%s\nwant:\n%s", out, want)
	}
	b.grants = nil
	out, _, _ = runBooks(t, b.options(), "usage", "--windows", "--org", "globex", "--json")
	wantJSON := `"orgs":[{"object":"usage","org":"globex","windows":[` +
		`{"name":"requests_per_day","used":0,"reserved":0,"limit":0,"resets_at":"2026-11-23T00:00:00Z","remaining":null,"granted":0},` +
		`{"name":"tokens_per_day","used":0,"reserved":8192,"limit":10000000,"resets_at":"2026-11-23T00:00:00Z","remaining":9991808,"granted":0},` +
		`{"name":"tokens_per_month","used":0,"reserved":8192,"limit":300000000,"resets_at":"2026-12-01T00:00:00Z","remaining":299991808,"granted":0}]}]`
	if want := `{"at":"2026-11-22T12:00:00Z",` + wantJSON + "}\n"; out != want {
		t.Errorf("JSON:\n%s\nwant:\n%s", out, want)
	}
	// The sums have the same objects beside them.
	out, _, _ = runBooks(t, b.options(), "usage", "--by=", "--org", "globex", "--json")
	if want := `,"sums":[],` + wantJSON + "}\n"; !strings.HasSuffix(out, want) {
		t.Errorf("JSON of sums:\n%s\nwant at its end:\n%s", out, want)
	}
}
