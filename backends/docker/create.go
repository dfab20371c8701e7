package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Create makes a container and does not start it. Its image is pulled as its
// Spec says, with progress told where that is not nil; its networks are made
// where missing. Where it can't be put into all of them, there is no container
// afterwards.
func (e *Engine) Create(ctx context.Context, p Plan, progress func(Progress)) (id string, err error) {
	doing := fmt.Sprintf("create container %q", p.Spec.Name)
	options, err := p.options()
	if err != nil {
		return "", err
	}
	if err := e.EnsureImage(ctx, p.Spec.Image, p.Spec.Pull, progress); err != nil {
		return "", err
	}
	for _, n := range p.Spec.Networks {
		if err := e.EnsureNetwork(ctx, n.Name); err != nil {
			return "", err
		}
	}
	err = e.do(ctx, doing, e.heavy, func(ctx context.Context, api *client.Client) error {
		got, err := api.ContainerCreate(ctx, options)
		if err == nil && got.ID == "" {
			return &EngineError{Kind: Nonsense, Detail: "a container without its id"}
		}
		id = got.ID
		return err
	})
	if err != nil {
		return "", err
	}
	// Engines before 25 (API 1.44) take one network with the container.
	for _, n := range p.Spec.Networks[min(1, len(p.Spec.Networks)):] {
		err := e.do(ctx, fmt.Sprintf("put container %q into network %q", p.Spec.Name, n.Name), e.heavy, func(ctx context.Context, api *client.Client) error {
			_, err := api.NetworkConnect(ctx, n.Name, client.NetworkConnectOptions{Container: id, EndpointConfig: &network.EndpointSettings{Aliases: n.Aliases}})
			return err
		})
		if err != nil {
			return "", errors.Join(err, e.undo(ctx, p.Spec.Name, id))
		}
	}
	return id, nil
}

// undo removes a container that was just created, also where ctx has ended.
func (e *Engine) undo(ctx context.Context, name, id string) error {
	return e.do(context.WithoutCancel(ctx), fmt.Sprintf("remove container %q again", name), e.timeout, func(ctx context.Context, api *client.Client) error {
		_, err := api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{})
		return err
	})
}

// options are a plan in the engine's words.
func (p Plan) options() (client.ContainerCreateOptions, error) {
	s := &p.Spec
	labels, err := p.labels()
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	mode, times, err := parseRestart(s.Restart)
	if err != nil {
		return client.ContainerCreateOptions{}, fmt.Errorf("container %q: restart policy %q can't be used", s.Name, s.Restart)
	}
	seconds := int((time.Duration(s.StopTimeout) + time.Second - 1) / time.Second)
	config := &container.Config{
		Image: s.Image, Cmd: s.Command, Entrypoint: s.Entrypoint, Env: p.environment(), Labels: labels,
		User: s.User, WorkingDir: s.Workdir, StopTimeout: &seconds, ExposedPorts: network.PortSet{},
	}
	if s.Healthcheck == "off" {
		config.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	}
	host := &container.HostConfig{
		IpcMode: container.IpcMode(s.IPC), ShmSize: int64(s.ShmSize), PortBindings: network.PortMap{},
		RestartPolicy: container.RestartPolicy{Name: mode, MaximumRetryCount: times},
	}
	if len(s.GPUs) > 0 { // by id, so never more than these; Count stays 0
		host.DeviceRequests = []container.DeviceRequest{{Driver: "nvidia", DeviceIDs: s.GPUs, Capabilities: [][]string{{"gpu"}}}}
	}
	for _, text := range s.Volumes {
		v, err := parseVolume(text)
		if err != nil {
			return client.ContainerCreateOptions{}, fmt.Errorf("container %q: volume %q is not %w", s.Name, text, err)
		}
		m := mount.Mount{Type: mount.TypeVolume, Source: v.source, Target: v.target, ReadOnly: v.readOnly}
		if v.bind { // as a mount: the engine refuses a path that is not there, where a bind would make an empty directory of a misspelt one
			m.Type = mount.TypeBind
		}
		host.Mounts = append(host.Mounts, m)
	}
	for _, text := range s.Ports {
		b, err := parsePort(text)
		if err != nil {
			return client.ContainerCreateOptions{}, fmt.Errorf("container %q: port %q is not %w", s.Name, text, err)
		}
		port, _ := network.PortFrom(b.port, network.TCP)
		config.ExposedPorts[port] = struct{}{}
		host.PortBindings[port] = append(host.PortBindings[port], network.PortBinding{HostIP: b.host.Addr(), HostPort: fmt.Sprint(b.host.Port())})
	}
	options := client.ContainerCreateOptions{Config: config, HostConfig: host, Name: s.Name}
	if len(s.Networks) > 0 {
		first := s.Networks[0]
		host.NetworkMode = container.NetworkMode(first.Name)
		if !predefined(first.Name) {
			options.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first.Name: {Aliases: first.Aliases}}}
		}
	}
	return options, nil
}

// EnsureNetwork makes a network, a bridge, unless there is one of that name.
func (e *Engine) EnsureNetwork(ctx context.Context, name string) error {
	if predefined(name) {
		return nil
	}
	e.nets.Lock() // engines before 25 make a second one of the same name
	defer e.nets.Unlock()
	return e.do(ctx, fmt.Sprintf("make network %q", name), e.heavy, func(ctx context.Context, api *client.Client) error {
		got, err := api.NetworkList(ctx, client.NetworkListOptions{Filters: make(client.Filters).Add("name", name)})
		if err != nil {
			return err
		}
		for _, n := range got.Items { // whose names contain it
			if n.Name == name {
				return nil
			}
		}
		_, err = api.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge", Labels: map[string]string{labelManaged: "true"}})
		if r, ok := refusal(err); ok && r.Status == http.StatusConflict {
			return nil // somebody else was quicker
		}
		return err
	})
}
