//go:build linux && cgo

package nvml

import (
	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

const milli = 1e-3 // NVML counts mW and mJ

// fast reads what changes from second to second.
func (r *reader) fast(s *gpu.Sample) {
	d := r.device
	var u nvml.Utilization
	ret := r.call("nvmlDeviceGetUtilizationRates", func() (ret nvml.Return) { u, ret = d.GetUtilizationRates(); return ret })
	s.Util, s.MemUtil = reading(ret, float64(u.Gpu), percent), reading(ret, float64(u.Memory), percent)
	s.MemTotal, s.MemUsed, s.MemReserved = r.memory(d)
	r.work.total = s.MemTotal.Or(r.work.total)
	s.Temp = r.temperature()
	s.Power = value(r, "nvmlDeviceGetPowerUsage", d.GetPowerUsage, milli, watts)
	s.Clock = value(r, "nvmlDeviceGetClockInfo", func() (uint32, nvml.Return) { return d.GetClockInfo(nvml.CLOCK_SM) }, 1, megahertz)
	s.MemClock = value(r, "nvmlDeviceGetClockInfo", func() (uint32, nvml.Return) { return d.GetClockInfo(nvml.CLOCK_MEM) }, 1, megahertz)
	s.PerfState = value(r, "nvmlDeviceGetPerformanceState", d.GetPerformanceState, 1, span{0, 15})
	s.Throttle = r.throttle()
}

// temperature reads it by the old function, or by that which replaces it.
func (r *reader) temperature() gpu.Reading {
	d := r.device
	if r.has["nvmlDeviceGetTemperature"] {
		return value(r, "nvmlDeviceGetTemperature", func() (uint32, nvml.Return) { return d.GetTemperature(nvml.TEMPERATURE_GPU) }, 1, degrees)
	}
	return value(r, "nvmlDeviceGetTemperatureV", func() (int32, nvml.Return) {
		t, ret := d.GetTemperatureV().V1()
		return t.Temperature, ret
	}, 1, degrees)
}

// memory reads the memory of a device or of a part of one. Without the second
// version, or where it fails, what the driver reserves is part of what is used.
func (r *reader) memory(d nvml.Device) (total, used, reserved gpu.Reading) {
	var m nvml.Memory_v2
	ret := r.call("nvmlDeviceGetMemoryInfo_v2", func() (ret nvml.Return) { m, ret = d.GetMemoryInfo_v2(); return ret })
	reserved = reading(ret, float64(m.Reserved), span{0, float64(m.Total)})
	if ret != nvml.SUCCESS {
		var old nvml.Memory
		ret = r.call("nvmlDeviceGetMemoryInfo", func() (ret nvml.Return) { old, ret = d.GetMemoryInfo(); return ret })
		m.Total, m.Used = old.Total, old.Used
	}
	return reading(ret, float64(m.Total), span{1, bytes.most}), reading(ret, float64(m.Used), span{0, min(float64(m.Total), bytes.most)}), reserved
}

// throttle asks why the clock is below what it could be, by the function's new
// name or its old one.
func (r *reader) throttle() gpu.Throttle {
	var bits uint64
	ret := r.call("nvmlDeviceGetCurrentClocksEventReasons", func() (ret nvml.Return) { bits, ret = r.device.GetCurrentClocksEventReasons(); return ret })
	if lacking(ret) {
		ret = r.call("nvmlDeviceGetCurrentClocksThrottleReasons", func() (ret nvml.Return) { bits, ret = r.device.GetCurrentClocksThrottleReasons(); return ret })
	}
	if ret != nvml.SUCCESS || bits > 1<<32 { // eleven bits are in use
		return 0
	}
	return throttle(bits)
}

// throttle puts NVML's reasons in ours. That it idles, or that a display needs
// its clock, is no reason to tell.
func throttle(bits uint64) gpu.Throttle {
	var t gpu.Throttle
	for _, m := range [...]struct {
		bits uint64
		is   gpu.Throttle
	}{
		{nvml.ClocksEventReasonSwPowerCap, gpu.ThrottlePower},
		{nvml.ClocksEventReasonSwThermalSlowdown | nvml.ClocksThrottleReasonHwThermalSlowdown, gpu.ThrottleHeat},
		{nvml.ClocksThrottleReasonHwPowerBrakeSlowdown, gpu.ThrottleBrake},
		{nvml.ClocksEventReasonSyncBoost, gpu.ThrottleSync},
		{nvml.ClocksEventReasonApplicationsClocksSetting, gpu.ThrottleClocks},
	} {
		if bits&m.bits != 0 {
			t |= m.is
		}
	}
	// The hardware's slowdown is set along with its causes, where it has told them.
	const causes = nvml.ClocksThrottleReasonHwThermalSlowdown | nvml.ClocksThrottleReasonHwPowerBrakeSlowdown
	if bits&nvml.ClocksThrottleReasonHwSlowdown != 0 && bits&causes == 0 {
		t |= gpu.ThrottleSlow
	}
	if t == 0 {
		t = gpu.NotThrottled
	}
	return t
}

// slow reads limits, links, errors and modes.
func (r *reader) slow(s *gpu.Sample) {
	d := r.device
	percentOf := func(call func() (uint32, uint32, nvml.Return)) func() (uint32, nvml.Return) {
		return func() (uint32, nvml.Return) { v, _, ret := call(); return v, ret }
	}
	threshold := func(which nvml.TemperatureThresholds) gpu.Reading {
		return value(r, "nvmlDeviceGetTemperatureThreshold", func() (uint32, nvml.Return) { return d.GetTemperatureThreshold(which) }, 1, degrees)
	}
	clock := func(which nvml.ClockType) gpu.Reading {
		return value(r, "nvmlDeviceGetMaxClockInfo", func() (uint32, nvml.Return) { return d.GetMaxClockInfo(which) }, 1, megahertz)
	}
	s.Encoder = value(r, "nvmlDeviceGetEncoderUtilization", percentOf(d.GetEncoderUtilization), 1, percent)
	s.Decoder = value(r, "nvmlDeviceGetDecoderUtilization", percentOf(d.GetDecoderUtilization), 1, percent)
	s.PowerCap = value(r, "nvmlDeviceGetEnforcedPowerLimit", d.GetEnforcedPowerLimit, milli, watts)
	s.Energy = value(r, "nvmlDeviceGetTotalEnergyConsumption", d.GetTotalEnergyConsumption, milli, joules)
	s.TempSlow, s.TempLimit = threshold(nvml.TEMPERATURE_THRESHOLD_SLOWDOWN), threshold(nvml.TEMPERATURE_THRESHOLD_SHUTDOWN)
	s.ClockMax, s.MemClockMax = clock(nvml.CLOCK_SM), clock(nvml.CLOCK_MEM)
	s.Fan = r.fan()
	s.PCIe.Gen = value(r, "nvmlDeviceGetCurrPcieLinkGeneration", d.GetCurrPcieLinkGeneration, 1, ratio)
	s.PCIe.GenMax = value(r, "nvmlDeviceGetMaxPcieLinkGeneration", d.GetMaxPcieLinkGeneration, 1, ratio)
	s.PCIe.Width = value(r, "nvmlDeviceGetCurrPcieLinkWidth", d.GetCurrPcieLinkWidth, 1, ratio)
	s.PCIe.WidthMax = value(r, "nvmlDeviceGetMaxPcieLinkWidth", d.GetMaxPcieLinkWidth, 1, ratio)
	s.Persistence = value(r, "nvmlDeviceGetPersistenceMode", d.GetPersistenceMode, 1, flag)
	s.Compute = value(r, "nvmlDeviceGetComputeMode", d.GetComputeMode, 1, span{0, 3})
	r.fields(s)
	s.MIG = r.mig()
}

// fan reads the fastest of the fans.
func (r *reader) fan() gpu.Reading {
	d := r.device
	n := value(r, "nvmlDeviceGetNumFans", d.GetNumFans, 1, span{0, 32})
	if !n.Known() || !r.has["nvmlDeviceGetFanSpeed_v2"] {
		return value(r, "nvmlDeviceGetFanSpeed", d.GetFanSpeed, 1, fanSpeed)
	}
	fastest := gpu.NotSupported() // as with passive cooling
	for i := range int(n.Or(0)) {
		fan := value(r, "nvmlDeviceGetFanSpeed_v2", func() (uint32, nvml.Return) { return d.GetFanSpeed_v2(i) }, 1, fanSpeed)
		if fan.Known() && fan.Or(0) >= fastest.Or(0) || !fastest.Known() {
			fastest = fan
		}
	}
	return fastest
}
