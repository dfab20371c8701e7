package backends

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pilothouse/backends/docker"
	"pilothouse/backends/dockertest"
)

// A Docker engine that goes away in the middle of a job is waited for.
func TestLifecycleEngineAway(t *testing.T) {
	quiet(t)
	d := dockertest.Start(t, "--live-restore")
	if err := addNetwork(d); err != nil {
		t.Fatal(err)
	}
	c := housed(t, d, "chat", 1, "--control", "--fault", "unhealthy")
	c.Container.Restart = "unless-stopped"
	url := c.URLs[0]
	p := start(t, d, c)
	host := func() HostStatus { return p.pool.Snapshot().Hosts[0] }
	away := func(id int, words string) {
		t.Helper()
		p.until("the engine's absence to be told", func() bool {
			j, _ := p.life.Job(id)
			s := j.Parts[0].Now()
			return s != nil && host().Err != "" && strings.Contains(s.Note, `Docker engine "test" can't be reached`) && strings.Contains(s.Note, words)
		})
		if now := p.pool.Snapshot().Backends[0].Replicas[0].Container; now.Name == "" || host().Since.IsZero() {
			t.Errorf("%+v %+v", now, host())
		}
	}
	back := func(id int) Job {
		t.Helper()
		d.Start(t)
		var j Job
		p.until("the job to end", func() bool {
			healed(url)
			j, _ = p.life.Job(id)
			return !j.Ended.IsZero()
		})
		p.until("the engine to be back", func() bool { return host().Err == "" && p.status(0, 0).Container.Err == "" })
		return j
	}
	p.before(StepLoad, func() { d.Kill() })
	id := p.begins(Order{Action: ActUp})
	away(id, "inspect container")
	if j := back(id); j.State != Done || !p.status(0, 0).Available() {
		t.Errorf("while it loads: %+v\n%s", j, p.describe())
	}
	p.before(StepStop, func() { d.Kill() })
	id = p.begins(Order{Action: ActRestart, Names: []string{"chat"}, Last: true})
	away(id, "asked again until ")
	if j := back(id); j.State != Done || !p.status(0, 0).Available() {
		t.Errorf("while it stops: %+v\n%s", j, p.describe())
	}

	// Not for ever.
	p.life.away = time.Second
	p.before(StepStop, func() { d.Kill() })
	id = p.begins(Order{Action: ActRestart, Names: []string{"chat"}, Last: true})
	j := p.ended(id)
	contains(t, j.Err, `Docker engine "test" can't be reached`)
	if j.State != Failed || p.status(0, 0).Available() {
		t.Errorf("%+v\n%s", j, p.describe())
	}
	if _, err := p.life.Begin(t.Context(), Order{Action: ActUp}); err == nil {
		t.Error("begun without an engine")
	}
	d.Start(t)
	id = p.begins(Order{Action: ActUp})
	if j := p.ended(id); j.State != Done || !p.status(0, 0).Available() {
		t.Errorf("%+v\n%s", j, p.describe())
	}
}

// A Docker engine that takes calls and answers nothing hinders nobody.
func TestLifecycleEngineSilent(t *testing.T) {
	quiet(t)
	d := dockertest.Start(t)
	if err := addNetwork(d); err != nil {
		t.Fatal(err)
	}
	c := housed(t, d, "chat", 2)
	p := start(t, d, c)
	p.up()
	p.stop()
	d.Pause(t)
	resume := func() { d.Resume(t) }
	defer func() { resume() }()
	p.within = 4 * time.Second
	p.begin(c)
	p.until("the engine to be silent", func() bool { return p.life.engines[0].Ping(t.Context()) != nil })

	begun := time.Now()
	_, err := p.life.Begin(t.Context(), Order{Action: ActRestart, Names: []string{"chat"}})
	if e, ok := errors.AsType[*docker.EngineError](err); !ok || e.Kind != docker.Slow || time.Since(begun) > 3*p.within {
		t.Errorf("%v, after %v", err, time.Since(begun))
	}
	p.until("it to be told", func() bool { return strings.Contains(p.pool.Snapshot().Hosts[0].Err, "does not answer") })
	p.until("the engines to be well", func() bool { return p.status(0, 0).Available() && p.status(0, 1).State == Healthy })
	begun = time.Now()
	if _, err := p.life.Drain(t.Context(), Order{Names: c.URLs[:1]}); err != nil {
		t.Error(err)
	}
	if _, err := p.life.Undrain(t.Context(), Order{Names: c.URLs[:1]}); err != nil {
		t.Error(err)
	}
	if _, ok := p.life.Job(1); !ok || len(p.pool.Snapshot().Jobs) != 1 {
		t.Error("the job before is forgotten")
	}
	if took := time.Since(begun); took > p.within*3/4 {
		t.Errorf("it took %v", took)
	}
	begun = time.Now()
	p.stop()
	if took := time.Since(begun); took > p.within*3/4 {
		t.Errorf("its end took %v", took)
	}

	// Containers that were never read before have not been started meanwhile.
	p.begin(c)
	p.until("the engines to be well", func() bool { return p.status(0, 0).State == Healthy && p.status(0, 1).State == Healthy })
	p.until("a reading to fail", func() bool { c := p.status(0, 0).Container; return c != nil && c.Err != "" })
	d.Resume(t)
	resume = func() {}
	p.until("the containers to be read", func() bool { return p.status(0, 0).Container.State == "running" })
	if s := p.status(0, 0); s.State != Healthy || s.Container.Err != "" || s.Container.At.IsZero() {
		t.Errorf("%+v %+v", s, s.Container)
	}
}
