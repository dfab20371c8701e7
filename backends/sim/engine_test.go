package sim

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// work is a job of sequences with prompts of their own, of exact lengths.
func work(name string, choices, prompt, output int) *job {
	j := newJob()
	for i := range choices {
		j.add(sized(fmt.Sprintf("%s%d", name, i), prompt, output))
	}
	return j
}

func sized(name string, prompt, output int) *sequence {
	s := &sequence{limit: output, endless: true, slow: 1, answer: &answer{more: func() string { return " on" }}}
	for i := range prompt {
		s.prompt = append(s.prompt, fmt.Sprint(name, i))
	}
	return s
}

// wait takes a job's outputs until all its choices are finished.
func (j *job) wait() (all []output) {
	for left := len(j.sequences); left > 0; {
		<-j.ready
		for _, o := range j.take() {
			all = append(all, o)
			if o.finish != "" {
				left--
			}
		}
	}
	return all
}

// inBubble runs a test against an engine whose time is simulated.
func inBubble(t *testing.T, c Config, test func(t *testing.T, e *engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.Model = "m"
		e := newEngine(c.withDefaults())
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { e.run(ctx); close(done) }()
		test(t, e)
		stop()
		<-done
		if n := e.pool.used(); n != 0 {
			t.Errorf("%d blocks are in use after the end", n)
		}
		if len(e.running)+len(e.waiting) != 0 {
			t.Errorf("%d run and %d wait after the end", len(e.running), len(e.waiting))
		}
	})
}

// counted is a copy of the meter, and of how many blocks are in use.
func (e *engine) counted() (meter, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return *e.meter, e.pool.used()
}

// near tells whether a duration is within a share of another.
func near(got, want time.Duration, share float64) bool {
	return math.Abs(float64(got-want)) <= share*float64(want)
}

// The figures of an L4 with a 7B model that Timing's documentation derives.
func TestTimingIsTheL4s(t *testing.T) {
	l4 := L4()
	if got := l4.DecodeStep(1, 0); !near(got, 50_667*time.Microsecond, 0.001) {
		t.Errorf("a step for one request takes %v", got)
	}
	if got := l4.DecodeStep(32, 32_000); !near(got, 56_800*time.Microsecond, 0.002) {
		t.Errorf("a step for 32 requests of 1,000 tokens takes %v", got)
	}
	for batch := 2; batch <= 256; batch *= 2 {
		half, whole := l4.DecodeStep(batch/2, batch*500), l4.DecodeStep(batch, batch*1000)
		if whole <= half {
			t.Errorf("a request is not slower in a batch of %d than of %d", batch, batch/2)
		}
		if float64(batch)/whole.Seconds() <= float64(batch/2)/half.Seconds() {
			t.Errorf("a batch of %d makes no more tokens/s than one of %d", batch, batch/2)
		}
	}
}

func TestEngineTakesTheTimeOfTheGPU(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *engine) {
		began := time.Now()
		j := work("a", 1, 2400, 101)
		_ = e.submit(j)
		j.wait()
		// A second of prefill (in chunks of 2,048 and 352), then 100 steps.
		want := time.Second + 100*L4().DecodeStep(1, 2450)
		if got := time.Since(began); !near(got, want, 0.01) {
			t.Errorf("took %v, want about %v", got, want)
		}
		if m, _ := e.counted(); m.iterationTokens.sum != 2500 {
			t.Errorf("steps computed %v tokens in all, want 2500", m.iterationTokens.sum)
		}
	})
}

func TestSpeed(t *testing.T) {
	inBubble(t, Config{Speed: 50}, func(t *testing.T, e *engine) {
		began := time.Now()
		j := work("a", 1, 24, 101)
		_ = e.submit(j)
		j.wait()
		if got, want := time.Since(began), 101*L4().DecodeStep(1, 75)/50; !near(got, want, 0.01) {
			t.Errorf("took %v, want about %v", got, want)
		}
	})
}

// A newcomer with a long prompt slows those who decode down, and does not stop
// them: they get a token in each of its chunks.
func TestChunkedPrefillLetsDecodingGoOn(t *testing.T) {
	inBubble(t, Config{BatchTokens: 512}, func(t *testing.T, e *engine) {
		first := work("a", 1, 16, 200)
		_ = e.submit(first)
		<-first.ready
		second := work("b", 1, 5000, 1)
		_ = e.submit(second)
		before := len(first.take())
		second.wait()
		if got := before + len(first.take()); got < 10 {
			t.Errorf("the first request got %d tokens while the second was read in 10 chunks", got)
		}
		e.abort(first)
	})
}

// The second scenario's requests all fit at first, and not when they have grown.
func TestPreemption(t *testing.T) {
	inBubble(t, Config{KVTokens: 1024, MaxModelLen: 1024}, func(t *testing.T, e *engine) {
		old, young := work("a", 1, 400, 300), work("b", 1, 400, 300)
		_ = e.submit(old)
		_ = e.submit(young)
		first := len(old.wait())
		if m, _ := e.counted(); m.preemptions == 0 {
			t.Error("1,400 tokens fitted into a cache of 1,024")
		}
		if got := len(young.wait()); first != 300 || got != 300 {
			t.Errorf("%d and %d tokens came, want 300 each", first, got)
		}
		if m, _ := e.counted(); m.generated != 600 {
			t.Errorf("%d tokens counted", m.generated)
		}
	})
}

func TestQueueIsFirstComeFirstServed(t *testing.T) {
	inBubble(t, Config{KVTokens: 1024, MaxModelLen: 1024}, func(t *testing.T, e *engine) {
		var jobs []*job
		for i := range 4 {
			jobs = append(jobs, work(fmt.Sprint(i), 1, 900, 5))
			_ = e.submit(jobs[i])
		}
		for i, j := range jobs {
			j.wait()
			for k := i + 1; k < len(jobs); k++ {
				if len(jobs[k].take()) > 0 {
					t.Errorf("request %d was served before request %d", k, i)
				}
			}
		}
		if m, _ := e.counted(); m.queueTime.counts[0] == 4 {
			t.Error("none of four requests waited, and one fits at a time")
		}
	})
}

func TestPrefixIsReused(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *engine) {
		took := func() time.Duration {
			began := time.Now()
			j := work("same", 1, 2400, 1)
			_ = e.submit(j)
			j.wait()
			return time.Since(began)
		}
		cold, warm := took(), took()
		if warm > cold/10 {
			t.Errorf("the same prompt took %v again, %v at first", warm, cold)
		}
		if m, _ := e.counted(); m.hits != 2384 || m.queries != 4800 { // all but the last block
			t.Errorf("%d hits of %d tokens", m.hits, m.queries)
		}
	})
}

func TestAbortFreesAtOnce(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *engine) {
		j := work("a", 3, 600, 500)
		_ = e.submit(j)
		<-j.ready
		if _, used := e.counted(); used < 3*600/16 {
			t.Fatalf("%d blocks for 1,800 tokens", used)
		}
		began := time.Now()
		e.abort(j)
		e.abort(j)
		m, used := e.counted()
		if time.Since(began) != 0 || used != 0 {
			t.Errorf("%d blocks held after the abort", used)
		}
		if m.aborted != 1 || m.finished[finishAbort] != 3 {
			t.Errorf("aborted %d, by reason %v", m.aborted, m.finished)
		}
	})
}

func TestHungRequestsHoldTheirBlocksAndNobodyElse(t *testing.T) {
	inBubble(t, Config{KVTokens: 2048, MaxModelLen: 1024}, func(t *testing.T, e *engine) {
		hung := work("a", 1, 1000, 10)
		hung.sequences[0].hung = true
		_ = e.submit(hung)
		other := work("b", 1, 900, 50)
		_ = e.submit(other)
		if got := len(other.wait()); got != 50 {
			t.Errorf("beside a hung request %d tokens came, want 50", got)
		}
		before, used := e.counted()
		if used != 63 || len(hung.take()) != 0 {
			t.Errorf("the hung request holds %d blocks, want 63", used)
		}
		time.Sleep(time.Minute)
		if after, _ := e.counted(); after.iterationTokens.sum != before.iterationTokens.sum {
			t.Error("steps go on with nothing but a hung request")
		}
		e.abort(hung)
	})
}

func TestWindowIsTheLastSecond(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *engine) {
		read := func() (prefill, decode, tokens float64) {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.window.last(e.step, time.Now())
		}
		j := work("a", 1, 8000, 150)
		_ = e.submit(j)
		time.Sleep(2 * time.Second)
		if p, d, _ := read(); p < 0.99 || d > 0.01 {
			t.Errorf("while it reads a prompt: prefill %.2f, decode %.2f", p, d)
		}
		time.Sleep(3 * time.Second)
		if p, d, n := read(); p > 0.01 || d < 0.95 || n < 17 || n > 20 {
			t.Errorf("while it decodes: prefill %.2f, decode %.2f, %v tokens/s", p, d, n)
		}
		j.wait()
		time.Sleep(1200 * time.Millisecond)
		if p, d, n := read(); p+d+n != 0 {
			t.Errorf("with nothing to do: prefill %.2f, decode %.2f, %v tokens/s", p, d, n)
		}
	})
}

func TestStopStrings(t *testing.T) {
	for name, tc := range map[string]struct {
		text, want, stopped string
		stops               []string
		least               int
	}{
		"none":             {"one two three", "one two three", "", nil, 0},
		"met":              {"one two three", "one ", "two", []string{"two"}, 0},
		"across tokens":    {"one two three", "one t", "wo th", []string{"wo th"}, 0},
		"the first met":    {"one two three", "one ", "tw", []string{"three", "tw"}, 0},
		"almost":           {"one two three", "one two three", "", []string{"two thref"}, 0},
		"not before min":   {"stop one stop two", "stop one ", "stop", []string{"stop"}, 3},
		"held, many bytes": {"é è ê", "é è ê", "", []string{"xxx"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := sized("p", 1, 1000)
			s.endless, s.stops, s.least = false, tc.stops, tc.least
			s.answer = &answer{tokens: tokens(tc.text), more: func() string { return "!" }}
			var got strings.Builder
			for {
				o := s.next()
				got.WriteString(o.text)
				if o.finish != "" {
					if got.String() != tc.want || o.stopped != tc.stopped {
						t.Errorf("got %q and stop %q, want %q and %q", got.String(), o.stopped, tc.want, tc.stopped)
					}
					return
				}
			}
		})
	}
}
