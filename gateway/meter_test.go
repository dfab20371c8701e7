package gateway_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/sim"
	"pilothouse/gateway/ledger"
)

// TestEstimateMetrics has engines report prompts that are as long as estimated,
// longer and shorter, and what teaches nothing.
func TestEstimateMetrics(t *testing.T) {
	t.Parallel()
	const prefix = "pilothouse_prompt_estimate_ratio"
	guess := estimate("hi")
	tests := []struct {
		name   string
		usage  string
		stream bool
		ratio  float64 // of the estimate to the truth; 0: none is to be seen
	}{
		{"right", fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":1}`, guess), false, 1},
		{"too-low", fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":1}`, 2*guess), false, .5},
		{"too-high", `{"prompt_tokens":4,"completion_tokens":1}`, true, float64(guess) / 4},
		{"no-usage", `null`, true, 0},
		{"suspect", `{"prompt_tokens":-4,"completion_tokens":1}`, false, 0},
		{"an-image", `{"prompt_tokens":1,"completion_tokens":1}`, false, 0}, // so many bytes of text have more
	}
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Config.Server.AdminListen = "127.0.0.1:0"
		for _, test := range tests {
			b := patient(e.URL)
			b.Name, b.Model = test.name, test.name
			s.Backends = append(s.Backends, b)
		}
	})
	for _, test := range tests {
		e.Answer(func(c *engineConn, _ *engineRequest) {
			if test.stream {
				c.Send(streamHead + chunk(usageEvent("a", test.usage)+done) + "0\r\n\r\n")
			} else {
				c.Send(unary(`{"usage":` + test.usage + `}`))
			}
		})
		s.ask(t, chatPath, asking(test.name, test.stream))
	}
	m := s.metrics()
	for _, test := range tests {
		labels := `{model="` + test.name + `"`
		count := 0.0
		if test.ratio != 0 {
			count = 1
		}
		if n, sum := m[prefix+"_count"+labels+"}"], m[prefix+"_sum"+labels+"}"]; n != count || math.Abs(sum-test.ratio) > 1e-9 {
			t.Errorf("%s: %v ratios that add up to %v, want %v of %v", test.name, n, sum, count, test.ratio)
		}
		for series, n := range m {
			if bound, ok := strings.CutPrefix(series, prefix+"_bucket"+labels+`,le="`); ok {
				le, err := strconv.ParseFloat(strings.TrimSuffix(bound, `"}`), 64)
				if want := map[bool]float64{true: count}[test.ratio <= le]; err != nil || n != want {
					t.Errorf("%s: %s is %v, want %v", test.name, series, n, want)
				}
			}
		}
	}
}

// TestQuotaMetrics looks at what organisations have used, while a request is
// under way and after it, and with a grant.
func TestQuotaMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *setup) {
		s.Config.Server.AdminListen = "127.0.0.1:0"
		s.Config.Limits.Org.RequestsPerDay, s.Config.Limits.Org.TokensPerDay = 10, 5000
	})
	hold := make(chan bool)
	s.Engine.Answer(func(c *engineConn, r *engineRequest) {
		select {
		case <-hold:
			plainAnswer(c, r)
		case <-c.Gone:
		}
	})
	want := func(what string, acme, limits map[string]float64) {
		t.Helper()
		m := s.metrics()
		for window, n := range acme {
			for metric, want := range map[string]float64{`used{org="acme"`: n, `used{org="globex"`: 0, `limit{org="acme"`: limits[window], `limit{org="globex"`: 0} {
				if metric == `limit{org="globex"` {
					want = map[string]float64{"requests_per_day": 10, "tokens_per_day": 5000}[window]
				}
				series := "pilothouse_quota_" + metric + `,window="` + window + `"}`
				if got, ok := m[series]; !ok || got != want {
					t.Errorf("%s: %s is %v, want %v", what, series, got, want)
				}
			}
		}
		for series := range m {
			if strings.HasPrefix(series, "pilothouse_quota_") && strings.Contains(series, "month") {
				t.Errorf("%s: %s has no limit, and is shown", what, series)
			}
		}
	}
	plain := map[string]float64{"requests_per_day": 10, "tokens_per_day": 5000}
	c := s.Dial()
	c.Send(s.post(chatPath, "acme", strings.Replace(chat(false, "hi"), "{", `{"max_tokens":100,`, 1)))
	eventually(t, "at the engine", func() bool { return len(s.Engine.Requests()) == 1 })
	want("under way", map[string]float64{"requests_per_day": 1, "tokens_per_day": float64(100 + estimate("hi"))}, plain)
	hold <- true
	c.Answer("POST")
	want("answered", map[string]float64{"requests_per_day": 1, "tokens_per_day": 12}, plain)
	if _, err := s.Grant(t.Context(), ledger.Grant{Org: "acme", Window: "tokens_per_day", Amount: 700, Until: time.Now().Add(time.Hour), Reason: "a test", Author: "tester"}); err != nil {
		t.Fatal(err)
	}
	want("granted", map[string]float64{"requests_per_day": 1, "tokens_per_day": 12}, map[string]float64{"requests_per_day": 10, "tokens_per_day": 5700})
}

// TestLedgerMetrics counts the rows, and those that are not in the database yet.
func TestLedgerMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *setup) { s.Config.Server.AdminListen = "127.0.0.1:0" })
	want := func(rows, most float64) {
		t.Helper()
		m := s.metrics()
		up, total, waiting, lost := m["pilothouse_ledger_up"], m["pilothouse_ledger_rows_total"], m["pilothouse_ledger_waiting_rows"], m["pilothouse_ledger_lost_rows_total"]
		if up != 1 || total != rows || waiting > most || lost != 0 {
			t.Errorf("up %v, %v rows of which %v wait, %v lost; want %v rows", up, total, waiting, lost, rows)
		}
	}
	want(0, 0)
	for range 5 {
		s.Do("POST", chatPath, "acme", chat(false, "hi"))
		s.Do("POST", chatPath, "embedder", chat(false, "hi")) // refused: a row as well
		s.Do("GET", "/v1/models", "acme", "")                 // none
	}
	want(10, 10)
	if n := len(s.Rows()); n != 10 {
		t.Errorf("%d rows in the database", n)
	}
	want(10, 0)
}

// TestDriftMetrics holds the ledger against a simulated engine, which counts as
// vLLM does: all that went through the gateway is in both, and what went past it
// is the drift. Each gateway reads the engine's counts when it starts, on the
// ledger of the one before it.
func TestDriftMetrics(t *testing.T) {
	t.Parallel()
	engine := simulate(t, sim.Config{})
	var dir, file string
	var secrets map[string]string
	start := func() *service {
		return serve(t, func(s *setup) {
			s.Config.Server.AdminListen = "127.0.0.1:0"
			s.Backends = []backends.Config{testBackend("chat", chatModel, engine.URL)}
			s.Ledger, s.KeysFile, s.Secrets = dir, file, secrets
		})
	}
	want := func(s *service, what string, prompt, completion float64) {
		t.Helper()
		labels := `{backend="chat",kind="%s",replica="` + engine.URL + `"}`
		var m map[string]float64
		eventually(t, what+": audited", func() bool {
			m = s.metrics()
			_, ok := m["pilothouse_engine_token_drift"+fmt.Sprintf(labels, "prompt")]
			return ok
		})
		for kind, want := range map[string]float64{"prompt": prompt, "completion": completion} {
			if got, ok := m["pilothouse_engine_token_drift"+fmt.Sprintf(labels, kind)]; !ok || got != want {
				t.Errorf("%s: the drift of %ss is %v, want %v", what, kind, got, want)
			}
		}
		eventually(t, what+": on the dashboard", func() bool {
			a := s.Snapshot().Books.Audit
			return len(a) == 1 && float64(a[0].Prompt()) == prompt && float64(a[0].Completion()) == completion && !a[0].Suspicious()
		})
	}
	body := func(n, stream string) string {
		return `{"model":"` + chatModel + `","messages":[{"role":"user","content":"How far is it from here to there?"}],"max_tokens":` + n + `,"ignore_eos":true,"stream":` + stream + `}`
	}
	s := start()
	dir, file, secrets = s.Dir, s.File, s.secrets
	want(s, "before any request", 0, 0)
	for n := range 10 {
		s.Do("POST", chatPath, "acme", body(fmt.Sprint(10+n), fmt.Sprint(n%2 == 0)))
	}
	used := s.Usage("acme")["tokens_per_day"].Used
	s.Stop()

	s = start()
	want(s, "of what the gateway had answered", 0, 0)
	a := s.Snapshot().Books.Audit[0]
	if a.EnginePrompt+a.EngineGeneration != used || a.EngineGeneration != 10*10+45 {
		t.Errorf("the engine counts %d and %d tokens, the organisation used %d", a.EnginePrompt, a.EngineGeneration, used)
	}
	s.Stop()

	prompt := a.EnginePrompt / 10
	engine.Do(t, "POST", chatPath, body("40", "false"))
	s = start()
	want(s, "of one that went past the gateway", float64(prompt), 40)
}
