package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"pilothouse/backends/sim"
)

// crashRounds is how often the gateway is killed: few times here, and as often
// as the environment says in the long run of make crash.
func crashRounds(t *testing.T) int {
	text := os.Getenv("PILOTHOUSE_CRASH_ROUNDS")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("PILOTHOUSE_CRASH_ROUNDS: got %q, want a number above 0", text)
	}
	return n
}

// oracle knows what happened, whatever the gateway says of it: what the engine
// did for each request, and what of it has come to the client whole.
type oracle struct {
	mu     sync.Mutex
	engine map[string]sim.Generated
	client map[string]receipt
	kinds  map[string]int // of requests that were sent

	refused atomic.Int64 // for the quota

	strike atomic.Pointer[os.Process] // killed by the first client that has a whole answer
}

func newOracle() *oracle {
	return &oracle{engine: map[string]sim.Generated{}, client: map[string]receipt{}, kinds: map[string]int{}}
}

// receipt is what an answer told its client, the last byte included.
type receipt struct{ prompt, completion int64 }

func (o *oracle) observe(g sim.Generated) {
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := o.engine[g.RequestID]
	sum.Prompt = max(sum.Prompt, g.Prompt)
	sum.Tokens += g.Tokens
	o.engine[g.RequestID] = sum
}

func (o *oracle) received(id string, r receipt) {
	if victim := o.strike.Swap(nil); victim != nil {
		_ = victim.Kill() // it may have ended
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.client[id] = r
}

// receipts adds up what clients have got.
func (o *oracle) receipts() (requests, tokens int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.client {
		requests++
		tokens += r.prompt + r.completion
	}
	return requests, tokens
}

// TestCrash kills the gateway in the middle of everything, again and again. What
// clients have got whole is in the ledger, to the token; nothing is in it that
// the engine did not do; nothing is in it twice; and the gateway goes on from
// there at once.
func TestCrash(t *testing.T) {
	const key, model = "sk-test-of-the-crash-loop", "m"
	o := newOracle()
	backend := simulate(t, sim.Config{Model: model, Speed: 10, Observe: o.observe})
	dir := t.TempDir()
	config := crashSetup(t, dir, backend, model, key, 1_000_000_000)
	rounds := crashRounds(t)
	var starts []time.Duration
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for round := range rounds {
		began := time.Now()
		p, at := start(t, nil, "serve", "--config", config)
		starts = append(starts, time.Since(began))
		url := at["clients"].(string)
		requests, tokens := o.receipts()
		if w := usageOf(t, url, key); w["requests_per_day"] < requests || w["tokens_per_day"] < tokens {
			t.Fatalf("round %d: the quotas stand at %v after %d requests and %d tokens", round, w, requests, tokens)
		}
		ctx, stop := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for i := range 16 {
			c := newCrashClient(o, url, key, model, fmt.Sprintf("r%d-c%d", round, i), random.Uint64())
			clients.Go(func() { c.run(ctx) })
		}
		// The moment is what the test is about: any will do, and the worst is
		// right after the last byte of an answer. Now and then, a second or more
		// has the journal drained meanwhile.
		moment := time.Duration(20+random.IntN(480)) * time.Millisecond
		if round%5 == 4 {
			moment += time.Second
		}
		time.Sleep(moment)
		if round%2 == 0 {
			p.kill()
		} else {
			o.strike.Store(p.Process)
			p.dead(t)
		}
		stop()
		clients.Wait()
		o.strike.Store(nil)
	}
	// The first had nothing to recover: it tells how fast the machine is.
	if first, half := starts[0], slices.Sorted(slices.Values(starts[1:]))[(len(starts)-1)/2]; len(starts) > 2 && half > time.Second+first {
		t.Errorf("half of the restarts took %v or more, and the first start %v", half, first)
	}
	p, at := start(t, nil, "serve", "--config", config)
	after := usageOf(t, at["clients"].(string), key)
	p.terminate(t)
	all := newAccount()
	o.judge(t, dir, all)
	o.complete(t, all)
	if after["requests_per_day"] != all.counted || after["tokens_per_day"] != all.tokens {
		t.Errorf("the quotas stand at %v, the ledger's rows add up to %d requests and %d tokens", after, all.counted, all.tokens)
	}
	requests, tokens := o.receipts()
	t.Logf("%d kills: %v sent, %d answers with %d tokens received whole, slowest start %v", rounds, o.kinds, requests, tokens, slices.Max(starts))
}

// account is what the rows of one or several ledgers add up to.
type account struct {
	written         map[string]bool // ids
	ends            map[string]int
	counted, tokens int64
}

// judge holds a gateway's ledger against what happened, and adds it up.
func (o *oracle) judge(t *testing.T, dir string, all *account) {
	t.Helper()
	path := filepath.Join(dir, "ledger", "ledger.db")
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT id, end_state, prompt_tokens, completion_tokens, estimated, counted FROM requests")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	for rows.Next() {
		var id, end string
		var prompt, completion int64
		var estimated, counts bool
		if err := rows.Scan(&id, &end, &prompt, &completion, &estimated, &counts); err != nil {
			t.Fatal(err)
		}
		if all.written[id] {
			t.Errorf("%s is in the ledger twice", id)
		}
		all.written[id] = true
		all.ends[end]++
		if counts {
			all.counted++
			all.tokens += prompt + completion
		}
		did := o.engine[id]
		if completion > int64(did.Tokens) {
			t.Errorf("%s (%s): %d tokens in the ledger, the engine generated %d", id, end, completion, did.Tokens)
		}
		if !estimated && prompt > int64(did.Prompt) {
			t.Errorf("%s (%s): a prompt of %d tokens in the ledger, the engine read %d", id, end, prompt, did.Prompt)
		}
		if got, ok := o.client[id]; ok && (prompt < got.prompt || completion < got.completion || !counts) {
			t.Errorf("%s (%s): %d and %d tokens in the ledger, counted %v; its client got %+v whole", id, end, prompt, completion, counts, got)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// complete holds what all ledgers have against what happened.
func (o *oracle) complete(t *testing.T, all *account) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range o.client {
		if !all.written[id] {
			t.Errorf("%s was answered whole and is in no ledger", id)
		}
	}
	for id := range o.engine {
		if !all.written[id] {
			t.Errorf("%s was with the engine and is in no ledger", id)
		}
	}
	if all.ends["interrupted"] == 0 || all.ends["done"] == 0 || all.ends["client_left"] == 0 {
		t.Errorf("requests ended as %v: the test shows nothing", all.ends)
	}
	t.Logf("in the ledger: %v", all.ends)
}

func newAccount() *account { return &account{written: map[string]bool{}, ends: map[string]int{}} }

// simulate serves a simulated backend until the test ends.
func simulate(t *testing.T, c sim.Config) (url string) {
	t.Helper()
	s, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// crashSetup writes the files of a gateway with one backend and one key.
func crashSetup(t *testing.T, dir, backend, model, key string, tokensPerDay int64, more ...string) (config string) {
	t.Helper()
	config = filepath.Join(dir, "config.toml")
	write(t, config, fmt.Sprintf(`
[server]
listen = "127.0.0.1:0"
admin_listen = "off"
state_dir = %q
[limits]
requests_per_second = 0
[[backend]]
name = "b"
model = %q
urls = [%q]
%s
`, dir, model, backend, strings.Join(more, "\n")))
	write(t, filepath.Join(dir, "keys.toml"), fmt.Sprintf(`
[[org]]
name = "acme"
requests_per_day = 10_000_000
tokens_per_day = %d
[[org.key]]
id = "k1"
name = "test"
sha256 = "%x"
`, tokensPerDay, sha256.Sum256([]byte(key))))
	return config
}

// usageOf is what has been used of each window of a key's organisation.
func usageOf(t *testing.T, url, key string) map[string]int64 {
	t.Helper()
	code, body := send(t, "GET", url+"/v1/usage", key, "")
	var usage struct {
		Windows []struct {
			Name string
			Used int64
		}
	}
	if err := json.Unmarshal([]byte(body), &usage); err != nil || code != 200 {
		t.Fatalf("usage: status %d, %v: %s", code, err, body)
	}
	used := map[string]int64{}
	for _, w := range usage.Windows {
		used[w.Name] = w.Used
	}
	return used
}

// kill ends the process as a crash does.
func (p *process) kill() {
	_ = p.Process.Kill() // it may have ended
	err := <-p.gone
	p.gone <- err
}

// dead waits until the process has been killed.
func (p *process) dead(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.gone:
		p.gone <- err
	case <-time.After(60 * time.Second):
		t.Fatalf("nobody killed it:\n%s", p.log())
	}
}

// terminate ends the process as an operator does.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := <-p.gone
	p.gone <- err
	if err != nil {
		t.Errorf("it ended with %v:\n%s", err, p.log())
	}
}
