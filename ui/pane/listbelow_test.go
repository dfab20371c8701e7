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
