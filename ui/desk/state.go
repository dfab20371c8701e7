package desk

import (
	"cmp"
	"fmt"
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
	maxKept   = 200      // operators
	maxUnsent = 64 << 10 // bytes of one text
)

// Keep remembers the state, for the next time that the operator comes.
func (s *Seat) Keep(st State) {
	for at, text := range st.Unsent {
		if len(text) > maxUnsent {
			st.Unsent = maps.Clone(st.Unsent)
			st.Unsent[at] = strings.ToValidUTF8(text[:maxUnsent], "")
		}
	}
	d := s.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept[s.who.Name], d.keptAt[s.who.Name] = st, d.opt.Now()
	if len(d.kept) > maxKept {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(d.keptAt)), func(a, b string) int {
			return cmp.Or(d.keptAt[a].Compare(d.keptAt[b]), cmp.Compare(a, b))
		})
		delete(d.kept, oldest)
		delete(d.keptAt, oldest)
	}
}

// Kept is the state that was kept last for the operator, and when; false: none
// was. It must not be changed.
func (s *Seat) Kept() (State, time.Time, bool) {
	d := s.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	st, ok := d.kept[s.who.Name]
	return st, d.keptAt[s.who.Name], ok
}

// list names what an order is about.
func list(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	return strings.Join(names, ", ")
}

func jobName(id int) string { return fmt.Sprintf("job %d", id) }
