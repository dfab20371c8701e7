package backends

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pilothouse/backends/docker"
	"pilothouse/backends/dockertest"
)

// TestLifecycle runs at once what shares a Docker engine.
func TestLifecycle(t *testing.T) {
	d := sharedDocker(t)
	quiet(t)
	t.Run("all", func(t *testing.T) {
		for _, tests := range []map[string]func(*testing.T, *dockertest.Engine){{"platform": testPlatform}, lifeFailures, lifeCancels, lifeCrashes} {
			for name, test := range tests {
				t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
					t.Parallel()
					test(t, d)
				})
			}
		}
	})
}

// A platform is brought up, restarted, changed and taken down.
func testPlatform(t *testing.T, d *dockertest.Engine) {
	chat, sql := housed(t, d, "chat", 2), housed(t, d, "sql", 1)
	sql.Container.After = []string{"chat"}
	p := start(t, d, chat, sql)
	want := func(j Job, state JobState, each ...string) {
		t.Helper()
		if j.State != state || len(j.Parts) != len(each) {
			t.Fatalf("%s, %d parts: %+v\n%s", j.State, len(j.Parts), j, p.describe())
		}
		for i, part := range j.Parts {
			if got := stepsOf(part); got != each[i] {
				t.Errorf("%s: %s, want %s", part.Container, got, each[i])
			}
			for _, s := range part.Past {
				if s.Began.IsZero() || s.Ended.Before(s.Began) {
					t.Errorf("%s: %+v", part.Container, s)
				}
			}
		}
	}
	const fresh, serve = "image creating starting loading warm-up readmitting", "starting loading warm-up readmitting"
	var early atomic.Int32 // replicas that take work before they are warm
	p.steps.each.Store(new(func(name string, step StepName) {
		for _, b := range p.pool.All() {
			for i, r := range b.replicas {
				if step == StepWarm && b.Container.Replicas[i].Name == name && r.serves() {
					early.Add(1)
				}
			}
		}
	}))
	j := p.order(ActUp)
	want(j, Done, fresh, fresh, fresh)
	if early.Load() > 0 {
		t.Error("a replica took work before it was warm")
	}
	if j.Parts[2].Past[0].Began.Before(j.Parts[0].Ended) || j.Parts[2].Past[0].Began.Before(j.Parts[1].Ended) {
		t.Errorf("sql does not come after chat: %+v", j)
	}
	serves := func(n int) {
		t.Helper()
		got := 0
		for _, b := range p.pool.Snapshot().Backends {
			for _, r := range b.Replicas {
				if r.State == Healthy && r.Container != nil && r.Container.State == "running" && r.Container.Ours && r.Share == 1 {
					got++
				}
			}
		}
		if got != n {
			t.Fatalf("%d serve, want %d\n%s", got, n, p.describe())
		}
	}
	serves(3)
	want(p.order(ActUp), Done, "", "", "")
	want(p.order(ActRestart, "chat"), Done, "draining stopping "+serve, "draining stopping "+serve)
	serves(3)

	// One alone can't be taken away unasked.
	_, err := p.life.Begin(t.Context(), Order{Action: ActRestart, Names: []string{"sql"}})
	var refused *OrderError
	if !errors.As(err, &refused) || !refused.Last || refused.Name != "sql" {
		t.Errorf("restart of the last one: %v", err)
	}
	p.audit.take()
	want(p.order(ActStop, chat.Container.Replicas[0].Name), Done, "draining stopping")
	serves(2)
	_, err = p.life.Drain(t.Context(), Order{Names: []string{chat.URLs[1]}})
	if !errors.As(err, &refused) || !refused.Last {
		t.Errorf("drain of the last one: %v", err)
	}
	p.until("the job's end to be noted", func() bool {
		p.audit.mu.Lock()
		defer p.audit.mu.Unlock()
		return slices.ContainsFunc(p.audit.all, func(s string) bool { return strings.Contains(s, "stop done") })
	})
	name := chat.Container.Replicas[0].Name
	got := strings.Join(p.audit.take(), "\n")
	for _, note := range []string{"ana: stop " + name + " (a test)", "ana: stop done " + name + " ()", ": drain " + chat.URLs[1] + " ()", ": drain failed " + chat.URLs[1] + " (" + refused.Error() + ")"} {
		if !strings.Contains(got, note) {
			t.Errorf("the audit has no %q:\n%s", note, got)
		}
	}
	want(p.order(ActStart, "chat"), Done, serve, "")
	serves(3)

	_, err = p.life.Begin(t.Context(), Order{Action: ActDown, Names: []string{"sql"}})
	if !errors.As(err, &refused) || !refused.Last {
		t.Errorf("down of the last one: %v", err)
	}

	// A changed setting makes anew what it concerns, and only that.
	sql = changed(sql, func(c *Container) { c.Environment = map[string]string{"A": "b"} })
	if err := p.pool.Apply([]Config{chat, sql}); err != nil {
		t.Fatal(err)
	}
	parts, err := p.life.Preview(t.Context(), Order{Action: ActUp})
	if err != nil || len(parts) != 3 || len(parts[2].Changes) != 1 || parts[2].Changes[0].Field != "environment.A" || len(parts[0].Steps) != 0 {
		t.Errorf("preview: %v %+v", err, parts)
	}
	if _, err = p.life.Begin(t.Context(), Order{Action: ActUp}); !errors.As(err, &refused) || !refused.Last {
		t.Errorf("up, which would take the last one away: %v", err)
	}
	want(p.ended(p.begins(Order{Action: ActUp, Last: true})), Done, "", "", "image draining stopping removing "+fresh[len("image "):])
	serves(3)

	j = p.order(ActDown)
	want(j, Done, "draining stopping removing", "draining stopping removing", "draining stopping removing")
	if j.Parts[0].Past[0].Began.Before(j.Parts[2].Ended) || j.Parts[1].Past[0].Began.Before(j.Parts[2].Ended) {
		t.Errorf("chat goes before sql: %+v", j)
	}
	serves(0)
	want(p.order(ActDown), Done, "", "", "")
	if _, err := p.life.Undrain(t.Context(), Order{Names: []string{"sql"}, Author: "ben"}); err != nil || !slices.Contains(p.audit.take(), "ben: undrained sql ("+sql.URLs[0]+")") {
		t.Errorf("undrain: %v", err)
	}
	all, err := p.life.engines[0].List(t.Context())
	if err != nil || slices.ContainsFunc(all, func(c docker.Container) bool { return strings.HasPrefix(c.Name, prefixOf(t)+"-") }) {
		t.Errorf("left: %v %+v", err, all)
	}
}
