package cli

import (
	"testing"
	"time"

	"pilothouse/gateway"
)

func TestUsageEngines(t *testing.T) {
	opt := quotas().options()
	opt.Drifts = func() []gateway.Drift {
		return []gateway.Drift{
			{Backend: "chat", Replica: "http://10.0.0.7:8000", Started: noon.Add(-time.Hour), At: noon, EnginePrompt: 1234567, LedgerPrompt: 1234560, EngineGeneration: 40, LedgerCompletion: 42},
			{Backend: "sql", Replica: "http://sql:8000", Started: noon, At: noon, EnginePrompt: 90000, LedgerPrompt: 10},
		}
	}
	out, _, code := runBooks(t, opt, "usage", "--engines")
	want := `
BACKEND  REPLICA        SINCE              TOKENS        ENGINE    LEDGER   DRIFT
chat     10.0.0.7:8000  2026-11-22 11:00Z  prompt     1,234,567 1,234,560      +7
                                           completion        40        42      -2
sql      sql:8000       2026-11-22 12:00Z  prompt        90,000        10 +89,990  look into it
                                           completion         0         0       0
`
	if code != 0 || "\n"+out != want {
		t.Errorf("code %d, table:\n%s\nwant:\n%s", code, out, want)
	}
	out, _, _ = runBooks(t, opt, "usage", "--engines", "--backend", "chat", "--json")
	wantJSON := `{"engines":[{"backend":"chat","replica":"http://10.0.0.7:8000","started":"2026-11-22T11:00:00Z","at":"2026-11-22T12:00:00Z",` +
		`"prompt_tokens":{"engine":1234567,"ledger":1234560,"drift":7},"completion_tokens":{"engine":40,"ledger":42,"drift":-2},"suspicious":false}]}` + "\n"
	if out != wantJSON {
		t.Errorf("JSON:\n%s\nwant:\n%s", out, wantJSON)
	}
	opt.Drifts = func() []gateway.Drift { return nil }
	if out, errOut, code := runBooks(t, opt, "usage", "--engines"); code != 0 || out != "" || errOut != "No engine has told its counts and its start.\n" {
		t.Errorf("of none: code %d, %q, %q", code, out, errOut)
	}
	if _, _, code := runBooks(t, opt, "usage", "--engines", "--org", "acme"); code != 2 {
		t.Errorf("of an organisation: code %d, want 2", code)
	}
	if _, _, code := runBooks(t, opt, "usage", "--engines", "--windows"); code != 2 {
		t.Errorf("both: code %d, want 2", code)
	}
}
