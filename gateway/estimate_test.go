package gateway

import (
	"math"
	"math/rand/v2"
	"testing"
)

// tokenizer is a model whose prompts have a template and some bytes a token,
// more or less.
type tokenizer struct{ base, bytes, spread float64 }

func (m tokenizer) prompt(rnd *rand.Rand) (bytes, tokens int) {
	bytes = int(math.Exp(4 + 5*rnd.Float64())) // 55 to 8,100
	return bytes, max(1, int(m.base+float64(bytes)/m.bytes*(1+m.spread*rnd.NormFloat64())))
}

// What is learnt is seldom too low, and not much too high.
func TestEstimateLearns(t *testing.T) {
	for _, m := range []tokenizer{{0, 3, 0}, {30, 4.2, .05}, {9, 2.1, .1}, {200, 5, .02}, {1, 3.8, .3}} {
		rnd := rand.New(rand.NewPCG(1, 2))
		e := newEstimate()
		for range 300 {
			e.learn(m.prompt(rnd))
		}
		low, over := 0, 0.0
		const prompts = 2000
		for range prompts {
			bytes, tokens := m.prompt(rnd)
			got, likely := e.tokens(bytes)
			if likely > got {
				t.Fatalf("%+v: %d bytes: likely %d, at most %d", m, bytes, likely, got)
			}
			if got < tokens {
				low++
			}
			over += float64(got-tokens) / float64(tokens) / prompts
		}
		if low > prompts/20 {
			t.Errorf("%+v: %d of %d prompts had more tokens than estimated", m, low, prompts)
		}
		if most := 3*m.spread + .1; over > most {
			t.Errorf("%+v: estimates are %.0f%% too high on average, want at most %.0f%%", m, 100*over, 100*most)
		}
	}
}

// Before anything was seen it is three bytes to a token; what is no text
// teaches nothing.
func TestEstimateBeginsAndIgnores(t *testing.T) {
	e := newEstimate()
	for _, c := range [][2]int{{0, 1}, {3, 1}, {300, 100}, {3001, 1001}} {
		if got, _ := e.tokens(c[0]); got < c[1] || got > c[1]+1 {
			t.Errorf("%d bytes: %d tokens, want %d", c[0], got, c[1])
		}
	}
	for range 100 {
		e.learn(1<<20, 700) // an image
		e.learn(10, 1<<30)
		e.learn(0, 5)
		e.learn(50, 0)
		e.learn(50, -7)
	}
	if got, likely := e.tokens(300); got != 100 || likely != 100 {
		t.Errorf("after what is no text: %d tokens, want 100", got)
	}
	if n := e.errors(); n != (ratios{}) {
		t.Errorf("what teaches nothing was counted: %+v", n)
	}
}

// Whatever is reported, the estimate stays a number above 0 that grows with the
// prompt.
func FuzzEstimate(f *testing.F) {
	f.Add(uint32(300), uint32(100), uint32(3000), uint32(700))
	f.Add(uint32(1), uint32(2000), uint32(1), uint32(1))
	f.Fuzz(func(t *testing.T, b1, t1, b2, t2 uint32) {
		e := newEstimate()
		for range 50 {
			e.learn(int(b1), int(t1))
			e.learn(int(b2), int(t2))
		}
		last := 0
		for bytes := 0; bytes < 1<<24; bytes = 2*bytes + 1 {
			n, likely := e.tokens(bytes)
			if likely < 1 || likely > n || n < last || n > 3*(mostBase+mostSlope*bytes)+1 {
				t.Fatalf("%d bytes: %d tokens after %d", bytes, n, last)
			}
			last = n
		}
	})
}
