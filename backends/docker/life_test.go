package docker

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// A container is created, started, stopped, restarted, and removed.
func TestLife(t *testing.T) {
	e, d := local(t)
	ctx := t.Context()
	s := talker(t, d, "", "out:hello", "wait", "exit:3")
	_, err := e.Inspect(ctx, s.Name)
	is[*NotFoundError](t, err)

	c := create(t, e, s)
	if c.State != "created" || c.Name != s.Name || c.Image != s.Image || !c.Ours || c.Backend != "chat" || !c.Started.IsZero() || c.PID != 0 || c.Created.IsZero() {
		t.Errorf("created: %+v", c)
	}
	_, err = e.Create(ctx, plan(t, s), nil)
	if r := is[*Refusal](t, err); r.Status != 409 {
		t.Errorf("created twice: %v", r)
	}
	for range 2 { // the second time it runs already
		if err := e.Start(ctx, s.Name); err != nil {
			t.Fatal(err)
		}
	}
	says(t, e, s.Name, "hello", 1)
	c = inspect(t, e, s.Name)
	if c.State != "running" || c.Words() != "running" || c.PID == 0 || c.Started.IsZero() || c.ID == "" || c.ImageID == "" {
		t.Errorf("started: %+v", c)
	}
	if r := is[*Refusal](t, e.Remove(ctx, s.Name)); r.Status != 409 {
		t.Errorf("removed while it ran: %v", r)
	}
	for range 2 {
		if err := e.Stop(ctx, s.Name); err != nil {
			t.Fatal(err)
		}
	}
	if c = inspect(t, e, s.Name); c.State != "exited" || c.ExitCode != 3 || c.Words() != "exited with code 3" || c.Finished.Before(c.Started) {
		t.Errorf("stopped: %+v", c)
	}
	if err := e.Restart(ctx, s.Name); err != nil {
		t.Fatal(err)
	}
	before := c
	if c = inspect(t, e, s.Name); c.State != "running" || c.ID != before.ID || !c.Started.After(before.Started) {
		t.Errorf("restarted: %+v", c)
	}
	all, err := e.List(ctx)
	if err != nil || !slices.ContainsFunc(all, func(l Container) bool { return l.ID == c.ID && l.State == "running" && l.Ours }) {
		t.Errorf("list: %v %+v", err, all)
	}
	says(t, e, s.Name, "hello", 2)
	if err := e.Stop(ctx, s.Name); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(ctx, s.Name); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"remove": e.Remove(ctx, s.Name), "start": e.Start(ctx, s.Name), "stop": e.Stop(ctx, s.Name), "restart": e.Restart(ctx, s.Name)} {
		if m := is[*NotFoundError](t, err); m.Name != s.Name {
			t.Errorf("%s of what is not there: %v", what, m)
		}
	}
}

// foreign makes a container as somebody else would.
func foreign(t *testing.T, api *client.Client, s Spec, tty bool, labels map[string]string) {
	t.Helper()
	_, err := api.ContainerCreate(t.Context(), client.ContainerCreateOptions{Name: s.Name, Config: &container.Config{Image: s.Image, Cmd: s.Command, Tty: tty, Labels: labels, StopTimeout: new(2)}})
	if err != nil {
		t.Fatal(err)
	}
}

// What Pilothouse has not created it may start, stop, restart and read, and not
// remove. Labels alone, as an image made of one of its containers has them, make
// no container its own.
func TestForeign(t *testing.T) {
	e, d := local(t)
	api, ctx := d.Client(t), t.Context()
	ours := create(t, e, talker(t, d, "-ours", "wait"))
	inherited := map[string]string{}
	for _, k := range []string{labelManaged, labelBackend, labelSpec} {
		inherited[k] = inspect(t, e, ours.Name).Labels[k]
		if inherited[k] == "" {
			t.Fatalf("%s has no label %s", ours.Name, k)
		}
	}
	for suffix, labels := range map[string]map[string]string{"-bare": nil, "-managed": {labelManaged: "true"}, "-garbage": {labelManaged: "true", labelSpec: "{"}, "-inherited": inherited} {
		t.Run(suffix[1:], func(t *testing.T) {
			s := talker(t, d, suffix, "out:foreign", "wait")
			foreign(t, api, s, false, labels)
			for i, act := range []func(context.Context, string) error{e.Start, e.Restart} {
				if err := act(ctx, s.Name); err != nil {
					t.Fatal(err)
				}
				says(t, e, s.Name, "foreign", i+1)
			}
			c := inspect(t, e, s.Name)
			if c.Ours || c.Backend != "" || c.State != "running" {
				t.Errorf("%+v", c)
			}
			if changes := Diff(plan(t, s), c); len(changes) != 1 || changes[0].Field != "container" {
				t.Errorf("diff: %v", changes)
			}
			if err := e.Stop(ctx, s.Name); err != nil {
				t.Fatal(err)
			}
			if n := is[*NotOursError](t, e.Remove(ctx, s.Name)); n.Name != s.Name {
				t.Errorf("%v", n)
			}
			is[*NotOursError](t, e.Remove(ctx, c.ID))
			inspect(t, e, s.Name)
		})
	}
}

// The beginning of an id is no name, though Docker takes it for one.
func TestIDIsNoName(t *testing.T) {
	e, d := local(t)
	c := create(t, e, talker(t, d, "", "wait"))
	for _, part := range []string{c.ID[:12], c.ID[:2], "", "..", c.Name + "/json", "a b", "-x", "../" + c.Name} {
		_, err := e.Inspect(t.Context(), part)
		is[*NotFoundError](t, err)
		is[*NotFoundError](t, e.Remove(t.Context(), part))
		is[*NotFoundError](t, e.Logs(t.Context(), part, LogOptions{}, func(Line) {}))
	}
	if got, err := e.Inspect(t.Context(), c.ID); err != nil || got.Name != c.Name {
		t.Errorf("by the whole id: %v %v", got.Name, err)
	}
}

// A container has its stop_timeout to end by itself.
func TestStopTimeout(t *testing.T) {
	e, d := local(t)
	s := talker(t, d, "", "ignore", "out:deaf", "wait")
	s.StopTimeout = Duration(time.Second)
	run(t, e, s)
	says(t, e, s.Name, "deaf", 1)
	begun := time.Now()
	if err := e.Stop(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < time.Second || took > 8*time.Second {
		t.Errorf("it took %v, want 1 s and a little", took)
	}
	if c := inspect(t, e, s.Name); c.ExitCode != 137 {
		t.Errorf("%+v", c)
	}
}

func TestStats(t *testing.T) {
	e, d := local(t)
	s := talker(t, d, "", "spin", "wait")
	s.Networks = []Network{{Name: "stats"}}
	run(t, e, s)
	var got Stats
	until(t, "a second of work", func() (done bool) {
		var err error
		if got, err = e.Stats(t.Context(), s.Name); err != nil {
			t.Fatal(err)
		}
		return got.CPU > 20
	})
	if got.CPU > 250 || got.Memory < 100<<10 || got.Memory > 1<<30 || got.MemoryLimit < got.Memory || got.PIDs < 2 || time.Since(got.At).Abs() > time.Minute || got.NetRead < 0 {
		t.Errorf("%+v", got)
	}
	if err := e.Stop(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	if got, err := e.Stats(t.Context(), s.Name); err != nil || got != (Stats{}) {
		t.Errorf("of one that has stopped: %+v, %v", got, err)
	}
	_, err := e.Stats(t.Context(), "nobody")
	is[*NotFoundError](t, err)
}

func TestStatsOf(t *testing.T) {
	in := &container.StatsResponse{Read: time.Unix(1000, 0)}
	in.PidsStats.Current = 7
	in.CPUStats.CPUUsage.TotalUsage, in.PreCPUStats.CPUUsage.TotalUsage = 30e8, 10e8
	in.CPUStats.SystemUsage, in.PreCPUStats.SystemUsage, in.CPUStats.OnlineCPUs = 90e8, 50e8, 4
	in.MemoryStats.Usage, in.MemoryStats.Limit, in.MemoryStats.Stats = 1000, 5000, map[string]uint64{"inactive_file": 300}
	in.Networks = map[string]container.NetworkStats{"a": {RxBytes: 1, TxBytes: 10}, "b": {RxBytes: 2, TxBytes: 20}}
	in.BlkioStats.IoServiceBytesRecursive = []container.BlkioStatEntry{{Op: "Read", Value: 5}, {Op: "write", Value: 6}, {Op: "Total", Value: 11}}
	want := Stats{At: time.Unix(1000, 0).UTC(), CPU: 200, Memory: 700, MemoryLimit: 5000, PIDs: 7, NetRead: 3, NetWritten: 30, DiskRead: 5, DiskWritten: 6}
	if got := statsOf(in); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	in.MemoryStats.Stats["total_inactive_file"] = 1 << 63 // nonsense, and no negative number
	in.MemoryStats.Limit = 1<<64 - 1
	in.CPUStats.CPUUsage.TotalUsage = 0 // began anew
	if got := statsOf(in); got.Memory != 1000 || got.MemoryLimit < 0 || got.CPU != 0 {
		t.Errorf("%+v", got)
	}
}
