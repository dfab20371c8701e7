package gateway

import (
	"testing"

	"pilothouse/gateway/quota"
)

// What is noted of a request costs no allocation, and nothing of one is left for
// the next.
func TestTraceAllocatesNothing(t *testing.T) {
	s := newStats()
	r := &request{endpoint: nowhere}
	left := quota.Tightest{Tokens: quota.Left{Window: quota.TokensPerDay, Limit: 9, Remaining: 5}}
	if n := testing.AllocsPerRun(2*Kept, func() {
		r.trace = newTrace()
		r.traceRate(quota.Standing{Passed: true, Used: 1, Burst: 2}, 2)
		r.traceInspected()
		r.traceEstimated(1, 2)
		r.traceReserved(3, &left, nil)
		r.note(func(t *trace) { t.sent = 7 })
		r.traceEnded(9)
		s.keep(r)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	for range 100 {
		if next := newTrace(); *next != (trace{}) {
			t.Fatalf("left of another: %+v", *next)
		}
	}
	if s.written <= Kept || s.kept[0].trace.sent != 7 {
		t.Errorf("%d kept, %+v", s.written, s.kept[0].trace)
	}
	r.trace = nil
	if r.endBy(errCancelled, "late"); r.cause != errCancelled { // after it was over
		t.Error("it was not ended")
	}
}
