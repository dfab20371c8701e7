package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pilothouse/backends/sim"
	"pilothouse/gateway/redistest"
)

// TestCrashFleet has three gateways share one quota through Redis, kills one of
// them in each round, or Redis, which comes back with what it had or with
// nothing, and goes on until the quota is used up and a while longer. What
// TestCrash says of one ledger holds of each of the three, they agree on what
// was used, and all three together have not let through more than the quota.
func TestCrashFleet(t *testing.T) {
	const key, model = "sk-test-of-the-crash-loop", "m"
	rounds := crashRounds(t)
	quota := int64(5000 * rounds) // is used up before the last of them, or else more follow
	o := newOracle()
	backend := simulate(t, sim.Config{Model: model, Speed: 10, Observe: o.observe})
	redis := redistest.Start(t)
	env := []string{"CRASH_REDIS=" + redis.URL()}
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))

	type member struct {
		dir, config, url string
		process          *process
	}
	var fleet [3]member
	run := func(m *member) {
		var at map[string]any
		m.process, at = start(t, env, "serve", "--config", m.config)
		m.url = at["clients"].(string)
	}
	// Requests wait until the store may lease: that it has begun anew costs each
	// its first two seconds.
	ready := func() {
		for i := range fleet {
			eventually(t, fmt.Sprintf("gateway %d leases", i), func() bool {
				code, _ := send(t, "POST", fleet[i].url+"/v1/chat/completions", key, `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`)
				return code == 200 || code == 429
			})
		}
	}
	for i := range fleet {
		m := &fleet[i]
		m.dir = t.TempDir()
		m.config = crashSetup(t, m.dir, backend, model, key, quota, "[quota]", `store = "redis"`, `redis_url_env = "CRASH_REDIS"`)
		run(m)
	}
	ready()
	for round := 0; round < rounds || o.refused.Load() == 0 && round < 10*rounds; round++ {
		ctx, stop := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for i := range 18 {
			c := newCrashClient(o, fleet[i%len(fleet)].url, key, model, fmt.Sprintf("r%d-c%d", round, i), random.Uint64())
			clients.Go(func() { c.run(ctx) })
		}
		time.Sleep(time.Duration(20+random.IntN(480)) * time.Millisecond) // any moment will do
		victim := &fleet[random.IntN(len(fleet))]
		store := round%5 == 2 || round%5 == 4
		if store {
			redis.Kill()
			if round%5 == 4 {
				redis.Empty()
			}
			redis.Start()
		} else {
			victim.process.kill()
		}
		stop()
		clients.Wait()
		if !store {
			run(victim)
		}
		ready()
	}

	all := newAccount()
	var used map[string]int64
	eventually(t, "the gateways agree on what was used", func() bool {
		first := usageOf(t, fleet[0].url, key)
		for i := range fleet[1:] {
			u := usageOf(t, fleet[i+1].url, key)
			if u["tokens_per_day"] != first["tokens_per_day"] || u["requests_per_day"] != first["requests_per_day"] {
				return false
			}
		}
		used = first
		return true
	})
	for i := range fleet {
		fleet[i].process.terminate(t)
		o.judge(t, fleet[i].dir, all)
	}
	o.complete(t, all)
	if used["requests_per_day"] != all.counted || used["tokens_per_day"] != all.tokens {
		t.Errorf("the gateways say that %v was used, the ledgers have %d tokens of %d requests", used, all.tokens, all.counted)
	}
	// Each of those in flight may have a prompt longer than estimated.
	if slack := int64(18 * 50); all.tokens > quota+slack || all.tokens < quota*9/10 {
		t.Errorf("%d tokens were used of a quota of %d", all.tokens, quota)
	}
	if o.refused.Load() == 0 {
		t.Error("nobody was ever refused: the test shows little")
	}
	requests, tokens := o.receipts()
	t.Logf("%d kills or more: %v sent, %d refused, %d answers with %d tokens received whole, %d used of %d", rounds, o.kinds, o.refused.Load(), requests, tokens, all.tokens, quota)
}
