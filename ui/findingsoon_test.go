package ui

import (
	"strings"
	"testing"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/quota"
	"pilothouse/ui/pane"
	"pilothouse/ui/past"
)

// rising are series that grow by so much a sample, up to share. A quota's are a minute
// apart.
type rising struct{ share, by, preempts float64 }

func (r rising) Series(m past.Metric, _ string, _ time.Time, _ time.Duration, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		if m == past.Preempts {
			s[i] = r.preempts
		} else {
			s[i] = r.share - float64(n-1-i)*r.by
		}
	}
	return s
}

func TestWhatIsOnItsWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		trends rising
		want   string // "": nothing
	}{
		{"an hour is enough", rising{share: 0.9, by: 0.1 / 30}, "acme: tokens_per_day runs out in 30 min, at 03:42 UTC, as it is used now; its requests get 429 then"},
		{"not within the hour", rising{share: 0.9, by: 0.1 / 66}, ""},
		{"not at this rate", rising{share: 0.9}, ""},
		{"an engine throws out", rising{share: 0.1, preempts: 0.2}, "chat: its engine threw out 12 sequences in the last minute"},
		{"hardly", rising{share: 0.1, preempts: 0.03}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := calm()
			d.Trends = tt.trends
			d.Past = &past.Snapshot{At: night, Quotas: []gateway.OrgQuotas{{Org: "acme", Windows: []quota.Window{
				{Name: "tokens_per_day", Used: int64(tt.trends.share * 1e6), Limit: 1e6, ResetsAt: night.Add(20 * time.Hour)},
				{Name: "requests_per_day", Used: 99, ResetsAt: night.Add(20 * time.Hour)}, // without a limit
			}}}}
			var all []string
			for _, f := range find(d) {
				all = append(all, f.full())
				if f.about == (pane.Ref{}) {
					t.Errorf("%s is about nothing", f.full())
				}
			}
			if s := strings.Join(all, "\n"); tt.want == "" && s != "" || !strings.Contains(s, tt.want) {
				t.Errorf("found %q, want %q", s, tt.want)
			}
		})
	}
}
