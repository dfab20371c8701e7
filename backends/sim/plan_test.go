package sim

import "testing"

func TestFaultsStrikeByChanceAndByCount(t *testing.T) {
	f := newFaults([]Fault{
		{Kind: Hang, Next: 3},
		{Kind: Stall, After: 2, Probability: 0.25},
		{Kind: SlowPrefill, Factor: 4},
		{Kind: Error503, Next: 5},
	}, 1)
	hung, stalled, refused, slow := 0, 0, 0, 0
	for range 1000 {
		p := f.plan()
		if p.hang {
			hung++
		}
		if p.breaks != nil && p.breaks.Kind == Stall && p.breaks.After == 2 {
			stalled++
		}
		if p.status == 503 {
			refused++
		}
		if p.slow == 4 {
			slow++
		}
		if p.hang && (p.breaks != nil || p.status != 0) || p.breaks != nil && p.status != 0 {
			t.Fatalf("one request suffers more than it can: %+v", p)
		}
	}
	if hung != 3 || refused != 5 || slow != 1000 || stalled < 200 || stalled > 300 {
		t.Errorf("of 1,000: %d hung, %d refused, %d slow, %d stalled", hung, refused, slow, stalled)
	}
	if left := f.get(); len(left) != 2 {
		t.Errorf("left: %+v", left)
	}
}
