// Package demo is what the dashboard is tried on without any hardware: a
// deployment's backends on simulated engines in containers of a simulated Docker
// engine, GPUs that follow those, and clients of three organisations. What is in
// between is the real thing.
package demo

import (
	"context"
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

// Demo is one demo. New makes one. Its fields are for reading.
type Demo struct {
	Key      string            // of the gateway, for the visitor
	Backends []backends.Config // those configured, on engines of the demo's own
	Docker   []docker.Host     // that their containers are on
	GPUs     gpu.Source

	engine  *sim.Docker
	l       net.Listener      // the engine's
	traffic sim.TrafficConfig // without an address
}

// New makes a demo of the backends that a deployment has, with its files in a
// directory: the organisations' keys, and the socket of the Docker engine, for Run
// to serve.
func New(dir, keysFile string, configured []backends.Config) (*Demo, error) {
	d := &Demo{traffic: sim.TrafficConfig{Rate: 1.5, Seed: 1}}
	host := docker.Host{Name: "simulated", Host: "unix://" + filepath.Join(dir, "docker.sock")}
	var programs []sim.Program
	for i, b := range configured {
		addr, err := vacant()
		if err != nil {
			return nil, err
		}
		b.APIKeyEnv, b.URLs = "", []string{"http://" + addr}
		kind := sim.Chat
		if len(b.Routes) > 0 {
			kind = sim.Text2SQL
		}
		c := *b.Container
		c.Host, c.Secrets = host.Name, nil
		b.Container = &c
		programs = append(programs, sim.Program{Container: c.Name, Image: c.Image, GPU: strconv.Itoa(i), Address: addr, Load: loadTime,
			Server: sim.Config{Model: b.Model, Kind: kind, MaxModelLen: b.MaxContext, Seed: uint64(i + 1)}})
		d.Backends = append(d.Backends, b)
		d.traffic.Models = append(d.traffic.Models, sim.TrafficModel{Name: b.Model, Kind: kind})
	}
	var err error
	if d.engine, err = sim.NewDocker(programs...); err != nil {
		return nil, err
	}
	var cards []simgpu.Card
	for i := range d.Backends {
		cards = append(cards, simgpu.Card{Serves: d.Backends[i].Name, Work: d.engine.Work(d.Backends[i].Container.Name)})
	}
	d.GPUs = simgpu.New(cards...)
	d.Docker = []docker.Host{host}
	if err := d.admit(keysFile); err != nil {
		return nil, err
	}
	d.l, err = net.Listen("unix", filepath.Join(dir, "docker.sock"))
	return d, err
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

// vacant is an address of this host that nothing listens on.
func vacant() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Run serves the engines until ctx ends. It is called once.
func (d *Demo) Run(ctx context.Context) error { return d.engine.Serve(ctx, d.l) }

// Clients are those of the gateway at an address, until ctx ends.
func (d *Demo) Clients(ctx context.Context, gateway string) error {
	t := d.traffic
	t.BaseURL = gateway
	traffic, err := sim.NewTraffic(t)
	if err != nil {
		return err
	}
	return traffic.Run(ctx)
}
