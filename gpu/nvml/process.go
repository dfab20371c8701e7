//go:build linux && cgo

package nvml

import (
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

const recent = 4 * time.Second // samples of use that count: those of two readings

// processes are those with a context on the device, each once; nil when a list
// of them fails or there is none to be had.
func (r *reader) processes() []gpu.Process {
	use, wholes := map[uint32]gpu.Reading{}, []nvml.Device{r.device}
	unknown := gpu.NotSupported() // the driver has no use by process of a divided device
	divided := r.divided().Or(0) == 1
	if divided {
		wholes = r.parts()
	} else {
		use, unknown = r.use()
	}
	list := []gpu.Process{}
	for _, d := range wholes {
		var part string
		if divided {
			part = r.uuid(d)
		}
		infos, kinds, ok := r.running(d)
		if !ok {
			return nil
		}
		for i, p := range infos {
			util, known := use[p.Pid]
			if !known {
				util = unknown
			}
			mem := reading(nvml.SUCCESS, float64(p.UsedGpuMemory), bytes)
			if r.work.total > 0 && mem.Or(0) > r.work.total {
				mem = gpu.Reading{}
			}
			list = append(list, gpu.Process{PID: int(p.Pid), Kind: kinds[i], Mem: mem, Util: util, MIG: part})
		}
	}
	return list
}

// running lists the processes of a device or of a part, and of which kind each
// is. A process may be on several of the library's lists: one that computes
// and draws counts as computing, and a client of MPS as that alone.
func (r *reader) running(d nvml.Device) (infos []nvml.ProcessInfo, kinds []gpu.Kind, ok bool) {
	seen := make(map[uint32]bool)
	for _, l := range [...]struct {
		kind     gpu.Kind
		function string
		call     func() ([]nvml.ProcessInfo, nvml.Return)
	}{
		{gpu.MPS, "nvmlDeviceGetMPSComputeRunningProcesses", d.GetMPSComputeRunningProcesses},
		{gpu.Compute, "nvmlDeviceGetComputeRunningProcesses", d.GetComputeRunningProcesses},
		{gpu.Graphics, "nvmlDeviceGetGraphicsRunningProcesses", d.GetGraphicsRunningProcesses},
	} {
		var got []nvml.ProcessInfo
		ret := r.call(l.function, func() (ret nvml.Return) { got, ret = l.call(); return ret })
		if ret != nvml.SUCCESS && !lacking(ret) {
			return nil, nil, false
		}
		ok = ok || ret == nvml.SUCCESS
		for _, p := range got {
			if !seen[p.Pid] {
				seen[p.Pid] = true
				infos, kinds = append(infos, p), append(kinds, l.kind)
			}
		}
	}
	return infos, kinds, ok
}

// use is how much of the device each process takes, by its newest sample, and
// what to say of those without one.
func (r *reader) use() (map[uint32]gpu.Reading, gpu.Reading) {
	var samples []nvml.ProcessUtilizationSample
	since := uint64(time.Now().Add(-recent).UnixMicro())
	ret := r.call("nvmlDeviceGetProcessUtilization", func() (ret nvml.Return) {
		// The bindings slice their buffer by a count that grows beyond it when
		// processes start between two of the library's calls.
		defer func() {
			if recover() != nil {
				samples, ret = nil, nvml.ERROR_INSUFFICIENT_SIZE
			}
		}()
		samples, ret = r.device.GetProcessUtilization(since)
		return ret
	})
	if ret != nvml.SUCCESS {
		return nil, reading(ret, -1, percent)
	}
	newest := make(map[uint32]uint64)
	use := make(map[uint32]gpu.Reading)
	for _, s := range samples {
		if s.TimeStamp >= max(since, newest[s.Pid]) {
			newest[s.Pid] = s.TimeStamp
			use[s.Pid] = reading(nvml.SUCCESS, float64(s.SmUtil), percent) // samples above 100 are known garbage
		}
	}
	return use, gpu.Reading{}
}
