package backends

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pilothouse/backends/dockertest"
)

// A process that ends in the middle of a job, at whatever step, leaves it to the
// next one.
var lifeCrashes = map[string]func(*testing.T, *dockertest.Engine){
	"crash of restart": func(t *testing.T, d *dockertest.Engine) {
		c := housed(t, d, "chat", 1)
		p := start(t, d, c)
		p.up()
		for _, step := range []crash{{at: StepDrain}, {at: StepStop}, {at: StepStop, until: StepStart}, {at: StepStart}, {at: StepStart, until: StepLoad}, {at: StepLoad}, {at: StepWarm}, {at: StepAdmit}} {
			p.crashes(Order{Action: ActRestart, Names: []string{"chat"}, Last: true, Author: "ana"}, step, c)
		}
		p.crashes(Order{Action: ActStop, Names: []string{"chat"}, Last: true}, crash{at: StepStop}, c)
		p.crashes(Order{Action: ActStart, Names: []string{"chat"}}, crash{at: StepStart}, c)
		p.crashes(Order{Action: ActDown}, crash{at: StepRemove}, c)
	},
	"crash of up": func(t *testing.T, d *dockertest.Engine) {
		c := housed(t, d, "chat", 1)
		p := start(t, d, c)
		p.crashes(Order{Action: ActUp}, crash{at: StepCreate}, c)
		for i, step := range []crash{{at: StepImage}, {at: StepDrain}, {at: StepStop}, {at: StepRemove}, {at: StepRemove, until: StepCreate}, {at: StepCreate}, {at: StepCreate, until: StepStart}, {at: StepStart}, {at: StepAdmit}} {
			c = changed(c, func(c *Container) { c.Environment = map[string]string{"N": string(rune('a' + i))} })
			if err := p.pool.Apply([]Config{changed(c, func(*Container) {})}); err != nil {
				t.Fatal(err)
			}
			p.crashes(Order{Action: ActUp, Last: true, Author: "ana"}, step, c)
		}
	},
	"crash with drains": func(t *testing.T, d *dockertest.Engine) {
		keepsDrains(t, start(t, d, housed(t, d, "chat", 2)))
	},
	"crash when cancelled": func(t *testing.T, d *dockertest.Engine) {
		c := housed(t, d, "chat", 1)
		p := start(t, d, c)
		p.up()
		p.before(StepStop, func() { p.life.CancelJob(2, "ben"); p.cancel() })
		p.begins(Order{Action: ActRestart, Names: []string{"chat"}, Last: true})
		<-p.over
		p.stop()
		p.begin(c)
		j := p.ended(2)
		if j.State != Cancelled || p.container(j.Parts[0].Container).State != "running" {
			t.Errorf("%+v", j)
		}
		p.until("it to take work", func() bool { return p.status(0, 0).Available() })
	},
}

// crash is the end of a process.
type crash struct {
	at    StepName // the next process knows that this one was begun
	until StepName // and this is how far it had really come; "": no further
}

// crashes has an order carried out by two processes.
func (p *platform) crashes(o Order, c crash, cfg Config) {
	t := p.t
	t.Helper()
	name := p.pool.All()[0].Container.Replicas[0].Name
	var file []byte
	p.steps.each.Store(new(func(_ string, step StepName) {
		if step == c.at {
			file, _ = os.ReadFile(p.file)
		}
		if step == c.at && c.until == "" || step == c.until {
			p.cancel()
		}
	}))
	id := p.begins(o)
	<-p.over
	p.stop()
	p.steps.each.Store(nil)
	if err := os.WriteFile(p.file, file, 0o600); err != nil {
		t.Fatal(err)
	}

	p.begin(cfg)
	j := p.ended(id)
	part := j.Parts[0]
	touched := c.at.touches()
	if want := map[bool]JobState{true: Done, false: Interrupted}[touched]; j.State != want || part.State != want || touched != (part.Err == "") {
		t.Errorf("%s, %+v: %+v\n%s", o.Action, c, j, p.describe())
	}
	for i := range part.Past {
		if part.Past[i].Name != part.Steps[i] {
			t.Errorf("%s, %+v: steps %v, done: %s", o.Action, c, part.Steps, stepsOf(part))
		}
	}
	if o.Action == ActStop || o.Action == ActDown {
		if got, err := p.life.engines[0].Inspect(t.Context(), name); err == nil && (got.State != "exited" || o.Action == ActDown) {
			t.Errorf("%s, %+v: %+v", o.Action, c, got)
		}
		return
	}
	p.until("it to take work", func() bool { return p.status(0, 0).Available() && p.status(0, 0).Drained == nil })
	if again, err := p.life.Preview(t.Context(), Order{Action: ActUp}); err != nil || touched && len(again[0].Steps) > 0 {
		t.Errorf("%s, %+v: there is more to do: %v %+v", o.Action, c, err, again)
	}
	if got := p.container(name); got.State != "running" || touched && len(p.status(0, 0).Container.Changes) > 0 {
		t.Errorf("%s, %+v: %+v\n%s", o.Action, c, got, p.describe())
	}
}

// Operators' drains survive, those that were made before a job, too; and so do
// numbers and the past.
func keepsDrains(t *testing.T, p *platform) {
	p.up()
	cfg := p.pool.All()[0].Config
	for i, by := range []string{"ana", "ben"} {
		if _, err := p.life.Drain(t.Context(), Order{Names: []string{cfg.URLs[i]}, Author: by, Reason: "a reason", Last: true}); err != nil {
			t.Fatal(err)
		}
	}
	before := p.status(0, 0).Drained
	p.before(StepStart, p.cancel)
	p.begins(Order{Action: ActRestart, Names: []string{"chat"}})
	<-p.over
	p.stop()
	p.begin(cfg)
	j := p.ended(2)
	if j.State != Interrupted || j.Parts[0].State != Done || j.Parts[1].State != Interrupted || j.Err != "" {
		t.Errorf("%+v", j)
	}
	contains(t, j.Parts[1].Err, "Pilothouse ended before")
	for i, by := range []string{"ana", "ben"} {
		s := p.status(0, i)
		p.until("its state", func() bool { s = p.status(0, i); return s.State == Draining })
		if s.Drained == nil || s.Drained.By != by || s.Drained.Job != 0 || s.Drained.Reason != "a reason" {
			t.Errorf("%d: %+v", i, s.Drained)
		}
	}
	if got := p.status(0, 0).Drained; !got.At.Equal(before.At) {
		t.Errorf("%+v, was %+v", got, before)
	}
	if _, err := p.life.Undrain(t.Context(), Order{Names: []string{"chat"}}); err != nil {
		t.Error(err)
	}
	p.stop()
	p.begin(cfg)
	var ids []int
	for _, j := range p.pool.Snapshot().Jobs {
		ids = append(ids, j.ID)
	}
	if j := p.order(ActUp); j.ID != 3 || !slices.Equal(ids, []int{2, 1}) || p.status(0, 0).Drained != nil {
		t.Errorf("job %d after %v", j.ID, ids)
	}
}

// obstruct puts a file where the directory of the lifecycle's file is, as soon as
// nothing is being written there.
func (p *platform) obstruct() {
	p.t.Helper()
	dir := filepath.Dir(p.file)
	p.until("the directory to be gone", func() bool { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) == nil })
}

// A file that can't be written has nothing begun, and one that can't be read
// nobody starts with.
func TestLifecycleFile(t *testing.T) {
	d := sharedDocker(t)
	quiet(t)
	c := housed(t, d, "chat", 1)
	p := start(t, d, c)
	p.up()
	p.obstruct()
	_, err := p.life.Begin(t.Context(), Order{Action: ActRestart, Names: []string{"chat"}, Last: true})
	var refused *OrderError
	if err == nil || errors.As(err, &refused) || len(p.pool.Snapshot().Jobs) != 1 || p.status(0, 0).State != Healthy {
		t.Errorf("%v\n%s", err, p.describe())
	} else {
		contains(t, err.Error(), "write the job down", filepath.Dir(p.file))
	}
	if _, err := p.life.Drain(t.Context(), Order{Names: []string{"chat"}, Last: true}); err == nil || p.status(0, 0).State != Draining {
		t.Errorf("drain: %v", err)
	}
	if err := os.Remove(filepath.Dir(p.file)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.life.Undrain(t.Context(), Order{Names: []string{"chat"}}); err != nil || p.status(0, 0).State != Healthy {
		t.Errorf("when it can be written again: %v", err)
	}

	// One that stops being writable under way ends the job before the container is touched.
	started := p.container(c.Container.Replicas[0].Name).Started
	done := p.request(0, 0)
	id := p.begins(Order{Action: ActRestart, Names: []string{"chat"}, Last: true})
	p.until("the drain", func() bool { return p.now(id, 0) == StepDrain })
	p.obstruct()
	done()
	j := p.ended(id)
	contains(t, j.Err, "write down what is to be done to it", filepath.Dir(p.file))
	if s := p.status(0, 0); j.State != Failed || s.State != Healthy || s.Drained != nil || !p.container(j.Parts[0].Container).Started.Equal(started) {
		t.Errorf("%+v\n%s", j, p.describe())
	}
	p.stop()
	if err := os.Remove(filepath.Dir(p.file)); err != nil {
		t.Fatal(err)
	}

	for what, text := range map[string]string{"empty": "", "cut off": `{"Last": 3, "Live": [`, "other": `{"Last": "three"}`,
		"no steps":    `{"Live": [{"ID": 1, "Parts": [{}]}]}`,
		"other steps": `{"Live": [{"ID": 1, "Parts": [{"Steps": ["draining"], "Past": [{"Name": "draining"}, {"Name": "stopping"}]}]}]}`,
		"no start":    `{"Live": [{"ID": 1, "Parts": [{"Steps": ["loading"], "Past": [{"Name": "loading"}]}]}]}`,
	} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewLifecycle(p.pool, LifecycleOptions{File: file}); err == nil {
			t.Errorf("%s: read", what)
		} else {
			contains(t, err.Error(), file, "move the file away")
		}
	}
	if _, err := NewLifecycle(p.pool, LifecycleOptions{File: t.TempDir()}); err == nil {
		t.Error("a directory was read")
	}
}

// What the file tells of replicas that are no longer configured is over.
func TestLifecycleFileOfOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	text, err := json.Marshal(kept{Last: 7, Drains: []keptDrain{{"gone", "http://gone", Drained{By: "ana"}}, {"here", "http://gone", Drained{By: "ana"}}},
		Live: []keptJob{{Job: Job{ID: 7, Action: ActRestart, State: Running, Parts: []Part{
			{Backend: "gone", Replica: "http://gone", Container: "gone", Steps: serveSteps, State: Running, Past: []Step{{Name: StepStart}}},
			{Backend: "here", Replica: "http://127.0.0.1:1", Container: "old-name", Steps: serveSteps}}}}}})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	pool, err := New([]Config{{Name: "here", Model: "m", URLs: []string{"http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{t: t, pool: pool}
	if p.life, err = NewLifecycle(pool, LifecycleOptions{File: file}); err != nil {
		t.Fatal(err)
	}
	if err := p.life.CancelJob(7, "ben"); err != nil { // before it is taken up
		t.Error(err)
	}
	p.runs()
	j := p.ended(7)
	if j.State != Interrupted || j.Parts[0].State != Interrupted || !strings.Contains(j.Parts[1].Err, "no longer configured") || p.status(0, 0).Drained != nil {
		t.Errorf("%+v", j)
	}
}
