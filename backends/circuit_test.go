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
	"no-probe": func(c *circuit) { c.unwell(errored) },
	"refused":  func(c *circuit) { c.unwell(refused) },
	"unnamed":  func(c *circuit) { c.unwell(unnamed) },
	"broken":   func(c *circuit) { c.unwell(brokeOff) },
	"503":      func(c *circuit) { c.unwell(unready) },
	"lacking":  func(c *circuit) { c.unwell(lacking) },
	"silent":   func(c *circuit) { c.unwell(silent) },
	"answer":   (*circuit).answered,
	"no-conn":  func(c *circuit) { c.fail(ConnectFailed) },
	"reset":    func(c *circuit) { c.fail(Reset) },
	"5xx":      func(c *circuit) { c.fail(ServerError) },
	"time-out": func(c *circuit) { c.fail(TimedOut) },
	"key":      func(c *circuit) { c.fail(KeyRefused) },
	"stuck":    func(c *circuit) { c.stuck("it makes no step") },
	"moves":    (*circuit).moved,
	"rests":    (*circuit).rested,
	"start":    func(c *circuit) { c.start(Starting, c.now(), "its container is started") },
	"load":     func(c *circuit) { c.start(Loading, c.now(), "its container runs") },
	"drain":    func(c *circuit) { c.retire(true, "ana drained it") },
	"undrain":  func(c *circuit) { c.retire(false, "") },
	"take":     func(c *circuit) { c.take() },
	"leave":    (*circuit).leave,
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func testCircuit(fall, rise int) (*circuit, *clock, *int) {
	ck := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	changes := new(int)
	c := newCircuit(ck.now, func() { *changes++ })
	c.tune(Health{Fall: fall, Rise: rise, Ramp: Duration(30 * time.Second)})
	return &c, ck, changes
}

// shown is the state's name, or "trial" for one request at a time.
func (c *circuit) shown() string {
	if c.phase == half && c.state == Degraded {
		return "trial"
	}
	return c.state.String()
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

		{"nothing listens yet", "refused=starting +1s refused=starting probe=starting probe=healthy"},
		{"nor has its host a name", "unnamed=starting"},
		{"it listens and is not ready", "refused=starting 503=loading +1s probe probe=healthy"},
		{"it loads from the first look", "503=loading broken=loading lacking=loading +1s probe probe=healthy"},
		{"it serves something else", "lacking=loading +1s probe=loading probe=healthy"},
		{"a request finds it before the first probe", "no-conn=down refused=starting"},
		{"it is silent from the start", "silent=down"},
		{"it stops and is started by others", "probe refused refused=degraded refused=down +1s 503=loading refused=down 503=loading probe probe=healthy"},
		{"its engine dies behind its front", "probe 503 503=degraded 503=down 503=down +1s probe probe=healthy"},
		{"its container is started", "probe start=starting refused=starting load=loading refused=loading broken=loading 503=loading silent=loading probe probe=healthy"},
		{"a start forgets what was before it", "probe 5xx 5xx 5xx=down start=starting probe probe=healthy"},

		{"it makes no progress", "probe stuck=hung"},
		{"whatever its health check says", "probe stuck +9s probe probe probe=hung"},
		{"or an answer's head", "probe stuck +9s answer answer answer=hung"},
		{"until it moves", "probe stuck +1s moves=healthy"},
		{"not before the back-off is over", "probe stuck moves=hung +1s moves=healthy"},
		{"left with nothing to do, a request decides", "probe stuck +1s rests=hung probe probe rests=trial"},
		{"which needs bytes, not a head", "probe stuck +1s probe probe rests=trial take answer=trial moves=healthy"},
		{"or hangs again, for longer", "probe stuck +1s probe probe rests=trial take stuck=hung +1s probe probe rests=hung +1s rests=trial"},
		{"hung ones that die are down", "probe stuck=hung silent=hung no-probe=hung 503=down"},
		{"and so are those that are gone", "probe stuck=hung refused=down"},
		{"time-outs of what is there change nothing", "probe stuck time-out time-out time-out time-out=hung"},
		{"silence gets its right name", "probe time-out time-out time-out=down stuck=hung"},
		{"a server error is no silence", "probe 5xx 5xx 5xx=down stuck=down"},
		{"stuck before it was probed", "stuck=hung"},

		{"drained", "probe drain=draining"},
		{"it is not let in whatever comes", "probe drain probe 5xx 5xx 5xx=down answer refused=down +1s probe probe=draining"},
		{"it hangs while it is drained", "probe drain stuck=hung +1s moves=draining undrain=healthy"},
		{"it is started while it is drained", "probe drain start=starting load=loading probe probe=draining undrain=healthy"},
		{"and is then what it is", "probe drain 5xx 5xx 5xx=down undrain=down"},
		{"drained and well", "probe drain probe=draining undrain=healthy"},
		{"drained before it was known", "drain=draining undrain=unknown"},
		{"nobody drained it", "probe undrain=healthy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			circuit, ck, changes := testCircuit(3, 2)
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
				if checked && circuit.shown() != want {
					t.Fatalf("after %q: %s (%s)", step, circuit.shown(), circuit.reason)
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
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		c, ck, _ := testCircuit(1+rnd.IntN(3), 1+rnd.IntN(3))
		taken, sign := false, ""
		for range 200 {
			before, phase, until, held := c.state, c.phase, c.openUntil, c.damp.heldUntil
			switch i := rnd.IntN(len(names) + 2); {
			case i >= len(names):
				sign = "time"
				ck.at = ck.at.Add(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			default:
				if sign = names[i]; sign == "take" {
					ok := c.take()
					if ok && (!(before == Healthy || before == Degraded || before == Unknown) || phase == half && taken) {
						t.Fatalf("seed %d: a request was let through, %s", seed, before)
					}
				} else {
					signs[sign](c)
				}
				taken = c.trial
			}
			if phase == open && c.phase != open && (ck.at.Before(until) || ck.at.Before(held)) {
				t.Fatalf("seed %d: %s by %s before its time was over", seed, c.state, sign)
			}
			if c.clean.Load() && (c.state != Healthy || c.requestFails+c.probeFails > 0) {
				t.Fatalf("seed %d: clean, but %s", seed, c.state)
			}
			if pickable := !c.drained && c.phase != open && !c.trial; (c.choice() > 0) != pickable {
				t.Fatalf("seed %d: choice %d while %s", seed, c.choice(), c.state)
			}
			if (c.drained && c.phase != open) != (c.state == Draining) {
				t.Fatalf("seed %d: drained: %v, but %s", seed, c.drained, c.state)
			}
			if s := c.damp.share(ck.at); !(s > 0 && s <= 1) || s == 1 && (c.drained || c.phase == open) {
				t.Fatalf("seed %d: a share of %v, %s", seed, s, c.state)
			}
			if c.state != before && sign == "time" {
				t.Fatalf("seed %d: %s with time alone", seed, c.state)
			}
		}
	}
}
