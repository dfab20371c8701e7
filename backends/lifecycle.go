package backends

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backends/docker"
)

// LifecycleOptions are what a Lifecycle is made of.
type LifecycleOptions struct {
	Hosts []docker.Host // filled and valid
	// File keeps who is drained and which jobs are under way, over the end of
	// the process; "": nothing does.
	File string
	Log  *slog.Logger // of jobs and what came of them; nil: none
	// Note is told of all that operators do, before it is done and with what came
	// of it; nil: nobody is. It may take its time.
	Note func(author, action, object, detail string)
	// Getenv and ReadFile are where containers' secrets come from; nil: the
	// process's environment, the file system.
	Getenv   func(string) string
	ReadFile func(string) ([]byte, error)
}

// Lifecycle takes replicas out of work and in again, and starts, stops and
// restarts the containers that they run in.
//
// What is ordered is a Job, which goes on whoever watches it. A replica is taken
// away only where another one of its backend serves, unless the order says
// otherwise. Where a step fails, the job stops there, says why, and leaves the
// replica out of work if anything was done to its container.
//
// A job survives the process. Each step is written down before it begins, and
// the next process ends what was begun: a container that was stopped to be
// restarted is started. What had not touched its container yet is given up, and
// its replica is in work again.
//
// What an operator drained stays drained, whatever jobs do to it, until an
// operator takes it in again.
//
// All methods may be called at once. Close it after Run has returned.
type Lifecycle struct {
	pool    *Pool
	o       LifecycleOptions
	engines []*docker.Engine // as hosts are configured
	houses  []*house
	begun   chan struct{} // closed when Run runs
	away    time.Duration // that a job waits for an engine that can't be asked
	jobs    sync.WaitGroup

	seen atomic.Pointer[[]Job] // by those who watch

	mu     sync.Mutex // of what follows
	ctx    context.Context
	live   []*job
	past   []Job // newest first
	last   int   // id of a job
	taking map[*Replica]*job
	saving error // what came of writing the file last
}

// mostPast is how many jobs are remembered that have ended.
const mostPast = 50

// mostAway is how long a job waits for a Docker engine that can't be asked: it
// may be being restarted.
const mostAway = 5 * time.Minute

// NewLifecycle makes one for a pool, and drains what was drained when the last
// process ended. It starts nothing.
func NewLifecycle(p *Pool, o LifecycleOptions) (*Lifecycle, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Note == nil {
		o.Note = func(_, _, _, _ string) {}
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	l := &Lifecycle{pool: p, o: o, begun: make(chan struct{}), away: mostAway, taking: map[*Replica]*job{}}
	for _, h := range o.Hosts {
		e, err := docker.Open(h)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.engines = append(l.engines, e)
		l.houses = append(l.houses, newHouse(h.Name, e))
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	for _, t := range l.targets() {
		if t.name != "" {
			t.r.container.Store(&ContainerStatus{Name: t.name, Host: t.host, Words: "not read yet"})
		}
	}
	l.show()
	p.attend(l)
	return l, nil
}

// Close ends what is open to the Docker engines.
func (l *Lifecycle) Close() error {
	var errs []error
	for _, e := range l.engines {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}

// Run watches the containers and carries jobs out, until ctx ends: what is under
// way then stays as it is, for the next process to end.
func (l *Lifecycle) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	for _, h := range l.houses {
		watching.Go(func() { h.engine.Events(ctx, h.told) })
		watching.Go(func() { l.watch(ctx, h) })
	}
	l.mu.Lock()
	l.ctx = ctx
	close(l.begun)
	for _, j := range l.live {
		l.grant(j)
		l.jobs.Go(func() { l.resume(ctx, j) })
	}
	l.mu.Unlock()
	<-ctx.Done()
	l.mu.Lock() // no job begins from here on
	l.ctx = nil
	l.mu.Unlock()
	l.jobs.Wait()
	watching.Wait()
	return nil
}

// target is a replica as an order means it.
type target struct {
	b    *Backend
	r    *Replica
	at   int    // which of the backend's it is
	name string // of its container; "": it has none
	host string
}

// targets are all replicas there are.
func (l *Lifecycle) targets() (all []target) {
	for _, b := range l.pool.All() {
		for i, r := range b.replicas {
			t := target{b: b, r: r, at: i}
			if b.Container != nil {
				host, s := b.Container.of(b.Name, i)
				t.name = s.Name
				if h := hostOf(l.o.Hosts, host); h >= 0 {
					t.host = l.o.Hosts[h].Name
				}
			}
			all = append(all, t)
		}
	}
	return all
}

// find finds the replicas that names mean, each once, in the order of the
// configuration; no name means all.
func (l *Lifecycle) find(names []string) ([]target, error) {
	all := l.targets()
	if len(names) == 0 {
		return all, nil
	}
	meant := make([]bool, len(all))
	for _, n := range names {
		found := false
		for i, t := range all {
			if n != "" && (n == t.b.Name || n == t.name || n == t.r.URL) {
				meant[i], found = true, true
			}
		}
		if !found {
			var known []string
			for _, t := range all {
				known = append(known, t.b.Name)
				if t.name != "" {
					known = append(known, t.name)
				}
			}
			slices.Sort(known)
			return nil, &OrderError{Name: n, Why: "no backend, container or address of that name", Remedy: "there are: " + strings.Join(slices.Compact(known), ", ")}
		}
	}
	var out []target
	for i, t := range all {
		if meant[i] {
			out = append(out, t)
		}
	}
	return out, nil
}

// house finds a target's Docker engine; nil where it has no container.
func (l *Lifecycle) house(t *target) *house {
	for _, h := range l.houses {
		if t.name != "" && h.name == t.host {
			return h
		}
	}
	return nil
}

// plan is what a target's container is to be made of.
func (l *Lifecycle) plan(t *target) (docker.Plan, error) {
	_, s := t.b.Container.of(t.b.Name, t.at)
	return s.Plan(l.o.Getenv, l.o.ReadFile)
}

// Job is a job, one of those that a Snapshot has.
func (l *Lifecycle) Job(id int) (Job, bool) {
	all := l.seen.Load()
	if i := slices.IndexFunc(*all, func(j Job) bool { return j.ID == id }); i >= 0 {
		return (*all)[i], true
	}
	return Job{}, false
}

// CancelJob has a job end at the next step that it can end at. A container that
// was stopped to be started again is started first.
func (l *Lifecycle) CancelJob(id int, by string) error {
	l.o.Note(by, "cancel", fmt.Sprintf("job %d", id), "")
	l.mu.Lock()
	i := slices.IndexFunc(l.live, func(j *job) bool { return j.id == id })
	if i >= 0 {
		j := l.live[i]
		j.is.Cancelling = true
		if j.cancel != nil { // else Run does it
			j.cancel()
		}
		l.show()
		l.save()
	}
	l.mu.Unlock()
	if i < 0 {
		return ErrNoJob
	}
	l.o.Log.Info("cancel job", "job", id, "operator", by)
	l.pool.publish()
	return nil
}

// fill puts into a snapshot what the lifecycle knows. It waits for no lock that
// is held while a replica's state changes: that makes a snapshot, too.
func (l *Lifecycle) fill(s *Snapshot) {
	for _, h := range l.houses {
		s.Hosts = append(s.Hosts, h.status())
	}
	if all := l.seen.Load(); all != nil {
		s.Jobs = *all
	}
}

// show has the jobs seen as they are now.
func (l *Lifecycle) show() {
	all := make([]Job, 0, len(l.live)+len(l.past))
	for _, j := range l.live {
		all = append(all, j.is)
	}
	all = append(all, l.past...)
	l.seen.Store(&all)
}

// Logs tells the lines of replicas' containers, as docker's Logs does: those of
// all replicas that the name means, each with its container's name. each is
// called for one line at a time.
func (l *Lifecycle) Logs(ctx context.Context, name string, o LogOptions, each func(container string, line LogLine)) error {
	ts, err := l.find([]string{name})
	if err != nil {
		return err
	}
	houses := make([]*house, len(ts))
	for i := range ts {
		if houses[i] = l.house(&ts[i]); houses[i] == nil {
			return &OrderError{Name: name, Why: "it has no container that Pilothouse knows of", Remedy: "describe it in [backend.container]"}
		}
	}
	var mu sync.Mutex
	var readers sync.WaitGroup
	errs := make([]error, len(ts))
	for i, t := range ts {
		readers.Go(func() {
			errs[i] = houses[i].engine.Logs(ctx, t.name, o, func(line docker.Line) {
				mu.Lock()
				defer mu.Unlock()
				each(t.name, line)
			})
		})
	}
	readers.Wait()
	return errors.Join(errs...)
}
