package backends

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backends/dockertest"
)

// A job that is cancelled ends where it can, and leaves nothing half done.
var lifeCancels = map[string]func(*testing.T, *dockertest.Engine){
	"cancelled draining": func(t *testing.T, d *dockertest.Engine) { cancelsDrain(t, start(t, d, housed(t, d, "chat", 3))) },
	"cancelled loading": func(t *testing.T, d *dockertest.Engine) {
		cancelsLoad(t, start(t, d, housed(t, d, "chat", 1, "--fault", "unhealthy", "--control")))
	},
	"cancelled pulling": func(t *testing.T, d *dockertest.Engine) { cancelsPull(t, start(t, d, housed(t, d, "chat", 1))) },
	"cancelled waiting": func(t *testing.T, d *dockertest.Engine) {
		first, next := housed(t, d, "first", 1, "--fault", "unhealthy"), housed(t, d, "next", 1)
		next.Container.After = []string{"first"}
		p := start(t, d, first, next)
		id := p.begins(Order{Action: ActUp})
		p.until("the first to load", func() bool { return p.now(id, 0) == StepLoad })
		p.cancels(id)
		if j := p.ended(id); j.State != Cancelled || j.Err != "" || j.Parts[1].State != Cancelled || len(j.Parts[1].Past) > 0 {
			t.Errorf("%+v", j)
		}
	},
}

// now is the step of a job's part that is under way.
func (p *platform) now(id, part int) StepName {
	j, _ := p.life.Job(id)
	if s := j.Parts[part].Now(); s != nil {
		return s.Name
	}
	return ""
}

func (p *platform) cancels(id int) {
	p.t.Helper()
	if err := p.life.CancelJob(id, "ben"); err != nil {
		p.t.Error(err)
	}
	if j, _ := p.life.Job(id); !j.Cancelling {
		p.t.Errorf("it does not say that it is cancelled: %+v", j)
	}
}

// While it drains the container is not touched, and what was drained before stays
// so; between two replicas the next is not begun.
func cancelsDrain(t *testing.T, p *platform) {
	p.up()
	backend := p.pool.All()[0]
	begun := func(i int) time.Time { return p.container(backend.Container.Replicas[i].Name).Started }
	started := []time.Time{begun(0), begun(1), begun(2)}
	if _, err := p.life.Drain(t.Context(), Order{Names: []string{backend.URLs[1]}, Author: "cleo", Reason: "hers"}); err != nil {
		t.Fatal(err)
	}
	done := p.request(0, 0)
	defer done()
	for i, order := range []Order{{Action: ActRestart, Names: []string{backend.URLs[0]}}, {Action: ActStop, Names: []string{backend.URLs[0]}}, {Action: ActDown, Names: []string{backend.URLs[0]}}} {
		id := p.begins(order)
		p.until("the drain", func() bool {
			j, _ := p.life.Job(id)
			return p.status(0, 0).State == Draining && j.Parts[0].Now() != nil && strings.HasPrefix(j.Parts[0].Now().Note, "1 in flight, ")
		})
		p.cancels(id)
		if j := p.ended(id); j.State != Cancelled || j.Parts[0].State != Cancelled || stepsOf(j.Parts[0]) != "draining" || i == 0 && j.Parts[0].Now() != nil {
			t.Errorf("%+v", j)
		}
		if s := p.status(0, 0); s.State != Healthy || s.Drained != nil {
			t.Errorf("%+v %+v", s, s.Drained)
		}
	}
	if err := p.life.CancelJob(1, "ben"); !errors.Is(err, ErrNoJob) {
		t.Errorf("cancelled, though it had ended: %v", err)
	}

	// The one that is drained comes first, keeps its drain, and is the last.
	id := p.begins(Order{Action: ActRestart, Names: []string{"chat"}})
	p.until("the second replica's drain", func() bool { return p.now(id, 0) == StepDrain })
	p.cancels(id)
	j := p.ended(id)
	if j.State != Cancelled || j.Parts[0].State != Cancelled || j.Parts[1].State != Done || j.Parts[2].State != Cancelled || len(j.Parts[2].Past) > 0 {
		t.Errorf("%+v", j)
	}
	contains(t, j.Parts[1].Why, "it stays out of work: drained by cleo: hers")
	if now := []time.Time{begun(0), begun(1), begun(2)}; now[0] != started[0] || now[1] == started[1] || now[2] != started[2] {
		t.Errorf("started %v, and then %v", started, now)
	}
	s := p.status(0, 1)
	if s.Drained == nil || s.Drained.By != "cleo" || s.Available() || !p.status(0, 0).Available() || !p.status(0, 2).Available() {
		t.Error(p.describe())
	}

	// Its drain, too, is as it was when a job is cancelled that would have drained it.
	done()
	held := p.replica(0, 1)
	held.inflight.Add(1)
	id = p.begins(Order{Action: ActRestart, Names: []string{backend.URLs[1]}})
	p.until("the drain", func() bool { return p.now(id, 0) == StepDrain })
	p.cancels(id)
	p.ended(id)
	held.inflight.Add(-1)
	if s := p.status(0, 1); s.Drained == nil || s.Drained.By != "cleo" {
		t.Errorf("%+v", s.Drained)
	}
	p.order(ActUp)
	if s := p.status(0, 1); s.Drained == nil || s.Drained.By != "cleo" {
		t.Errorf("up: %+v", s.Drained)
	}
	if urls, err := p.life.Undrain(t.Context(), Order{Names: []string{backend.URLs[1]}}); err != nil || !slices.Equal(urls, backend.URLs[1:2]) || !p.status(0, 1).Available() {
		t.Errorf("%v %v", urls, err)
	}
}

// While it loads the container runs on, and takes work when it is well; while it
// stops it is started first.
func cancelsLoad(t *testing.T, p *platform) {
	url := p.pool.All()[0].URLs[0]
	id := p.begins(Order{Action: ActUp})
	p.until("loading", func() bool { return p.now(id, 0) == StepLoad })
	p.until("its log", func() bool {
		j, _ := p.life.Job(id)
		return strings.Contains(j.Parts[0].Now().Note, "simulator serving")
	})
	p.cancels(id)
	j := p.ended(id)
	if s := p.status(0, 0); j.State != Cancelled || s.State != Loading || s.Drained != nil || p.container(j.Parts[0].Container).State != "running" {
		t.Errorf("%+v\n%s", j, p.describe())
	}
	p.until("it to be mended", func() bool { return healed(url) })
	p.until("it to take work", func() bool { return p.status(0, 0).Available() })

	p.before(StepStop, func() { p.life.CancelJob(id+1, "ben") })
	j = p.ended(p.begins(Order{Action: ActRestart, Names: []string{url}, Last: true}))
	if j.State != Cancelled || stepsOf(j.Parts[0]) != "draining stopping starting" || p.container(j.Parts[0].Container).State != "running" {
		t.Errorf("%+v", j)
	}
	p.until("it to be mended", func() bool { return healed(url) })
	p.until("it to take work", func() bool { return p.status(0, 0).Available() })

	// An engine that is well takes no work before it is warm, but does when it is left.
	for step, steps := range map[StepName]string{StepWarm: "draining stopping starting loading", StepAdmit: "draining stopping starting loading warm-up"} {
		var out bool
		p.steps.each.Store(new(func(_ string, name StepName) {
			switch name {
			case StepLoad:
				p.until("it to listen", func() bool { return healed(url) })
			case step:
				out = !p.status(0, 0).Available()
				p.life.CancelJob(p.pool.Snapshot().Jobs[0].ID, "ben")
			}
		}))
		j = p.ended(p.begins(Order{Action: ActRestart, Names: []string{url}, Last: true}))
		if !strings.HasPrefix(stepsOf(j.Parts[0]), steps) || !out || !p.status(0, 0).Available() {
			t.Errorf("%s: %+v, out of work: %v\n%s", step, j, out, p.describe())
		}
	}
}

// While an image is pulled nothing is there yet.
func cancelsPull(t *testing.T, p *platform) {
	asked, over := make(chan struct{}, 10), make(chan struct{})
	registry := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	defer registry.Close()
	defer close(over)
	c := p.pool.All()[0].Config
	err := p.pool.Apply([]Config{changed(c, func(c *Container) {
		c.Image, c.Pull = strings.TrimPrefix(registry.URL, "http://")+"/test/image:1", "always"
	})})
	if err != nil {
		t.Fatal(err)
	}
	id := p.begins(Order{Action: ActUp})
	<-asked
	p.cancels(id)
	if j := p.ended(id); j.State != Cancelled || stepsOf(j.Parts[0]) != "image" || p.status(0, 0).Drained != nil || p.status(0, 0).Container.State != "" {
		t.Errorf("%+v\n%s", j, p.describe())
	}
}
