package gateway_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/redistest"
)

// A store is what quotas are kept in. What holds of one holds of each of them,
// whether one gateway uses it or several: TestStores is the suite that says so.
var stores = []struct {
	name string
	open func(*testing.T, ...func(*setup)) *fleet
}{
	{"sqlite", openSQLite},
	{"redis", func(t *testing.T, change ...func(*setup)) *fleet { return openRedis(t, 1, change...) }},
	{"redis, three gateways", func(t *testing.T, change ...func(*setup)) *fleet { return openRedis(t, 3, change...) }},
}

func TestStores(t *testing.T) {
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			f := store.open(t)
			for _, test := range []struct {
				name string
				run  func(*fleet)
			}{
				{"windows", (*fleet).testWindows}, {"tokens", (*fleet).testTokens}, {"parallel", (*fleet).testParallel},
				{"grants", (*fleet).testGrants}, {"restart", (*fleet).testRestart},
			} {
				f.run(t, test.name, test.run)
			}
		})
		for choice, test := range map[string]func(*fleet){"refuse": (*fleet).testLossRefused, "allow": (*fleet).testLossAllowed} {
			t.Run(store.name+", lost, "+choice, func(t *testing.T) {
				t.Parallel()
				f := store.open(t, func(s *setup) {
					s.Config.Quota.OnStoreLoss, s.Config.Quota.OnLedgerFailure = choice, choice
					s.Config.Quota.LeaseTTL = backends.Duration(2 * time.Second) // as long as leases in hand can be used
				})
				test(f)
			})
		}
	}
}

// run runs a part of a test against gateways that outlive it.
func (f *fleet) run(t *testing.T, name string, test func(*fleet)) {
	t.Run(name, func(t *testing.T) {
		whole := f.t
		f.t = t
		defer func() { f.t = whole }()
		test(f)
	})
}

// fleet is a store, with the gateways that keep their quotas in it, and an
// engine that knows how much it has done for each organisation.
type fleet struct {
	t        *testing.T
	whole    *testing.T // at whose end the gateways stop
	engine   *engine
	gateways []*service
	setups   []func(*setup)
	lose     func() // the store fails
	mend     func() // it is well again

	mu    sync.Mutex
	spent map[string]int64 // tokens, by organisation
	asked map[string]int64 // requests that were answered
	turn  atomic.Int64
}

// storeOrgs are the organisations of the suite: one for each window, with room
// for three requests in it, the same for keys of their own, and one with plenty.
func storeOrgs() (text string, secrets map[string]string) {
	secrets = map[string]string{}
	var b strings.Builder
	add := func(org, orgLimit, keyLimit string) {
		fmt.Fprintf(&b, "[[org]]\nname = %q\n", org)
		for _, w := range storeWindows { // those of every organisation end here
			if limit := w.name + " = 0"; !strings.HasPrefix(orgLimit, w.name) {
				fmt.Fprintln(&b, limit)
			}
		}
		fmt.Fprintln(&b, orgLimit)
		for _, key := range []string{org, org + "-other"} {
			secrets[key] = "sk-made-for-this-test-" + key
			limit := keyLimit
			if key != org {
				limit = ""
			}
			fmt.Fprintf(&b, "[[org.key]]\nid = %q\nname = %q\nsha256 = \"%x\"\n%s\n", key, key, sha256.Sum256([]byte(secrets[key])), limit)
		}
	}
	for _, w := range storeWindows {
		limit := fmt.Sprintf("%s = %d", w.name, w.three)
		add("org-"+w.name, limit, "")
		add("key-"+w.name, "", limit)
	}
	add("plenty", "tokens_per_day = 1_000_000_000", "")
	add("some", fmt.Sprintf("tokens_per_day = %d", storeRoom*storeCost+5), "") // an estimate may be a token above
	add("half", fmt.Sprintf("tokens_per_day = %d", storeRoom*storeCost+5), "")
	add("free", "", "")
	return b.String(), secrets
}

// What each request of the suite costs, by the estimate and by the engine alike,
// and how many of them "some" has room for.
const (
	storePrompt = 11 // of chat(…, "hey")
	storeOutput = 89
	storeCost   = storePrompt + storeOutput
	storeRoom   = 60
)

var storeWindows = []struct {
	name  string
	three int
}{
	{"requests_per_day", 3}, {"tokens_per_day", 3*storeCost + 1}, {"requests_per_month", 3}, {"tokens_per_month", 3*storeCost + 1},
}

// newFleet starts so many gateways.
func newFleet(t *testing.T, gateways int, change ...func(*setup)) *fleet {
	t.Helper()
	if estimate("hey") != storePrompt {
		t.Fatalf("a prompt is estimated at %d tokens, want %d", estimate("hey"), storePrompt)
	}
	f := &fleet{t: t, whole: t, engine: newEngine(t), spent: map[string]int64{}, asked: map[string]int64{}}
	usage := fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, storePrompt, storeOutput)
	f.engine.Answer(func(c *engineConn, r *engineRequest) {
		if strings.Contains(r.Body, `"stream":true`) {
			c.Send(streamHead + chunk(event("a")) + chunk(`data: {"choices":[],`+usage+"\n\n"+done) + "0\r\n\r\n")
		} else {
			c.Send(unary(`{"choices":[],` + usage))
		}
	})
	text, secrets := storeOrgs()
	file := filepath.Join(t.TempDir(), "keys.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range gateways {
		dir := filepath.Join(t.TempDir(), "ledger")
		f.setups = append(f.setups, func(s *setup) {
			s.KeysFile, s.Secrets, s.Ledger = file, secrets, dir
			s.Backends = append(s.Backends, testBackend("chat", testModel, f.engine.URL))
			s.Config.Limits.RequestsPerSecond = 0
			for _, c := range change {
				c(s)
			}
		})
	}
	return f
}

// start starts the gateways, and waits until quotas can be had.
func (f *fleet) start() {
	f.t.Helper()
	f.gateways = nil
	for _, set := range f.setups {
		f.gateways = append(f.gateways, serve(f.whole, set))
	}
	for _, g := range f.gateways {
		eventually(f.t, "quotas can be had", func() bool { return f.at(g, "plenty", false).status == 200 })
	}
}

// openSQLite is one gateway with its ledger on a disk of its own, which lose
// fills.
func openSQLite(t *testing.T, change ...func(*setup)) *fleet {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatalf("mount a tmpfs, for which the tests need root (CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %q: %v", dir, err)
		}
	})
	f := newFleet(t, 1, append(change, func(s *setup) { s.Ledger = filepath.Join(dir, "ledger") })...)
	filler := filepath.Join(dir, "filler")
	f.lose = func() { f.fill(filler) }
	f.mend = func() {
		if err := os.Remove(filler); err != nil {
			t.Error(err)
		}
	}
	f.start()
	return f
}

// fill fills the disk, and what the ledger had in reserve, with rows that
// count for nobody.
func (f *fleet) fill(name string) {
	long := strings.Repeat("x", 1<<10)
	row := &ledger.Row{ID: long, Model: long, Backend: long, Route: long, Code: long, Arrived: time.Now(), Ended: time.Now(), End: ledger.Refused}
	for end := time.Now().Add(patience); ; {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			f.t.Error(err)
			return
		}
		for err == nil {
			_, err = file.Write(make([]byte, 4096))
		}
		if !errors.Is(err, unix.ENOSPC) {
			f.t.Error(err)
		}
		file.Close()
		e, err := f.gateways[0].Ledger.Begin(row)
		if err != nil {
			return
		}
		if err := f.gateways[0].Ledger.End(e, row); err != nil {
			return
		}
		if time.Now().After(end) {
			f.t.Error("the ledger never failed")
			return
		}
	}
}

// openRedis is some gateways on one redis-server, which lose kills.
func openRedis(t *testing.T, gateways int, change ...func(*setup)) *fleet {
	server := redistest.Start(t)
	f := newFleet(t, gateways, append(change, func(s *setup) { s.Redis = server.URL() })...)
	f.lose, f.mend = server.Kill, server.Start
	f.start()
	return f
}

// reply is what became of a request.
type reply struct {
	status int
	code   string
	text   string
	header func(string) string
}

// at sends one request with a key to a gateway.
func (f *fleet) at(g *service, key string, stream bool) reply {
	body := strings.Replace(chat(stream, "hey"), "{", fmt.Sprintf(`{"max_tokens":%d,`, storeOutput), 1)
	resp, text := g.Do("POST", "/v1/chat/completions", key, body)
	r := reply{status: resp.StatusCode, text: text, header: resp.Header.Get}
	if _, code, ok := strings.Cut(text, `"code":"`); ok {
		r.code, _, _ = strings.Cut(code, `"`)
	}
	if r.status == 200 && r.code == "" {
		f.mu.Lock()
		f.asked[orgOf(key)]++
		f.spent[orgOf(key)] += storeCost
		f.mu.Unlock()
	}
	return r
}

func orgOf(key string) string { return strings.TrimSuffix(key, "-other") }

// ask sends one request to the gateway whose turn it is.
func (f *fleet) ask(key string) reply {
	n := f.turn.Add(1)
	return f.at(f.gateways[int(n)%len(f.gateways)], key, n%2 == 0)
}

// agree waits until all gateways say that an organisation has used what the
// engine has done for it, and holds the ledgers against that.
func (f *fleet) agree(org string) {
	f.t.Helper()
	f.agreeOf(org, f.gateways)
	var sum ledger.Sum
	for _, g := range f.gateways {
		s, err := g.Ledger.Usage(f.t.Context(), ledger.Query{Org: org})
		if err != nil {
			f.t.Fatal(err)
		}
		sum.Counted += s[0].Counted
		sum.Prompt += s[0].Prompt
		sum.Completion += s[0].Completion
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if sum.Counted != f.asked[org] || sum.Prompt+sum.Completion != f.spent[org] {
		f.t.Errorf("the ledgers have %d tokens of %d requests, the engine gave %d of %d", sum.Prompt+sum.Completion, sum.Counted, f.spent[org], f.asked[org])
	}
}

// agreeOf waits until some gateways say so.
func (f *fleet) agreeOf(org string, gateways []*service) {
	f.t.Helper()
	f.mu.Lock()
	requests, tokens := f.asked[org], f.spent[org]
	f.mu.Unlock()
	for i, g := range gateways {
		eventually(f.t, fmt.Sprintf("gateway %d says that %s has used %d tokens of %d requests", i, org, tokens, requests), func() bool {
			u := g.Usage(org)
			return u["tokens_per_day"].Used == tokens && u["tokens_per_month"].Used == tokens && u["requests_per_day"].Used == requests &&
				u["tokens_per_day"].Reserved == 0 && u["requests_per_day"].Reserved == 0
		})
	}
}

// testWindows: each window, of an organisation or of a key, lets through what
// fits, and is named where nothing fits any more, to whoever asks. It holds
// nobody else up.
func (f *fleet) testWindows() {
	for _, w := range storeWindows {
		for _, whose := range []string{"org", "key"} {
			key := whose + "-" + w.name
			for i := range 3 {
				if len(f.gateways) == 1 {
					if r := f.ask(key); r.status != 200 {
						f.t.Errorf("%s: one of three that fit got %d %s", key, r.status, r.text)
					}
				} else { // another gateway may have leased the rest, and gives it back
					eventually(f.t, "one of three passes that fit "+key, func() bool { f.ask(key); return f.asked[key] > int64(i) })
				}
			}
			for range len(f.gateways) + 1 {
				r := f.ask(key)
				wait, err := time.ParseDuration(r.header("Retry-After") + "s")
				if r.status != 429 || r.code != "quota_exceeded" || !strings.Contains(r.text, w.name) || r.header("X-Should-Retry") != "false" || err != nil {
					f.t.Errorf("%s: a fourth got %d %s, Retry-After %q", key, r.status, r.text, r.header("Retry-After"))
				}
				now := time.Now().UTC()
				ends := now.Truncate(24*time.Hour).AddDate(0, 0, 1)
				if strings.HasSuffix(w.name, "month") {
					ends = time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
				}
				if off := now.Add(wait).Sub(ends); off < -time.Minute || off > time.Minute {
					f.t.Errorf("%s: Retry-After %v, and the window ends at %v", key, wait, ends)
				}
			}
			status := 429
			if whose == "key" {
				status = 200
			}
			if r := f.ask(key + "-other"); r.status != status {
				f.t.Errorf("%s: another key of the organisation got %d, want %d", key, r.status, status)
			}
		}
	}
	for range 5 {
		if r := f.ask("free"); r.status != 200 || r.header("X-Ratelimit-Limit-Tokens") != "" {
			f.t.Errorf("without limits: %d, X-Ratelimit-Limit-Tokens %q", r.status, r.header("X-Ratelimit-Limit-Tokens"))
		}
	}
}

// testTokens: what gateways say was used is what the engine did, to the token.
func (f *fleet) testTokens() {
	for range 30 {
		if r := f.ask("plenty"); r.status != 200 {
			f.t.Errorf("%d %s", r.status, r.text)
		}
	}
	f.agree("plenty")
}

// testParallel: 200 clients at once pass no more than there is room for, and
// what nobody has used can be had by whoever asks.
func (f *fleet) testParallel() {
	var clients sync.WaitGroup
	for i := range 200 {
		clients.Go(func() {
			if r := f.at(f.gateways[i%len(f.gateways)], "some", i%2 == 0); r.status != 200 && r.code != "quota_exceeded" {
				f.t.Errorf("%d %s", r.status, r.text)
			}
		})
	}
	clients.Wait()
	if n := f.asked["some"]; n > storeRoom || n < storeRoom/2 {
		f.t.Errorf("%d of 200 requests passed, want at most the %d that fit", n, storeRoom)
	}
	eventually(f.t, "all of the quota is used", func() bool { f.ask("some"); return f.asked["some"] >= storeRoom })
	for range 2 * len(f.gateways) {
		if r := f.ask("some"); r.code != "quota_exceeded" {
			f.t.Errorf("after all was used: %d %s", r.status, r.text)
		}
	}
	if n := f.asked["some"]; n != storeRoom {
		f.t.Errorf("%d requests passed, want %d", n, storeRoom)
	}
	f.agree("some")
}

// testRestart: gateways that stop and start again go on from where they were.
func (f *fleet) testRestart() {
	for range storeRoom / 2 {
		f.ask("half")
	}
	f.agree("half")
	for _, g := range f.gateways {
		g.Stop()
	}
	f.start()
	for _, key := range []string{"half", "some", granted, "plenty"} { // start has asked for the last
		f.agree(key)
	}
	eventually(f.t, "the rest is used", func() bool { return f.ask("half").code == "quota_exceeded" && f.asked["half"] >= storeRoom })
	if n := f.asked["half"]; n != storeRoom {
		f.t.Errorf("%d requests passed over a restart, want %d", n, storeRoom)
	}
	for _, g := range f.gateways {
		if w := g.Usage(granted)["requests_per_month"]; w.Limit != 8 {
			f.t.Errorf("after a restart, with what was granted: %+v", w)
		}
	}
}

// granted is whose window testGrants adds to: it is spent by then.
const granted = "org-requests_per_month"

// testGrants: a grant at one gateway makes room at all of them, and its
// revocation ends that at all of them.
func (f *fleet) testGrants() {
	limit := func(what string, want int64) {
		for i, g := range f.gateways {
			eventually(f.t, fmt.Sprintf("%s at gateway %d", what, i), func() bool { return g.Usage(granted)["requests_per_month"].Limit == want })
		}
	}
	pass := func(requests int64) {
		eventually(f.t, fmt.Sprintf("%d have passed", requests), func() bool { f.ask(granted); return f.asked[granted] == requests })
	}
	grant := func(amount int64) ledger.Grant {
		g, err := f.gateways[0].Grant(f.t.Context(), ledger.Grant{Org: granted, Window: "requests_per_month", Amount: amount,
			Until: time.Now().Add(time.Hour), Reason: "a test", Author: "tester"})
		if err != nil {
			f.t.Fatal(err)
		}
		return g
	}
	one, two := grant(4), grant(5)
	limit("granted", 12)
	pass(6)
	if _, err := f.gateways[len(f.gateways)-1].Revoke(f.t.Context(), one.ID, "tester"); err != nil {
		f.t.Fatal(err)
	}
	limit("revoked "+one.ID+" and not "+two.ID, 8)
	pass(8)
	for range 2 * len(f.gateways) {
		if r := f.ask(granted); r.code != "quota_exceeded" {
			f.t.Errorf("after all was used: %d %s", r.status, r.text)
		}
	}
	f.agree(granted)
}

// storm has clients ask all gateways all the time, while what is called.
func (f *fleet) storm(what func(codes func() map[string]int)) map[string]int {
	var mu sync.Mutex
	seen := map[string]int{}
	var over atomic.Bool
	var clients sync.WaitGroup
	for i := range 12 {
		clients.Go(func() {
			for n := i; !over.Load(); n++ {
				r := f.at(f.gateways[i%len(f.gateways)], "plenty", n%2 == 0)
				time.Sleep(5 * time.Millisecond) // as fast as this machine can, it would fill any memory
				mu.Lock()
				seen[r.code]++
				mu.Unlock()
			}
		})
	}
	codes := func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		all := seen
		seen = map[string]int{}
		return all
	}
	what(codes)
	over.Store(true)
	clients.Wait()
	return codes()
}

// testLossRefused: while the store fails, requests are refused, once what the
// gateways had of it is used up; with what they let through, all agree when it
// is well again.
func (f *fleet) testLossRefused() {
	refused := map[string]int{}
	f.storm(func(codes func() map[string]int) {
		f.lose()
		eventually(f.t, "all requests are refused", func() bool {
			time.Sleep(20 * time.Millisecond)
			now := codes()
			for code, n := range now {
				refused[code] += n
			}
			return now[""] == 0 && len(now) > 0
		})
		for _, g := range f.gateways {
			b := g.Snapshot().Books
			eventually(f.t, "the gateway says so", func() bool { b = g.Snapshot().Books; return b.Ledger.Refusing || b.Fleet.Err != "" })
		}
		f.mend()
		eventually(f.t, "requests pass again", func() bool { time.Sleep(20 * time.Millisecond); now := codes(); return now[""] > 0 && len(now) == 1 })
	})
	for code := range refused {
		if code != "" && code != "ledger_unavailable" && code != "quota_unavailable" {
			f.t.Errorf("while the store failed, answers were %v", refused)
		}
	}
	f.agree("plenty")
}

// testLossAllowed: nobody is refused while the store fails, and all agree when
// it is well again.
func (f *fleet) testLossAllowed() {
	total := map[string]int{}
	rest := f.storm(func(codes func() map[string]int) {
		f.lose()
		for _, g := range f.gateways {
			eventually(f.t, "the gateway says so", func() bool { b := g.Snapshot().Books; return b.Ledger.Refusing || b.Fleet.Err != "" })
		}
		codes()
		eventually(f.t, "200 more pass", func() bool {
			time.Sleep(20 * time.Millisecond)
			for code, n := range codes() {
				total[code] += n
			}
			return total[""] > 200
		})
		f.mend()
		for _, g := range f.gateways {
			eventually(f.t, "the gateway says that it is well", func() bool {
				b := g.Snapshot().Books
				return b.Ledger.Err == "" && b.Ledger.Backlog == 0 && b.Fleet.Err == ""
			})
		}
	})
	for code, n := range rest {
		total[code] += n
	}
	if len(total) != 1 || total[""] == 0 {
		f.t.Errorf("answers were %v", total)
	}
	f.agree("plenty")
}
