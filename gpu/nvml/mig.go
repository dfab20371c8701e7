//go:build linux && cgo

package nvml

import (
	"fmt"
	"math"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

const partsMax = 64 // of a device; it can have seven

// divided tells whether the device is, or why that isn't known.
func (r *reader) divided() gpu.Reading {
	return value(r, "nvmlDeviceGetMigMode", func() (int, nvml.Return) { now, _, ret := r.device.GetMigMode(); return now, ret }, 1, flag)
}

// mig reads how the device is divided; nil when it doesn't say.
func (r *reader) mig() *gpu.MIG {
	m := &gpu.MIG{Enabled: r.divided()}
	if !m.Enabled.Known() {
		if m.Enabled.Supported() {
			return nil
		}
		return m
	}
	if m.Enabled.Or(0) == 0 {
		return m
	}
	for _, d := range r.parts() {
		p := gpu.MIGPart{UUID: r.uuid(d), Name: r.profile(d)}
		p.MemTotal, p.MemUsed, _ = r.memory(d)
		m.Parts = append(m.Parts, p)
	}
	return m
}

// parts are the handles of a divided device's parts, which may change at any
// time.
func (r *reader) parts() []nvml.Device {
	var parts []nvml.Device
	most := value(r, "nvmlDeviceGetMaxMigDeviceCount", r.device.GetMaxMigDeviceCount, 1, span{0, partsMax})
	for i := range int(most.Or(0)) {
		var d nvml.Device
		if r.call("nvmlDeviceGetMigDeviceHandleByIndex", func() (ret nvml.Return) { d, ret = r.device.GetMigDeviceHandleByIndex(i); return ret }) == nvml.SUCCESS {
			parts = append(parts, d)
		}
	}
	return parts
}

func (r *reader) uuid(d nvml.Device) (uuid string) {
	r.call("nvmlDeviceGetUUID", func() (ret nvml.Return) { uuid, ret = d.GetUUID(); return ret })
	return uuid
}

// profile is a part's size, as its name ends with it ("NVIDIA A100 MIG
// 1g.5gb") or else as its attributes add up.
func (r *reader) profile(d nvml.Device) string {
	var name string
	r.call("nvmlDeviceGetName", func() (ret nvml.Return) { name, ret = d.GetName(); return ret })
	if _, profile, ok := strings.Cut(name, " MIG "); ok {
		return profile
	}
	var a nvml.DeviceAttributes
	if r.call("nvmlDeviceGetAttributes", func() (ret nvml.Return) { a, ret = d.GetAttributes(); return ret }) != nvml.SUCCESS {
		return ""
	}
	profile := fmt.Sprintf("%dg.%dgb", a.GpuInstanceSliceCount, int(math.Round(float64(a.MemorySizeMB)/kib)))
	if a.ComputeInstanceSliceCount != a.GpuInstanceSliceCount {
		profile = fmt.Sprintf("%dc.%s", a.ComputeInstanceSliceCount, profile)
	}
	return profile
}
