package dcgm

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"pilothouse/gpu"
)

var update = flag.Bool("update", false, "write the goldens anew")

// full is a collector of devices as they are, with all that a sample can hold.
type full []device

func (f full) Describe(chan<- *prometheus.Desc) {}

func (f full) Collect(ch chan<- prometheus.Metric) {
	e := NewCollector("gpu1", nil).export(ch)
	for _, d := range f {
		e.device(d)
	}
}

// expose is what a registry makes of a collector.
func expose(t testing.TB, c prometheus.Collector) string {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not what %s has:\n%s", file, got)
	}
}

// twoL4 is a snapshot with two L4: one can't measure its utilisation, of the
// other the power was never measured, and its temperature has grown stale.
func twoL4(now time.Time) *gpu.Snapshot {
	r := func(v float64) gpu.Reading { return gpu.Read(v, now) }
	a := gpu.GPU{Index: 0, Name: "NVIDIA L4", UUID: "GPU-1f0e", Serves: "chat", At: now}
	a.Util, a.MemUsed, a.MemTotal = gpu.NotSupported(), r(20_750<<20), r(23_034<<20)
	a.Temp, a.Power, a.PowerCap, a.Clock = r(64), r(71.8), r(72), r(1905)
	a.Throttle = gpu.ThrottlePower | gpu.ThrottleHeat
	b := gpu.GPU{Index: 1, Name: "NVIDIA L4", UUID: "GPU-2a3b", Serves: "text2\"sql\n\xff", At: now}
	b.Util, b.MemUsed, b.MemTotal = r(0), r(0), r(23_034<<20)
	b.Temp, b.PowerCap, b.Clock = gpu.Read(35, now.Add(-Fresh-time.Second)), r(72), r(210)
	b.Throttle = gpu.NotThrottled
	return &gpu.Snapshot{At: now, Source: "nvml", Hosts: []gpu.HostStatus{{Driver: "550.54.15"}}, GPUs: []gpu.GPU{a, b}}
}

// wholeH100 is a device of which everything is known.
func wholeH100(now time.Time) device {
	r := func(v float64) gpu.Reading { return gpu.Read(v, now) }
	d := device{index: 3, name: "NVIDIA H100 80GB HBM3", uuid: "GPU-77", pci: "0000:1b:00.0", driver: "550.54.15", serves: "big", at: now, xid: gpu.Read(79, now.Add(-time.Hour))}
	for i, f := range fields {
		*f.at(&d.sample) = r(f.unit * float64(i+1))
		if f.most > 0 {
			*f.at(&d.sample) = r(1)
		}
	}
	d.sample.Throttle = gpu.ThrottleBrake | gpu.ThrottleSync | gpu.ThrottleClocks
	d.sample.MemTotal = r(81_559 << 20)
	d.sample.NVLinks = []gpu.NVLink{{Index: 0, Rx: r(1e9), Tx: r(2e9)}, {Index: 1, Rx: r(3e9)}, {Index: 2, Active: r(0)}}
	d.sample.MIG = &gpu.MIG{Enabled: r(1), Parts: []gpu.MIGPart{
		{UUID: "MIG-GPU-77/3/0", Name: "1g.10gb", MemUsed: r(1 << 30), MemTotal: r(10 << 30)},
		{UUID: "MIG-5e6f", Name: "2g.20gb", MemTotal: r(20 << 30)},
		{UUID: "MIG-5e6f", Name: "2g.20gb", MemTotal: r(20 << 30)}, // twice
	}}
	return d
}

func TestCollector(t *testing.T) {
	snap := twoL4(time.Now())
	snap.GPUs = append(snap.GPUs, snap.GPUs[0]) // twice: the registry would refuse everything
	golden(t, "two-l4.prom", expose(t, NewCollector("gpu1", func() *gpu.Snapshot { return snap })))
	golden(t, "whole-h100.prom", expose(t, full{wholeH100(time.Now())}))
}

// TestSimulated: nobody can take what is simulated for a device.
func TestSimulated(t *testing.T) {
	snap := twoL4(time.Now())
	snap.Hosts[0].Simulated = true
	got := expose(t, NewCollector("demo", func() *gpu.Snapshot { return snap }))
	if n := strings.Count(got, `modelName="NVIDIA L4 (simulated)"`); n == 0 || n != strings.Count(got, "modelName") {
		t.Errorf("simulated GPUs are exported as\n%s", got)
	}
}

// TestHosts: of several hosts' GPUs only this one's are exported, with their
// own newest XID.
func TestHosts(t *testing.T) {
	now := time.Now()
	snap := twoL4(now)
	snap.GPUs[1].Host, snap.GPUs[1].Index = "gpu2", 0
	snap.Hosts = append(snap.Hosts, gpu.HostStatus{Name: "gpu2", Driver: "570"})
	snap.Events = []gpu.XID{
		{Code: 31, Last: now}, {Code: 13, Last: now.Add(-time.Minute)}, {Code: 94, Last: now.Add(time.Second), Old: true}, {Host: "gpu2", Code: 79, Last: now}, {Index: 1, Code: 48, Last: now}, {Text: "no number", Last: now},
	}
	got := expose(t, NewCollector("gpu1", func() *gpu.Snapshot { return snap }))
	if !regexp.MustCompile(`DCGM_FI_DEV_XID_ERRORS{.*UUID="GPU-1f0e".*} 31`).MatchString(got) || strings.Count(got, "\nDCGM_FI_DEV_XID_ERRORS{") != 1 || strings.Contains(got, "GPU-2a3b") {
		t.Error(got)
	}
}

// TestFresh: readings of 15 seconds are exported, older ones are not; nor are
// throttle reasons of a device that has not answered for so long.
func TestFresh(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		age  time.Duration
		want bool
	}{{0, true}, {Fresh - time.Second, true}, {Fresh + time.Second, false}} {
		got := expose(t, full{{at: now.Add(-c.age), sample: gpu.Sample{Util: gpu.Read(5, now.Add(-c.age)), Throttle: gpu.NotThrottled}}})
		for _, name := range []string{"DCGM_FI_DEV_GPU_UTIL{", nameReasons + "{", nameThrottle + "{"} {
			if strings.Contains(got, name) != c.want {
				t.Errorf("at an age of %v, %s is exported: %v", c.age, name, !c.want)
			}
		}
	}
}

func TestNothingKnown(t *testing.T) {
	if got := expose(t, full{{sample: gpu.Sample{MIG: &gpu.MIG{}, NVLinks: []gpu.NVLink{{}}}}}); got != "" {
		t.Errorf("of a device of which nothing is known:\n%s", got)
	}
}

// TestPromtool has Prometheus' own tool read the goldens. Its advice on names
// is NVIDIA's to follow.
func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not here: make deps")
	}
	for _, file := range []string{"two-l4.prom", "whole-h100.prom"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), tool, "check", "metrics")
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "DCGM_FI_") {
				t.Errorf("%s: %s", file, line)
			}
		}
		var exit *exec.ExitError
		if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 3) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestBusID(t *testing.T) {
	for address, want := range map[string]string{"0000:01:00.0": "00000000:01:00.0", "0000:1b:00.0": "00000000:1B:00.0", "10000:af:00.0": "00010000:AF:00.0"} {
		if got := busID(address); got != want || addressOf(got) != address {
			t.Errorf("%q is %q, and back %q", address, got, addressOf(got))
		}
	}
	for _, odd := range []string{"", "x", "zz:01:00.0"} {
		if busID(odd) != odd || addressOf(odd) != odd {
			t.Errorf("%q becomes %q, %q", odd, busID(odd), addressOf(odd))
		}
	}
}

func TestThrottle(t *testing.T) {
	for mask, want := range map[uint64]gpu.Throttle{
		0: gpu.NotThrottled, 1: gpu.NotThrottled, 0x100: gpu.NotThrottled, 0x2: gpu.ThrottleClocks, 0x4: gpu.ThrottlePower, 0x8: gpu.ThrottleSlow,
		0x10: gpu.ThrottleSync, 0x20: gpu.ThrottleHeat, 0x40: gpu.ThrottleHeat, 0x48: gpu.ThrottleHeat, 0x80: gpu.ThrottleBrake, 0x88: gpu.ThrottleBrake,
		0x24: gpu.ThrottleHeat | gpu.ThrottlePower,
	} {
		if got := throttle(mask); got != want {
			t.Errorf("%#x is %v, want %v", mask, got.Reasons(), want.Reasons())
		}
	}
	for _, m := range []uint64{0, 0x2, 0x4, 0x8, 0x10, 0x20, 0x80, 0xb6} {
		if got := mask(throttle(m)); got != m {
			t.Errorf("%#x comes back as %#x", m, got)
		}
	}
}
