package ui

import (
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// What is wrong with the ledger, the quotas' store or an organisation's quota
// comes up, says whom it hurts, and is as grave as that.
func TestFindingsOfBooks(t *testing.T) {
	since := night.Add(-41 * time.Second)
	spent := gateway.TightWindow{Org: "acme", Window: quota.Window{Name: quota.TokensPerDay, Used: 90, Reserved: 10, Limit: 100, ResetsAt: night.Add(3 * time.Hour)}}
	left, keys := spent, spent
	left.Used, keys.Key = 89, "k1"
	for _, tt := range []struct {
		name  string
		books gateway.Books
		word  string
		grade widget.Style
		texts []string
	}{
		{"all well", gateway.Books{Shared: true}, "healthy", widget.Good, nil},
		{"the ledger refuses", gateway.Books{Ledger: ledger.Status{Refusing: true, Err: "no space left on device", Since: since}}, "no ledger", widget.Bad,
			[]string{"the ledger can't be written for 41 s, every request gets 503: no space left on device"}},
		{"requests pass without it", gateway.Books{Pass: true, Ledger: ledger.Status{Refusing: true, Err: "input/output error", Since: since, Backlog: 12, Lost: 3}}, "no ledger", widget.Bad,
			[]string{"requests go on without it (12 wait in memory, 3 lost): input/output error"}},
		{"the database alone", gateway.Books{Ledger: ledger.Status{Err: "database is locked", Since: since, WaitingRows: 70}}, "no ledger", widget.Warn,
			[]string{"database can't be written for 41 s, 70 requests wait in its journal: database is locked"}},
		{"some were lost", gateway.Books{Ledger: ledger.Status{Lost: 3}}, "check usage", widget.Warn, []string{"3 requests missing in the ledger"}},
		{"a damaged journal", gateway.Books{Ledger: ledger.Status{Damaged: 512}}, "check usage", widget.Warn, []string{"512 bytes of the ledger's journal damaged"}},
		{"the store is away", gateway.Books{Shared: true, Fleet: quota.FleetStatus{Err: "ask Redis: i/o timeout", Since: since}}, "no quota store", widget.Warn,
			[]string{"the quota store is away for 41 s, leases in hand are used up, then requests get 503: ask Redis: i/o timeout"}},
		{"the store is away, and that is allowed", gateway.Books{Shared: true, Fleet: quota.FleetStatus{Err: "ask Redis: EOF", Since: since, Allowing: true}}, "no quota store", widget.Warn,
			[]string{"each gateway then counts for itself: ask Redis: EOF"}},
		{"a quota is spent", gateway.Books{Tight: []gateway.TightWindow{spent}}, "quota spent", widget.Warn,
			[]string{"acme: tokens_per_day is used up, its requests get 429 for 3 h"}},
		{"a key's quota is spent", gateway.Books{Tight: []gateway.TightWindow{keys}}, "quota spent", widget.Warn, []string{"acme, key k1: tokens_per_day"}},
		{"one that is nearly spent", gateway.Books{Tight: []gateway.TightWindow{left}}, "healthy", widget.Good, nil},
		{"an engine counts more", gateway.Books{Audit: []gateway.Drift{{Backend: "chat", EnginePrompt: 90_000, LedgerPrompt: 10_000}}}, "check usage", widget.Warn,
			[]string{"chat: the engine counts +80000 prompt and +0 completion tokens beyond the ledger's"}},
		{"an engine counts a little more", gateway.Books{Audit: []gateway.Drift{{Backend: "chat", EnginePrompt: 900, LedgerPrompt: 100}}}, "healthy", widget.Good, nil},
		{"the gravest first", gateway.Books{Shared: true, Tight: []gateway.TightWindow{spent}, Fleet: quota.FleetStatus{Err: "away", Since: since}, Ledger: ledger.Status{Refusing: true, Err: "full", Since: since}},
			"no ledger", widget.Bad, []string{"the ledger", "the quota store", "acme"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := pane.Data{Now: night, Gateway: &gateway.Snapshot{At: night, Books: tt.books},
				Pool: &backends.Snapshot{At: night, Backends: []backends.BackendStatus{{Name: "chat", Replicas: []backends.ReplicaStatus{{URL: "http://chat", State: backends.Healthy}}}}}}
			fs := find(d)
			if word, grade := verdict(d, fs); word != tt.word || grade != tt.grade {
				t.Errorf("verdict %q in %d, want %q in %d", word, grade, tt.word, tt.grade)
			}
			if len(fs) != len(tt.texts) {
				t.Fatalf("findings %v, want %q", fs, tt.texts)
			}
			for i, f := range fs {
				if !strings.Contains(f.full(), tt.texts[i]) {
					t.Errorf("finding %d is %q, want %q", i, f.full(), tt.texts[i])
				}
			}
		})
	}
}
