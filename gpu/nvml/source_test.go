//go:build linux && cgo

package nvml

import (
	"errors"
	"strings"
	"testing"

	"pilothouse/gpu"
)

// l4 is a GPU of the deployment that the product is for: PCIe, no NVLink, no fan.
const l4 = `
util 87
memutil 41
used 20401094656
reserved 480247808
total 24152899584
temp 71
power 70420
clock 1635
memclock 6251
pstate 0
reasons 4
powercap 72000
energy 5000500
tempslow 95
templimit 98
clockmax 2040
memclockmax 6251
gen 3
width 16
field.94 1:2
field.1 1:1
field.3 3:5
field.4 3:0
field.5 3:12
field.6 3:1
field.142 1:1
field.143 1:0
field.144 1:1
field.145 1:0
procs 4242:c:19000000000:85
`

func TestL4(t *testing.T) {
	f := drive(t, "count 2\n1.util 3\n1.bus 161\n"+l4)
	list := f.list()
	if len(list.Devices) != 2 || list.Driver != "550.54.15" || list.CUDA != "12.4" {
		t.Fatalf("listed %+v", list)
	}
	if d := list.Devices[1]; d != (gpu.Device{Index: 1, Name: "NVIDIA L4", UUID: "GPU-1", PCI: "0000:a1:00.0"}) {
		t.Errorf("the second is %+v", d)
	}
	s := f.read(0, gpu.All)
	want(t, s, `Util=87 MemUtil=41 MemUsed=2.04011e+10 MemReserved=4.80248e+08 MemTotal=2.41529e+10 Temp=71 Power=70.42
		Clock=1635 MemClock=6251 PerfState=0 Encoder=0 Decoder=0 PowerCap=72 Energy=5000.5 TempSlow=95 TempLimit=98 ClockMax=2040
		MemClockMax=6251 Fan=n/a Persistence=1 Compute=0 Gen=3 GenMax=4 Width=16 WidthMax=16 Rx=n/a Tx=n/a Replays=2
		ECC=1 Corrected=5 Uncorrected=0 CorrectedAll=12 UncorrectedAll=1 Remapped=1 RemappedBad=0 RemapPending=1 RemapFailed=0`)
	if s.Throttle != gpu.ThrottlePower || s.NVLinks == nil || len(s.NVLinks) != 0 || s.MIG == nil || show(s.MIG.Enabled) != "0" {
		t.Errorf("throttled by %v, links %v, MIG %+v", s.Throttle.Reasons(), s.NVLinks, s.MIG)
	}
	if len(s.Processes) != 1 || s.Processes[0].PID != 4242 || s.Processes[0].Kind != gpu.Compute || show(s.Processes[0].Mem)+" "+show(s.Processes[0].Util) != "1.9e+10 85" {
		t.Errorf("processes %+v", s.Processes)
	}
	if util := f.read(1, gpu.Fast).Util; util.Or(-1) != 3 {
		t.Errorf("the second has utilisation %s", show(util))
	}
	if f.logged("init") != 1 {
		t.Errorf("the library was started %d times", f.logged("init"))
	}
}

func TestGroupsAreReadAlone(t *testing.T) {
	f := drive(t, l4)
	f.list()
	for group, wanted := range map[gpu.Group]string{
		gpu.Fast:      "Util=87 Throttle PowerCap=-",
		gpu.Slow:      "Util=- PowerCap=72 Replays=2",
		gpu.Processes: "Util=- PowerCap=- Replays=-",
	} {
		s := f.read(0, group)
		want(t, s, strings.ReplaceAll(wanted, "Throttle ", ""))
		if s.Throttle.Known() != (group == gpu.Fast) || (s.MIG != nil) != (group == gpu.Slow) || (s.Processes != nil) != (group == gpu.Processes) {
			t.Errorf("group %b brought %+v", group, s)
		}
	}
}

func TestEightGPUs(t *testing.T) {
	f := drive(t, "count 8\n5.util 55\nname NVIDIA H100 80GB HBM3\n")
	list := f.list()
	if len(list.Devices) != 8 || list.Devices[7].Index != 7 || list.Devices[7].Name != "NVIDIA H100 80GB HBM3" || list.Devices[7].PCI != "0000:08:00.0" {
		t.Errorf("listed %+v", list.Devices)
	}
	if u := f.read(5, gpu.Fast).Util; u.Or(0) != 55 {
		t.Errorf("the sixth has utilisation %s", show(u))
	}
}

// A driver of 2015 has a fourth of the functions, and those that it lacks would end
// the process. The source goes without.
func TestOldDriver(t *testing.T) {
	if !inChild(t) {
		return
	}
	f := drive(t, "reasons 0x20\nprocs 7:c:100:9 8:g:100:9\n"+l4, "-DOLD")
	if l := f.list(); l.Driver != "550.54.15" || l.CUDA != "" || l.Devices[0].PCI != "0000:01:00.0" {
		t.Errorf("listed %+v", l)
	}
	s := f.read(0, gpu.All)
	want(t, s, `Util=87 MemUsed=2.08813e+10 MemReserved=n/a Temp=71 Power=70.42 Fan=30 Energy=n/a Encoder=n/a Rx=n/a Replays=n/a ECC=n/a
		Corrected=n/a RemapPending=n/a`)
	if s.Throttle != gpu.ThrottleHeat { // by the function's old name
		t.Errorf("throttled by %v", s.Throttle.Reasons())
	}
	if s.MIG == nil || s.MIG.Enabled.Supported() || s.NVLinks == nil {
		t.Errorf("MIG %+v, links %v", s.MIG, s.NVLinks)
	}
	if len(s.Processes) != 1 || s.Processes[0].Util.Supported() {
		t.Errorf("processes %+v", s.Processes)
	}
	if err := f.Watch(t.Context(), nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Watch returned %v", err)
	}
}

func TestNoLibrary(t *testing.T) {
	if !inChild(t) {
		return
	}
	s := New("/no/such/libnvidia-ml.so.1")
	defer s.Close()
	if _, err := s.Devices(t.Context()); !errors.Is(err, gpu.ErrAbsent) || !strings.Contains(err.Error(), "/no/such") {
		t.Errorf("Devices returned %v", err)
	}
	if _, err := s.Read(t.Context(), 0, gpu.All); !errors.Is(err, gpu.ErrAbsent) {
		t.Errorf("Read returned %v", err)
	}
	other := New("libm.so.6")
	defer other.Close()
	if _, err := other.Devices(t.Context()); !errors.Is(err, gpu.ErrAbsent) || !strings.Contains(err.Error(), "has no nvmlInit") {
		t.Errorf("with a library of something else it returned %v", err)
	}
	drive(t, "").list() // one that comes later is found
}

func TestOneLibraryAProcess(t *testing.T) {
	f := drive(t, "")
	f.list()
	s := New("/another/libnvidia-ml.so.1")
	defer s.Close()
	if _, err := s.Devices(t.Context()); err == nil || errors.Is(err, gpu.ErrAbsent) || !strings.Contains(err.Error(), "this process has") {
		t.Errorf("Devices of a second library returned %v", err)
	}
}

func TestStartFails(t *testing.T) {
	for code, wanted := range map[string]error{"18": gpu.ErrMismatch, "9": gpu.ErrAbsent, "15": gpu.ErrLost, "999": nil} {
		t.Run(code, func(t *testing.T) {
			f := drive(t, "nvmlInit "+code)
			_, err := f.Devices(t.Context())
			_, read := f.Read(t.Context(), 0, gpu.Fast)
			if err == nil || read == nil || wanted != nil && (!errors.Is(err, wanted) || !errors.Is(read, wanted)) {
				t.Errorf("Devices returned %v, Read %v", err, read)
			}
			f.set("")
			f.list()
			f.read(0, gpu.Fast)
		})
	}
}

func TestMadListings(t *testing.T) {
	for _, script := range []string{"count 4000000000", "nvmlDeviceGetCount 999", "all 4"} {
		f := drive(t, script)
		if _, err := f.Devices(t.Context()); err == nil {
			t.Errorf("%q is a listing", script)
		}
		f.Close()
	}
	f := drive(t, "count 0")
	if l := f.list(); len(l.Devices) != 0 {
		t.Errorf("listed %+v", l)
	}
	if _, err := f.Read(t.Context(), 0, gpu.All); err == nil {
		t.Error("a device that isn't there is read")
	}
}
