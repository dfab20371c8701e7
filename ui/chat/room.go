package chat

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// Room is where one operator talks to the models. See the package's doc.
type Room struct {
	room   *room
	models Models
}

// Snapshot is a room as it was at a moment. It is immutable.
type Snapshot struct {
	Version       uint64          // rises with each change
	Loading       bool            // the files are being read
	Conversations []*Conversation // newest first; one that didn't change is the same pointer as before
	History       []string        // what was sent, oldest first
	Burst         *Burst          // the newest; nil: there was none
	Notes         []string        // what is wrong with files, in words
	Busy          bool            // an answer, or a burst, is under way
}

// Find gives a conversation; nil: there is none of that id.
func (s *Snapshot) Find(id string) *Conversation {
	for _, c := range s.Conversations {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// Bounds of what is typed.
const (
	mostHistory  = 200
	maxQuestion  = 256 << 10 // bytes
	mostNotes    = 20
	titleLetters = 40
)

// room is what all Rooms of an operator share.
type room struct {
	rooms *Rooms
	store *store        // nil: nothing is kept
	wake  chan struct{} // there is something to write

	snap atomic.Pointer[Snapshot]
	now  atomic.Uint64 // version

	mu      sync.Mutex
	loading bool
	talks   []*talk // newest first
	history []string
	changed bool     // history isn't written yet
	gone    []string // ids whose files are to be removed
	notes   []string
	trouble string // the newest failure to write
	load    *load
}

func newRoom(rs *Rooms, operator string) *room {
	r := &room{rooms: rs, wake: make(chan struct{}, 1)}
	if rs.config.Dir != "" {
		r.store = newStore(rs.config.Dir, operator)
		r.loading = true
	}
	r.now.Store(1)
	return r
}

// touch notes a change; mu is held.
func (r *room) touch(t *talk) {
	if t != nil {
		t.frozen, t.unsaved = nil, true
	}
	r.now.Add(1)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Snapshot is how the room is now.
func (h *Room) Snapshot() *Snapshot {
	r := h.room
	if s := r.snap.Load(); s != nil && s.Version == r.now.Load() {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Snapshot{Version: r.now.Load(), Loading: r.loading, History: slices.Clone(r.history), Notes: slices.Clone(r.notes),
		Conversations: make([]*Conversation, len(r.talks)), Busy: r.running() > 0}
	if r.trouble != "" {
		s.Notes = append(s.Notes, r.trouble)
	}
	for i, t := range r.talks {
		s.Conversations[i] = t.freeze()
	}
	if r.load != nil {
		s.Burst = r.load.freeze()
		s.Busy = s.Busy || s.Burst.Running
	}
	r.snap.Store(s)
	return s
}

// find gives a conversation; mu is held.
func (r *room) find(id string) (*talk, error) {
	for _, t := range r.talks {
		if t.ID == id {
			return t, nil
		}
	}
	return nil, errors.New("there is no such conversation any more")
}

// running counts answers under way; mu is held.
func (r *room) running() (n int) {
	for _, t := range r.talks {
		n += t.running()
	}
	return n
}

// New begins a conversation with the given settings, and returns its id.
func (h *Room) New(s Settings) (id string, err error) {
	if err := s.Check(); err != nil {
		return "", err
	}
	r := h.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if most := r.rooms.config.Conversations; len(r.talks) >= most {
		return "", fmt.Errorf("%d conversations are kept at most; delete one first", most)
	}
	t := &talk{Conversation: Conversation{ID: r.newID(), Created: r.rooms.config.Now().UTC(), Settings: s.clone()}}
	t.Changed = t.Created
	r.talks = append([]*talk{t}, r.talks...)
	r.touch(t)
	return t.ID, nil
}

// newID is an id that sorts by age.
func (r *room) newID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return r.rooms.config.Now().UTC().Format("20060102T150405.000") + "-" + hex.EncodeToString(b[:])
}

// order puts the newest first; mu is held.
func (r *room) order() {
	slices.SortStableFunc(r.talks, func(a, b *talk) int { return cmp.Compare(b.ID, a.ID) })
}

// Rename gives a conversation a name.
func (h *Room) Rename(id, name string) error {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > mostName {
		return fmt.Errorf("name conversation: want 1 to %d characters", mostName)
	}
	return h.change(id, func(t *talk) error {
		t.Name, t.Named = name, true
		return nil
	})
}

// Delete ends what is under way in a conversation and removes it with its file.
func (h *Room) Delete(id string) error {
	r := h.room
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := r.find(id)
	if err != nil {
		return err
	}
	t.cancel()
	r.talks = slices.DeleteFunc(r.talks, func(o *talk) bool { return o == t })
	r.gone = append(r.gone, id)
	r.touch(nil)
	return nil
}

// Set changes how a conversation is asked, from the next question on.
func (h *Room) Set(id string, s Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	return h.change(id, func(t *talk) error {
		t.Settings = s.clone()
		return nil
	})
}

// SetDraft keeps what is typed and not sent.
func (h *Room) SetDraft(id, text string) error {
	if len(text) > maxQuestion {
		return errQuestion
	}
	return h.change(id, func(t *talk) error {
		t.Draft = strings.Clone(text)
		return nil
	})
}

// Remember adds a line to what was sent. One that is the same as the newest is left
// out, and the oldest are forgotten.
func (h *Room) Remember(line string) {
	if line == "" || len(line) > maxQuestion {
		return
	}
	r := h.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.history); n > 0 && r.history[n-1] == line {
		return
	}
	r.history = append(r.history, strings.Clone(line))
	r.history = slices.Clone(r.history[max(0, len(r.history)-mostHistory):])
	r.changed = true
	r.touch(nil)
}

// Cancel ends what is under way in a conversation.
func (h *Room) Cancel(id string) error {
	r := h.room
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := r.find(id)
	if err != nil {
		return err
	}
	t.cancel()
	return nil
}

// change does something to a conversation.
func (h *Room) change(id string, do func(*talk) error) error {
	r := h.room
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := r.find(id)
	if err != nil {
		return err
	}
	if err := do(t); err != nil {
		return err
	}
	r.touch(t)
	return nil
}
