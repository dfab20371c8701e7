package backends

import "testing"

// A place tells what spoke for it.
func TestPlaceTellsWhy(t *testing.T) {
	b := holding(t, 1000, 2)
	first := place(t, b, Need{Prompt: 100, Output: 50})
	if first.Found != 0 || first.Well != 2 || first.Affinity || first.Others() != 0 {
		t.Errorf("%+v", first)
	}
	var second Place
	for second.Replica != first.Replica { // the others go round
		second.Done()
		second = place(t, b, Need{Prompt: 10, Force: true})
		if second.Replica != first.Replica {
			second.Done()
			other := place(t, b, Need{Prompt: 300})
			defer other.Done()
		}
	}
	if second.Found != 150 || second.Others() != 1 {
		t.Errorf("%+v", second)
	}
	if booked, capacity := b.Booked(); booked < 160 || capacity != 2000 {
		t.Errorf("booked %d of %d", booked, capacity)
	}
	b.replicas[0].circuit.retire(true, "")
	p := place(t, b, Need{Prompt: 10})
	if _, capacity := b.Booked(); p.Well != 1 || capacity != 1000 {
		t.Errorf("%+v of %d", p, capacity)
	}
	if _, capacity := holding(t, 0, 2).Booked(); capacity != 0 {
		t.Errorf("what nobody knows is %d", capacity)
	}
}

// Affinity is told where it has decided, and only there.
func TestPlaceTellsAffinity(t *testing.T) {
	b := holding(t, 10_000, 2)
	home := place(t, b, Need{Prompt: 10, Prefix: 7})
	again := place(t, b, Need{Prompt: 10, Prefix: 7})
	if again.Replica != home.Replica || !again.Affinity { // the other one has nothing to do
		t.Errorf("%+v after %+v", again, home)
	}
	if plain := place(t, b, Need{Prompt: 10}); plain.Replica == home.Replica || plain.Affinity {
		t.Errorf("%+v", plain)
	}
	for range 6 {
		place(t, b, Need{Prompt: 1000, Prefix: 7})
	}
	lone := place(t, holding(t, 10_000, 1), Need{Prompt: 10, Prefix: 7})
	if lone.Affinity {
		t.Errorf("the only one: %+v", lone)
	}
}
