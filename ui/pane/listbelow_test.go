package pane

import (
	"testing"

	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
)

// The line that says why a backend is not well is part of its row: it is neither
// counted nor stopped at, and seen together with it.
func TestNotesAreNoRows(t *testing.T) {
	d := mixedBackends()
	for name, p := range backendLists(theme()) {
		p.Update(d)
		p.View(118, 30)
		for i := range d.Pool.Backends {
			p.Update(tea.KeyPressMsg{Code: tea.KeyDown})
			if got := p.Selected(); got != (Ref{Kind: RefBackend, Name: d.Pool.Backends[i].Name}) {
				t.Fatalf("%s: row %d is %+v", name, i+1, got)
			}
		}
		_, note := p.Title()
		if want := "5 of 5"; note != want {
			t.Errorf("%s: its note is %q, want %q", name, note, want)
		}
		p.Update(tea.KeyPressMsg{Code: tea.KeyDown})
		for i := len(d.Pool.Backends) - 2; i >= 0; i-- {
			p.Update(tea.KeyPressMsg{Code: tea.KeyUp})
			if got := p.Selected().Name; got != d.Pool.Backends[i].Name {
				t.Fatalf("%s: row %d is of %s on the way up", name, i+1, got)
			}
		}
		b := &d.Pool.Backends[0]
		if len(b.Replicas) != 1 || b.Replicas[0].State == backends.Healthy {
			t.Fatal("the first has no line below it")
		}
		if !p.Select(Ref{Kind: RefReplica, Name: b.Name, ID: b.Replicas[0].URL}) || p.Selected() != (Ref{Kind: RefBackend, Name: b.Name}) {
			t.Errorf("%s: its only replica is %+v", name, p.Selected())
		}
	}
}

// The lines of the selected row are in sight with it, as far as there is room.
func TestNotesComeIntoSight(t *testing.T) {
	r := newRows()
	r.below = func(n *int) bool { return *n%3 > 0 } // two below each
	r.take(numbers(0, 12))
	down, up := tea.KeyPressMsg{Code: tea.KeyDown}, tea.KeyPressMsg{Code: tea.KeyUp}
	want(t, r, 4, 0, 1, 2, 3)
	r.press(down)
	r.press(down)
	want(t, r, 4, 2, 3, 4, 5)
	r.press(down)
	want(t, r, 4, 5, 6, 7, 8)
	r.press(up)
	want(t, r, 4, 3, 4, 5, 6)
	r.press(down)
	r.press(down)
	want(t, r, 2, 9, 10)
	want(t, r, 1, 9)
	if at, of := r.place(); at != 4 || of != 4 {
		t.Errorf("it is %d of %d, want the last of 4", at, of)
	}
}
