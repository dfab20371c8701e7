// Package backends is the upstream side of the gateway: which engines there
// are, which of them are well, and the connections to them.
//
// A backend is a model; its replicas are the engines that serve it, each
// behind a URL. A Pool holds them all. Take finds a place for a request: at the
// replica with the least expected work, of those that have room in their KV cache
// and whose circuit lets work through. What happens to the request is reported
// back to the replica (Answered, Failed, Progressed), and together with probes and
// with readings of the engines' metrics this moves the circuit. A client's own
// errors never count against a replica; nor does it that an engine is slow as long
// as it gets on, and that it is quick to say it is well does not help it while it
// makes no progress.
//
// The package promises that a connection carries a second request only after
// the first one's answer was read whole, and only while it is younger than the
// engine's own idle limit; that an answer which was cut short is an error,
// never an end; and that no byte a backend sent reaches a Reason.
//
// Everything here may be used by many goroutines at once, but for a Conn, which
// belongs to the request on it.
package backends

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backends/openai"
)

// Pool holds all backends. The zero value is not usable: see New.
type Pool struct {
	now   func() time.Time
	table atomic.Pointer[table]
	snap  atomic.Pointer[Snapshot]
	life  atomic.Pointer[Lifecycle] // nil: nobody looks after containers

	mu      sync.Mutex // of Apply, and what follows
	watched map[*Replica]context.CancelFunc
	watch   func(*Replica) // set while Run runs
}

// table is one configuration of the pool, immutable.
type table struct {
	backends []*Backend
	byModel  map[string]*Backend // aliases too
	byRoute  map[string]*Backend
}

// Backend is one model and its replicas. It is immutable: a reload makes new
// ones, which share the replicas that stay.
type Backend struct {
	Config
	Target   openai.Target // what requests are held against
	replicas []*Replica
	turn     atomic.Uint32
}

// New makes a pool of the configured backends, which must be valid. It starts
// nothing.
func New(cfg []Config) (*Pool, error) {
	p := &Pool{now: time.Now, watched: map[*Replica]context.CancelFunc{}}
	p.table.Store(&table{})
	if err := p.Apply(cfg); err != nil {
		return nil, err
	}
	return p, nil
}

// Check tells what is wrong with the backends taken together.
func Check(cfg []Config) error {
	var errs []error
	type seen struct{ what, backend string }
	taken := map[string]seen{}
	claim := func(c *Config, key, what, value string) {
		id := what + "\x00" + value
		if s, ok := taken[id]; ok {
			errs = append(errs, &SettingError{c.Index, c.Name, key, fmt.Sprintf("%q, which backend %q has too", value, s.backend), "a " + what + " of its own"})
			return
		}
		taken[id] = seen{what, c.Name}
	}
	for i := range cfg {
		c := &cfg[i]
		c.Index = i
		errs = append(errs, c.Validate())
		claim(c, "name", "name", c.Name)
		claim(c, "model", "model", c.Model)
		for _, a := range c.Aliases {
			claim(c, "aliases", "model", a)
		}
		for _, r := range c.Routes {
			claim(c, "routes", "route", r)
		}
		for _, u := range c.URLs {
			claim(c, "urls", "url of "+c.Name, u)
		}
	}
	return errors.Join(errs...)
}

// Apply puts another configuration in force. Replicas that stay keep their
// state and connections; requests on those that go may end.
func (p *Pool) Apply(cfg []Config) error {
	if err := Check(cfg); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	type id struct{ backend, url string }
	old := map[id]*Replica{}
	for _, b := range p.table.Load().backends {
		for _, r := range b.replicas {
			old[id{b.Name, r.URL}] = r
		}
	}
	t := &table{byModel: map[string]*Backend{}, byRoute: map[string]*Backend{}}
	for _, c := range cfg {
		c.Fill()
		b := &Backend{Config: c, Target: openai.Target{Model: c.Model, MaxContext: c.MaxContext, MaxN: c.MaxN, Defaults: openai.Defaults{
			MaxTokens: *c.Defaults.MaxTokens, Temperature: c.Defaults.Temperature, TopP: c.Defaults.TopP}}}
		s := &settings{timeouts: c.Timeouts, health: c.Health, key: c.APIKey, model: c.Model, context: c.MaxContext, kvTokens: c.KVTokens, estimate: c.Capacity.tokens(c.Model)}
		for _, u := range c.URLs {
			r := old[id{c.Name, u}]
			if r == nil {
				r = newReplica(u, s, p.now, p.publish)
			}
			delete(old, id{c.Name, u})
			r.settings.Store(s)
			r.circuit.tune(s.health)
			b.replicas = append(b.replicas, r)
			if p.watch != nil && p.watched[r] == nil {
				p.watch(r)
			}
		}
		for _, r := range b.replicas {
			r.peers.Store(&b.replicas)
		}
		t.backends = append(t.backends, b)
		t.byModel[c.Model] = b
		for _, a := range c.Aliases {
			t.byModel[a] = b
		}
		for _, route := range c.Routes {
			t.byRoute[route] = b
		}
	}
	p.table.Store(t)
	for _, r := range old {
		if stop := p.watched[r]; stop != nil {
			stop()
			delete(p.watched, r)
		}
		r.close()
	}
	p.publish()
	return nil
}

// Run probes the replicas, reads what their engines count, and keeps the
// connections young until ctx ends. It returns after its last goroutine has.
func (p *Pool) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	p.mu.Lock()
	p.watch = func(r *Replica) {
		ctx, stop := context.WithCancel(ctx)
		p.watched[r] = stop
		wg.Go(func() { r.watch(ctx, r.client()) })
		wg.Go(func() { r.scrape(ctx, r.client(), p.publish) })
	}
	for _, b := range p.table.Load().backends {
		for _, r := range b.replicas {
			p.watch(r)
		}
	}
	p.mu.Unlock()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			for _, b := range p.table.Load().backends {
				for _, r := range b.replicas {
					r.look()
					r.sweep(time.Duration(b.Timeouts.Idle))
				}
			}
			p.publish()
		}
	}
	p.mu.Lock()
	p.watch = nil
	p.mu.Unlock()
	wg.Wait()
	for _, b := range p.table.Load().backends {
		for _, r := range b.replicas {
			r.close()
		}
	}
	return nil
}

// Snapshot is the pool as it last changed, half a second ago at most.
func (p *Pool) Snapshot() *Snapshot { return p.snap.Load() }

func (p *Pool) publish() {
	t := p.table.Load()
	s := &Snapshot{At: p.now(), Backends: make([]BackendStatus, len(t.backends))}
	for i, b := range t.backends {
		s.Backends[i] = BackendStatus{Name: b.Name, Model: b.Model, Aliases: b.Aliases, Routes: b.Routes, MaxContext: b.MaxContext}
		for _, r := range b.replicas {
			s.Backends[i].Replicas = append(s.Backends[i].Replicas, r.status())
		}
	}
	if l := p.life.Load(); l != nil {
		l.fill(s)
	}
	p.snap.Store(s)
}

// attend has snapshots tell what a lifecycle knows, too.
func (p *Pool) attend(l *Lifecycle) {
	p.life.Store(l)
	p.publish()
}

// Model finds the backend that serves a model, by its name or an alias; nil
// when none does. The string is only compared.
func (p *Pool) Model(name []byte) *Backend { return p.table.Load().byModel[string(name)] }

// Route finds the backend that carries a route of its own; nil when none does.
func (p *Pool) Route(path []byte) *Backend { return p.table.Load().byRoute[string(path)] }

// All are the backends in the order of the configuration; not to be changed.
func (p *Pool) All() []*Backend { return p.table.Load().backends }

// At is the replica with that URL; nil: it is none of the backend's.
func (b *Backend) At(url string) *Replica {
	for _, r := range b.replicas {
		if r.URL == url {
			return r
		}
	}
	return nil
}

// Replicas counts them, well or not.
func (b *Backend) Replicas() int { return len(b.replicas) }
