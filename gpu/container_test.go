package gpu_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"pilothouse/backends/dockertest"
	"pilothouse/gpu"
)

// busy is a source with a device that these processes are on.
type busy []int

func (busy) Name() string    { return "busy" }
func (busy) Simulated() bool { return false }

func (busy) Devices(context.Context) (gpu.Listing, error) {
	return gpu.Listing{Devices: []gpu.Device{{Name: "card", UUID: "a"}}}, nil
}

func (b busy) Read(context.Context, int, gpu.Group) (gpu.Sample, error) {
	var s gpu.Sample
	for _, pid := range b {
		s.Processes = append(s.Processes, gpu.Process{PID: pid, Kind: gpu.Compute})
	}
	return s, nil
}

// Processes are those of a real engine's containers: the one that the engine has
// started, and one that is in the container's control group.
func TestProcessesOfARealContainer(t *testing.T) {
	e := dockertest.Start(t)
	c, ctx := e.Client(t), t.Context()
	made, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{Name: "vllm-chat", Config: &container.Config{Image: e.Talker(t), Cmd: []string{"wait"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := c.ContainerInspect(ctx, made.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	inside := got.Container.State.Pid
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // until the engine's own program has become it
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", inside))
		if err != nil || time.Now().After(end) {
			t.Fatalf("process %d is %q, %v", inside, name, err)
		}
		if string(name) == "talker\n" {
			break
		}
	}
	worker, stranger := start(t), start(t)
	enter(t, worker, inside)

	s := gpu.New(gpu.Options{Container: func(id string) (name, backend string) {
		if id == made.ID {
			return "vllm-chat", "chat"
		}
		return "", ""
	}}, gpu.Host{Source: busy{inside, worker, stranger}})
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(run) }()
	t.Cleanup(func() { stop(); <-done })
	snap := s.Snapshot()
	for end := time.Now().Add(30 * time.Second); len(snap.GPUs) == 0 || snap.GPUs[0].At.IsZero(); snap = s.Snapshot() {
		if time.Now().After(end) {
			t.Fatalf("%+v", snap)
		}
		time.Sleep(time.Millisecond)
	}
	g := &snap.GPUs[0]
	if g.Serves != "chat" {
		t.Errorf("serves %q", g.Serves)
	}
	for i, name := range []string{"talker", "sleep"} {
		if o := &g.Processes[i]; o.Name != name || o.ID != made.ID || o.Container != "vllm-chat" || o.Backend != "chat" || time.Since(o.Started) > time.Minute {
			t.Errorf("%+v", o)
		}
	}
	if o := &g.Processes[2]; o.Name != "sleep" || o.Container != "" || o.Backend != "" || o.ID == made.ID {
		t.Errorf("%+v", o)
	}
}

// start starts a process that does nothing until the test's end.
func start(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}

// enter has a process enter the control groups of another: with v1 that of
// memory, with v2 the one.
func enter(t *testing.T, pid, other int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", other))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		root := "/sys/fs/cgroup"
		switch {
		case fields[1] == "memory":
			root = filepath.Join(root, "memory")
		case fields[0] != "0" || !strings.Contains(fields[2], "/"+"pilothouse-"):
			continue
		}
		file := filepath.Join(root, fields[2], "cgroup.procs")
		if err := os.WriteFile(file, []byte(fmt.Sprint(pid)), 0); err != nil {
			t.Fatalf("echo %d > %s: %v", pid, file, err)
		}
		return
	}
	t.Fatalf("no control group among %q", text)
}
