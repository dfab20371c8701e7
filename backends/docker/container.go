package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Container is one as the engine tells of it. It does not change.
type Container struct {
	ID       string
	Name     string
	Image    string // as it was asked for
	ImageID  string // what that was
	State    string // created, running, paused, restarting, removing, exited or dead
	Health   string // starting, healthy or unhealthy; "": it is not checked
	ExitCode int    // of the last run
	OOM      bool   // the kernel has killed it for its memory
	Fault    string // why it couldn't be started; "": nothing
	PID      int    // of its first process; 0: not running
	Restarts int    // that the engine has made on its own; those that were asked for don't count
	Created  time.Time
	Started  time.Time // zero: never
	Finished time.Time // zero: never
	Labels   map[string]string
	Ports    []string           // published, like "127.0.0.1:8001:8000"; sorted
	Networks map[string]Address // by name
	GPUs     []string           // indexes or UUIDs, "all", or "any N"; none: no device request
	Restart  string             // the policy
	Backend  string             // whose it is; "": it is not ours
	Ours     bool               // Pilothouse has created it

	made        *record // nil: not ours
	tty         bool
	stopTimeout time.Duration
}

// Address is a container's in a network.
type Address struct {
	IP      string   // "": none, as it does not run
	Aliases []string // sorted
}

// Words says how a container is, as in "running, unhealthy" or "exited with code
// 137: out of memory".
func (c *Container) Words() string {
	switch {
	case c.Fault != "" && c.State != "running":
		return c.State + ": " + c.Fault
	case c.State == "running" && c.Health != "":
		return "running, " + c.Health
	case c.State == "exited", c.State == "dead", c.State == "restarting":
		text := c.State + " with code " + strconv.Itoa(c.ExitCode)
		if c.State == "restarting" {
			text = "restarting, after code " + strconv.Itoa(c.ExitCode)
		}
		if c.OOM {
			text += ": out of memory"
		}
		return text
	}
	return c.State
}

// Inspect reads a container, by its name or its whole id. One that is not there
// is a *NotFoundError.
func (e *Engine) Inspect(ctx context.Context, name string) (Container, error) {
	var c Container
	err := e.do(ctx, fmt.Sprintf("inspect container %q", name), e.timeout, func(ctx context.Context, api *client.Client) (err error) {
		c, err = e.inspect(ctx, api, name)
		return err
	})
	if err != nil {
		return Container{}, err
	}
	return c, nil
}

func (e *Engine) inspect(ctx context.Context, api *client.Client, name string) (Container, error) {
	missing := &NotFoundError{Host: e.host.Name, What: "container", Name: name}
	if !containerForm.MatchString(name) {
		return Container{}, missing
	}
	got, err := api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if r, ok := refusal(err); ok && r.Status == 404 {
		return Container{}, missing
	} else if err != nil {
		return Container{}, err
	}
	c, err := containerOf(&got.Container)
	if err == nil && c.Name != name && c.ID != name { // Docker takes the beginning of an id, too
		return Container{}, missing
	}
	return c, err
}

// refusal is what the engine has said, if it has.
func refusal(err error) (*Refusal, bool) {
	o, ok := errors.AsType[*outcome](err)
	if !ok {
		return nil, false
	}
	return errors.AsType[*Refusal](o.err)
}

// List reads all containers, whoever has created them, sorted by name.
func (e *Engine) List(ctx context.Context) ([]Container, error) {
	var all []Container
	err := e.do(ctx, "list containers", e.timeout, func(ctx context.Context, api *client.Client) error {
		got, err := api.ContainerList(ctx, client.ContainerListOptions{All: true})
		if err != nil {
			return err
		}
		for _, item := range got.Items {
			if item.ID == "" {
				return &EngineError{Kind: Nonsense, Detail: "a container without its id"}
			}
			c, err := e.inspect(ctx, api, item.ID)
			if _, gone := errors.AsType[*NotFoundError](err); gone {
				continue
			} else if err != nil {
				return err
			}
			all = append(all, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// containerOf understands what the engine tells. What it must tell, and does
// not, makes it nonsense.
func containerOf(in *container.InspectResponse) (Container, error) {
	if in.ID == "" || in.Name == "" || in.State == nil || in.Config == nil || in.HostConfig == nil {
		return Container{}, &EngineError{Kind: Nonsense, Detail: "a container without its id, name, state or configuration"}
	}
	s := in.State
	c := Container{
		ID: plain(in.ID), Name: plain(strings.TrimPrefix(in.Name, "/")), Image: plain(in.Config.Image), ImageID: plain(in.Image),
		State: plain(string(s.Status)), ExitCode: s.ExitCode, OOM: s.OOMKilled, Fault: plain(s.Error), PID: s.Pid, Restarts: in.RestartCount,
		Labels: make(map[string]string, len(in.Config.Labels)), Networks: make(map[string]Address), Restart: restartText(in.HostConfig.RestartPolicy),
		tty: in.Config.Tty, stopTimeout: 10 * time.Second,
	}
	for k, v := range in.Config.Labels {
		c.Labels[plain(k)] = plain(v)
	}
	if s.Health != nil && s.Health.Status != container.NoHealthcheck {
		c.Health = plain(string(s.Health.Status))
	}
	if t := in.Config.StopTimeout; t != nil {
		c.stopTimeout = time.Duration(*t) * time.Second
	}
	if c.made, c.Ours = readRecord(c.Name, in.Config.Labels); c.Ours {
		c.Backend = plain(in.Config.Labels[labelBackend])
	}
	for _, t := range []struct {
		to   *time.Time
		from string
	}{{&c.Created, in.Created}, {&c.Started, s.StartedAt}, {&c.Finished, s.FinishedAt}} {
		if t.from == "" {
			continue
		}
		v, err := time.Parse(time.RFC3339Nano, t.from)
		if err != nil {
			return Container{}, err
		}
		*t.to = v.UTC()
	}
	c.Ports, c.GPUs = portsOf(in), gpusOf(in)
	if in.NetworkSettings != nil {
		for name, n := range in.NetworkSettings.Networks {
			c.Networks[plain(name)] = addressOf(&c, n)
		}
	}
	return c, nil
}

func addressOf(c *Container, n *network.EndpointSettings) Address {
	var a Address
	if n == nil {
		return a
	}
	if n.IPAddress.IsValid() {
		a.IP = n.IPAddress.String()
	} else if n.GlobalIPv6Address.IsValid() {
		a.IP = n.GlobalIPv6Address.String()
	}
	for _, name := range n.Aliases {
		if name != c.Name && !strings.HasPrefix(c.ID, name) { // which the engine adds
			a.Aliases = append(a.Aliases, plain(name))
		}
	}
	slices.Sort(a.Aliases)
	return a
}

func portsOf(in *container.InspectResponse) []string {
	from := in.HostConfig.PortBindings
	if in.NetworkSettings != nil && len(in.NetworkSettings.Ports) > 0 {
		from = in.NetworkSettings.Ports
	}
	all := make(map[string]bool)
	for port, bindings := range from {
		for _, b := range bindings {
			host := "0.0.0.0"
			if b.HostIP.Is6() {
				host = "[" + b.HostIP.String() + "]"
			} else if b.HostIP.IsValid() {
				host = b.HostIP.String()
			}
			text := fmt.Sprintf("%s:%s:%d", host, plain(b.HostPort), port.Num())
			if port.Proto() != "tcp" {
				text += "/" + plain(string(port.Proto()))
			}
			all[text] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// gpusOf are the GPUs that a container was given, in either way.
func gpusOf(in *container.InspectResponse) []string {
	var all []string
	for _, r := range in.HostConfig.DeviceRequests {
		switch {
		case len(r.DeviceIDs) > 0:
			for _, id := range r.DeviceIDs {
				all = append(all, plain(id))
			}
		case r.Count < 0:
			all = append(all, "all")
		case r.Count > 0:
			all = append(all, fmt.Sprintf("any %d", r.Count))
		}
	}
	if len(all) > 0 || in.HostConfig.Runtime != "nvidia" {
		return all
	}
	for _, env := range in.Config.Env {
		if ids, ok := strings.CutPrefix(env, gpuVariable+"="); ok && ids != "" && ids != "void" && ids != "none" {
			for id := range strings.SplitSeq(ids, ",") {
				all = append(all, plain(id))
			}
		}
	}
	return all
}
