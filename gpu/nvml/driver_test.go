//go:build linux && cgo

package nvml

import (
	"errors"
	flags "flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pilothouse/gpu"
)

// A process has one library, so tests that need another run in a process of
// their own, which this variable tells.
const childVar = "NVML_TEST_CHILD"

var dir string // of the library that this process builds

func TestMain(m *testing.M) {
	flags.Parse()
	err := flags.Set("test.parallel", "10") // those that are wait for time to pass
	if err != nil {
		panic(err)
	}
	if dir, err = os.MkdirTemp("", "nvml"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// inChild tells whether the test is in a process of its own, after running it
// in one when it isn't.
func inChild(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childVar) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), childVar+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// build builds the fake driver's library, once; it needs gcc.
func build(t testing.TB, flags ...string) string {
	t.Helper()
	library := filepath.Join(dir, "libnvidia-ml.so.1")
	if _, err := os.Stat(library); err == nil {
		return library
	}
	header, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}/pkg/nvml", "github.com/NVIDIA/go-nvml").Output()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-Wno-deprecated-declarations", "-DNVML_NO_UNVERSIONED_FUNC_DEFS",
		"-I" + strings.TrimSpace(string(header)), "-o", library, "testdata/fake.c"}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("build the fake driver: %v\n%s", err, out)
	}
	return library
}

// fake is a driver that does as it is told.
type fake struct {
	t           testing.TB
	script, log string
	*Source
}

// drive makes a source over the fake driver with a script: see testdata.
func drive(t testing.TB, script string, flags ...string) *fake {
	t.Helper()
	library, dir := build(t, flags...), t.TempDir()
	f := &fake{t: t, script: filepath.Join(dir, "script"), log: filepath.Join(dir, "log")}
	t.Setenv("FAKE_NVML", f.script)
	t.Setenv("FAKE_NVML_LOG", f.log)
	f.set(script)
	f.Source = New(library)
	t.Cleanup(func() {
		f.Close()
		f.set("") // what hangs is let go
		until(t, "the library is ended", func() bool {
			if !f.gate.TryAcquire(whole) {
				return false
			}
			defer f.gate.Release(whole)
			return !f.started
		})
		if started, ended := f.logged("init"), f.logged("shutdown"); ended > started {
			t.Errorf("%d starts and %d ends of the library", started, ended)
		}
	})
	return f
}

// set tells the driver what to do from now on.
func (f *fake) set(script string) {
	f.t.Helper()
	if err := os.WriteFile(f.script+".new", []byte(script), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.script+".new", f.script); err != nil {
		f.t.Fatal(err)
	}
}

// logged counts the calls that the driver has noted.
func (f *fake) logged(what string) int {
	log, err := os.ReadFile(f.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f.t.Fatal(err)
	}
	return strings.Count("\n"+string(log), "\n"+what+"\n")
}

// list lists the devices, which must work.
func (f *fake) list() gpu.Listing {
	f.t.Helper()
	l, err := f.Devices(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

// read reads a device, which must work.
func (f *fake) read(index int, due gpu.Group) gpu.Sample {
	f.t.Helper()
	s, err := f.Read(f.t.Context(), index, due)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to pass that %s", what)
		}
	}
}

// show draws a reading: its value, - for no data, n/a for what is not supported.
func show(r gpu.Reading) string {
	if v, ok := r.Value(); ok {
		return fmt.Sprintf("%.6g", v)
	}
	if !r.Supported() {
		return "n/a"
	}
	return "-"
}

// readings draws all of a sample's single readings by their names.
func readings(s gpu.Sample) map[string]string {
	out := make(map[string]string)
	for name, r := range map[string]gpu.Reading{
		"Util": s.Util, "MemUtil": s.MemUtil, "MemUsed": s.MemUsed, "MemReserved": s.MemReserved, "MemTotal": s.MemTotal,
		"Temp": s.Temp, "Power": s.Power, "Clock": s.Clock, "MemClock": s.MemClock, "PerfState": s.PerfState,
		"Encoder": s.Encoder, "Decoder": s.Decoder, "PowerCap": s.PowerCap, "Energy": s.Energy, "TempSlow": s.TempSlow,
		"TempLimit": s.TempLimit, "ClockMax": s.ClockMax, "MemClockMax": s.MemClockMax, "Fan": s.Fan,
		"Persistence": s.Persistence, "Compute": s.Compute, "Gen": s.PCIe.Gen, "GenMax": s.PCIe.GenMax, "Width": s.PCIe.Width,
		"WidthMax": s.PCIe.WidthMax, "Rx": s.PCIe.Rx, "Tx": s.PCIe.Tx, "Replays": s.PCIe.Replays, "ECC": s.ECC.Enabled,
		"Corrected": s.ECC.Corrected, "Uncorrected": s.ECC.Uncorrected, "CorrectedAll": s.ECC.CorrectedAll,
		"UncorrectedAll": s.ECC.UncorrectedAll, "Remapped": s.ECC.Remapped, "RemappedBad": s.ECC.RemappedBad,
		"RemapPending": s.ECC.RemapPending, "RemapFailed": s.ECC.RemapFailed,
	} {
		out[name] = show(r)
	}
	return out
}

// want compares readings with those that are named, "Util=35 Temp=n/a".
func want(t *testing.T, s gpu.Sample, list string) {
	t.Helper()
	got := readings(s)
	for _, field := range strings.Fields(list) {
		name, value, _ := strings.Cut(field, "=")
		if g, ok := got[name]; !ok || g != value {
			t.Errorf("%s is %q, want %q", name, g, value)
		}
	}
}
