package backends

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// kept is what of a lifecycle outlives the process: the file's content.
type kept struct {
	Last   int // id of a job
	Drains []keptDrain
	Live   []keptJob
	Past   []Job
}

type keptDrain struct {
	Backend, URL string
	Drained
}

type keptJob struct {
	Job
	Drain time.Duration // of the order
	Last  bool
}

// save writes the file, in one piece. What came of it is in saving, which
// whoever must not go on without it asks.
func (l *Lifecycle) save() {
	if l.o.File == "" {
		return
	}
	k := kept{Last: l.last, Past: l.past}
	for _, t := range l.targets() {
		if d := t.r.drained.Load(); d != nil {
			k.Drains = append(k.Drains, keptDrain{t.b.Name, t.r.URL, *d})
		}
	}
	for _, j := range l.live {
		k.Live = append(k.Live, keptJob{j.is, j.order.Drain, j.order.Last})
	}
	text, err := json.MarshalIndent(k, "", "\t")
	if err == nil {
		err = replace(l.o.File, text)
	}
	if err != nil && l.saving == nil {
		l.o.Log.Error("what is drained and under way could not be written down", "file", l.o.File, "error", err)
	}
	l.saving = err
}

// replace writes a file so that it holds what it did or the text, whenever the
// process, or the machine, ends.
func replace(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	fresh := file + "~"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, file)
}

// load takes in what the last process has left.
func (l *Lifecycle) load() error {
	if l.o.File == "" {
		return nil
	}
	text, err := os.ReadFile(l.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read what is drained and under way: %w", err)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read what is drained and under way, from %q: %w; move the file away to start without it", l.o.File, err)
	}
	l.last, l.past = k.Last, k.Past
	all := l.targets()
	at := func(backend, url string) *target {
		i := slices.IndexFunc(all, func(t target) bool { return t.b.Name == backend && t.r.URL == url })
		if i < 0 {
			return nil
		}
		return &all[i]
	}
	for _, d := range k.Drains {
		if t := at(d.Backend, d.URL); t != nil {
			t.r.retire(&d.Drained)
		}
	}
	for _, kj := range k.Live {
		j := &job{id: kj.ID, is: kj.Job, order: Order{Action: kj.Action, Names: kj.Names, Drain: kj.Drain, Last: kj.Last, Author: kj.Author, Reason: kj.Reason}}
		for i := range j.is.Parts {
			v := &j.is.Parts[i]
			if v.State != "" && v.State != Running {
				continue
			}
			if !v.sound() {
				return fmt.Errorf("read what is drained and under way, from %q: job %d has done what it was not to do; move the file away to start without it", l.o.File, kj.ID)
			}
			t := at(v.Backend, v.Replica)
			if t == nil || t.name != v.Container || l.house(t) == nil {
				v.end(Interrupted, "its container is no longer configured")
				continue
			}
			j.parts = append(j.parts, l.inherit(v, t, i))
			l.taking[t.r] = j
		}
		l.live = append(l.live, j)
	}
	return nil
}

// sound tells whether what was done is the beginning of what is to be done.
func (p *Part) sound() bool {
	for i, s := range p.Past {
		if i >= len(p.Steps) || s.Name != p.Steps[i] || (s.Name == StepLoad || s.Name == StepWarm) && !slices.Contains(p.Steps[:i], StepStart) {
			return false
		}
	}
	return len(p.Steps) > 0
}

// inherit makes the part of a job that another process has begun. What it did
// after the container's start is done again from there: the machine may have been
// started anew since.
func (l *Lifecycle) inherit(v *Part, t *target, index int) *part {
	p := &part{target: *t, house: l.house(t), index: index}
	if n := len(v.Past); n > 0 {
		if now := v.Past[n-1].Name; now == StepLoad || now == StepWarm {
			v.Past = v.Past[:slices.Index(v.Steps, StepStart)+1]
		}
		p.first = len(v.Past) - 1
		p.touched = slices.ContainsFunc(v.Past, func(s Step) bool { return s.Name.touches() })
	}
	return p
}

// resume ends a job that another process has begun: containers that were touched
// come to what they were to be, and the rest is given up.
func (l *Lifecycle) resume(ctx context.Context, j *job) {
	l.o.Log.Warn("a job that was under way when Pilothouse ended", "job", j.id, "action", string(j.order.Action))
	all := j.parts
	j.parts = nil
	for _, p := range all {
		v := l.view(j, p)
		state, why := Interrupted, "not done: Pilothouse ended before"
		switch {
		case v.Steps[p.first] == StepAdmit: // it is back; how much it gets begins anew with the process
			state, why = Done, ""
		case p.touched:
			j.parts = append(j.parts, p)
			continue
		}
		l.release(j, p)
		l.edit(j, true, func(job *Job) {
			job.Parts[p.index].end(state, why)
			job.Parts[p.index].Ended = l.pool.now()
		})
	}
	l.carry(ctx, j)
}
