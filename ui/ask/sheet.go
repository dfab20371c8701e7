package ask

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/ui/query"
)

// ErrCancelled is what ended what Cancel ended.
var ErrCancelled = errors.New("cancelled")

// Sheet is one operator's work on the sources; [Sheets.Enter] gives it. Its methods
// never block and may be called at once; what they start goes on without the screen.
// A method that starts something while something is under way does nothing, nor does
// one that would change what that is about: Use, Recall and Load.
type Sheet struct {
	of       *Sheets
	operator string
	now      func() time.Time
	shown    atomic.Pointer[Snapshot]
	dirty    chan struct{} // something is to be kept

	mu     sync.Mutex
	is     Snapshot // what is published; its Version is the last one's
	models Models
	note   func(ctx context.Context, action, object, detail string)
	cancel context.CancelCauseFunc // of what is under way
	closed bool
	edits  uint64          // of the SQL, by the operator
	soon   *time.Timer     // lets the next of what a model writes out; nil: nothing is held back
	next   func(*Snapshot) // that

	fault    fault // the database's last
	repaired fault // that the model was given last
	written  error // of the file; nil: it could be
}

// fault is what a database said of a statement.
type fault struct{ sql, text string }

// A model's answer is published that often while it comes.
const writingPace = 40 * time.Millisecond

// Snapshot is how it stands.
func (s *Sheet) Snapshot() *Snapshot { return s.shown.Load() }

// change changes what is published, and publishes it.
func (s *Sheet) change(f func(is *Snapshot)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.is)
	s.publish()
}

// publish publishes what is; mu is held.
func (s *Sheet) publish() {
	s.is.Version++
	is := s.is
	s.shown.Store(&is)
}

// keeping has the file written soon.
func (s *Sheet) keeping() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// enter takes over how the operator acts from now on, and looks the schema up.
func (s *Sheet) enter(m Models, note func(ctx context.Context, action, object, detail string)) {
	s.mu.Lock()
	s.models, s.note = m, note
	if model, ok := Choose(s.of.o.Models(), ""); s.is.Model != model.Name && (ok || s.is.Model != "") {
		s.is.Model = model.Name
		s.publish()
	}
	fresh := s.is.Schema == nil
	s.mu.Unlock()
	if fresh {
		s.lookUp()
	}
}

// drop lets go of the rows.
func (s *Sheet) drop() {
	s.change(func(is *Snapshot) { is.Result = nil })
}

// shut ends what is under way and lets nothing begin.
func (s *Sheet) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.cancel != nil {
		s.cancel(ErrCancelled)
	}
}

// Use chooses a source by its name; one that there is not is left alone.
func (s *Sheet) Use(source string) {
	s.mu.Lock()
	done := s.use(source)
	s.mu.Unlock()
	if done {
		s.keeping()
		s.lookUp()
	}
}

// use chooses a source; mu is held. It tells whether that is another one now.
func (s *Sheet) use(source string) bool {
	x := s.of.source(source)
	if x == nil || source == s.is.Source || s.is.Doing != Nothing || s.closed {
		return false
	}
	s.is.Source, s.is.Kind, s.is.Suggested = source, x.Kind(), s.of.o.Suggest[source]
	s.is.Schema, s.is.Plan, s.is.Held, s.is.Result, s.is.Err, s.is.Left = nil, nil, false, nil, nil, nil
	s.is.Repaired, s.fault = false, fault{}
	s.publish()
	return true
}

// SetQuestion takes the question as it is typed, so that it is kept.
func (s *Sheet) SetQuestion(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text = clip(text, maxQuestion); text == s.is.Question {
		return
	}
	s.is.Question = text
	s.publish()
	s.keeping()
}

// SetSQL takes the SQL as it is typed. What is typed while a model writes stays: its
// SQL is in the Answer then.
func (s *Sheet) SetSQL(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text = clip(text, maxSQL); text == s.is.SQL {
		return
	}
	s.edits++
	s.draft(text)
	s.publish()
	s.keeping()
}

// draft replaces the SQL and what was known of it; mu is held.
func (s *Sheet) draft(sql string) {
	s.is.SQL, s.is.Words, s.is.Held = sql, "", false
	if s.is.Doing != Planning && s.is.Doing != Running {
		s.is.Plan = nil
	}
}

// Cancel ends what is under way: the model's work and the database's. It takes a
// moment until Doing is Nothing.
func (s *Sheet) Cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel(ErrCancelled)
	}
}

// Recall makes an entry of the history the draft again; out of range it does nothing.
func (s *Sheet) Recall(i int) {
	s.mu.Lock()
	if i < 0 || i >= len(s.is.History) {
		s.mu.Unlock()
		return
	}
	e := s.is.History[i]
	s.mu.Unlock()
	s.bring(e.Source, e.Question, e.SQL)
}

// Load makes a saved query the draft; where there is none of that name it does
// nothing.
func (s *Sheet) Load(name string) {
	s.mu.Lock()
	i := slices.IndexFunc(s.is.Saved, func(x Saved) bool { return x.Name == name })
	if i < 0 {
		s.mu.Unlock()
		return
	}
	x := s.is.Saved[i]
	s.mu.Unlock()
	s.bring(x.Source, x.Question, x.SQL)
}

// bring makes something the draft, on its source where that is still there.
func (s *Sheet) bring(source, question, sql string) {
	s.mu.Lock()
	if s.is.Doing != Nothing || s.closed {
		s.mu.Unlock()
		return
	}
	other := s.use(source)
	s.is.Question, s.is.Err = question, nil
	s.edits++
	s.draft(sql)
	s.publish()
	s.mu.Unlock()
	s.keeping()
	if other {
		s.lookUp()
	}
}

// Bounds of saved queries.
const (
	maxSaved     = 100
	maxSavedText = 512 << 10 // bytes of all of them
	maxName      = 64        // characters
)

// Save keeps the question and the SQL under a name; what had that name goes. Err tells
// where there is no room for more.
func (s *Sheet) Save(name string) {
	name = strings.Join(strings.Fields(clean(name)), " ")
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" || s.is.SQL == "" && s.is.Question == "" {
		return
	}
	all := slices.DeleteFunc(slices.Clone(s.is.Saved), func(x Saved) bool { return x.Name == name })
	all = append(all, Saved{name, s.is.Source, s.is.Question, s.is.SQL})
	slices.SortFunc(all, bySaved)
	size := 0
	for _, x := range all {
		size += len(x.Name) + len(x.Source) + len(x.Question) + len(x.SQL)
	}
	if len(all) > maxSaved || size > maxSavedText {
		s.is.Err = errFull
		s.publish()
		return
	}
	s.is.Saved = all
	s.publish()
	s.keeping()
}

func bySaved(a, b Saved) int { return strings.Compare(a.Name, b.Name) }

var errFull = errors.New("there is no room for more saved queries: forget one first")

// Forget lets a saved query go.
func (s *Sheet) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(s.is.Saved), func(x Saved) bool { return x.Name == name })
	if len(all) == len(s.is.Saved) {
		return
	}
	s.is.Saved = all
	s.publish()
	s.keeping()
}

// Bounds of the history.
const (
	maxHistory     = 200
	maxHistoryText = 512 << 10 // bytes of all of it
)

// remember puts an entry into the history; mu is held.
func (s *Sheet) remember(e Entry) {
	all := append([]Entry{e}, s.is.History...)
	size := 0
	for i, x := range all {
		if size += len(x.Source) + len(x.Question) + len(x.SQL) + len(x.Failed); i > 0 && size > maxHistoryText || i == maxHistory {
			all = all[:i]
			break
		}
	}
	s.is.History = all
	s.keeping()
}

// source is the one that is used; mu is held.
func (s *Sheet) source() query.Source { return s.of.source(s.is.Source) }
