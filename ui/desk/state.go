package desk

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// State is how an operator has their screen, so that they find it again.
type State struct {
	View    string            // its name
	Full    bool              // the focused pane has the whole view
	Focus   map[string]string // by view, the pane
	Filters map[string]string // by pane
	Sorts   map[string]int    // by pane
	Unsent  map[string]string // by where it was typed
}

// Bounds of what is remembered.
const (
	maxKept   = 200      // operators; the one who was here longest ago goes first
	maxUnsent = 64 << 10 // bytes of one text
)

type keptState struct {
	State
	at time.Time
}

// Keep remembers the state, for the next time that the operator comes, until this
// process ends. The maps may be changed afterwards.
func (s *Seat) Keep(st State) {
	if s == nil {
		return
	}
	st.Focus, st.Filters, st.Sorts, st.Unsent = maps.Clone(st.Focus), maps.Clone(st.Filters), maps.Clone(st.Sorts), maps.Clone(st.Unsent)
	for at, text := range st.Unsent {
		if len(text) > maxUnsent {
			st.Unsent[at] = strings.ToValidUTF8(text[:maxUnsent], "")
		}
	}
	d := s.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept[s.who.Name] = keptState{st, d.opt.Now()}
	if len(d.kept) > maxKept {
		delete(d.kept, slices.MinFunc(slices.Collect(maps.Keys(d.kept)), func(a, b string) int {
			return cmp.Or(d.kept[a].at.Compare(d.kept[b].at), cmp.Compare(a, b))
		}))
	}
}

// Kept is the state that was kept last for the operator, and when; false: none
// was. It must not be changed.
func (s *Seat) Kept() (State, time.Time, bool) {
	if s == nil {
		return State{}, time.Time{}, false
	}
	d := s.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.kept[s.who.Name]
	return k.State, k.at, ok
}
