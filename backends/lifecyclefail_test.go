package backends

import (
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"pilothouse/backends/dockertest"
)

// What goes wrong is said, and is the trouble of nobody else.
var lifeFailures = map[string]func(*testing.T, *dockertest.Engine){
	"ends": func(t *testing.T, d *dockertest.Engine) {
		bad, next, fine := housed(t, d, "bad", 1, "--kind", "nonsense"), housed(t, d, "next", 1), housed(t, d, "fine", 1)
		next.Container.After = []string{"bad"}
		p := start(t, d, bad, next, fine)
		begun := time.Now()
		j := p.order(ActUp)
		if j.State != Failed || j.Parts[2].State != Done || p.status(2, 0).State != Healthy {
			t.Errorf("%+v\n%s", j, p.describe())
		}
		contains(t, j.Parts[0].Err, "its container exited with code 2", "its log's last line: ", "nonsense")
		contains(t, j.Err, j.Parts[0].Container, j.Parts[0].Err)
		contains(t, j.Parts[1].Err, `"bad", which it comes after, is not ready`)
		if j.Parts[1].State != Failed || len(j.Parts[1].Past) > 0 {
			t.Errorf("begun: %+v", j.Parts[1])
		}
		if took := time.Since(begun); took > 5*time.Minute { // where the start time-out is three times that
			t.Errorf("it took %v", took)
		}
		out := p.status(0, 0)
		contains(t, out.Reason, "its container exited with code 2", "drained by ana: up failed")
		if out.Available() || out.Drained == nil || out.Drained.Job != j.ID {
			t.Errorf("%+v", out)
		}
	},
	"ends again": func(t *testing.T, d *dockertest.Engine) {
		c := housed(t, d, "bad", 1, "--kind", "nonsense")
		c.Container.Restart = "unless-stopped"
		p := start(t, d, c)
		j := p.order(ActUp)
		contains(t, j.Err, "its container ends as soon as it is started (", " times; now it is ", "nonsense")
		if p.order(ActStop, "bad").State != Done || p.status(0, 0).Container.State != "exited" {
			t.Errorf("it can't be stopped\n%s", p.describe())
		}
	},
	"deaf": func(t *testing.T, d *dockertest.Engine) {
		c := housed(t, d, "deaf", 1, "--listen", "0.0.0.0:9999")
		c.Container.StartTimeout = Duration(5 * time.Second)
		p := start(t, d, c)
		j := p.order(ActUp)
		contains(t, j.Err, "not ready after 5s", "it is loading", "its log's last line: ", "simulator serving")
		out := p.status(0, 0)
		if out.State != Loading || out.Available() || out.Container.State != "running" {
			t.Errorf("%+v %+v", out, out.Container)
		}
	},
	"first answer": func(t *testing.T, d *dockertest.Engine) {
		c := housed(t, d, "bad", 1, "--fault", "error_500,next=1")
		p := start(t, d, c)
		j := p.order(ActUp)
		contains(t, j.Err, "its first request was answered with status 500")
		if s := p.status(0, 0); s.Available() || s.Container.State != "running" {
			t.Errorf("%+v", s)
		}
		if j := p.order(ActUp); j.State != Done || stepsOf(j.Parts[0]) != "starting loading warm-up readmitting" || !p.status(0, 0).Available() {
			t.Errorf("up again: %+v\n%s", j, p.describe())
		}
	},
	"no answer": func(t *testing.T, d *dockertest.Engine) {
		c := housed(t, d, "bad", 1, "--fault", "hang")
		c.Timeouts.FirstByte = Duration(300 * time.Millisecond)
		p := start(t, d, c)
		j := p.order(ActUp)
		contains(t, j.Err, "its first request was not answered within 300ms")
		if p.status(0, 0).Available() {
			t.Error(p.describe())
		}
	},
	"no longer": func(t *testing.T, d *dockertest.Engine) {
		p := start(t, d, housed(t, d, "chat", 1, "--fault", "unhealthy"))
		id := p.begins(Order{Action: ActUp})
		p.until("loading", func() bool { return p.now(id, 0) == StepLoad })
		if err := p.pool.Apply(nil); err != nil {
			t.Fatal(err)
		}
		contains(t, p.ended(id).Err, "no longer configured")
	},
	"no image": func(t *testing.T, d *dockertest.Engine) { failsUntouched(t, start(t, d, housed(t, d, "chat", 1))) },
	"rolling": func(t *testing.T, d *dockertest.Engine) {
		stopsRolling(t, start(t, d, housed(t, d, "chat", 3, "--control")))
	},
	"foreign": func(t *testing.T, d *dockertest.Engine) { keepsForeign(t, start(t, d, housed(t, d, "chat", 1))) },
}

// A container that is to be made of an image which can't be had serves on.
func failsUntouched(t *testing.T, p *platform) {
	p.up()
	c := p.pool.All()[0].Config
	if err := p.pool.Apply([]Config{changed(c, func(c *Container) { c.Image = "missing:1" })}); err != nil {
		t.Fatal(err)
	}
	j := p.ended(p.begins(Order{Action: ActUp, Last: true}))
	contains(t, j.Err, `has no image "missing:1"`)
	if s := p.status(0, 0); j.State != Failed || s.State != Healthy || s.Drained != nil {
		t.Errorf("%+v\n%s", j, p.describe())
	}
}

// Where a replica does not come back, the others are left alone.
func stopsRolling(t *testing.T, p *platform) {
	p.up()
	c := p.pool.All()[0].Config
	bad := changed(c, func(c *Container) {
		c.Replicas[0].Environment = map[string]string{"A": "1"}
		c.Replicas[1].Command = append(slices.Clone(c.Command), "--fault", "error_500")
		c.Replicas[2].Environment = map[string]string{"A": "1"}
	})
	if err := p.pool.Apply([]Config{bad}); err != nil {
		t.Fatal(err)
	}
	j := p.order(ActUp)
	if j.State != Failed || j.Parts[0].State != Done || j.Parts[1].State != Failed || j.Parts[2].State != Failed || len(j.Parts[2].Past) != 0 {
		t.Fatalf("%+v", j)
	}
	contains(t, j.Err, "status 500")
	contains(t, j.Parts[2].Err, "left alone")
	for i, want := range []bool{true, false, true} {
		if p.status(0, i).Available() != want {
			t.Errorf("replica %d\n%s", i, p.describe())
		}
	}
	if p.container(j.Parts[2].Container).Restarts != 0 || len(p.status(0, 2).Container.Changes) == 0 {
		t.Errorf("it was made anew\n%s", p.describe())
	}

	// The one that does not serve comes first, as nobody misses it, and the two others wait.
	mended := changed(bad, func(c *Container) { c.Replicas[1].Command = c.Replicas[0].Command })
	if err := p.pool.Apply([]Config{mended}); err != nil {
		t.Fatal(err)
	}
	j = p.order(ActRestart, "chat")
	if j.State != Failed || j.Parts[0].Past != nil || j.Parts[1].State != Failed || j.Parts[2].Past != nil {
		t.Errorf("those that serve were not left alone: %+v", j)
	}
	if j = p.order(ActUp); j.State != Done || !p.status(0, 1).Available() || j.Parts[1].Past[0].Began.After(j.Parts[2].Past[0].Began) {
		t.Errorf("mended: %+v\n%s", j, p.describe())
	}
}

// A container that Pilothouse has not made is started, restarted and stopped, and
// never made anew or removed.
func keepsForeign(t *testing.T, p *platform) {
	c := p.pool.All()[0].Container
	name := c.Replicas[0].Name
	api := p.d.Client(t)
	_, s := c.of("", 0)
	port, bindings := portsOf(t, s.Ports[0])
	_, err := api.ContainerCreate(t.Context(), client.ContainerCreateOptions{Name: name, Config: &container.Config{Image: s.Image, Cmd: s.Command, ExposedPorts: port},
		HostConfig: &container.HostConfig{NetworkMode: netName, PortBindings: bindings}})
	if err != nil {
		t.Fatal(err)
	}
	id := p.container(name).ID
	for _, step := range []struct {
		order Order
		steps string
		why   string
		state string
	}{
		{Order{Action: ActUp}, "starting loading warm-up readmitting", "has not made this container: it is taken as it is", "running"},
		{Order{Action: ActUp}, "", "it runs", "running"},
		{Order{Action: ActRestart, Names: []string{name}, Last: true}, "draining stopping starting loading warm-up readmitting", "", "running"},
		{Order{Action: ActDown}, "draining stopping", "has not made this container: it is stopped, and stays", "exited"},
		{Order{Action: ActDown}, "", "has not made this container: it does not run, and stays", "exited"},
	} {
		j := p.ended(p.begins(step.order))
		if got := p.container(name); j.State != Done || stepsOf(j.Parts[0]) != step.steps || got.ID != id || got.State != step.state {
			t.Errorf("%+v: %+v, %s", step, j, got.State)
		}
		contains(t, j.Parts[0].Why, step.why)
	}
	if s := p.status(0, 0); s.Container.Ours || len(s.Container.Changes) > 0 {
		t.Errorf("%+v", s.Container)
	}
}
