package backends

import (
	"strings"
	"testing"
	"time"
)

// scene is a replica of one backend on a clock of the test's own.
type scene struct {
	*Replica
	clock  *clock
	last   *EngineStatus
	places map[*Conn]Place
}

func newScene(t *testing.T, c Config) *scene {
	t.Helper()
	c.Name, c.Model, c.URLs = "b", "m", []string{"http://one:1", "http://two:1"}
	p := newPool(t, c)
	ck := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r := p.All()[0].replicas[0]
	r.circuit.now = ck.now
	r.circuit.probed()
	r.look()
	p.All()[0].replicas[1].circuit.probed()
	return &scene{Replica: r, clock: ck, places: map[*Conn]Place{}}
}

// read takes a reading that began a moment ago.
func (s *scene) read(took time.Duration, change func(*EngineStatus)) {
	next := noData()
	if s.last != nil {
		next = *s.last
	}
	change(&next)
	next.At = s.clock.now()
	s.progress.read(next.At.Add(-took), s.last, &next)
	s.last = &next
}

// pass lets time go by with a look every half second and, every two seconds, a
// reading; nil: none.
func (s *scene) pass(d time.Duration, reading func(*EngineStatus)) {
	for end := s.clock.at.Add(d); s.clock.at.Before(end); {
		s.clock.at = s.clock.at.Add(lookEvery)
		if reading != nil && s.clock.at.UnixMilli()%2000 == 0 {
			s.read(20*time.Millisecond, reading)
		}
		s.look()
	}
}

// request is one of ours: with a first byte, or none yet, of a size.
func (s *scene) request(size int) *Conn {
	c := &Conn{replica: s.Replica}
	s.inflight.Add(1) // whatever its state
	s.places[c] = s.take(&Need{})
	s.asked(c, size)
	return c
}

// come has bytes of its answer come.
func (s *scene) come(c *Conn) {
	c.wait.begun.Store(true)
	c.waits()
	s.Progressed()
}

func (s *scene) end(c *Conn) {
	s.ended(c)
	p := s.places[c]
	p.Done()
}

func same(*EngineStatus) {}

func steps(e *EngineStatus) { e.Iterations++ }

func TestProgress(t *testing.T) {
	atWork := func(e *EngineStatus) { e.Iterations, e.Running, e.Waiting, e.Deferred, e.KVUsage = 1000, 3, 0, 0, 0.5 }
	idle := func(e *EngineStatus) { e.Iterations, e.Running, e.Waiting, e.Deferred, e.KVUsage = 1000, 0, 0, 0, 0 }
	for _, c := range []struct {
		name string
		cfg  Config
		do   func(s *scene)
		want State
		why  string // part of the reason
	}{
		{"no step with work", Config{}, func(s *scene) { s.request(100); s.pass(9*time.Second, atWork) }, Hung, "no step for 6 s with 3 running"},
		{"not before six seconds", Config{}, func(s *scene) { s.request(100); s.pass(6*time.Second, atWork) }, Healthy, ""},
		{"steps", Config{}, func(s *scene) { s.request(100); s.read(0, atWork); s.pass(time.Minute, steps) }, Healthy, ""},
		{"tokens", Config{}, func(s *scene) {
			s.request(100)
			s.read(0, atWork)
			s.pass(time.Minute, func(e *EngineStatus) { e.Generation++ })
		}, Healthy, ""},
		{"a long prompt in chunks: no step is counted, the cache fills", Config{}, func(s *scene) {
			s.request(100)
			s.read(0, atWork)
			s.pass(time.Minute, func(e *EngineStatus) { e.KVUsage += 0.001 })
		}, Healthy, ""},
		{"a cache that empties is no sign: clients leave", Config{}, func(s *scene) {
			s.request(100)
			s.read(0, atWork)
			s.pass(9*time.Second, func(e *EngineStatus) { e.KVUsage -= 0.001 })
		}, Hung, ""},
		{"nor are counts of requests", Config{}, func(s *scene) {
			s.request(100)
			s.read(0, atWork)
			s.pass(9*time.Second, func(e *EngineStatus) { e.Running, e.Waiting = e.Running+1, e.Waiting+1 })
		}, Hung, ""},
		{"bytes", Config{}, func(s *scene) {
			c := s.request(100)
			for range 30 {
				s.come(c)
				s.pass(2*time.Second, atWork)
			}
		}, Healthy, ""},
		{"bytes until then", Config{}, func(s *scene) {
			c := s.request(100)
			s.pass(20*time.Second, steps)
			s.come(c)
			s.pass(9*time.Second, atWork)
		}, Hung, ""},
		{"a count that stood still before anybody asked", Config{}, func(s *scene) {
			s.pass(time.Hour, atWork) // vllm#22545: all were aborted, and it is idle
			s.request(100)
			s.pass(5*time.Second, same)
			s.pass(time.Minute, steps)
		}, Healthy, ""},
		{"and stands still when somebody does", Config{}, func(s *scene) {
			s.pass(time.Minute, atWork)
			s.request(100)
			s.pass(9*time.Second, same)
		}, Hung, ""},
		{"nobody asks", Config{}, func(s *scene) { s.pass(time.Hour, atWork) }, Healthy, ""},
		{"clients come and go, none waits for long", Config{}, func(s *scene) {
			for range 60 {
				c := s.request(100)
				s.pass(time.Second, atWork)
				s.end(c)
			}
		}, Healthy, ""},
		{"a client takes nothing, so nobody reads", Config{}, func(s *scene) {
			c := s.request(100)
			s.come(c)
			c.wait.since.Store(0)
			s.pass(time.Hour, atWork)
		}, Healthy, ""},
		{"waiting for room with nothing running", Config{}, func(s *scene) {
			s.request(100)
			s.pass(9*time.Second, func(e *EngineStatus) { atWork(e); e.Running, e.Waiting = 0, 1 })
		}, Hung, "with 1 waiting"},
		{"put off", Config{}, func(s *scene) {
			s.request(100)
			s.pass(15*time.Second, func(e *EngineStatus) { atWork(e); e.Running, e.Waiting, e.Deferred = 0, 1, 1 })
		}, Healthy, ""},
		{"put off for ever", Config{}, func(s *scene) {
			s.request(100)
			s.pass(24*time.Second, func(e *EngineStatus) { atWork(e); e.Running, e.Waiting, e.Deferred = 0, 1, 1 })
		}, Hung, "waited for its first byte for 20 s"},
		{"it never hears of a request", Config{}, func(s *scene) { s.request(100); s.pass(24*time.Second, idle) }, Hung, "waited for its first byte for 20 s"},
		{"nor of others", Config{Health: Health{HungAfter: Duration(time.Minute)}}, func(s *scene) { s.request(100); s.pass(50*time.Second, idle) }, Healthy, ""},
		{"it has forgotten an answer, and would serve others", Config{}, func(s *scene) { s.come(s.request(100)); s.pass(time.Minute, idle) }, Healthy, ""},
		{"it does not count: --disable-log-stats", Config{}, func(s *scene) {
			s.request(100)
			s.pass(time.Hour, func(e *EngineStatus) { idle(e); e.Iterations = 0 })
		}, Healthy, ""},
		{"a prompt that takes as long", Config{MaxContext: 32768}, func(s *scene) { s.request(100_000); s.pass(40*time.Second, atWork) }, Healthy, ""},
		{"and longer", Config{MaxContext: 32768}, func(s *scene) { s.request(100_000); s.pass(46*time.Second, atWork) }, Hung, ""},
		{"a picture is no long prompt", Config{MaxContext: 8192}, func(s *scene) { s.request(5_000_000); s.pass(14*time.Second, atWork) }, Hung, ""},
		{"hung_after is less than that", Config{Health: Health{HungAfter: Duration(3 * time.Second)}}, func(s *scene) { s.request(100); s.pass(7*time.Second, atWork) }, Hung, ""},
		{"readings fail meanwhile", Config{}, func(s *scene) { s.request(100); s.read(0, atWork); s.pass(time.Minute, nil) }, Healthy, ""},
		{"slow readings tell less", Config{}, func(s *scene) {
			s.request(100)
			s.pass(time.Second, nil)
			for range 3 {
				s.read(3*time.Second, atWork)
				s.pass(3*time.Second, nil)
			}
		}, Healthy, ""},

		{"no metrics, and no first byte yet", Config{}, func(s *scene) { s.request(100); s.pass(time.Hour, nil) }, Healthy, ""},
		{"no metrics, and an answer stops", Config{}, func(s *scene) { s.come(s.request(100)); s.pass(22*time.Second, nil) }, Hung, "no byte came from it for 20 s"},
		{"no metrics, and it pauses", Config{}, func(s *scene) { s.come(s.request(100)); s.pass(20*time.Second, nil) }, Healthy, ""},
		{"no metrics, and others go on", Config{}, func(s *scene) {
			s.come(s.request(100))
			c := s.request(100)
			for range 60 {
				s.come(c)
				s.pass(time.Second, nil)
			}
		}, Healthy, ""},
		{"no metrics, and a long prompt comes between", Config{}, func(s *scene) {
			s.come(s.request(100))
			s.request(60_000)
			s.pass(24*time.Second, nil)
		}, Healthy, ""},
		{"no steps among its metrics", Config{}, func(s *scene) {
			s.request(100)
			s.pass(time.Hour, func(e *EngineStatus) { e.Running, e.Generation = 3, 100 })
		}, Healthy, ""},
		{"it ends well", Config{}, func(s *scene) { c := s.request(100); s.come(c); s.end(c); s.pass(time.Hour, nil) }, Healthy, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, c.cfg)
			c.do(s)
			got := s.status()
			if got.State != c.want || !strings.Contains(got.Reason, c.why) {
				t.Errorf("it is %s (%s), want %s (%s)", got.State, got.Reason, c.want, c.why)
			}
		})
	}
}

// A replica that hung gets nothing new until it moves, and then bit by bit; what
// is there is left alone.
func TestHungMovesAgain(t *testing.T) {
	s := newScene(t, Config{})
	c := s.request(100)
	s.come(c)
	busy := func(e *EngineStatus) { e.Iterations, e.Running = 1000, 1 }
	s.pass(10*time.Second, busy)
	if st := s.status(); st.State != Hung || s.circuit.choice() != 0 || s.circuit.take() || st.InFlight != 1 {
		t.Fatalf("%+v", st)
	}
	s.circuit.probed()
	s.circuit.probed()
	s.pass(20*time.Second, same)
	if st := s.status(); st.State != Hung {
		t.Fatalf("%s (%s) although nothing moves", st.State, st.Reason)
	}
	s.pass(2*time.Second, steps)
	if st := s.status(); st.State != Healthy || st.Share >= 0.2 {
		t.Fatalf("%s with a share of %v", st.State, st.Share)
	}
	s.pass(30*time.Second, steps)
	if got := s.Share(); got != 1 {
		t.Errorf("a share of %v in the end", got)
	}

	// It hangs again, and its requests end by themselves: one new one decides.
	s.come(c)
	s.pass(12*time.Second, same)
	if st := s.status(); st.State != Hung {
		t.Fatalf("%s (%s)", st.State, st.Reason)
	}
	s.end(c)
	s.circuit.probed()
	s.circuit.probed()
	s.pass(time.Second, same)
	if st := s.status(); st.State != Degraded || !strings.Contains(st.Reason, "the next answer decides") || !st.Available() {
		t.Fatalf("%s (%s)", st.State, st.Reason)
	}
	if !s.circuit.take() || s.circuit.take() {
		t.Fatal("not one request at a time")
	}
	c = s.request(100)
	s.Answered() // the head of a stream comes before its first token
	if st := s.status(); st.State != Degraded {
		t.Fatalf("%s after a head", st.State)
	}
	s.come(c)
	s.pass(time.Second, same)
	if st := s.status(); st.State != Healthy || st.Share > 0.2 {
		t.Errorf("%s with a share of %v after bytes", st.State, st.Share)
	}
}

// Time-outs say nothing against an engine that gets on.
func TestBusyIsNotSick(t *testing.T) {
	s := newScene(t, Config{})
	busy := s.request(100)
	for range 20 {
		s.come(busy)
		s.pass(time.Second, nil)
		s.Failed(TimedOut)
		s.probed(silent)
	}
	if st := s.status(); st.State != Healthy || st.Failures != 0 {
		t.Errorf("with bytes: %s (%s), %d failures", st.State, st.Reason, st.Failures)
	}
	s.read(0, func(e *EngineStatus) { e.Iterations, e.Running = 1, 1 })
	for range 20 {
		s.pass(2*time.Second, steps)
		s.Failed(TimedOut)
		s.probed(silent)
	}
	if st := s.status(); st.State != Healthy || st.Failures != 0 {
		t.Errorf("with steps: %s (%s), %d failures", st.State, st.Reason, st.Failures)
	}
	s.probed(unready)
	s.probed(refused)
	s.probed(brokeOff)
	if st := s.status(); st.State != Down || st.Failures != 3 {
		t.Errorf("dead: %s (%s), %d failures", st.State, st.Reason, st.Failures)
	}

	s = newScene(t, Config{})
	s.pass(time.Minute, nil)
	for range 3 {
		s.Failed(TimedOut)
	}
	if st := s.status(); st.State != Down || st.Failures != 3 {
		t.Errorf("silence: %s (%s), %d failures", st.State, st.Reason, st.Failures)
	}
}

// What the flight is told is undone whatever way a request ends.
func TestFlight(t *testing.T) {
	s := newScene(t, Config{})
	var conns []*Conn
	for i := range 5 {
		s.clock.at = s.clock.at.Add(time.Second)
		s.look()
		conns = append(conns, s.request(1000*(i+1)))
	}
	if w := s.flight.waits(); w.prompt != 5000 || !w.first.Equal(s.clock.at.Add(-4*time.Second)) || !w.more.IsZero() {
		t.Errorf("%+v", w)
	}
	s.come(conns[0])
	s.asked(conns[4], 10) // sent once more
	if w := s.flight.waits(); w.prompt != 4000 || !w.first.Equal(s.clock.at.Add(-3*time.Second)) || !w.more.Equal(s.clock.at) {
		t.Errorf("%+v", w)
	}
	for _, i := range []int{2, 0, 0, 4, 1, 3, 3} { // from the middle and both ends, some twice
		s.ended(conns[i])
	}
	if w := s.flight.waits(); w != (waits{}) || s.flight.head != nil {
		t.Errorf("%+v", w)
	}
}

// While what came is handed on, to a client that may take its time, nobody waits
// for the engine.
func TestWaitsForTheEngineOnly(t *testing.T) {
	s := newScene(t, Config{})
	c := s.request(100)
	s.come(c)
	if !c.handOn(func() bool {
		if w := s.flight.waits(); w != (waits{}) {
			t.Errorf("meanwhile: %+v", w)
		}
		s.clock.at = s.clock.at.Add(time.Minute)
		s.look()
		return true
	}) {
		t.Error("there is to be more")
	}
	if w := s.flight.waits(); !w.more.Equal(s.clock.at) {
		t.Errorf("after it: %+v", w)
	}
	if c.handOn(func() bool { return false }) || s.flight.waits() != (waits{}) {
		t.Errorf("with all taken: %+v", s.flight.waits())
	}
}

func TestProgressedIsCheap(t *testing.T) {
	s := newScene(t, Config{})
	if n := testing.AllocsPerRun(100, s.Progressed); n != 0 {
		t.Errorf("%v allocations", n)
	}
	c := s.request(100)
	if n := testing.AllocsPerRun(100, func() { s.ended(c); s.asked(c, 100); c.handOn(func() bool { return true }) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkProgressed(b *testing.B) {
	p, err := New([]Config{{Name: "b", Model: "m", URLs: []string{"http://one:1"}}})
	if err != nil {
		b.Fatal(err)
	}
	r := p.All()[0].replicas[0]
	b.Run("Progressed", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r.Progressed()
			}
		})
	})
	b.Run("asked and ended", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			c := &Conn{replica: r}
			for pb.Next() {
				r.asked(c, 100)
				r.ended(c)
			}
		})
	})
	b.Run("an event", func(b *testing.B) {
		c := &Conn{replica: r}
		for b.Loop() {
			c.handOn(func() bool { return true })
		}
	})
}
