package backends

import (
	"math/rand/v2"
	"testing"
	"time"
)

// modelled is a vLLM engine at full load, as far as health depends on it: steps
// over a batch, prompts read in chunks or at once, a cache that fills up, whose
// youngest is put back when it is full. Its metrics are those of the end of the
// last step; a step that gave nobody a token is not counted, as in vLLM.
type modelled struct {
	s      *scene
	rnd    *rand.Rand
	stream float64 // share of requests that are streams
	prompt func(*rand.Rand) int
	answer int // tokens, at most
	queue  int // requests kept waiting beyond those that run
	chunk  int // tokens of prompts in a step; 0: one whole prompt
	cache  int // tokens that it holds

	waiting, running []*modelRequest
	ends             time.Time // of the step under way
	frozen           bool
	shown            EngineStatus
	kv               int
}

type modelRequest struct {
	conn              *Conn
	stream            bool
	asked             time.Time
	prompt, read, out int // tokens
	want              int
}

const prefillRate = 2400 // tokens per second, of an L4 with a 7B model

// arrive keeps its queue full.
func (m *modelled) arrive() {
	for len(m.waiting) < m.queue {
		n := m.prompt(m.rnd)
		m.waiting = append(m.waiting, &modelRequest{conn: m.s.request(4 * n), stream: m.rnd.Float64() < m.stream,
			asked: m.s.clock.at, prompt: n, want: 1 + m.rnd.IntN(m.answer)})
	}
}

// step ends the step under way, and begins the next. It returns what its
// requests have of it.
func (m *modelled) step() {
	now := m.s.clock.at
	budget, decoding, read, gave := m.chunk, 0, 0, false
	if budget == 0 {
		budget = 1 << 30
	}
	left := m.running[:0]
	for _, r := range m.running {
		if r.read < r.prompt {
			n := min(budget, r.prompt-r.read)
			r.read, budget, read, m.kv = r.read+n, budget-n, read+n, m.kv+n
			if r.read < r.prompt {
				left = append(left, r)
				continue
			}
		}
		decoding++
		r.out++
		m.kv++
		gave = true
		m.shown.Generation++
		if r.out == 1 {
			m.shown.Prompt += int64(r.prompt)
		}
		if done := r.out >= r.want; done || r.stream {
			m.s.come(r.conn)
			if done {
				m.kv -= r.read + r.out
				m.s.Answered()
				m.s.end(r.conn)
				continue
			}
		}
		left = append(left, r)
	}
	m.running = left
	for m.kv > m.cache && len(m.running) > 1 {
		r := m.running[len(m.running)-1]
		m.running = m.running[:len(m.running)-1]
		m.kv -= r.read + r.out
		r.read, r.out = 0, 0
		m.waiting = append([]*modelRequest{r}, m.waiting...)
		m.shown.Preemptions++
	}
	next := 0 // of prompts, in the step that begins
	for _, r := range m.running {
		next += r.prompt - r.read
	}
	for len(m.waiting) > 0 && m.kv+next+m.waiting[0].prompt < m.cache && len(m.running) < 64 && (m.chunk > 0 || next == 0) {
		next += m.waiting[0].prompt
		m.running, m.waiting = append(m.running, m.waiting[0]), m.waiting[1:]
	}
	if gave {
		m.shown.Iterations++
	}
	m.shown.Running, m.shown.Waiting, m.shown.Deferred = len(m.running), len(m.waiting), 0
	m.shown.KVUsage, m.shown.KVTokens = min(1, float64(m.kv)/float64(m.cache)), int64(m.cache)
	if m.chunk > 0 {
		next = min(next, m.chunk)
	}
	took := max(50*time.Millisecond, time.Duration(next)*time.Second/prefillRate+time.Duration(decoding)*250*time.Microsecond)
	m.ends = now.Add(took)
}

// expire takes out what has waited for its first byte for too long, as the
// gateway does.
func (m *modelled) expire() {
	kept := m.waiting[:0]
	for _, r := range m.waiting {
		if m.s.clock.at.Sub(r.asked) > 120*time.Second {
			m.s.Failed(TimedOut)
			m.s.end(r.conn)
			continue
		}
		kept = append(kept, r)
	}
	m.waiting = kept
}

// run lets time pass in steps of 50 ms, with probes and readings every two
// seconds, of which some are slow and some are not answered in time.
func (m *modelled) run(d time.Duration, each func() bool) {
	s := m.s
	late := func() time.Duration {
		switch p := m.rnd.Float64(); {
		case m.frozen: // an engine's front that has nothing to do is quick
		case p < 0.05:
			return readWithin
		case p < 0.15:
			return time.Duration(m.rnd.IntN(4000)) * time.Millisecond
		}
		return 20 * time.Millisecond
	}
	var look, probe, reading time.Time // when due
	var began time.Time                // of the reading that is out
	for end := s.clock.at.Add(d); s.clock.at.Before(end); {
		s.clock.at = s.clock.at.Add(50 * time.Millisecond)
		now := s.clock.at
		m.arrive()
		for !m.frozen && !now.Before(m.ends) {
			m.step()
		}
		m.expire()
		if !now.Before(look) {
			look = now.Add(lookEvery)
			s.look()
		}
		if !now.Before(probe) {
			probe = now.Add(2 * time.Second)
			if late() > 2*time.Second {
				s.probed(silent)
			} else {
				s.probed(succeeded)
			}
		}
		if began.IsZero() && !now.Before(reading) {
			began, reading = now, now.Add(late())
		} else if !began.IsZero() && !now.Before(reading) {
			if took := now.Sub(began); took < readWithin {
				s.read(took, func(e *EngineStatus) { *e = m.shown })
			}
			began, reading = time.Time{}, now.Add(2*time.Second)
		}
		if !each() {
			return
		}
	}
}

// An hour of full load is no reason for an alarm, of whatever kind the load is;
// and an engine that then stops making steps is found in time.
func TestBusyHour(t *testing.T) {
	short := func(r *rand.Rand) int { return 50 + r.IntN(1500) }
	for name, c := range map[string]struct {
		m      modelled
		within time.Duration // of the freeze
	}{
		"streams":                             {modelled{stream: 1, prompt: short, answer: 600, queue: 30, chunk: 2048, cache: 96_768}, 10 * time.Second},
		"whole answers":                       {modelled{stream: 0, prompt: short, answer: 600, queue: 30, chunk: 2048, cache: 96_768}, 10 * time.Second},
		"a cache that is too small":           {modelled{stream: 0.5, prompt: short, answer: 2000, queue: 10, chunk: 2048, cache: 20_000}, 10 * time.Second},
		"a queue beyond all time-outs":        {modelled{stream: 0.5, prompt: short, answer: 2000, queue: 200, chunk: 2048, cache: 30_000}, 10 * time.Second},
		"few and long":                        {modelled{stream: 0, prompt: short, answer: 2000, queue: 1, chunk: 2048, cache: 8192}, 10 * time.Second},
		"one prompt of 100,000 at a time":     {modelled{stream: 0.5, prompt: func(r *rand.Rand) int { return 60_000 + r.IntN(60_000) }, answer: 20, queue: 1, chunk: 8192, cache: 130_000}, 172 * time.Second},
		"such a prompt in one step":           {modelled{stream: 0.5, prompt: func(r *rand.Rand) int { return 20_000 + r.IntN(100_000) }, answer: 20, queue: 1, cache: 130_000}, 172 * time.Second},
		"prompts that fill the context of 8k": {modelled{stream: 0.5, prompt: func(r *rand.Rand) int { return 4000 + r.IntN(4000) }, answer: 200, queue: 8, cache: 96_768}, 172 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				m := c.m
				m.s, m.rnd, m.shown = newScene(t, Config{}), rand.New(rand.NewPCG(seed, 7)), noData()
				for _, n := range []*int64{&m.shown.Prompt, &m.shown.Generation, &m.shown.Preemptions, &m.shown.Iterations} {
					*n = 0
				}
				m.run(time.Hour, func() bool {
					if st := m.s.circuit.state; st != Healthy {
						t.Fatalf("seed %d: %s at %v (%s)", seed, st, m.s.clock.at, m.s.circuit.reason)
					}
					return true
				})
				if m.shown.Generation < 500 {
					t.Fatalf("seed %d: that was no load: %+v", seed, m.shown)
				}
				m.frozen = true
				froze := m.s.clock.at
				m.run(5*time.Minute, func() bool { return m.s.circuit.state != Hung })
				if took := m.s.clock.at.Sub(froze); m.s.circuit.state != Hung || took > c.within {
					t.Errorf("seed %d: %s (%s) %v after it froze", seed, m.s.circuit.state, m.s.circuit.reason, took)
				} else if seed == 0 {
					t.Logf("%d tokens, %d preemptions, found after %v", m.shown.Generation, m.shown.Preemptions, took)
				}
			}
		})
	}
}
