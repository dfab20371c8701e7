package gateway_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// small is the experiment at an eighth of its size: with requests a quarter as
// long and a cache an eighth as large, its times are short enough for a test.
var small = overload{speed: 4, span: 120 * time.Second, prompt: 150, output: 60, beyond: 40, cache: 12_288}

// What small's engine and the modest ones alone come to where the machine keeps
// pace with the simulation: some 33,100 tokens, and 0.45 s.
const (
	paceTokens = 30_000
	paceFirst  = time.Second
)

// TestOverload is BenchmarkAdmission in small: one greedy and four modest
// organisations ask for twice what an engine can do, and the modest ones hardly
// notice. The experiments run side by side, so that what else the machine does
// happens to all of them. Where it does so much that it can't keep pace with the
// simulation, which shows in what does not have the gateway between or has no
// greedy one, times say little of the gateway: then it is held to less.
func TestOverload(t *testing.T) {
	const capacity = 4.0 // answers a second, about
	var modest []load
	for i := range 4 {
		modest = append(modest, load{fmt.Sprint("m", i), capacity * 0.05})
	}
	both := append([]load{{"greedy", capacity * 1.8}}, modest...)
	var running sync.WaitGroup
	run := func(x *overload, loads ...load) *figures {
		f := &figures{}
		running.Go(func() {
			f.greedy, f.modest, f.tokens = sums(x.run(t, loads...))
			f.preemptions = x.engine.Load().Preemptions
		})
		return f
	}
	most := start(t, small, false)
	most.limit = make(chan struct{}, 40)
	best := run(most, load{"greedy", 50})
	alone := run(start(t, small, true), modest...)
	with := run(start(t, small, true), both...)
	without := run(start(t, small, false), both...)
	running.Wait()
	t.Logf("the engine's best: %v", best)
	t.Logf("modest ones alone: %v", alone)
	t.Logf("admission: %v", with)
	t.Logf("no admission: %v", without)

	pace := best.tokens >= paceTokens && alone.modest.quantile(95) <= paceFirst
	tokens, preempted, refused := 75, uint64(30), 0
	if !pace {
		t.Log("the machine does not keep pace")
		tokens, preempted, refused = 50, 10, 5
	}
	if with.preemptions > without.preemptions/10 || without.preemptions < preempted {
		t.Errorf("%d preemptions, and %d without admission", with.preemptions, without.preemptions)
	}
	if with.tokens < best.tokens*tokens/100 {
		t.Errorf("%d tokens, and %d at best", with.tokens, best.tokens)
	}
	if with.modest.refused+with.modest.failed > refused || len(with.modest.first) < 40 {
		t.Errorf("of the modest ones' %d were answered, %d refused, %d failed", len(with.modest.first), with.modest.refused, with.modest.failed)
	}
	if p := with.modest.quantile(50); p > without.modest.quantile(50)/2 {
		t.Errorf("half of the modest ones wait %v, without admission %v", p, without.modest.quantile(50))
	}
	// A busy machine adds some milliseconds, which are more in the engine's time.
	const noise = 500 * time.Millisecond
	if p := with.modest.quantile(95); pace && (p > alone.modest.quantile(95)*5/2+noise || p > without.modest.quantile(95)/10) {
		t.Errorf("the modest ones wait %v, alone %v, without admission %v", p, alone.modest.quantile(95), without.modest.quantile(95))
	}
}

// figures are what came of an experiment.
type figures struct {
	greedy, modest *outcome
	tokens         int
	preemptions    uint64
}

func (f *figures) String() string {
	return fmt.Sprintf("%d tokens; to the first, modest: p50 %v, p95 %v of %d, %d refused, %d failed; greedy: p95 %v of %d, %d refused; %d preemptions",
		f.tokens, f.modest.quantile(50), f.modest.quantile(95), len(f.modest.first), f.modest.refused, f.modest.failed,
		f.greedy.quantile(95), len(f.greedy.first), f.greedy.refused, f.preemptions)
}
