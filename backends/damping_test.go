package backends

import (
	"math"
	"strings"
	"testing"
	"time"
)

// flap takes a healthy circuit out and in again as soon as may be, and returns
// how long it was out.
func flap(t *testing.T, c *circuit, ck *clock, sign string) time.Duration {
	t.Helper()
	for i := 0; c.phase != open; i++ {
		if signs[sign](c); i > 3 {
			t.Fatal("it does not go out")
		}
	}
	began := ck.at
	for c.state != Healthy {
		ck.at = ck.at.Add(500 * time.Millisecond)
		c.probed()
		c.moved()
		if ck.at.Sub(began) > time.Hour {
			t.Fatal("it does not come back")
		}
	}
	return ck.at.Sub(began)
}

func TestFlapping(t *testing.T) {
	for _, sign := range []string{"no-probe", "stuck"} {
		c, ck, _ := testCircuit(3, 2)
		c.probed()
		for i, want := range []time.Duration{1, 1, 1, 10, 20, 40, 80, 160, 300, 300, 300} {
			if got := flap(t, c, ck, sign); got != want*time.Second {
				t.Errorf("%s: out for %v the %d. time, want %v", sign, got, i+1, want*time.Second)
			}
			ck.at = ck.at.Add(20 * time.Second)
		}
		for range 3 {
			signs["no-probe"](c)
		}
		if !strings.Contains(c.reason, "; it flaps (out ") || !strings.Contains(c.reason, "stays out for 5 min") || strings.Count(c.reason, "flaps") != 1 {
			t.Errorf("%s: the reason is %q", sign, c.reason)
		}
		ck.at = ck.at.Add(5 * time.Minute)
		c.probed()
		c.probed()
		ck.at = ck.at.Add(10 * time.Minute)
		if got := flap(t, c, ck, sign); got != time.Second || strings.Contains(c.reason, "flaps") {
			t.Errorf("%s: out for %v (%s) after ten good minutes", sign, got, c.reason)
		}
	}

	// Three times an hour is no flapping.
	c, ck, _ := testCircuit(3, 2)
	c.probed()
	for range 12 {
		if got := flap(t, c, ck, "no-probe"); got != time.Second {
			t.Errorf("out for %v", got)
		}
		ck.at = ck.at.Add(4 * time.Minute)
	}

	// Nobody else would serve: it comes back as soon as it is well.
	c, ck, _ = testCircuit(3, 2)
	c.alone = func() bool { return true }
	c.probed()
	for range 12 {
		if got := flap(t, c, ck, "no-probe"); got != time.Second {
			t.Errorf("the only one is out for %v", got)
		}
	}
}

func TestShare(t *testing.T) {
	p := newPool(t, three)
	ck := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	b := p.All()[0]
	for _, r := range b.replicas {
		r.circuit.now = ck.now
		r.circuit.probed()
	}
	r := b.replicas[0]
	share := func(want float64, when string) {
		t.Helper()
		if got := r.Share(); math.Abs(got-want) > 1e-9 || r.status().Share != got {
			t.Errorf("%s: a share of %v, want %v", when, got, want)
		}
	}
	share(1, "from the start")
	out := map[string]string{"down": "no-probe no-probe no-probe", "hung": "stuck", "loading": "load", "starting": "start", "drained": "drain"}
	for name, steps := range out {
		for _, sign := range strings.Fields(steps) {
			signs[sign](&r.circuit)
		}
		share(0.1, name)
		ck.at = ck.at.Add(time.Minute)
		r.circuit.probed()
		r.circuit.probed()
		r.circuit.moved()
		r.Undrain()
		if r.circuit.state != Healthy {
			t.Fatalf("%s: it is %s", name, r.circuit.state)
		}
		share(0.1, name+" and back")
		ck.at = ck.at.Add(10 * time.Second)
		share(0.4, name+" and 10 s later")
		b.replicas[1].Drain("")
		share(0.4, name+" with one other")
		b.replicas[2].Drain("")
		share(1, name+" and alone")
		b.replicas[2].Undrain()
		share(0.4, name+" and not alone")
		b.replicas[1].Undrain()
		ck.at = ck.at.Add(20 * time.Second)
		share(1, name+" and 30 s later")
	}
	r.circuit.fail(ServerError)
	share(1, "degraded")
}
