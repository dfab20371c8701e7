package dcgm

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pilothouse/gpu"
)

// Fresh is the age from which on a reading is not exported any more.
const Fresh = 15 * time.Second

// What one of the exporter's units is in gpu's.
const (
	same  = 1
	mib   = 1 << 20
	milli = 1e-3
	ratio = 100 // of 1, in percent
)

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// field is one of DCGM's, and the reading that it is.
type field struct {
	name string
	kind prometheus.ValueType
	unit float64
	most float64 // that makes sense, in gpu's unit; 0: there is no bound
	due  gpu.Group
	at   func(*gpu.Sample) *gpu.Reading
	help string
	also []other // where that name is not there
}

// other is another name that an exporter may have a reading under.
type other struct {
	name string
	unit float64
}

// Names that are not one reading each, or not at all times.
const (
	nameUsed     = "DCGM_FI_DEV_FB_USED"
	nameFree     = "DCGM_FI_DEV_FB_FREE"
	nameReserved = "DCGM_FI_DEV_FB_RESERVED"
	nameTotal    = "DCGM_FI_DEV_FB_TOTAL"
	nameReasons  = "DCGM_FI_DEV_CLOCKS_EVENT_REASONS"
	nameThrottle = "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS" // the same field, up to DCGM 3.2
	nameMIG      = "DCGM_FI_DEV_MIG_MODE"
	nameXID      = "DCGM_FI_DEV_XID_ERRORS"
	nameLinkRx   = "DCGM_FI_PROF_NVLINK_RX_BYTES"
	nameLinkTx   = "DCGM_FI_PROF_NVLINK_TX_BYTES"
)

// fields are the readings that have a name of their own. NVLink's counters have
// none: DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL counts what gpu has as a rate.
var fields = []field{
	{"DCGM_FI_DEV_GPU_UTIL", gauge, same, 100, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.Util }, "Time in which a kernel ran, in %.", []other{{"DCGM_FI_PROF_GR_ENGINE_ACTIVE", ratio}}},
	{"DCGM_FI_DEV_MEM_COPY_UTIL", gauge, same, 100, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.MemUtil }, "Time in which memory was read or written, in %.", nil},
	{nameUsed, gauge, mib, 0, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.MemUsed }, "Memory in use, in MiB.", nil},
	{nameReserved, gauge, mib, 0, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.MemReserved }, "Memory that the driver keeps for itself, in MiB.", nil},
	{nameTotal, gauge, mib, 0, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.MemTotal }, "Memory that there is, in MiB.", nil},
	{"DCGM_FI_DEV_GPU_TEMP", gauge, same, 0, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.Temp }, "Temperature, in °C.", nil},
	{"DCGM_FI_DEV_POWER_USAGE", gauge, same, 0, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.Power }, "Power draw, in W.", nil},
	{"DCGM_FI_DEV_SM_CLOCK", gauge, same, 0, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.Clock }, "SM clock, in MHz.", nil},
	{"DCGM_FI_DEV_MEM_CLOCK", gauge, same, 0, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.MemClock }, "Memory clock, in MHz.", nil},
	{"DCGM_FI_DEV_PSTATE", gauge, same, 15, gpu.Fast, func(s *gpu.Sample) *gpu.Reading { return &s.PerfState }, "Performance state, 0 (the fastest) to 15.", nil},

	{"DCGM_FI_DEV_ENC_UTIL", gauge, same, 100, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.Encoder }, "Utilisation of the encoder, in %.", nil},
	{"DCGM_FI_DEV_DEC_UTIL", gauge, same, 100, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.Decoder }, "Utilisation of the decoder, in %.", nil},
	{"DCGM_FI_DEV_POWER_MGMT_LIMIT", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.PowerCap }, "Power cap, in W.", []other{{"DCGM_FI_DEV_ENFORCED_POWER_LIMIT", same}}},
	{"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", counter, milli, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.Energy }, "Energy used since the driver was loaded, in mJ.", nil},
	{"DCGM_FI_DEV_SLOWDOWN_TEMP", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.TempSlow }, "Temperature at which the device slows down, in °C.", nil},
	{"DCGM_FI_DEV_SHUTDOWN_TEMP", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.TempLimit }, "Temperature at which the device shuts down, in °C.", nil},
	{"DCGM_FI_DEV_MAX_SM_CLOCK", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ClockMax }, "Highest SM clock, in MHz.", nil},
	{"DCGM_FI_DEV_MAX_MEM_CLOCK", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.MemClockMax }, "Highest memory clock, in MHz.", nil},
	{"DCGM_FI_DEV_FAN_SPEED", gauge, same, 100, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.Fan }, "Speed of the fastest fan, in %.", nil},
	{"DCGM_FI_DEV_PCIE_LINK_GEN", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.PCIe.Gen }, "PCIe generation in use.", nil},
	{"DCGM_FI_DEV_PCIE_MAX_LINK_GEN", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.PCIe.GenMax }, "PCIe generation that device and slot can.", nil},
	{"DCGM_FI_DEV_PCIE_LINK_WIDTH", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.PCIe.Width }, "PCIe lanes in use.", nil},
	{"DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.PCIe.WidthMax }, "PCIe lanes that device and slot can.", nil},
	{"DCGM_FI_PROF_PCIE_RX_BYTES", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.PCIe.Rx }, "Data to the device over PCIe, in bytes per second.", nil},
	{"DCGM_FI_PROF_PCIE_TX_BYTES", gauge, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.PCIe.Tx }, "Data from the device over PCIe, in bytes per second.", nil},
	{"DCGM_FI_DEV_PCIE_REPLAY_COUNTER", counter, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.PCIe.Replays }, "PCIe replays since the driver was loaded.", nil},
	{"DCGM_FI_DEV_ECC_CURRENT", gauge, same, 1, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.Enabled }, "1 where memory's error correction is on.", nil},
	{"DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", counter, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.Corrected }, "Single-bit errors since the driver was loaded.", nil},
	{"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", counter, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.Uncorrected }, "Double-bit errors since the driver was loaded.", nil},
	{"DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", counter, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.CorrectedAll }, "Single-bit errors in the device's life.", nil},
	{"DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", counter, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.UncorrectedAll }, "Double-bit errors in the device's life.", nil},
	{"DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", counter, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.Remapped }, "Rows of memory out of use for correctable errors.", nil},
	{"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", counter, same, 0, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.RemappedBad }, "Rows of memory out of use for uncorrectable errors.", nil},
	{"DCGM_FI_DEV_ROW_REMAP_PENDING", gauge, same, 1, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.RemapPending }, "1 where rows go out of use at the next reset.", nil},
	{"DCGM_FI_DEV_ROW_REMAP_FAILURE", gauge, same, 1, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.ECC.RemapFailed }, "1 where a row could not be put out of use.", nil},
	{"DCGM_FI_DEV_PERSISTENCE_MODE", gauge, same, 1, gpu.Slow, func(s *gpu.Sample) *gpu.Reading { return &s.Persistence }, "1 where the driver stays loaded.", nil},
}

// derived are the names that the collector has beside those of fields, all of
// them gauges.
var derived = []struct{ name, help string }{
	{nameFree, "Memory that is free, in MiB."},
	{nameReasons, "Why the clocks are below what they could be: a mask, 0 without a reason."},
	{nameThrottle, "The same as DCGM_FI_DEV_CLOCKS_EVENT_REASONS, which took its place."},
	{nameMIG, "1 where the device is divided."},
	{nameXID, "The last XID error."},
	{nameLinkRx, "Data to the device over all NVLinks, in bytes per second."},
	{nameLinkTx, "Data from the device over all NVLinks, in bytes per second."},
}

// wanted are the names that a source reads.
var wanted = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{nameFree: true, nameReasons: true, nameThrottle: true, nameMIG: true}
	for _, f := range fields {
		names[f.name] = true
		for _, o := range f.also {
			names[o.name] = true
		}
	}
	return names
})

// reasons are the bits of DCGM_FI_DEV_CLOCKS_EVENT_REASONS, which are NVML's.
// Idleness (1) and the clocks of a display (0x100) are no throttling.
var reasons = []struct {
	mask  uint64
	means gpu.Throttle
}{
	{0x02, gpu.ThrottleClocks},
	{0x04, gpu.ThrottlePower},
	{0x08, gpu.ThrottleSlow},
	{0x10, gpu.ThrottleSync},
	{0x20, gpu.ThrottleHeat}, // by software; gpu tells no difference, so this is what is exported
	{0x40, gpu.ThrottleHeat}, // by hardware
	{0x80, gpu.ThrottleBrake},
}

// hardware are the reasons that explain a hardware slowdown, which comes
// together with them.
const hardware = 0x40 | 0x80

// throttle understands a mask of reasons.
func throttle(mask uint64) (t gpu.Throttle) {
	if mask&hardware != 0 {
		mask &^= 0x08
	}
	for _, r := range reasons {
		if mask&r.mask != 0 {
			t |= r.means
		}
	}
	if t == 0 {
		return gpu.NotThrottled
	}
	return t
}

// mask is the inverse of throttle, as far as there is one.
func mask(t gpu.Throttle) (m uint64) {
	for _, r := range reasons {
		if t&r.means != 0 && r.mask != 0x40 {
			m |= r.mask
		}
	}
	return m
}
