package gpu

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeProc is a /proc that the test writes.
type fakeProc struct {
	t   *testing.T
	dir string
}

func newProc(t *testing.T) *fakeProc {
	p := &fakeProc{t, t.TempDir()}
	p.write("stat", "cpu 1 2 3\nbtime 1700000000\nprocesses 5\n")
	return p
}

func (p *fakeProc) write(name, text string) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *fakeProc) process(pid int, name string, start int, cgroup string) {
	p.write(fmt.Sprintf("%d/stat", pid), fmt.Sprintf("%d (%s) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 12 0 %d 99 100\n", pid, name, start))
	p.write(fmt.Sprintf("%d/cgroup", pid), cgroup)
}

func names(id string) (name, backend string) {
	switch id {
	case hex64:
		return "vllm-chat", "chat"
	case other:
		return "notebook", ""
	}
	return "", ""
}

func TestWhoIsOnADevice(t *testing.T) {
	p := newProc(t)
	p.process(10, "python3", 500, "0::/system.slice/docker-"+hex64+".scope\n")
	p.process(11, "jupyter", 600, "0::/docker/"+other+"\n")
	p.process(12, "python", 700, "0::/user.slice/user-0.slice/session-3.scope\n")
	p.process(13, "a) (b c", 800, "0::/system.slice/vllm.service\n")
	p.process(14, "train", 900, "0::/docker/"+strings.Repeat("ab", 32)+"\n")
	p.write("16/stat", "nonsense")
	r := newRegistry(p.dir, names)
	for pid, want := range map[int]struct{ text, backend, container, unit string }{
		10: {"chat", "chat", "vllm-chat", ""},
		11: {"notebook", "", "notebook", ""},
		12: {"python (pid 12), not of a known container", "", "", ""},
		13: {"a) (b c (pid 13), of vllm.service", "", "", "vllm.service"},
		14: {"train (pid 14), of container abababababab, which is not known", "", "", ""},
		15: {"pid 15, which is not in /proc: it has ended, or is of another PID namespace", "", "", ""},
		16: {"pid 16, which is not in /proc: it has ended, or is of another PID namespace", "", "", ""},
	} {
		o := r.owners([]Process{{PID: pid}}, true, "")[0]
		if o.String() != want.text || o.Backend != want.backend || o.Container != want.container || o.Unit != want.unit {
			t.Errorf("%d: %q, %+v", pid, o.String(), o)
		}
		if pid == 10 && !o.Started.Equal(time.Unix(1700000005, 0)) {
			t.Errorf("started %v", o.Started)
		}
	}
	if got := serves(r.owners([]Process{{PID: 10}, {PID: 10}, {PID: 11}}, true, "")); got != "chat" {
		t.Errorf("serves %q", got)
	}
	if got := serves(r.owners([]Process{{PID: 11}, {PID: 12}}, true, "")); got != "notebook" {
		t.Errorf("serves %q", got)
	}
}

// A number that comes again is another process; one that stays is read once.
func TestProcessesAreKnownByTheirStart(t *testing.T) {
	p := newProc(t)
	p.process(10, "python3", 500, "0::/docker/"+hex64+"\n")
	r := newRegistry(p.dir, names)
	who := func() string { return r.owners([]Process{{PID: 10}}, true, "")[0].String() }
	if got := who(); got != "chat" {
		t.Errorf("%q", got)
	}
	if err := os.Remove(filepath.Join(p.dir, "10/cgroup")); err != nil {
		t.Fatal(err)
	}
	if got := who(); got != "chat" {
		t.Errorf("from memory: %q", got)
	}
	p.process(10, "python3", 501, "0::/docker/"+other+"\n")
	if got := who(); got != "notebook" {
		t.Errorf("another process of that number: %q", got)
	}
	for i := range mostKnown + 10 {
		r.place(p.dir, birth{i, 1}, &Owner{}) // none has a cgroup
	}
	p.write("cgroup", "0::/\n")
	for i := range mostKnown + 10 {
		r.place(p.dir, birth{i, 1}, &Owner{})
	}
	if len(r.known) > mostKnown {
		t.Errorf("%d processes are remembered", len(r.known))
	}
}

func TestProcessesOfAnotherNamespaceAreNotGuessed(t *testing.T) {
	p := newProc(t)
	p.process(10, "python3", 500, "0::/docker/"+hex64+"\n")
	link := func(target string) {
		t.Helper()
		file := filepath.Join(p.dir, "self/ns/pid")
		os.Remove(file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, file); err != nil {
			t.Fatal(err)
		}
	}
	link("pid:[4026532999]")
	if o := newRegistry(p.dir, names).owners([]Process{{PID: 10}}, true, "")[0]; o.String() != "pid 10, of another PID namespace" || o.Backend != "" || o.Name != "" {
		t.Errorf("%q %+v", o.String(), o)
	}
	link("pid:[4026531836]")
	if o := newRegistry(p.dir, names).owners([]Process{{PID: 10}}, true, "")[0]; o.Backend != "chat" {
		t.Errorf("%q %+v", o.String(), o)
	}
}

// What a source of another host, or a simulated one, says of processes has
// nothing to do with those of the same number here.
func TestProcessesOfOtherHosts(t *testing.T) {
	p := newProc(t)
	p.process(10, "python3", 500, "0::/docker/"+hex64+"\n")
	both := func(_ context.Context, index int, _ Group) (Sample, error) {
		return Sample{Processes: []Process{{PID: 10, Kind: Compute}, {PID: 12 + index}}}, nil
	}
	here, far := &script{list: cards("a", "b"), read: both}, &script{list: cards("a"), read: both}
	run(t, Options{Proc: p.dir, Container: names}, []Host{{"", here}, {"far", far}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		time.Sleep(half)
		snap := s.Snapshot()
		for i := range 2 {
			if g := &snap.GPUs[i]; g.Serves != "chat" || len(g.Processes) != 2 || g.Processes[0].Backend != "chat" || g.Processes[1].PID != 12+i {
				t.Errorf("here %d: %q, %+v", i, g.Serves, g.Processes)
			}
		}
		if g := &snap.GPUs[2]; g.Serves != "" || len(g.Processes) != 2 || g.Processes[0].Backend != "" || g.Processes[0].Name != "" {
			t.Errorf("there: %q, %+v", g.Serves, g.Processes)
		}
		here.do(nil, func(context.Context, int, Group) (Sample, error) { return Sample{Processes: []Process{}}, nil })
		time.Sleep(2 * time.Second)
		if g := &s.Snapshot().GPUs[0]; g.Serves != "" || g.Processes == nil || len(g.Processes) != 0 {
			t.Errorf("when they have ended: %q, %+v", g.Serves, g.Processes)
		}
	})
}

func FuzzStat(f *testing.F) {
	f.Add("12 (a) b) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 12 0 77 99")
	f.Add("12 () S")
	f.Fuzz(func(t *testing.T, text string) {
		if name, start, ok := parseStat(text); ok && (start < 0 || !strings.Contains(text, "("+name+")")) {
			t.Errorf("%q %d", name, start)
		}
	})
}
