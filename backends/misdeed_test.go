package backends

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// simulated starts a simulated engine, which ends with the test or with stop.
func simulated(t *testing.T, c sim.Config) (s *sim.Server, url string, stop func()) {
	t.Helper()
	c.Model = "m"
	s, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, "http://" + l.Addr().String(), stop
}

// send sends a request to a replica as the gateway does, and reads the answer,
// with no bound on the time; begun is called for each piece of it.
func send(r *Replica, stream bool, tokens int, begun func()) (string, error) {
	r.inflight.Add(1) // whatever its state
	p := r.take(&Need{})
	defer p.Done()
	c, err := r.Dial(context.Background())
	if err != nil {
		r.Failed(ConnectFailed)
		return "", err
	}
	defer c.Close()
	body := fmt.Sprintf(`{"model":"m","prompt":"a word","max_tokens":%d,"ignore_eos":true,"stream":%v}`, tokens, stream)
	_, err = c.Ask(append(r.AppendHead(nil, "/v1/completions", "id", stream, len(body)), body...))
	if err != nil {
		r.Failed(Reset)
		return "", err
	}
	r.Answered()
	var answer strings.Builder
	for {
		p, err := c.Next()
		if err == io.EOF {
			return answer.String(), nil
		}
		if err != nil {
			r.Failed(Reset)
			return answer.String(), err
		}
		answer.Write(p)
		r.Progressed()
		begun()
	}
}

// keepBusy has n requests at a replica all the time until stop, which waits for
// their ends.
func keepBusy(r *Replica, n int) (stop func()) {
	over := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if rank := r.circuit.choice(); rank == 0 {
					select {
					case <-over:
					case <-time.After(10 * time.Millisecond): // until it is looked at again
					}
					continue
				}
				send(r, i%4 > 0, 100+10*i, func() {})
			}
		})
	}
	return func() { close(over); wg.Wait() }
}

// patience is longer than anything takes on a busy machine.
const patience = time.Minute

// until waits for a condition, and returns how long that took.
func until(t *testing.T, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(time.Millisecond) // between looks at a condition, bounded above
	}
	return time.Since(began)
}

func (r *Replica) is(s State) func() bool { return func() bool { return r.status().State == s } }

// The three misdeeds are told apart within ten seconds of each, where the machine
// does not pause, with the health settings that are the default.
func TestMisdeedsAreToldApart(t *testing.T) {
	t.Parallel()
	hung, hungURL, _ := simulated(t, sim.Config{Speed: 4})
	dead, deadURL, _ := simulated(t, sim.Config{Speed: 4})
	busy, busyURL, relieve := simulated(t, sim.Config{Speed: 1, MaxSequences: 16, KVTokens: 8192})
	_, goneURL, gone := simulated(t, sim.Config{Speed: 4})
	p := runPool(t, Config{Name: "b", Model: "m", URLs: []string{hungURL, deadURL, busyURL, goneURL}})
	rs := p.All()[0].replicas
	for i, n := range []int{6, 6, 64, 6} {
		until(t, patience, "well", rs[i].is(Healthy))
		stop := keepBusy(rs[i], n)
		defer stop()
	}
	defer relieve()
	defer hung.SetFaults()
	until(t, patience, "at work", func() bool { return hung.Load().Running > 0 && dead.Load().Running > 0 && busy.Load().Waiting > 20 })

	began := time.Now()
	if hung.SetFaults(sim.Fault{Kind: sim.Freeze}) != nil || dead.SetFaults(sim.Fault{Kind: sim.Dead}) != nil {
		t.Fatal("no such faults")
	}
	gone()
	var took [4]time.Duration
	told := func() bool { return !slices.Contains(took[:], 0) }
	until(t, patience, "they are told apart, and ten seconds have passed", func() bool {
		for i, want := range []State{Hung, Down, Healthy, Down} {
			switch st := rs[i].status(); {
			case want == Healthy && st.State != want:
				t.Fatalf("the busy one is %s (%s)", st.State, st.Reason)
			case st.State == want && took[i] == 0:
				took[i] = time.Since(began)
				t.Logf("%s after %v (%s)", st.State, took[i].Round(10*time.Millisecond), st.Reason)
			}
		}
		return time.Since(began) > 10*time.Second && told()
	})
	for i, d := range took { // TestProgress has it to the second, on a clock of its own: this machine may pause
		if d > 20*time.Second {
			t.Errorf("%s is %s after %v", rs[i].URL, rs[i].status().State, d)
		}
	}
	if st := rs[0].status(); !strings.Contains(st.Reason, "no step for") {
		t.Errorf("%s because %q", st.State, st.Reason)
	}
	until(t, patience, "health checks tell how it is dead", func() bool {
		return strings.Contains(rs[1].status().Reason, "answers 503") && strings.Contains(rs[3].status().Reason, "nothing listens")
	})
	if st := rs[0].status(); st.State != Hung {
		t.Errorf("the hung one is %s (%s)", st.State, st.Reason)
	}
	dead.SetFaults()
	until(t, patience, "the dead one is back", func() bool { st := rs[1].status(); return st.Available() })
}

// What is at a hung engine is left alone, ends well when it goes on, and the
// engine comes back bit by bit.
func TestHungEngineGoesOn(t *testing.T) {
	t.Parallel()
	engine, url, _ := simulated(t, sim.Config{Speed: 10})
	_, other, _ := simulated(t, sim.Config{}) // there is one to share with
	p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{url, other}, Health: Health{Interval: Duration(100 * time.Millisecond),
		HungAfter: Duration(time.Second), Ramp: Duration(8 * time.Second)}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { p.Run(ctx); close(ended) }()
	r := p.All()[0].replicas[0]
	until(t, patience, "well", func() bool { return r.is(Healthy)() && p.All()[0].replicas[1].is(Healthy)() })
	type result struct {
		answer string
		err    error
	}
	answers := make(chan result, 2)
	begun := make(chan struct{})
	start := sync.OnceFunc(func() { close(begun) })
	for _, stream := range []bool{true, false} {
		go func() {
			a, err := send(r, stream, 1500, start) // some four seconds of work
			answers <- result{a, err}
		}()
	}
	<-begun
	until(t, patience, "both in the engine", func() bool { return engine.Load().Running == 2 })
	engine.SetFaults(sim.Fault{Kind: sim.Freeze})
	until(t, patience, "hung", r.is(Hung))
	if st := r.status(); st.InFlight != 2 || st.Available() || st.Engine == nil || st.Engine.Running != 2 {
		t.Errorf("%+v", st)
	}
	var snap ReplicaStatus
	until(t, patience, "published", func() bool { snap = p.Snapshot().Backends[0].Replicas[0]; return snap.State == Hung })
	for range 5 { // health checks go on, and are of no use to it
		last := r.status().LastOK
		until(t, patience, "probed", func() bool { return r.status().LastOK.After(last) })
	}
	if !r.is(Hung)() || len(answers) > 0 {
		t.Fatalf("%+v with %d answers", r.status(), len(answers))
	}
	engine.SetFaults()
	// Its bytes say at once that it is back, and it is trusted by degrees.
	until(t, patience, "back, with less than its share", func() bool { st := r.status(); return st.Available() && r.Share() < 0.9 })
	for range 2 {
		if a := <-answers; a.err != nil || len(a.answer) < 1500 {
			t.Errorf("%q, %v", a.answer, a.err)
		}
	}
	if !r.is(Healthy)() { // it had nothing left to do: a request decides
		if _, err := send(r, false, 1, func() {}); err != nil {
			t.Error(err)
		}
		until(t, patience, "well", r.is(Healthy))
	}
	until(t, patience, "all of its share", func() bool { return r.Share() == 1 })
	cancel()
	<-ended
}

// An engine that froze while it was idle is found out by its first request.
func TestFrozenFromTheStart(t *testing.T) {
	t.Parallel()
	engine, url, _ := simulated(t, sim.Config{Speed: 10, Faults: []sim.Fault{{Kind: sim.Freeze}}})
	p := runPool(t, Config{Name: "b", Model: "m", URLs: []string{url}, Health: Health{Interval: Duration(500 * time.Millisecond)}})
	r := p.All()[0].replicas[0]
	until(t, patience, "well, as far as anybody knows", r.is(Healthy))
	answered := make(chan error, 1)
	go func() {
		_, err := send(r, true, 10, func() {})
		answered <- err
	}()
	took := until(t, patience, "hung", r.is(Hung))
	t.Logf("after %v (%s)", took, r.status().Reason)
	engine.SetFaults()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// A connection is in the flight from its question to the end of the answer, be
// it the first one on it or a later one.
func TestFlightOfConnections(t *testing.T) {
	engine, url, _ := simulated(t, sim.Config{Speed: 100})
	r := newPool(t, Config{Name: "b", Model: "m", URLs: []string{url}}).All()[0].replicas[0]
	const body = `{"model":"m","prompt":"a word","max_tokens":3}`
	question := append(r.AppendHead(nil, "/v1/completions", "id", false, len(body)), body...)
	c, err := r.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ask(question); err != nil {
		t.Fatal(err)
	}
	if w := r.flight.waits(); w.first.IsZero() || w.prompt != len(question) {
		t.Errorf("before its first byte: %+v", w)
	}
	for err == nil {
		if _, err = c.Next(); err == nil && r.flight.waits() != (waits{}) {
			t.Errorf("with bytes at hand: %+v", r.flight.waits())
		}
	}
	c.Release()
	if err != io.EOF || r.flight.head != nil {
		t.Errorf("after its end: %v, %+v", err, r.flight.waits())
	}

	engine.SetFaults(sim.Fault{Kind: sim.Freeze})
	if again := r.Conn(); again != c {
		t.Fatal("another connection")
	}
	asked := make(chan error)
	go func() {
		_, err := c.Ask(question)
		asked <- err
	}()
	until(t, patience, "asked", func() bool { return engine.Load().Waiting == 1 })
	if w := r.flight.waits(); w.first.IsZero() || !w.more.IsZero() || w.prompt != len(question) {
		t.Errorf("asked again: %+v", w)
	}
	c.Abort()
	if err := <-asked; err == nil {
		t.Error("an answer from a frozen engine")
	}
	c.Close()
	if r.flight.head != nil {
		t.Errorf("closed: %+v", r.flight.waits())
	}
}
