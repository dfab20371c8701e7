package gateway_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
)

// restarting is a gateway that can be stopped and started again, on the same
// ledger, keys and engine. acme has a key with a limit of its own, "tight", and
// another, "wide".
type restarting struct {
	*service
	t   *testing.T
	set func(*setup)
}

const tightLimit = 3 // requests a day

func newRestarting(t *testing.T) *restarting {
	e := newEngine(t)
	dir := t.TempDir()
	secrets := map[string]string{"tight": "sk-made-for-this-test-tight", "wide": "sk-made-for-this-test-wide", "other": "sk-made-for-this-test-other"}
	sum := func(name string) [32]byte { return sha256.Sum256([]byte(secrets[name])) }
	file := filepath.Join(dir, "keys.toml")
	text := fmt.Sprintf(`[[org]]
name = "acme"
requests_per_day = 5
[[org.key]]
id = "tight"
name = "tight"
sha256 = "%x"
requests_per_day = %d
[[org.key]]
id = "wide"
name = "wide"
sha256 = "%x"
[[org]]
name = "globex"
[[org.key]]
id = "other"
name = "other"
sha256 = "%x"
`, sum("tight"), tightLimit, sum("wide"), sum("other"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &restarting{t: t, set: func(s *setup) {
		s.Ledger, s.KeysFile, s.Secrets = filepath.Join(dir, "ledger"), file, secrets
		s.Backends = append(s.Backends, testBackend("chat", testModel, e.URL))
	}}
	r.service = serve(t, r.set)
	return r
}

// Restart stops the gateway, and starts it again.
func (r *restarting) Restart() {
	r.t.Helper()
	r.Stop()
	r.service = serve(r.t, r.set)
}

// Pass sends a request of 12 tokens, and tells whether it was answered; if it
// was not, it was for want of this window.
func (r *restarting) Pass(key, window string) bool {
	r.t.Helper()
	resp, body := r.Do("POST", chatPath, key, chat(false, "hi"))
	if resp.StatusCode != 200 && (resp.StatusCode != 429 || !strings.Contains(body, window) || !strings.Contains(body, `"code":"quota_exceeded"`)) {
		r.t.Errorf("%d %s, want 200 or a 429 for %s", resp.StatusCode, body, window)
	}
	return resp.StatusCode == 200
}

// windows are those that a key sees, but for when they begin anew.
func (r *restarting) windows(key string) []gateway.UsageWindow {
	r.t.Helper()
	_, body := r.Do("GET", "/v1/usage", key, "")
	var u gateway.Usage
	if err := json.Unmarshal([]byte(body), &u); err != nil {
		r.t.Fatalf("usage %q: %v", body, err)
	}
	for i := range u.Windows {
		u.Windows[i].ResetsAt = time.Time{}
	}
	return u.Windows
}

// acmeWindows are those of a key of acme after so many requests, where the
// organisation may have limit, and tight of them were the tight key's (-1: the
// key has no limit of its own).
func acmeWindows(requests, limit, tight int64) []gateway.UsageWindow {
	all := []gateway.UsageWindow{
		{Name: "requests_per_day", Used: requests, Limit: limit},
		{Name: "tokens_per_day", Used: 12 * requests},
		{Name: "tokens_per_month", Used: 12 * requests},
	}
	if tight >= 0 {
		all = append(all, gateway.UsageWindow{Name: "requests_per_day", Key: "tight", Used: tight, Limit: tightLimit})
	}
	return all
}

// want wants these windows.
func (r *restarting) want(when, key string, want []gateway.UsageWindow) {
	r.t.Helper()
	if got := r.windows(key); !slices.Equal(got, want) {
		r.t.Errorf("%s: %s has\n%+v\nwant\n%+v", when, key, got, want)
	}
}

// TestRestart: a gateway that is started again goes on where the one before it
// stopped, in every window of every organisation and key.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRestarting(t)
	for _, key := range []string{"tight", "wide", "other", "tight", "other"} {
		if !r.Pass(key, "") {
			t.Fatal("refused")
		}
	}
	others := r.windows("other")
	for range 2 { // what was read is written, and read again
		r.Restart()
		r.want("after a restart", "tight", acmeWindows(3, 5, 2))
		r.want("after a restart", "wide", acmeWindows(3, 5, -1))
		r.want("after a restart", "other", others)
	}
	// The key has room for one more, its organisation for two.
	for _, test := range []struct {
		key, window string
		pass        bool
	}{{"tight", "", true}, {"tight", "This key's requests_per_day", false}, {"wide", "", true}, {"wide", "The organisation's requests_per_day", false}, {"other", "", true}} {
		if got := r.Pass(test.key, test.window); got != test.pass {
			t.Errorf("with %s: passed is %v", test.key, got)
		}
	}
	r.Restart()
	r.want("at the end", "tight", acmeWindows(5, 5, 3))
	if r.Pass("wide", "The organisation's requests_per_day") {
		t.Error("a spent window is none after a restart")
	}
}

// TestGrantsLift: a grant makes room in a spent window at once, outlives a
// restart, and is over with its time or its revocation. It lifts no window but
// its own.
func TestGrantsLift(t *testing.T) {
	t.Parallel()
	r := newRestarting(t)
	const window = "The organisation's requests_per_day"
	pass := func(when string, want bool) {
		t.Helper()
		if got := r.Pass("wide", window); got != want {
			t.Errorf("%s: passed is %v", when, got)
		}
	}
	grant := func(amount int64, until time.Duration) ledger.Grant {
		t.Helper()
		g, err := r.Grant(t.Context(), ledger.Grant{Org: "acme", Window: quota.RequestsPerDay, Amount: amount, Until: time.Now().Add(until), Reason: "a test", Author: "tester"})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	for range tightLimit {
		r.Pass("tight", "")
	}
	pass("the last but one", true)
	pass("the last", true)
	pass("spent", false)

	long := grant(2, time.Hour)
	r.want("granted", "wide", acmeWindows(5, 7, -1))
	if r.Pass("tight", "This key's requests_per_day") {
		t.Error("the grant has lifted the window of a key")
	}
	pass("granted", true)
	r.Restart()
	r.want("granted, after a restart", "wide", acmeWindows(6, 7, -1))
	pass("granted, after a restart", true)
	pass("the grant is spent", false)
	if _, err := r.Revoke(t.Context(), long.ID, "another"); err != nil {
		t.Fatal(err)
	}
	r.want("revoked", "wide", acmeWindows(7, 5, -1))
	pass("revoked", false)
	r.Restart()
	r.want("revoked, after a restart", "wide", acmeWindows(7, 5, -1))

	short := grant(3, 5*time.Second)
	pass("granted for a moment", true)
	eventually(t, "it is over", func() bool { return time.Now().After(short.Until) })
	r.want("over", "wide", acmeWindows(8, 5, -1))
	pass("over", false)
	all, err := r.Grants(t.Context(), true)
	if err != nil || len(all) != 2 || all[0].ID != long.ID || all[0].Revoker != "another" || all[0].Revoked.IsZero() || all[1].ID != short.ID || !all[1].Revoked.IsZero() {
		t.Errorf("the grants are %+v, %v", all, err)
	}
	if valid, err := r.Grants(t.Context(), false); err != nil || len(valid) != 0 {
		t.Errorf("in force are %+v, %v", valid, err)
	}
}
