package backends

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"pilothouse/backends/docker"
)

// What others do to the containers is seen.
func TestLifecycleOutside(t *testing.T) {
	d := sharedDocker(t)
	quiet(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := housed(t, d, "chat", 1, "--control", "--fault", "unhealthy")
	c.Container.Secrets = map[string]docker.Secret{"KEY": {File: secret}}
	name := c.Container.Replicas[0].Name
	p := start(t, d, c)
	id := p.begins(Order{Action: ActUp})
	p.until("it to be well", func() bool { healed(c.URLs[0]); j, _ := p.life.Job(id); return !j.Ended.IsZero() })
	api := d.Client(t)
	seen := func(what, state string, f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		done := time.Now()
		p.until(what, func() bool { return p.status(0, 0).Container.State == state })
		if took := time.Since(done); took > readEvery/2 { // it has not waited for the next reading
			t.Errorf("%s: seen after %v", what, took)
		}
	}
	down := func(reason string) {
		t.Helper()
		p.until("it to be down", func() bool { return p.status(0, 0).State == Down && p.status(0, 0).Reason == reason })
	}
	ctx := t.Context()
	seen("kill", "exited", func() error {
		_, err := api.ContainerKill(ctx, name, client.ContainerKillOptions{Signal: "KILL"})
		return err
	})
	down("its container exited with code 137")

	seen("start", "running", func() error { _, err := api.ContainerStart(ctx, name, client.ContainerStartOptions{}); return err })
	p.until("it to load", func() bool { return p.status(0, 0).State == Loading })
	if s := p.status(0, 0); s.Drained != nil {
		t.Errorf("started: %+v", s)
	}
	p.until("it to be well", func() bool { return healed(c.URLs[0]) && p.status(0, 0).State == Healthy })
	if len(p.pool.Snapshot().Jobs) != 1 || len(p.status(0, 0).Container.Changes) > 0 {
		t.Error(p.describe())
	}

	// A secret that was changed shows, and one that is missing hinders no restart.
	if err := os.WriteFile(secret, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	parts, err := p.life.Preview(ctx, Order{Action: ActRestart, Names: []string{"chat"}})
	if now := p.status(0, 0).Container.Changes; err != nil || len(now) != 1 || now[0].Field != "secrets.KEY" {
		t.Errorf("%v %+v", err, now)
	}
	contains(t, parts[0].Why, "its settings have changed (1 of them)")
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	if _, err := p.life.Begin(ctx, Order{Action: ActUp}); err == nil {
		t.Error("up without its secret")
	} else if _, ok := errors.AsType[*docker.SettingError](err); !ok {
		t.Error(err)
	}
	p.before(StepStart, p.cancel)
	id = p.begins(Order{Action: ActRestart, Names: []string{"chat"}, Last: true})
	<-p.over
	p.stop()
	p.begin(c)
	p.until("the restart to end", func() bool { healed(c.URLs[0]); j, _ := p.life.Job(id); return j.State == Done })
	contains(t, p.status(0, 0).Container.Err, "secrets.KEY")

	seen("stop", "exited", func() error { _, err := api.ContainerStop(ctx, name, client.ContainerStopOptions{}); return err })
	seen("removal", "", func() error { _, err := api.ContainerRemove(ctx, name, client.ContainerRemoveOptions{}); return err })
	down("its container is not there")
	var refused *OrderError
	if _, err := p.life.Begin(ctx, Order{Action: ActStart, Names: []string{name}}); !errors.As(err, &refused) || refused.Last || refused.Busy {
		t.Errorf("start of what is not there: %v", err)
	}
	contains(t, refused.Error(), "there is no such container", "pilothouse up chat makes it")
}

// A reading that was begun before another one, and comes after it, is old.
func TestReadingLate(t *testing.T) {
	pool, err := New([]Config{{Name: "chat", Model: "m", URLs: []string{"http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLifecycle(pool, LifecycleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, now := pool.All()[0].replicas[0], time.Now()
	l.told(r, &ContainerStatus{State: "running", At: now, asked: now}, true)
	l.told(r, &ContainerStatus{State: "exited", Words: "exited with code 0", At: now, asked: now.Add(-time.Millisecond)}, true)
	if got := r.status(); got.Container.State != "running" || r.circuit.halted != "" {
		t.Errorf("%+v", got.Container)
	}
	l.told(r, &ContainerStatus{State: "exited", Words: "exited with code 0", At: now, asked: now.Add(time.Millisecond)}, true)
	if got := r.status(); got.Container.State != "exited" || r.circuit.halted != "exited with code 0" {
		t.Errorf("%+v", got.Container)
	}
}
