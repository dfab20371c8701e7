package backends

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backends/docker"
)

// house is a Docker engine, and what is known of it.
type house struct {
	name   string
	engine *docker.Engine
	nudge  chan struct{} // something has happened there
	lost   atomic.Int64  // how often it has gone

	telling sync.Mutex // held while a reading is taken

	mu    sync.Mutex
	err   string
	since time.Time
}

// readEvery is how often containers are read anew while nothing is told of them.
const readEvery = 10 * time.Second

func newHouse(name string, e *docker.Engine) *house {
	return &house{name: name, engine: e, nudge: make(chan struct{}, 1), since: time.Now()}
}

// told takes an event: the containers are read soon.
func (h *house) told(e docker.Event) {
	if e.Action == docker.Lost {
		h.lost.Add(1)
	}
	select {
	case h.nudge <- struct{}{}:
	default: // it is to be done already
	}
}

func (h *house) status() HostStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	return HostStatus{Name: h.name, Err: h.err, Since: h.since}
}

// asked notes what came of asking the engine. That it has understood, and won't,
// is no fault of it.
func (h *house) asked(err error) {
	text := ""
	if e, ok := errors.AsType[*docker.EngineError](err); ok {
		text = e.Error()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if (text == "") != (h.err == "") {
		h.since = time.Now()
	}
	h.err = text
}

// watch keeps what is known of a host's containers true, until ctx ends.
func (l *Lifecycle) watch(ctx context.Context, h *house) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		for _, t := range l.targets() {
			if l.house(&t) != h {
				continue
			}
			_, err := l.read(ctx, h, &t)
			if ctx.Err() != nil {
				return
			}
			if _, away := errors.AsType[*docker.EngineError](err); away {
				break // nor would it tell of the others, and each would take its time
			}
		}
		l.pool.publish()
		select {
		case <-ctx.Done():
			return
		case <-h.nudge:
		case <-tick.C:
		}
	}
}

// read reads a target's container, and tells its replica.
func (l *Lifecycle) read(ctx context.Context, h *house, t *target) (docker.Container, error) {
	asked := l.pool.now()
	c, err := h.engine.Inspect(ctx, t.name)
	if ctx.Err() != nil {
		return c, ctx.Err()
	}
	h.asked(err)
	s := ContainerStatus{Name: t.name, Host: t.host, At: l.pool.now(), asked: asked}
	_, absent := errors.AsType[*docker.NotFoundError](err)
	switch {
	case absent:
		s.Words = "not there"
	case err != nil:
		if old := t.r.container.Load(); old != nil {
			s = *old
			s.asked = asked
		} else {
			s.At = time.Time{}
		}
		s.Err = err.Error()
	default:
		s.ID, s.State, s.Words, s.Image, s.Ours, s.Started, s.Restarts = c.ID, c.State, c.Words(), c.Image, c.Ours, c.Started, c.Restarts
		if p, err := l.plan(t); err != nil {
			s.Err = err.Error()
		} else if c.Ours {
			s.Changes = docker.Diff(p, c)
		}
	}
	h.telling.Lock()
	defer h.telling.Unlock()
	l.told(t.r, &s, err == nil || absent)
	return c, err
}

// told takes a reading of a replica's container, unless one was taken that was
// begun later. One that was started by somebody else than a job loads its model,
// too.
func (l *Lifecycle) told(r *Replica, s *ContainerStatus, news bool) {
	old := r.container.Load()
	if old != nil && old.asked.After(s.asked) {
		return
	}
	r.container.Store(s)
	if !news {
		return
	}
	running := s.State == "running"
	r.circuit.contained(running, how(s.State, s.Words))
	if running && old != nil && !old.At.IsZero() && !old.Started.Equal(s.Started) && !l.taken(r) {
		r.Loading(s.Started, "its container was started: it is loading")
	}
}

// how says how a container is, behind "its container".
func how(state, words string) string {
	if state == "exited" {
		return words
	}
	return "is " + words
}

// taken tells whether a job has the replica.
func (l *Lifecycle) taken(r *Replica) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taking[r] != nil
}
