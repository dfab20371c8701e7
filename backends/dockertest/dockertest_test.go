package dockertest

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// remains are what is left of an engine on this machine.
func remains(t *testing.T, e *Engine) []string {
	t.Helper()
	var left []string
	if pids := e.processes(); len(pids) > 0 {
		left = append(left, "processes")
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), e.dir+"/") {
		left = append(left, "mounts")
	}
	if len(e.groups()) > 0 {
		left = append(left, "control groups")
	}
	if _, err := os.Stat(e.dir); err == nil {
		left = append(left, "files")
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if in, ok := a.(*net.IPNet); ok && e.pool.Contains(in.IP) {
			left = append(left, "a bridge")
		}
	}
	return left
}

// Two engines run at once and don't see each other; one that was killed starts
// again with what it had; and of neither anything is left, however it ended.
func TestEngine(t *testing.T) {
	for name, end := range map[string]func(*Engine){
		"running": func(*Engine) {},
		"paused":  func(e *Engine) { e.Pause(t) },
		"killed":  func(e *Engine) { e.Kill() },
		"again":   func(e *Engine) { e.Kill(); e.Start(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := New("--live-restore")
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			c, ctx := e.Client(t), t.Context()
			if _, err := c.NetworkCreate(ctx, "n", client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
				t.Fatal(err)
			}
			_, err = c.ContainerCreate(ctx, client.ContainerCreateOptions{Name: "same", Config: &container.Config{Image: e.Talker(t), Cmd: []string{"wait"}},
				HostConfig: &container.HostConfig{NetworkMode: "n", RestartPolicy: container.RestartPolicy{Name: "always"}}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.ContainerStart(ctx, "same", client.ContainerStartOptions{}); err != nil {
				t.Fatal(err)
			}
			end(e)
			if name == "again" {
				if got, err := c.ContainerInspect(ctx, "same", client.ContainerInspectOptions{}); err != nil || !got.Container.State.Running {
					t.Errorf("%v %+v", err, got.Container.State)
				}
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			if err := e.Close(); err != nil {
				t.Errorf("closed twice: %v", err)
			}
			if left := remains(t, e); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// What a test has left behind that was ended before it could close its engine the
// next engine removes.
func TestSweep(t *testing.T) {
	e := Start(t, "--live-restore")
	if err := sweep(); err != nil || !e.running() {
		t.Fatalf("an engine that is somebody's was closed: %v", err)
	}
	c, ctx := e.Client(t), t.Context()
	if _, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{Name: "left", Config: &container.Config{Image: e.Talker(t), Cmd: []string{"wait"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ContainerStart(ctx, "left", client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	e.Kill()
	e.lock.Close() // as the end of the process does
	if err := sweep(); err != nil {
		t.Error(err)
	}
	if left := remains(t, e); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
