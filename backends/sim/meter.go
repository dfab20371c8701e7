package sim

import (
	"slices"
	"time"
)

// meter is what the engine counts. The engine's lock guards it.
type meter struct {
	prompts, generated   uint64 // tokens
	queries, hits        uint64 // tokens looked up in the prefix cache, and found
	preemptions, aborted uint64
	finished             map[string]uint64 // sequences, by reason

	firstToken, interToken, perToken        histogram
	queueTime, prefillTime, decodeTime, e2e histogram
	iterationTokens                         histogram
}

// newMeter has vLLM's buckets (vllm/v1/metrics/loggers.py).
func newMeter() *meter {
	first := []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5,
		10, 20, 40, 80, 160, 640, 2560}
	token := []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	request := []float64{0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
	step := []float64{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384}
	return &meter{
		finished:        make(map[string]uint64),
		firstToken:      newHistogram(first),
		interToken:      newHistogram(token),
		perToken:        newHistogram(token),
		queueTime:       newHistogram(request),
		prefillTime:     newHistogram(request),
		decodeTime:      newHistogram(request),
		e2e:             newHistogram(request),
		iterationTokens: newHistogram(step),
	}
}

// token counts a sequence's newest token, its n-th.
func (m *meter) token(s *sequence, n int, now time.Time) {
	m.generated++
	if n == 1 {
		m.firstToken.observe(now.Sub(s.arrived).Seconds())
	} else {
		m.interToken.observe(now.Sub(s.last).Seconds())
	}
}

// end counts a sequence that leaves the engine.
func (m *meter) end(s *sequence, reason string, now time.Time) {
	m.finished[reason]++
	m.e2e.observe(now.Sub(s.arrived).Seconds())
	if s.first.IsZero() {
		return
	}
	m.prefillTime.observe(s.first.Sub(s.started).Seconds())
	decode := s.last.Sub(s.first).Seconds()
	m.decodeTime.observe(decode)
	if n := len(s.generated); n > 1 {
		m.perToken.observe(decode / float64(n-1))
	}
}

// histogram counts observations by upper bounds, as Prometheus has it.
type histogram struct {
	bounds []float64
	counts []uint64 // of each bucket alone, and of all above the last
	sum    float64
}

func newHistogram(bounds []float64) histogram {
	return histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

func (h *histogram) observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v) // the first bound that is not below it
	h.counts[i]++
	h.sum += v
}
