package pane

import (
	"fmt"
	"math"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/queue"
	"pilothouse/gpu"
	"pilothouse/ui/past"
)

const gibi = 1 << 30

// gpuSmall is an NVIDIA L4 at work, of the reference deployment.
func gpuSmall(index int, serves string) gpu.GPU {
	is := func(v float64) gpu.Reading { return gpu.Read(v, noon) }
	f := float64(index)
	g := gpu.GPU{Index: index, Name: "NVIDIA L4", UUID: fmt.Sprintf("GPU-5d1c9f3e-0b7a-4c1e-9a55-2f6d1b0e7a%02d", index), PCI: fmt.Sprintf("0000:%02x:00.0", 1+index), Serves: serves,
		State: gpu.OK, Since: noon.Add(-76 * time.Hour), At: noon, NewUncorrected: is(0), Sample: gpu.Sample{
			Util: is(74 - 20*f), MemUtil: is(48), MemUsed: is((15.2 + 5*f) * gibi), MemReserved: is(434 << 20), MemTotal: is(22.5 * gibi), Temp: is(61 - 6*f), Power: is(68 - 9*f),
			Clock: is(2040), MemClock: is(6251), PerfState: is(0), Throttle: gpu.NotThrottled, Encoder: is(0), Decoder: is(0), PowerCap: is(72), Energy: is(43.2e6 + f), TempSlow: is(86), TempLimit: is(94),
			ClockMax: is(2040), MemClockMax: is(6251), Fan: gpu.NotSupported(), PCIe: gpu.PCIe{Gen: is(4), GenMax: is(4), Width: is(8), WidthMax: is(8), Rx: is(40e6), Tx: is(12e6), Replays: is(0)},
			NVLinks: []gpu.NVLink{}, ECC: gpu.ECC{Enabled: is(1), Corrected: is(0), Uncorrected: is(0), CorrectedAll: is(3), UncorrectedAll: is(0), Remapped: is(0), RemappedBad: is(0), RemapPending: is(0), RemapFailed: is(0)},
			Persistence: is(1), Compute: is(0), MIG: &gpu.MIG{Enabled: gpu.NotSupported()}}}
	g.Processes = []gpu.Owner{{Process: gpu.Process{PID: 4194 + index, Kind: gpu.Compute, Name: "VLLM::EngineCore", Mem: g.MemUsed, Util: g.Util}, Started: noon.Add(-76 * time.Hour),
		ID: "8f2c0d", Container: "vllm-" + serves, Backend: serves}}
	gpuPast(&g, 72)
	return g
}

// gpuPast gives a device a day of ups and downs.
func gpuPast(g *gpu.GPU, cap float64) {
	at := func(k int, slow float64) gpu.Point {
		u := 50 + 45*math.Sin(float64(k+g.Index*90)/slow)
		return gpu.Point{Util: float32(u), Mem: float32(60 + 25*math.Min(1, float64(k)/400)), Power: float32(cap * (0.3 + 0.65*u/100)), Temp: float32(45 + 20*u/100)}
	}
	for k := range 900 {
		g.History = append(g.History, at(k, 70))
	}
	for k := range 8640 {
		g.Long = append(g.Long, at(k, 600))
	}
	g.LongAt = g.At
}

// gpuLarge is an NVIDIA H100, one of many.
func gpuLarge(index int, serves string) gpu.GPU {
	g := gpuSmall(index, serves)
	is := func(v float64) gpu.Reading { return gpu.Read(v, noon) }
	f := float64(index)
	g.Name = "NVIDIA H100 80GB HBM3"
	g.Util, g.MemUsed, g.MemTotal, g.Temp, g.Power, g.PowerCap = is(92-3*f), is((70-f)*gibi), is(79.6*gibi), is(52+f), is(560-20*f), is(700)
	g.Clock, g.ClockMax, g.MemClock, g.MemClockMax, g.TempSlow, g.TempLimit = is(1980), is(1980), is(2619), is(2619), is(87), is(92)
	g.PCIe = gpu.PCIe{Gen: is(5), GenMax: is(5), Width: is(16), WidthMax: is(16), Rx: is(3.1e9), Tx: is(1.2e9), Replays: is(0)}
	g.MIG = &gpu.MIG{Enabled: is(0)}
	for i := range 18 {
		g.NVLinks = append(g.NVLinks, gpu.NVLink{Index: i, Active: is(1), Rx: is(11e9), Tx: is(10e9), Errors: is(0)})
	}
	g.Processes[0].Mem, g.Processes[0].Util = g.MemUsed, g.Util
	g.History, g.Long = nil, nil
	gpuPast(&g, 700)
	return g
}

// gpuSilent has a device not be read for some seconds.
func gpuSilent(g *gpu.GPU, seconds int) {
	nan := float32(math.NaN())
	for i := len(g.History) - seconds; i < len(g.History); i++ {
		g.History[i] = gpu.Point{Util: nan, Mem: nan, Power: nan, Temp: nan}
	}
}

func gpuData(gpus ...gpu.GPU) Data {
	return Data{Now: noon, GPUs: &gpu.Snapshot{At: noon, Source: "nvml", Driver: "580.159.03", CUDA: "13.0", GPUs: gpus,
		Hosts: []gpu.HostStatus{{Source: "nvml", Driver: "580.159.03", CUDA: "13.0"}}}}
}

// gpuCalm is the reference deployment.
func gpuCalm() Data { return gpuData(gpuSmall(0, "text2sql"), gpuSmall(1, "chat")) }

// gpuFallen is an XID 79 of a device, as gpu explains it.
func gpuFallen(g *gpu.GPU, ago time.Duration) gpu.XID {
	return gpu.XID{At: noon.Add(-ago), Last: noon.Add(-ago), Count: 1, Index: g.Index, UUID: g.UUID, PCI: g.PCI, Code: 79, Name: "GPU has fallen off the bus",
		Meaning: "the host can't reach the device over PCIe any more",
		Action:  "drain the host's backends and reboot the host; then check its seat, power and heat, and have it replaced if it comes again",
		Text:    "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", Owners: []string{g.Serves, "python3 (pid 99), not of a known container"}, InFlight: 6}
}

func gpuPageFault(g *gpu.GPU, ago time.Duration, count int) gpu.XID {
	return gpu.XID{At: noon.Add(-ago - 4*time.Second), Last: noon.Add(-ago), Count: count, Index: g.Index, UUID: g.UUID, PCI: g.PCI, Code: 31, Name: "GPU memory page fault",
		Meaning: "a kernel accessed memory that is not its own", Application: true,
		Action: "restart the backend, if it has not ended; if it comes again without a change of version or traffic, run dcgmi diag -r 3", Owners: []string{g.Serves}, InFlight: 2}
}

// gpuTrouble is a bad night of the reference deployment: the one fell off the
// bus while somebody unknown was on it, the other's driver does not answer.
func gpuTrouble() Data {
	d := gpuCalm()
	lost, hung := &d.GPUs.GPUs[0], &d.GPUs.GPUs[1]
	lost.State, lost.Since, lost.At, lost.Err = gpu.Lost, noon.Add(-41*time.Second), noon.Add(-42*time.Second), "it has fallen off the bus"
	lost.Processes = append(lost.Processes, gpu.Owner{Process: gpu.Process{PID: 99, Kind: gpu.Compute, Name: "python3", Mem: gpu.Read(2.1*gibi, noon)}, Started: noon.Add(-20 * time.Minute)})
	gpuSilent(lost, 38)
	gpuSilent(hung, 9)
	hung.State, hung.Since, hung.At, hung.Err = gpu.Hung, noon.Add(-12*time.Second), noon.Add(-14*time.Second), "the driver does not answer"
	d.GPUs.Events = []gpu.XID{gpuPageFault(lost, 9*time.Minute, 3), gpuPageFault(hung, 2*time.Hour, 1), gpuFallen(lost, 43*time.Second)}
	d.Past = &past.Snapshot{At: noon, Events: []past.Event{
		{At: noon.Add(-12 * time.Second), Kind: past.KindGPU, Object: "gpu 1", Text: "hung", Grade: past.Warn},
		{At: noon.Add(-43 * time.Second), Kind: past.KindGPU, Object: "gpu 0", Text: "XID 79", Grade: past.Bad},
		{At: noon.Add(-7 * time.Minute), Kind: past.KindJob, Object: "chat", Text: "restarted by bo", Grade: past.Good},
	}}
	return d
}

// gpuMany is eight H100: one throttled at its cap, one by heat, one idle while
// its backend has work waiting, one with damaged rows.
func gpuMany() Data {
	var all []gpu.GPU
	for i := range 8 {
		all = append(all, gpuLarge(i, fmt.Sprintf("llama-%d", i/2)))
	}
	d := gpuData(all...)
	all = d.GPUs.GPUs
	all[1].Throttle, all[1].Power = gpu.ThrottlePower, gpu.Read(699, noon)
	all[3].Throttle, all[3].Temp, all[3].Clock = gpu.ThrottleHeat|gpu.ThrottlePower, gpu.Read(88, noon), gpu.Read(1215, noon)
	all[5].ECC.RemapPending, all[5].ECC.Remapped = gpu.Read(1, noon), gpu.Read(2, noon)
	for i := 860; i < 900; i++ {
		all[6].History[i].Util = 1
	}
	all[6].Util = gpu.Read(1, noon)
	d.Gateway = &gateway.Snapshot{At: noon, Queues: map[string]queue.Status{"llama-3": {Waiting: 4}}}
	d.Pool = &backends.Snapshot{At: noon, Backends: []backends.BackendStatus{{Name: "llama-3", Replicas: []backends.ReplicaStatus{{Engine: &backends.EngineStatus{At: noon, Running: 6}}}}}}
	return d
}

// gpuFleet is forty devices on five hosts, one of which does not answer, another
// partly deaf.
func gpuFleet() Data {
	d := gpuData()
	s := d.GPUs
	s.Source, s.Hosts = "nvml, dcgm", nil
	for h := range 5 {
		host := gpu.HostStatus{Source: "nvml", Driver: "580.159.03", CUDA: "13.0"}
		if h > 0 {
			host = gpu.HostStatus{Name: fmt.Sprintf("gpu%d", h+1), Source: "dcgm", Driver: "580.82.07"}
		}
		s.Hosts = append(s.Hosts, host)
		for i := range 8 {
			g := gpuLarge(i, fmt.Sprintf("llama-%d", h*4+i/2))
			g.Host = host.Name
			g.UUID = fmt.Sprintf("GPU-%02d-%02d", h, i)
			if h > 0 {
				g.Processes, g.NVLinks, g.MIG = nil, nil, nil
				g.Compute, g.Persistence = gpu.Reading{}, gpu.Reading{}
			}
			if h == 3 {
				g.At = noon.Add(-37 * time.Second)
				gpuSilent(&g, 32)
				g.State, g.Since, g.Err = gpu.Failing, noon.Add(-30*time.Second), "get http://gpu4:9400/metrics: connection refused"
			}
			s.GPUs = append(s.GPUs, g)
		}
	}
	s.Hosts[3].Err = "get http://gpu4:9400/metrics: connection refused"
	s.Hosts[0].EventsErr = "kernel log: open /dev/kmsg: operation not permitted"
	return d
}

// gpuParted is a device divided by MIG, with a process on each of two parts and
// one on nobody knows which.
func gpuParted() Data {
	g := gpuLarge(0, "small-a, small-b")
	is := func(v float64) gpu.Reading { return gpu.Read(v, noon) }
	g.Util, g.MemUtil = gpu.NotSupported(), gpu.NotSupported()
	g.MIG = &gpu.MIG{Enabled: is(1)}
	g.Processes = nil
	for i, used := range []float64{31.2, 8.4, 0.1} {
		g.MIG.Parts = append(g.MIG.Parts, gpu.MIGPart{UUID: fmt.Sprint("MIG-", i), Name: []string{"3g.40gb", "1g.10gb", "1g.10gb"}[i], MemUsed: is(used * gibi), MemTotal: is([]float64{39.2, 9.8, 9.8}[i] * gibi)})
		o := gpu.Owner{Process: gpu.Process{PID: 700 + i, Kind: gpu.Compute, Name: "python3", MIG: fmt.Sprint("MIG-", i), Mem: is(used * gibi), Util: gpu.NotSupported()}}
		switch i {
		case 2:
			o.MIG, o.Name, o.Why = "MIG-9", "", "its /proc can't be read"
		default:
			o.Backend, o.Container, o.Started = "small-"+string(rune('a'+i)), "vllm-small-"+string(rune('a'+i)), noon.Add(-3*time.Hour)
		}
		g.Processes = append(g.Processes, o)
	}
	for i := range g.History {
		g.History[i].Util = float32(math.NaN())
	}
	return gpuData(g)
}
