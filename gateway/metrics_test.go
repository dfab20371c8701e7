package gateway

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/queue"
)

// figures gathers what is gauged, by its name and its labels' values.
type figures map[string]float64

func (f figures) gauge(d *prometheus.Desc, v float64, labels ...string) {
	name := regexp.MustCompile(`fqName: "pilothouse_([a-z_]+)"`).FindStringSubmatch(d.String())[1]
	f[strings.Join(append([]string{name}, labels...), " ")] = v
}

// TestFiguresOfTrouble: alerts rest on these.
func TestFiguresOfTrouble(t *testing.T) {
	at := time.Date(2026, 11, 25, 3, 0, 0, 5e8, time.UTC)
	for _, c := range []struct {
		what string
		show func(gauged)
		want figures
	}{
		{"a line", func(g gauged) {
			queues(map[string]queue.Status{"chat": {Waiting: 2, Tokens: 700, Oldest: 1500 * time.Millisecond}, "sql": {}}, g)
		}, figures{"queue_waiting chat": 2, "queue_waiting_tokens chat": 700, "queue_oldest_seconds chat": 1.5,
			"queue_waiting sql": 0, "queue_waiting_tokens sql": 0, "queue_oldest_seconds sql": 0}},
		{"no containers", func(g gauged) { containers(&backends.Snapshot{}, g) }, figures{}},
		{"containers", func(g gauged) {
			containers(&backends.Snapshot{
				Hosts: []backends.HostStatus{{Name: "local"}, {Name: "gpu2", Err: "no answer"}},
				Jobs: []backends.Job{{State: backends.Running}, {State: backends.Done, Ended: at.Add(time.Hour)},
					{State: backends.Failed, Ended: at.Add(-time.Hour)}, {State: backends.Failed, Ended: at}, {State: backends.Failed, Ended: at.Add(-time.Minute)}},
			}, g)
		}, figures{"docker_up local": 1, "docker_up gpu2": 0, "job_last_failure_timestamp_seconds": float64(at.Unix()) + .5}},
		{"no failed job", func(g gauged) {
			containers(&backends.Snapshot{Jobs: []backends.Job{{State: backends.Done, Ended: at}}}, g)
		}, figures{}},
		{"a ledger that is well", func(g gauged) { journals(ledger.Status{WaitingRows: 3}, g) },
			figures{"ledger_up": 1, "ledger_waiting_rows": 3, "ledger_database_up": 1, "ledger_damaged_bytes": 0}},
		{"a database that can't be written", func(g gauged) { journals(ledger.Status{Err: "disk full", WaitingRows: 300}, g) },
			figures{"ledger_up": 1, "ledger_waiting_rows": 300, "ledger_database_up": 0, "ledger_damaged_bytes": 0}},
		{"a journal that can't", func(g gauged) { journals(ledger.Status{Err: "disk full", Refusing: true, Damaged: 12}, g) },
			figures{"ledger_up": 0, "ledger_waiting_rows": 0, "ledger_database_up": 0, "ledger_damaged_bytes": 12}},
		{"drift", func(g gauged) {
			drifted([]Drift{{Backend: "chat", Replica: "a", EnginePrompt: 9_000}, {Backend: "chat", Replica: "b", LedgerCompletion: 20_000}}, g)
		}, figures{"engine_token_drift chat a prompt": 9_000, "engine_token_drift chat a completion": 0, "engine_token_drift_suspicious chat a": 0,
			"engine_token_drift chat b prompt": 0, "engine_token_drift chat b completion": -20_000, "engine_token_drift_suspicious chat b": 1}},
	} {
		got := figures{}
		c.show(got.gauge)
		if !maps.Equal(got, c.want) {
			t.Errorf("%s:\ngot  %v\nwant %v", c.what, fmt.Sprint(got), fmt.Sprint(c.want))
		}
	}
}
