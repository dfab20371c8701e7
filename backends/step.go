package backends

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pilothouse/backends/docker"
)

// doing is a step under way.
type doing struct {
	l    *Lifecycle
	j    *job
	p    *part
	name StepName
	ctx  context.Context // what ends the step
}

// run does the step. It is written down before it begins.
func (s *doing) run() error {
	if s.ctx.Err() != nil {
		return errCancelled
	}
	begun := s.l.pool.now()
	s.l.edit(s.j, true, func(j *Job) {
		v := &j.Parts[s.p.index]
		v.State = Running
		if n := len(v.Past); n > 0 && v.Past[n-1].Name == s.name { // as another process had begun it
			begun = v.Past[n-1].Began
			return
		}
		v.Past = append(v.Past, Step{Name: s.name, Began: begun})
	})
	if s.name.touches() && !s.p.touched {
		if err := s.l.writing(); err != nil {
			return fmt.Errorf("write down what is to be done to it: %w", err)
		}
		s.p.touched = true
	}
	s.l.o.Log.Info("step", "job", s.j.id, "container", s.p.name, "step", string(s.name))
	err := map[StepName]func(time.Time) error{
		StepImage: s.image, StepDrain: s.drain, StepStop: s.stop, StepRemove: s.remove, StepCreate: s.create,
		StepStart: s.start, StepLoad: s.load, StepWarm: s.warm, StepAdmit: s.admit,
	}[s.name](begun)
	if err == nil {
		s.l.edit(s.j, false, func(j *Job) {
			past := j.Parts[s.p.index].Past
			past[len(past)-1].Ended = s.l.pool.now()
		})
	}
	return err
}

// note says how the step stands.
func (s *doing) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	past := s.l.view(s.j, s.p).Past
	if past[len(past)-1].Note == text {
		return
	}
	s.l.edit(s.j, false, func(j *Job) {
		past := j.Parts[s.p.index].Past
		past[len(past)-1].Note = text
	})
}

// wait lets time pass, unless the step is to end.
func (s *doing) wait(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return errCancelled
	}
}

// ask asks the Docker engine, and again while it is away.
func (s *doing) ask(f func(context.Context, *docker.Engine) error) error {
	end := time.Now().Add(s.l.away)
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := f(s.ctx, s.p.house.engine)
		if s.ctx.Err() != nil {
			return errCancelled
		}
		s.p.house.asked(err)
		if _, away := errors.AsType[*docker.EngineError](err); !away || time.Now().After(end) {
			return err
		}
		s.note("%v; asked again until %s", err, end.UTC().Format("15:04:05"))
		if err := s.wait(pause); err != nil {
			return err
		}
	}
}

func (s *doing) image(time.Time) error {
	spec := &s.p.plan.Spec
	var last time.Time
	return s.ask(func(ctx context.Context, e *docker.Engine) error {
		return e.EnsureImage(ctx, spec.Image, spec.Pull, func(p docker.Progress) {
			if now := time.Now(); now.Sub(last) > time.Second/4 {
				last = now
				s.note("%s", strings.TrimSpace(fmt.Sprintf("%s %s %s", p.Layer, p.Status, portion(p.Done, p.Total))))
			}
		})
	})
}

// portion says how much of something is there.
func portion(done, total int64) string {
	if total <= 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d MB", done/1e6, total/1e6)
}

// looking is how often a step looks whether it is over.
const looking = 100 * time.Millisecond

// out is the drain of a job. Who ordered the job has it.
func (s *doing) out() *Drained {
	o := &s.j.order
	return &Drained{At: s.l.pool.now(), By: o.Author, Reason: strings.TrimSuffix(string(o.Action)+": "+o.Reason, ": "), Job: s.j.id}
}

// hold keeps the replica out of work until it is readmitted, whatever its health
// check says. An operator's drain stays, and one of a job before this one is over.
func (s *doing) hold() {
	if d := s.p.r.drained.Load(); d == nil || !d.operators() && d.Job != s.j.id {
		s.l.retire(s.p.r, s.out())
	}
}

// leave takes the replica out of work, unless somebody has done so already. Who
// could take over when the job was ordered may be gone since.
func (s *doing) leave() (err error) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	if s.p.r.drained.Load() != nil {
		return nil
	}
	if !s.j.order.Last && s.j.order.Action != ActDown {
		err = s.l.spared([]target{s.p.target})
	}
	if err == nil {
		s.p.r.retire(s.out())
		s.l.save()
	}
	return err
}

func (s *doing) drain(begun time.Time) error {
	l, r := s.l, s.p.r
	err := s.leave()
	l.pool.publish()
	if err != nil {
		return err
	}
	limit := s.j.order.Drain
	if limit == 0 {
		limit = time.Duration(s.p.b.Container.DrainTimeout)
	}
	end := begun.Add(limit)
	for {
		n, left := r.inflight.Load(), end.Sub(l.pool.now())
		switch {
		case n == 0:
			s.note("nothing is in flight")
			return nil
		case left <= 0:
			s.note("%d still in flight after %v: they are broken off", n, limit)
			return nil
		}
		s.note("%d in flight, %s left", n, span(left))
		if err := s.wait(looking); err != nil {
			return err
		}
	}
}

func (s *doing) stop(time.Time) error {
	s.hold()
	s.note("its stop time-out is %v", time.Duration(s.p.b.Container.StopTimeout))
	err := s.ask(func(ctx context.Context, e *docker.Engine) error { return e.Stop(ctx, s.p.name) })
	if _, absent := errors.AsType[*docker.NotFoundError](err); absent {
		err = nil
	}
	if err == nil {
		s.p.r.circuit.halt("was stopped")
		s.p.r.sweep(0) // connections to an engine that is no more
	}
	s.read()
	return err
}

func (s *doing) remove(time.Time) error {
	err := s.ask(func(ctx context.Context, e *docker.Engine) error { return e.Remove(ctx, s.p.name) })
	if _, absent := errors.AsType[*docker.NotFoundError](err); absent {
		err = nil
	}
	s.read()
	return err
}

// create makes the container, of the image that is there by now. One that has
// never run may have been half made when the engine, or the process before this
// one, went away: it is made anew.
func (s *doing) create(time.Time) (err error) {
	plan := s.p.plan
	if plan.Spec.Name == "" { // another process had it
		if plan, err = s.l.plan(&s.p.target); err != nil {
			return err
		}
	}
	plan.Spec.Pull = "missing"
	return s.ask(func(ctx context.Context, e *docker.Engine) error {
		if c, err := e.Inspect(ctx, s.p.name); err == nil && c.State == "created" && c.Ours {
			if err := e.Remove(ctx, s.p.name); err != nil {
				return err
			}
		}
		_, err := e.Create(ctx, plan, nil)
		return err
	})
}

func (s *doing) start(time.Time) error {
	s.hold()
	s.p.r.Starting(s.l.pool.now(), "its container is being started")
	if c, err := s.read(); err == nil {
		s.p.since = c.Finished
	}
	s.p.lost = s.p.house.lost.Load()
	err := s.ask(func(ctx context.Context, e *docker.Engine) error { return e.Start(ctx, s.p.name) })
	if err == nil {
		s.p.r.Loading(s.l.pool.now(), "its container was started: it is loading")
	}
	s.read()
	return err
}

// read has what is known of the container up to date.
func (s *doing) read() (docker.Container, error) { return s.l.read(s.ctx, s.p.house, &s.p.target) }

func (s *doing) warm(time.Time) error {
	client := s.p.r.client()
	client.Timeout = time.Duration(s.p.r.settings.Load().timeouts.FirstByte)
	took := time.Now()
	if err := s.p.r.warm(s.ctx, client); err != nil {
		if s.ctx.Err() != nil {
			return errCancelled
		}
		return err
	}
	s.note("one token in %v", time.Since(took).Round(time.Millisecond))
	return nil
}

// admit lets the replica have work again, bit by bit, and waits until it has its
// whole share. An operator who drained it is the one to take it in again.
func (s *doing) admit(time.Time) error {
	if by := s.p.r.drained.Load(); by.operators() {
		s.note("it stays out of work: %s", by.words())
		return nil
	}
	s.l.retire(s.p.r, nil)
	for {
		share := s.p.r.Share()
		switch state, why := s.p.r.circuit.beneath(); {
		case !s.p.r.circuit.ready():
			return fmt.Errorf("it is %s again: %s", state, why)
		case share >= 1:
			s.note("it has its whole share of the work")
			return nil
		}
		s.note("it gets %.0f %% of its share of the work", 100*share)
		if s.wait(looking) != nil {
			return nil // it is back already
		}
	}
}
