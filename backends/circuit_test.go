package backends

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// signs are what can happen to a circuit, by their names in the tables below.
var signs = map[string]func(*circuit){
	"probe":    (*circuit).probed,
	"no-probe": func(c *circuit) { c.fail(ProbeFailed) },
	"answer":   (*circuit).answered,
	"no-conn":  func(c *circuit) { c.fail(ConnectFailed) },
	"reset":    func(c *circuit) { c.fail(Reset) },
	"5xx":      func(c *circuit) { c.fail(ServerError) },
	"time-out": func(c *circuit) { c.fail(TimedOut) },
	"key":      func(c *circuit) { c.fail(KeyRefused) },
	"take":     func(c *circuit) { c.take() },
	"leave":    (*circuit).leave,
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newCircuit(fall, rise int) (*circuit, *clock, *int) {
	ck := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	changes := new(int)
	return &circuit{fall: fall, rise: rise, now: ck.now, changed: func() { *changes++ }}, ck, changes
}

func TestCircuit(t *testing.T) {
	for _, c := range []struct{ name, steps string }{
		{"a probe makes it healthy", "probe=healthy"},
		{"a first failure leaves it out", "no-probe=down"},
		{"an answer makes it healthy", "answer=healthy"},
		{"a failure degrades", "probe 5xx=degraded"},
		{"fall failures in a row open", "probe 5xx 5xx=degraded 5xx=down"},
		{"failures of any kind add up", "probe 5xx reset=degraded time-out=down"},
		{"an answer between starts anew", "probe 5xx 5xx answer=degraded 5xx 5xx=degraded 5xx=down"},
		{"a probe does not forgive failed requests", "probe 5xx probe probe probe=degraded 5xx probe probe=degraded 5xx=down"},
		{"an answer does not forgive failed probes", "probe no-probe answer answer answer=degraded no-probe answer=degraded no-probe=down"},
		{"rise answers heal", "probe 5xx answer=degraded answer=healthy"},
		{"an answer and a probe heal", "probe 5xx answer probe=healthy"},
		{"probes heal what probes found", "probe no-probe probe=degraded probe=healthy"},
		{"a failure starts the count of successes anew", "probe 5xx answer 5xx answer=degraded answer=healthy"},

		{"probes close after connections failed", "probe no-conn no-conn no-conn=down +1s probe=down probe=healthy"},
		{"probes close after probes failed", "no-probe=down +1s probe=down probe=healthy"},
		{"not before the back-off is over", "no-probe=down probe probe probe=down +1s probe=healthy"},
		{"after failed requests a request decides", "probe 5xx 5xx 5xx=down +1s probe probe=trial probe=trial"},
		{"the trial succeeds", "probe 5xx 5xx 5xx +1s probe probe=trial take answer=healthy"},
		{"the trial fails", "probe 5xx 5xx 5xx +1s probe probe=trial take 5xx=down"},
		{"the back-off doubles", "probe 5xx 5xx 5xx +1s probe probe=trial 5xx=down +1s probe probe=down +1s probe=trial"},
		{"the back-off has an end", "probe 5xx 5xx 5xx +1s probe probe 5xx +2s probe probe 5xx +4s probe probe 5xx +8s probe probe 5xx " +
			"+16s probe probe 5xx +30s probe probe=trial 5xx +29s probe probe=down +1s probe=trial"},
		{"and starts anew once it was healthy", "probe 5xx 5xx 5xx +1s probe probe 5xx +2s probe probe answer=healthy 5xx 5xx 5xx=down +1s probe probe=trial"},
		{"one mixed failure makes it a trial", "probe no-conn no-conn reset=down +1s probe probe=trial"},
		{"what was forgiven makes no trial later", "probe 5xx answer probe=healthy no-conn no-conn no-conn=down +1s probe probe=healthy"},
		{"a refused key counts", "probe key key key=down +1s probe probe=trial"},
		{"failures while it is down prolong nothing", "probe no-conn no-conn no-conn=down no-conn no-probe +1s probe probe=healthy"},
		{"a probe that fails ends the trial", "probe 5xx 5xx 5xx +1s probe probe=trial no-probe=down"},
		{"an answer while it is down changes nothing", "probe 5xx 5xx 5xx answer answer answer=down"},
	} {
		t.Run(c.name, func(t *testing.T) {
			circuit, ck, changes := newCircuit(3, 2)
			state, seen := Unknown, 0
			for _, step := range strings.Fields(c.steps) {
				sign, want, checked := strings.Cut(step, "=")
				if d, err := time.ParseDuration(sign); err == nil {
					ck.at = ck.at.Add(d)
					continue
				}
				signs[sign](circuit)
				if circuit.state != state {
					state = circuit.state
					seen++
					if !circuit.since.Equal(ck.at) {
						t.Errorf("after %q: since %v, want %v", step, circuit.since, ck.at)
					}
				}
				if checked && state.String() != want {
					t.Fatalf("after %q: %s (%s)", step, state, circuit.reason)
				}
				if (circuit.reason == "") != (state == Healthy) {
					t.Errorf("after %q: %s for the reason %q", step, state, circuit.reason)
				}
			}
			if seen != *changes {
				t.Errorf("%d changes were told of %d", *changes, seen)
			}
		})
	}
}

// However things come, these hold.
func TestCircuitAlways(t *testing.T) {
	names := slices.Sorted(maps.Keys(signs))
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		c, ck, _ := newCircuit(1+rnd.IntN(3), 1+rnd.IntN(3))
		taken := false
		for range 200 {
			before, until := c.state, c.openUntil
			switch i := rnd.IntN(len(names) + 2); {
			case i >= len(names):
				ck.at = ck.at.Add(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			default:
				if names[i] == "take" {
					ok := c.take()
					if ok && (before == Down || before == Trial && taken) {
						t.Fatalf("seed %d: a request was let through, %s", seed, before)
					}
					taken = before == Trial
				} else {
					signs[names[i]](c)
				}
				if names[i] == "leave" || c.state != before {
					taken = false
				}
			}
			if before == Down && c.state != Down && ck.at.Before(until) {
				t.Fatalf("seed %d: %s before the back-off was over", seed, c.state)
			}
			if c.clean.Load() && (c.state != Healthy || c.requestFails+c.probeFails > 0) {
				t.Fatalf("seed %d: clean, but %s", seed, c.state)
			}
			if (c.choice() == 0) != (c.state == Down || c.state == Trial && c.trial) {
				t.Fatalf("seed %d: choice %d while %s", seed, c.choice(), c.state)
			}
		}
	}
}
