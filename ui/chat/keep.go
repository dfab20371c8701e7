package chat

import (
	"log/slog"
	"path/filepath"
	"slices"
	"time"
)

// keep reads a room's files and then writes what changes, until there is nothing
// left to write and nothing that changes any more.
func (r *room) keep() {
	if r.store == nil {
		return
	}
	list, history, notes := r.store.load(&r.rooms.config)
	r.mu.Lock()
	for _, c := range list {
		r.talks = append(r.talks, r.rooms.thaw(c))
	}
	r.order()
	r.history = append(history, r.history...)
	r.history = slices.Clone(r.history[max(0, len(r.history)-mostHistory):])
	r.notes, r.loading = notes[:min(len(notes), mostNotes)], false
	r.touch(nil)
	r.mu.Unlock()
	for range notes {
		r.rooms.config.Log.Warn("conversation set aside", slog.String("dir", r.store.dir))
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-r.wake:
		case <-r.rooms.quiet:
			r.save()
			return
		}
		pause.Reset(r.rooms.config.Save)
		select {
		case <-pause.C:
		case <-r.rooms.quiet:
		}
		if !r.save() { // tried again after the same pause
			select {
			case r.wake <- struct{}{}:
			default:
			}
		}
	}
}

// save writes what changed, and tells whether all of it is written.
func (r *room) save() bool {
	r.mu.Lock()
	var talks []*talk
	var files []*Conversation
	for _, t := range r.talks {
		if t.unsaved && (len(t.turns) > 0 || t.Draft != "" || t.Named) {
			talks, files = append(talks, t), append(files, t.freeze())
			t.unsaved = false
		}
	}
	gone, history, changed := r.gone, slices.Clone(r.history), r.changed
	r.gone, r.changed = nil, false
	r.mu.Unlock()

	var failed error
	note := func(err error) bool {
		if err != nil {
			failed = err
		}
		return err != nil
	}
	var unsaved []*talk
	for i, c := range files {
		if note(r.store.write(r.store.path(c.ID), file{fileVersion, c})) {
			unsaved = append(unsaved, talks[i])
		}
	}
	left := slices.DeleteFunc(gone, func(id string) bool { return !note(r.store.remove(id)) })
	changed = changed && note(r.store.write(filepath.Join(r.store.dir, historyFile), historyOf{fileVersion, history}))

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range unsaved {
		t.unsaved = true
	}
	r.gone, r.changed = append(left, r.gone...), r.changed || changed
	trouble := ""
	if failed != nil {
		trouble = "conversations can't be written: " + failed.Error()
	}
	if trouble != r.trouble {
		r.trouble = trouble
		r.now.Add(1)
		if trouble != "" {
			r.rooms.config.Log.Error("conversations can't be written", slog.Any("err", failed))
		}
	}
	return failed == nil
}
