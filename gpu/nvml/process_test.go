//go:build linux && cgo

package nvml

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pilothouse/gpu"
)

// told draws processes.
func told(list []gpu.Process) string {
	var out []string
	for _, p := range list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s %s %s", p.PID, p.Kind, show(p.Mem), show(p.Util), p.MIG)))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestProcesses(t *testing.T) {
	for name, tc := range map[string]struct{ script, want string }{
		"of each kind":        {"procs 1:c:100:10 2:g:200:0 3:m:300:30", "1 compute 100 10, 2 graphics 200 0, 3 mps 300 30"},
		"on several lists":    {"procs 1:c:100:10 1:g:100:10 3:m:300:30 3:c:300:30", "1 compute 100 10, 3 mps 300 30"},
		"garbage":             {"procs 1:c:100:101 2:c:18446744073709551615:50", "1 compute 100 -, 2 compute - 50"},
		"no use told":         {"procs 1:c:100:9\nnvmlDeviceGetProcessUtilization 6", "1 compute 100 -"},
		"use not supported":   {"procs 1:c:100:9\nnvmlDeviceGetProcessUtilization 3", "1 compute 100 n/a"},
		"no list of one kind": {"procs 1:c:100:9\nnvmlDeviceGetMPSComputeRunningProcesses 3", "1 compute 100 9"},
		// The bindings panic then.
		"more between two calls": {"procs 1:c:100:9\ngrowth 5", "1 compute 100 -"},
	} {
		t.Run(name, func(t *testing.T) {
			f := drive(t, tc.script)
			f.list()
			if got := told(f.read(0, gpu.Processes).Processes); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestNobodyIsNotUnknown(t *testing.T) {
	f := drive(t, "1.nvmlDeviceGetComputeRunningProcesses 4\n")
	f.list()
	if p := f.read(0, gpu.Processes).Processes; p == nil || len(p) != 0 {
		t.Errorf("nobody: %v", p)
	}
	if p := f.read(1, gpu.Processes).Processes; p != nil {
		t.Errorf("unknown: %v", p)
	}
}

func TestManyProcesses(t *testing.T) {
	script := "procs"
	for i := range 200 {
		script += fmt.Sprintf(" %d:c:%d:%d", 1000+i, 1<<20+i, i%3)
	}
	f := drive(t, script)
	f.list()
	p := f.read(0, gpu.Processes).Processes
	if len(p) != 200 || p[199].PID != 1199 || p[199].Mem.Or(0) != 1<<20+199 || p[199].Util.Or(-1) != 1 {
		t.Errorf("%d processes, the last %+v", len(p), p[len(p)-1])
	}
}

func TestMIG(t *testing.T) {
	f := drive(t, `
mig 1
parts 2
part.name NVIDIA A100-SXM4-40GB MIG 1g.5gb
part.used 1000
procs.0 10:c:100:50
procs.1 11:c:200:60
nvmlDeviceGetUtilizationRates 3
`)
	f.list()
	s := f.read(0, gpu.All)
	want(t, s, "Util=n/a")
	if m := s.MIG; m == nil || m.Enabled.Or(0) != 1 || len(m.Parts) != 2 || m.Parts[1].UUID != "MIG-0-1" || m.Parts[1].Name != "1g.5gb" ||
		show(m.Parts[1].MemUsed)+" "+show(m.Parts[1].MemTotal) != "1000 5.36871e+09" {
		t.Errorf("MIG %+v", s.MIG)
	}
	if got := told(s.Processes); got != "10 compute 100 n/a MIG-0-0, 11 compute 200 n/a MIG-0-1" {
		t.Errorf("processes %s", got)
	}
	f.set("mig 1\nparts 1\npart.name NVIDIA A100-SXM4-40GB\n")
	if m := f.read(0, gpu.Slow).MIG; len(m.Parts) != 1 || m.Parts[0].Name != "1c.3g.20gb" {
		t.Errorf("by its attributes: %+v", m)
	}
	f.set("nvmlDeviceGetMigMode 3\n")
	if m := f.read(0, gpu.Slow).MIG; m == nil || m.Enabled.Supported() || m.Parts != nil {
		t.Errorf("without MIG: %+v", m)
	}
	f.set("mig 1\nparts 99\nmaxparts 4000000000\n")
	if m := f.read(0, gpu.Slow).MIG; len(m.Parts) != 0 {
		t.Errorf("a mad number: %d parts", len(m.Parts))
	}
}
