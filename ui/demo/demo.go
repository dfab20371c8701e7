// Package demo is what the dashboard is tried on without any hardware: a
// deployment's backends on simulated engines in containers of a simulated Docker
// engine, GPUs that follow those, and clients of three organisations. What is in
// between is the real thing.
//
// Whoever looks may cause trouble: each engine takes faults at /sim/faults, its
// GPU's among them. docs/demo.md tells how.
package demo

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/docker"
	"pilothouse/backends/sim"
	"pilothouse/gateway/keys"
	"pilothouse/gpu"
	simgpu "pilothouse/gpu/sim"
)

// loadTime is how long an engine of the demo takes to load its model, which is
// short enough to be waited for.
const loadTime = 8 * time.Second

// Demo is one demo. New makes one, which is to be closed. Its fields are for
// reading.
type Demo struct {
	Key      string            // of the gateway, for the visitor
	Backends []backends.Config // those configured, on engines of the demo's own
	Docker   []docker.Host     // that their containers are on
	GPUs     gpu.Source

	engine  *sim.Docker
	cards   *simgpu.Source    // GPUs
	l       net.Listener      // the engine's
	traffic sim.TrafficConfig // without an address
}

// New makes a demo of the backends that a deployment has, with its files in a
// directory: the organisations' keys, and the socket of the Docker engine, for Run
// to serve.
func New(dir, keysFile string, configured []backends.Config) (_ *Demo, err error) {
	d := &Demo{traffic: sim.TrafficConfig{Rate: 1.5, Seed: 1}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	host := docker.Host{Name: "simulated", Host: "unix://" + filepath.Join(dir, "docker.sock")}
	d.Docker = []docker.Host{host}
	var programs []sim.Program
	for i, b := range configured {
		kind := sim.Chat
		if len(b.Routes) > 0 {
			kind = sim.Text2SQL
		}
		c := *b.Container
		c.Host, c.Secrets = host.Name, nil
		b.APIKeyEnv, b.Container = "", &c
		programs = append(programs, sim.Program{Container: c.Name, Image: c.Image, GPU: strconv.Itoa(i), Load: loadTime,
			Server: sim.Config{Model: b.Model, Kind: kind, MaxModelLen: b.MaxContext, Seed: uint64(i + 1), Control: true,
				Card: func(f sim.FaultKind) { d.befall(i, f) }}})
		d.Backends = append(d.Backends, b)
		d.traffic.Models = append(d.traffic.Models, sim.TrafficModel{Name: b.Model, Kind: kind})
	}
	if d.engine, err = sim.NewDocker(programs...); err != nil {
		return nil, err
	}
	var cards []simgpu.Card
	for i := range d.Backends {
		b := &d.Backends[i]
		b.URLs = []string{"http://" + d.engine.Address(b.Container.Name)}
		cards = append(cards, simgpu.Card{Serves: b.Name, Work: d.engine.Work(b.Container.Name)})
	}
	d.cards = simgpu.New(cards...)
	d.GPUs = d.cards
	if err := d.admit(keysFile); err != nil {
		return nil, err
	}
	d.l, err = net.Listen("unix", filepath.Join(dir, "docker.sock"))
	return d, err
}

// Close gives up what New took. It may be called twice, and not while Run runs.
func (d *Demo) Close() (err error) {
	if d.engine != nil {
		err = d.engine.Close()
	}
	if d.l != nil {
		if e := d.l.Close(); !errors.Is(e, net.ErrClosed) { // as Run leaves it
			err = errors.Join(err, e)
		}
	}
	return err
}

// admit makes the keys of the visitor and of the demo's own clients.
func (d *Demo) admit(keysFile string) (err error) {
	if d.Key, _, err = keys.New(keysFile, keys.Entry{Org: "visitor", Name: "demo"}); err != nil {
		return err
	}
	for _, o := range []struct {
		org, key string
		weight   float64
	}{{"acme", "etl-nightly", 5}, {"globex", "web", 3}, {"initech", "notebooks", 2}} {
		secret, _, err := keys.New(keysFile, keys.Entry{Org: o.org, Name: o.key})
		if err != nil {
			return err
		}
		d.traffic.Orgs = append(d.traffic.Orgs, sim.TrafficOrg{Key: secret, Weight: o.weight})
	}
	return nil
}

// befall gives the GPU of an engine the fault that the engine was told of.
func (d *Demo) befall(index int, f sim.FaultKind) {
	faults := map[sim.FaultKind]simgpu.Fault{"": simgpu.Well, sim.GPUXID: simgpu.Spoiled, sim.GPULost: simgpu.FallsOff,
		sim.GPUHung: simgpu.Hangs, sim.GPUHot: simgpu.Hot, sim.GPUFull: simgpu.Full}
	_ = d.cards.Fault(index, faults[f]) // there is a card for each engine
}

// Run serves the engines until ctx ends. It is called once.
func (d *Demo) Run(ctx context.Context) error { return d.engine.Serve(ctx, d.l) }

// Pool tells how the gateway's backends are; a *backends.Pool.
type Pool interface{ Snapshot() *backends.Snapshot }

// Clients are those of the gateway at an address, from when all of its backends
// serve until ctx ends. They stay when one fails later: that is what is to be seen.
func (d *Demo) Clients(ctx context.Context, gateway string, pool Pool) error {
	t := d.traffic
	t.BaseURL = gateway
	traffic, err := sim.NewTraffic(t)
	if err != nil {
		return err
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !serves(pool.Snapshot()) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
	return traffic.Run(ctx)
}

// serves tells whether every backend has a replica that is known to take work.
func serves(s *backends.Snapshot) bool {
	if s == nil || !s.Known() {
		return false
	}
	for i := range s.Backends {
		if s.Backends[i].Available() == 0 {
			return false
		}
	}
	return true
}
