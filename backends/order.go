package backends

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pilothouse/backends/docker"
)

// What an order comes to: for each replica, the steps that lead from how its
// container is to how it should be.

// job is a Job under way.
type job struct {
	id     int // 0: it is not enrolled yet
	order  Order
	parts  []*part // of all Parts those that have steps, in the order in which they are dealt with
	is     Job     // as others see it; guarded by the Lifecycle's lock, and its Parts never changed in place
	ctx    context.Context
	cancel context.CancelFunc // nil: Run has not taken it up yet
}

// part is what is done to one replica.
type part struct {
	target
	house   *house
	plan    docker.Plan // that the container is made of; no name: to be read when it is
	index   int         // among the job's Parts
	first   int         // the step that is to be done first: above 0 where another process has begun
	touched bool        // the container may be another than before the job
	lost    int64       // how often the engine had gone when the container was started
	since   time.Time   // what the container's log says from then on is of its new run, by the engine's clock; zero: all
}

// Preview tells what Begin would do, and does nothing.
func (l *Lifecycle) Preview(ctx context.Context, o Order) ([]Part, error) {
	j, err := l.draft(ctx, o)
	if err != nil {
		return nil, err
	}
	return j.is.Parts, nil
}

// draft makes a job of an order, after it has looked at the containers that the
// order is about.
func (l *Lifecycle) draft(ctx context.Context, o Order) (*job, error) {
	ts, err := l.find(o.Names)
	if err != nil {
		return nil, err
	}
	if len(o.Names) == 0 {
		if o.Action != ActUp && o.Action != ActDown {
			return nil, nothingNamed(string(o.Action))
		}
		ts = slices.DeleteFunc(ts, func(t target) bool { return t.name == "" })
	}
	j := &job{order: o, is: Job{Action: o.Action, Names: o.Names, Author: o.Author, Reason: o.Reason, State: Running}}
	var serving []*part // whose replicas are taken away for a while: they come last
	for _, t := range ts {
		p := &part{target: t, house: l.house(&t), index: len(j.is.Parts)}
		if p.house == nil {
			return nil, &OrderError{Name: t.b.Name, Why: "Pilothouse does not know what its engines run in", Remedy: "describe that in [backend.container], or use drain and undrain"}
		}
		view, err := l.outline(ctx, o.Action, p)
		if err != nil {
			return nil, err
		}
		switch {
		case len(view.Steps) == 0:
			view.State = Done
		case t.r.serves() && slices.Contains(view.Steps, StepDrain):
			serving = append(serving, p)
		default:
			j.parts = append(j.parts, p)
		}
		j.is.Parts = append(j.is.Parts, view)
	}
	j.parts = append(j.parts, serving...)
	return j, nil
}

// outline says what is to be done to one replica.
func (l *Lifecycle) outline(ctx context.Context, a Action, p *part) (Part, error) {
	view := Part{Backend: p.b.Name, Replica: p.r.URL, Container: p.name, Host: p.host}
	c, err := l.read(ctx, p.house, &p.target)
	_, absent := errors.AsType[*docker.NotFoundError](err)
	if err != nil && !absent {
		return view, err
	}
	err = nil
	runs := !absent && (c.State == "running" || c.State == "restarting" || c.State == "paused")
	switch {
	case a == ActUp:
		err = l.raise(p, &view, c, absent, runs)
	case a == ActDown && absent, a == ActStop && !runs:
		view.Why = "it does not run"
	case absent:
		err = &OrderError{Name: p.name, Why: fmt.Sprintf("there is no such container on host %q", p.host), Remedy: "pilothouse up " + p.b.Name + " makes it"}
	case a == ActStart:
		p.serve(&view, runs)
	case a == ActStop:
		view.Steps = []StepName{StepDrain, StepStop}
	case a == ActDown && !c.Ours && runs:
		view.Why, view.Steps = foreign+": it is stopped, and stays", []StepName{StepDrain, StepStop}
	case a == ActDown && !c.Ours:
		view.Why = foreign + ": it does not run, and stays"
	case a == ActDown:
		view.Steps = []StepName{StepDrain, StepStop, StepRemove}
	case a == ActRestart:
		view.Steps = append([]StepName{StepDrain, StepStop}, serveSteps...)
		if n := len(p.r.container.Load().Changes); n > 0 {
			view.Why = fmt.Sprintf("its settings have changed (%d of them), which a restart does not put in force; pilothouse up does", n)
		}
	}
	if by := p.r.drained.Load(); by.operators() && slices.Contains(view.Steps, StepAdmit) {
		view.Why = cmp.Or(view.Why, "it stays out of work: "+by.words())
	}
	return view, err
}

const foreign = "Pilothouse has not made this container"

// serveSteps have a container serve that is there.
var serveSteps = []StepName{StepStart, StepLoad, StepWarm, StepAdmit}

// serve has a container serve as it is.
func (p *part) serve(view *Part, runs bool) {
	by := p.r.drained.Load()
	switch {
	case runs && p.r.serves():
		view.Why = "it runs"
	case runs && by.operators():
		view.Why = "it runs, and stays out of work: " + by.words()
	default:
		view.Steps = serveSteps
	}
}

// raise says what makes a container as it is configured, and has it serve.
func (l *Lifecycle) raise(p *part, view *Part, c docker.Container, absent, runs bool) (err error) {
	if p.plan, err = l.plan(&p.target); err != nil {
		return err
	}
	fresh := append([]StepName{StepCreate}, serveSteps...)
	switch {
	case absent:
		view.Steps = append([]StepName{StepImage}, fresh...)
	case !c.Ours:
		p.serve(view, runs)
		view.Why = cmp.Or(view.Why, foreign+": it is taken as it is")
	default:
		if view.Changes = docker.Diff(p.plan, c); len(view.Changes) > 0 {
			view.Steps = append([]StepName{StepImage, StepDrain, StepStop, StepRemove}, fresh...)
		} else {
			p.serve(view, runs)
		}
	}
	return nil
}

// Begin has an order carried out, as a job that goes on after ctx has ended. It
// returns the job as it is at first. An order that can't be carried out is an
// *OrderError, and an engine that can't be asked a *docker.EngineError: then, as
// with any error, nothing was done.
func (l *Lifecycle) Begin(ctx context.Context, o Order) (Job, error) {
	select {
	case <-l.begun:
	case <-ctx.Done():
		return Job{}, ctx.Err()
	}
	j, err := l.draft(ctx, o)
	if err != nil {
		return Job{}, err
	}
	l.o.Note(o.Author, string(o.Action), o.object(), o.Reason)
	l.mu.Lock()
	first, err := l.enrol(j)
	l.mu.Unlock()
	if err != nil {
		l.o.Note(o.Author, string(o.Action)+" failed", o.object(), err.Error())
		return Job{}, err
	}
	l.o.Log.Info("job", "job", first.ID, "action", string(o.Action), "names", o.Names, "operator", o.Author, "reason", o.Reason)
	l.pool.publish()
	return first, nil
}

// enrol takes the replicas of a job for it, writes it down, and starts it.
func (l *Lifecycle) enrol(j *job) (Job, error) {
	if l.ctx == nil {
		return Job{}, errors.New("begin a job: Pilothouse is stopping")
	}
	var ts, going []target
	for _, p := range j.parts {
		ts = append(ts, p.target)
		if slices.Contains(j.is.Parts[p.index].Steps, StepDrain) {
			going = append(going, p.target)
		}
	}
	if err := l.free(ts); err != nil {
		return Job{}, err
	}
	if !j.order.Last {
		if err := l.bearable(j, going); err != nil {
			return Job{}, err
		}
	}
	l.last++
	j.id, j.is.ID, j.is.Began = l.last, l.last, l.pool.now()
	for _, t := range ts {
		l.taking[t.r] = j
	}
	l.live = append(l.live, j)
	if l.save(); l.saving != nil {
		l.drop(j)
		return Job{}, fmt.Errorf("write the job down: %w", l.saving)
	}
	l.grant(j)
	l.show()
	ctx := l.ctx
	l.jobs.Go(func() { l.carry(ctx, j) })
	return j.is, nil
}

// grant gives a job the time until Run ends, or until it is cancelled.
func (l *Lifecycle) grant(j *job) {
	j.ctx, j.cancel = context.WithCancel(l.ctx)
	if j.is.Cancelling { // as it was when the last process ended
		j.cancel()
	}
}

// bearable returns an error where a job would take a backend's last replica away.
// One that comes back at once is missed only where there is no other.
func (l *Lifecycle) bearable(j *job, going []target) error {
	switch j.order.Action {
	case ActStop, ActDown:
		if len(j.order.Names) > 0 { // else it is plain that nothing is to stay
			return l.spared(going)
		}
	case ActRestart, ActUp:
		for _, t := range going {
			if err := l.spared([]target{t}); err != nil {
				return err
			}
		}
	}
	return nil
}
