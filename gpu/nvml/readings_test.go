//go:build linux && cgo

package nvml

import (
	"fmt"
	"math"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

func TestGarbageIsNoData(t *testing.T) {
	f := drive(t, `
util 4000000000
memutil 101
temp 65535
power 4294967295
clock 4294967295
memclock 20000
pstate 32
reasons 0xffffffffffffffff
total 1000
used 1001
reserved 1001
enc 4294967295
dec 101
powercap 4294967295
energy 0xffffffffffffffff
tempslow 65535
templimit 0
clockmax 4294967295
fan 4294967295
fans 1
gen 4294967295
genmax 0
width 0
widthmax 4294967295
persistence 2
compute 99
mig 7
field.1 1:2
field.3 3:-1
field.4 0:0x7ff8000000000000
field.5 0:0x7ff0000000000000
field.6 99:5
field.94 4:-1
field.142 5:-1
field.143 0:-1
field.144 1:2
field.91 1:4294967295
field.197 3:-1
field.198 3:-1
procs 1:c:18446744073709551615:101 2:c:1001:4294967295
`)
	f.list()
	f.read(0, gpu.All)
	s := f.read(0, gpu.All)
	for name, got := range readings(s) {
		switch {
		case name == "MemTotal" && got == "1000", name == "MemClockMax" && got == "0", name == "RemapFailed" && got == "n/a":
		case got != "-":
			t.Errorf("%s is %s", name, got)
		}
	}
	if s.Throttle.Known() || s.NVLinks != nil || s.MIG != nil {
		t.Errorf("throttled by %v, links %v, MIG %v", s.Throttle.Reasons(), s.NVLinks, s.MIG)
	}
	for _, p := range s.Processes {
		if p.Mem.Known() || p.Util.Known() {
			t.Errorf("process %d has %s bytes and %s %%", p.PID, show(p.Mem), show(p.Util))
		}
	}
	if len(s.Processes) != 2 {
		t.Errorf("%d processes", len(s.Processes))
	}
}

func TestThrottle(t *testing.T) {
	for bits, wanted := range map[uint64]gpu.Throttle{
		0x0:   gpu.NotThrottled,
		0x1:   gpu.NotThrottled, // it idles
		0x100: gpu.NotThrottled, // its display
		0x2:   gpu.ThrottleClocks,
		0x4:   gpu.ThrottlePower,
		0x8:   gpu.ThrottleSlow,
		0x10:  gpu.ThrottleSync,
		0x20:  gpu.ThrottleHeat,
		0x40:  gpu.ThrottleHeat,
		0x80:  gpu.ThrottleBrake,
		0x48:  gpu.ThrottleHeat, // the slowdown has a cause
		0x88:  gpu.ThrottleBrake,
		0x24:  gpu.ThrottleHeat | gpu.ThrottlePower,
		0x12:  gpu.ThrottleSync | gpu.ThrottleClocks,
	} {
		if got := throttle(bits); got != wanted {
			t.Errorf("%#x is %v, want %v", bits, got.Reasons(), wanted.Reasons())
		}
	}
}

func TestFans(t *testing.T) {
	for script, wanted := range map[string]string{
		"fans 3\nfan 40":                       "42",
		"fans 0":                               "n/a",
		"nvmlDeviceGetNumFans 3\nfan 50":       "50",
		"fans 1\nnvmlDeviceGetFanSpeed_v2 999": "-",
		"fans 1\nnvmlDeviceGetFanSpeed_v2 3":   "n/a",
		"fans 1\nfan 105":                      "105",
	} {
		f := drive(t, script)
		f.list()
		if got := show(f.read(0, gpu.Slow).Fan); got != wanted {
			t.Errorf("%q: the fan is at %s, want %s", script, got, wanted)
		}
		f.Close()
	}
}

// counts is a script of PCIe counts of 64 bits, to the device and from it.
func counts(rx, tx int64) string { return fmt.Sprintf("field.198 3:%d\nfield.197 3:%d\n", rx, tx) }

func TestPCIeThroughput(t *testing.T) {
	f := drive(t, counts(5000, 7e9))
	f.list()
	want(t, f.read(0, gpu.Slow), "Rx=- Tx=-")
	f.set(counts(8000, 7e9))
	before := f.works[0].counts[counter{198, 0}].at
	s := f.read(0, gpu.Slow)
	expect := 3000 / f.works[0].counts[counter{198, 0}].at.Sub(before).Seconds()
	if rx := s.PCIe.Rx.Or(-1); math.Abs(rx-expect) > expect/1e6 || s.PCIe.Tx.Or(-1) != 0 {
		t.Errorf("%s and %s bytes/s, want %.0f and 0", show(s.PCIe.Rx), show(s.PCIe.Tx), expect)
	}
	f.set(counts(17, 7e9+1000)) // one was reset
	if s := f.read(0, gpu.Slow); s.PCIe.Rx.Known() || !s.PCIe.Tx.Known() {
		t.Errorf("after a reset: %s and %s bytes/s", show(s.PCIe.Rx), show(s.PCIe.Tx))
	}
	f.set(counts(1e17, 7e9+1000)) // faster than any link
	want(t, f.read(0, gpu.Slow), "Rx=- Tx=0")
	f.set("hang.nvmlDeviceGetFieldValues 1\n" + counts(1e17, 9e9))
	want(t, f.read(0, gpu.Slow), "Rx=- Tx=-") // nobody knows of which moment
	f.set(counts(1e17, 9e9))
	want(t, f.read(0, gpu.Slow), "Rx=- Tx=-")
	want(t, f.read(0, gpu.Slow), "Rx=0 Tx=0")
	f.set("field.198 3\n") // fails
	want(t, f.read(0, gpu.Slow), "Rx=n/a Tx=n/a")
	f.set(counts(1e17, 9e9))
	f.list()
	want(t, f.read(0, gpu.Slow), "Rx=- Tx=-") // another device, for all that is known
}

// Counts of 32 bits wrap within five seconds, unseen: they are looked at twice
// within one Read.
func TestNarrowCounts(t *testing.T) {
	f := drive(t, "field.198 1:4294967290:10\nfield.197 1:1000000000:-1000000000\n") // one wraps, one is reset
	f.list()
	s := f.read(0, gpu.Slow)
	if rx := s.PCIe.Rx.Or(0); rx < 10/(1.5*window.Seconds()) || rx > 10/window.Seconds() || s.PCIe.Tx.Known() {
		t.Errorf("%s and %s bytes/s", show(s.PCIe.Rx), show(s.PCIe.Tx))
	}
	f.set("field.198 1:7\nfield.197 1:7\n")
	want(t, f.read(0, gpu.Slow), "Rx=0 Tx=0")
}

func TestNVLinks(t *testing.T) {
	hopper := "field.91 1:2\nfield.165 1:1\nfield.165.1 1:0\nfield.138 3:%d\nfield.139 3:%d\nfield.138.1 3\nfield.161 3:1\nfield.162 3:2\nfield.163.0 3:4\n"
	blackwell := "field.91 1:1\nfield.165 1:2\nfield.202 3:%d\nfield.204 3:%d\nfield.208 3:3\nfield.215 3:2\nfield.161 3:50\n"
	ampere := "field.91 1:8\nfield.138 3:%d\nfield.139 3:%d\nfield.32 3:1\nfield.46 3:1\nfield.53 3:1\nfield.97 3:9\nfield.109 3:0\nfield.115 3:0\n"
	for name, tc := range map[string]struct {
		script string
		unit   float64
		link   int
		want   string
	}{
		"Hopper":               {hopper, 1024, 0, "links 2, active 1, errors 7"},
		"Hopper, one down":     {hopper, 0, 1, "links 2, active 0, errors 3"},
		"Blackwell, asleep":    {blackwell, 1, 0, "links 1, active 1, errors 5"},
		"Ampere, the first":    {ampere, 1024, 0, "links 8, active 1, errors 3"},
		"Ampere, the eighth":   {ampere, 1024, 7, "links 8, active 1, errors 9"},
		"Ampere without count": {ampere, 1024, 3, "links 8, active 1, errors n/a"},
	} {
		t.Run(name, func(t *testing.T) {
			f := drive(t, fmt.Sprintf(tc.script, 1000, 1000))
			f.list()
			f.read(0, gpu.Slow)
			rx := counter{nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX, uint32(tc.link)}
			if tc.unit == 1 {
				rx.field = nvml.FI_DEV_NVLINK_COUNT_RCV_BYTES
			}
			before := f.works[0].counts[rx].at
			f.set(fmt.Sprintf(tc.script, 1000, 1300))
			s := f.read(0, gpu.Slow)
			expect := 300 * tc.unit / f.works[0].counts[rx].at.Sub(before).Seconds()
			l := s.NVLinks[tc.link]
			if got := fmt.Sprintf("links %d, active %s, errors %s", len(s.NVLinks), show(l.Active), show(l.Errors)); got != tc.want || l.Index != tc.link {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if tc.unit > 0 && (l.Tx.Or(-1) != 0 || math.Abs(l.Rx.Or(-1)-expect) > expect/1e6) {
				t.Errorf("%s and %s bytes/s, want %.0f and 0", show(l.Rx), show(l.Tx), expect)
			}
		})
	}
}
