package backends

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// crew is what a job does to one backend.
type crew struct {
	parts []*part
	dealt chan struct{} // closed when all of it has been
	well  bool          // whether all of it has come about; valid then
}

// carry carries a job out. One that ends because the process does stays written
// down as it is.
func (l *Lifecycle) carry(ctx context.Context, j *job) {
	defer j.cancel()
	crews := map[string]*crew{}
	for _, p := range j.parts {
		if crews[p.b.Name] == nil {
			crews[p.b.Name] = &crew{dealt: make(chan struct{})}
		}
		c := crews[p.b.Name]
		c.parts = append(c.parts, p)
	}
	var working sync.WaitGroup
	for _, c := range crews {
		working.Go(func() {
			defer close(c.dealt)
			c.well = l.turnCome(j, c, crews) && l.carryBackend(ctx, j, c.parts)
		})
	}
	working.Wait()
	if ctx.Err() == nil {
		l.finish(j)
	}
}

// turnCome waits for the backends that come before a crew's, and tells whether it
// may begin. Nobody waits in a circle: CheckContainers has seen to it.
func (l *Lifecycle) turnCome(j *job, c *crew, crews map[string]*crew) bool {
	for _, before := range l.before(j, c.parts[0].b) {
		other := crews[before]
		if other == nil {
			continue
		}
		<-other.dealt
		if !other.well && raises(j.order.Action) {
			if j.ctx.Err() == nil {
				l.spoil(j, c.parts, fmt.Errorf("%q, which it comes after, is not ready", before))
			}
			return false
		}
	}
	return true
}

// raises tells whether an action has engines serve that did not.
func raises(a Action) bool { return a == ActUp || a == ActStart }

// before are the backends that a job deals with before this one.
func (l *Lifecycle) before(j *job, b *Backend) (names []string) {
	switch {
	case raises(j.order.Action):
		return b.Container.After
	case j.order.Action == ActDown, j.order.Action == ActStop:
		for _, p := range j.parts {
			if slices.Contains(p.b.Container.After, b.Name) {
				names = append(names, p.b.Name)
			}
		}
	}
	return names
}

// carryBackend deals with the replicas of one backend: at once with those that
// nobody will miss, and with the others one after the other. It tells whether all
// has come about.
func (l *Lifecycle) carryBackend(ctx context.Context, j *job, parts []*part) bool {
	var idle sync.WaitGroup
	errs := make([]error, len(parts))
	var rolling []int
	for i, p := range parts {
		if l.rolls(j, p) {
			rolling = append(rolling, i)
			continue
		}
		idle.Go(func() { errs[i] = l.carryPart(ctx, j, p) })
	}
	idle.Wait()
	for n, i := range rolling {
		if j.ctx.Err() != nil {
			return false
		}
		if errors.Join(errs...) != nil {
			for _, i := range rolling[n:] {
				l.spoil(j, parts[i:i+1], errors.New("left alone, as another replica is not well after what was done to it"))
			}
			return false
		}
		errs[i] = l.carryPart(ctx, j, parts[i])
	}
	return errors.Join(errs...) == nil
}

// rolls tells whether a replica waits until those before it are back.
func (l *Lifecycle) rolls(j *job, p *part) bool {
	back := j.order.Action == ActRestart || j.order.Action == ActUp
	return back && !p.touched && slices.Contains(l.view(j, p).Steps, StepDrain)
}

// spoil notes why parts are not begun.
func (l *Lifecycle) spoil(j *job, parts []*part, why error) {
	for _, p := range parts {
		l.edit(j, true, func(job *Job) { job.Parts[p.index].end(Failed, why.Error()) })
	}
}

// end notes what has come of a part; of one that was begun the caller notes when.
func (p *Part) end(s JobState, why string) { p.State, p.Err = s, why }

// errCancelled ends a part whose job was cancelled.
var errCancelled = errors.New("cancelled")

// carryPart takes one replica through its steps. ctx ends with the process, the
// job's own context also when it is cancelled: what must not be left half done
// goes by the first.
func (l *Lifecycle) carryPart(ctx context.Context, j *job, p *part) error {
	if j.ctx.Err() != nil && !p.touched {
		return errCancelled
	}
	var err error
	for _, name := range l.view(j, p).Steps[p.first:] {
		s := &doing{l: l, j: j, p: p, name: name, ctx: ctx}
		if name.patient() {
			s.ctx = j.ctx
		}
		if err = s.run(); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return ctx.Err() // the next process goes on
	}
	state, why := Done, ""
	switch {
	case errors.Is(err, errCancelled):
		state, why = Cancelled, err.Error()
		l.release(j, p)
	case err != nil && p.touched:
		state, why = Failed, err.Error()
		if !p.r.drained.Load().operators() {
			l.retire(p.r, &Drained{At: l.pool.now(), By: j.order.Author, Job: j.id, Reason: fmt.Sprintf("%s failed: %v", j.order.Action, err)})
		}
	case err != nil:
		state, why = Failed, err.Error()
		l.release(j, p)
	}
	l.edit(j, true, func(job *Job) {
		job.Parts[p.index].end(state, why)
		job.Parts[p.index].Ended = l.pool.now()
	})
	return err
}

// release takes a replica in again that its job goes no further with. Where the
// container was not touched, one that was out of work before stays so; a
// container that loads takes work when its health check succeeds.
func (l *Lifecycle) release(j *job, p *part) {
	if d := p.r.drained.Load(); d != nil && !d.operators() && (p.touched || d.Job == j.id) {
		l.retire(p.r, nil)
	}
}

// patient tells whether a step may be broken off.
func (s StepName) patient() bool {
	return !slices.Contains([]StepName{StepStop, StepRemove, StepCreate, StepStart}, s)
}

// touches tells whether a container may be another after the step than before it.
func (s StepName) touches() bool { return s != StepImage && s != StepDrain }

// finish ends a job, whose parts have ended or, as it was cancelled, not begun.
func (l *Lifecycle) finish(j *job) {
	l.mu.Lock()
	l.change(j, func(job *Job) {
		job.State, job.Ended = Done, l.pool.now()
		for i := range job.Parts {
			p := &job.Parts[i]
			if p.State == "" {
				p.State = Cancelled
			}
			if gravest := []JobState{Done, Cancelled, Interrupted, Failed}; slices.Index(gravest, p.State) > slices.Index(gravest, job.State) {
				job.State = p.State
			}
			if p.State == Failed && job.Err == "" {
				job.Err = p.Container + ": " + p.Err
			}
		}
	})
	l.drop(j)
	is := j.is
	l.past = slices.Insert(l.past, 0, is)
	l.past = l.past[:min(len(l.past), mostPast)]
	l.show()
	l.save()
	l.mu.Unlock()
	l.o.Note(is.Author, fmt.Sprintf("%s %s", is.Action, is.State), j.order.object(), is.Err)
	l.o.Log.Info("job ended", "job", is.ID, "action", string(is.Action), "state", string(is.State), "error", is.Err, "took", is.Ended.Sub(is.Began).Round(time.Millisecond).String())
	l.pool.publish()
}

// drop takes a job off the list, and gives its replicas free.
func (l *Lifecycle) drop(j *job) {
	l.live = slices.DeleteFunc(l.live, func(o *job) bool { return o == j })
	for r, by := range l.taking {
		if by == j {
			delete(l.taking, r)
		}
	}
}

// edit changes what is seen of a job. What has to outlive the process is written
// down.
func (l *Lifecycle) edit(j *job, keep bool, f func(*Job)) {
	l.mu.Lock()
	l.change(j, f)
	l.show()
	if keep {
		l.save()
	}
	l.mu.Unlock()
	l.pool.publish()
}

// view is a part as it is seen.
func (l *Lifecycle) view(j *job, p *part) *Part {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &j.is.Parts[p.index]
}

// writing is what came of writing the file last.
func (l *Lifecycle) writing() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saving
}

// change changes what is seen of a job in a copy: readers keep theirs.
func (l *Lifecycle) change(j *job, f func(*Job)) {
	parts := slices.Clone(j.is.Parts)
	for i := range parts {
		parts[i].Past = slices.Clone(parts[i].Past)
	}
	j.is.Parts = parts
	f(&j.is)
}
