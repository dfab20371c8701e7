package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/moby/moby/client"
)

// Start starts a container; one that runs already is no error.
func (e *Engine) Start(ctx context.Context, name string) error {
	return e.act(ctx, "start", name, e.heavy, func(ctx context.Context, api *client.Client, c Container) error {
		_, err := api.ContainerStart(ctx, c.ID, client.ContainerStartOptions{})
		return err
	})
}

// mostStop is how long a container may take to stop that its maker has allowed
// to take for ever.
const mostStop = time.Hour

// stopping bounds how long a container takes to stop. seconds is for the engine,
// which otherwise knows.
func (c *Container) stopping() (within time.Duration, seconds *int) {
	if c.stopTimeout < 0 || c.stopTimeout > mostStop {
		return mostStop, new(int(mostStop / time.Second))
	}
	return c.stopTimeout, nil
}

// Stop stops a container, which has its stop_timeout to do so before it is
// killed; one that does not run is no error.
func (e *Engine) Stop(ctx context.Context, name string) error {
	return e.act(ctx, "stop", name, 0, func(ctx context.Context, api *client.Client, c Container) error {
		_, seconds := c.stopping()
		_, err := api.ContainerStop(ctx, c.ID, client.ContainerStopOptions{Timeout: seconds})
		return err
	})
}

// Restart stops a container and starts it again.
func (e *Engine) Restart(ctx context.Context, name string) error {
	return e.act(ctx, "restart", name, 0, func(ctx context.Context, api *client.Client, c Container) error {
		_, seconds := c.stopping()
		_, err := api.ContainerRestart(ctx, c.ID, client.ContainerRestartOptions{Timeout: seconds})
		return err
	})
}

// Remove removes a container that does not run. One that Pilothouse has not
// created is a *NotOursError. Its volumes stay.
func (e *Engine) Remove(ctx context.Context, name string) error {
	return e.act(ctx, "remove", name, e.heavy, func(ctx context.Context, api *client.Client, c Container) error {
		if !c.Ours {
			return &NotOursError{e.host.Name, c.Name}
		}
		_, err := api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{})
		return err
	})
}

// act does something with the container that has a name now, by its id: the name
// may be another's a moment later. within is for f; 0: what it takes to stop.
func (e *Engine) act(ctx context.Context, verb, name string, within time.Duration, f func(context.Context, *client.Client, Container) error) error {
	c, err := e.Inspect(ctx, name)
	if err != nil {
		return err
	}
	if within == 0 {
		within, _ = c.stopping()
		within += e.heavy
	}
	err = e.do(ctx, fmt.Sprintf("%s container %q", verb, name), within, func(ctx context.Context, api *client.Client) error {
		return f(ctx, api, c)
	})
	if r, ok := errors.AsType[*Refusal](err); ok && r.Status == http.StatusNotFound && verb == "remove" {
		return nil // somebody else was quicker
	}
	return err
}
