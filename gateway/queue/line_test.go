package queue

import "testing"

// A ticket knows what was in line when it came, and what got its place since.
func TestLine(t *testing.T) {
	q, r := New(Options{Length: 3}), &room{size: 100}
	first, _ := r.enter(t, q, "acme", 1, 100)
	if got := first.Line(); got != (Line{}) {
		t.Errorf("the first: %+v", got)
	}
	a, _ := r.enter(t, q, "acme", 1, 60)
	b, _ := r.enter(t, q, "beta", 1, 60)
	c, _ := r.enter(t, q, "acme", 1, 30)
	for i, want := range []Line{{0, 0}, {1, 1}, {2, 2}} {
		if got := []*asking{a, b, c}[i].Line(); got != want {
			t.Errorf("%d: %+v, want %+v", i, got, want)
		}
	}
	if n := c.Served(); n != 0 {
		t.Errorf("%d served", n)
	}
	a.Abort()
	first.over() // then there is room for b and c
	if n := c.Served(); n != 2 || c.Wait() != nil {
		t.Errorf("%d served", n)
	}
	d := &asking{room: r, tokens: 90}
	if placed, err := q.Enter(&d.Ticket, "gamma", 1, 90, d); placed || err != nil || d.Line() != (Line{}) {
		t.Errorf("after all have left the line: %+v, %v", d.Line(), err)
	}
	d.Abort()
	if n := d.Served(); n != 0 {
		t.Errorf("%d served since the last one came", n)
	}
}
