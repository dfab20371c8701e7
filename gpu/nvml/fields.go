//go:build linux && cgo

package nvml

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

const (
	kib    = 1024
	prompt = 50 * time.Millisecond // counts of a call that took longer have no moment
	window = 20 * time.Millisecond // between two looks at counts of 32 bits: PCIe 6 needs 33 ms to wrap them
)

// counter is one that counts for ever; count what it last said.
type (
	counter struct{ field, link uint32 }
	count   struct {
		value float64
		at    time.Time
	}
)

// fieldValues are read by one call. The driver answers each by itself.
type fieldValues struct {
	values []nvml.FieldValue
	ret    nvml.Return // of the call
	at     time.Time   // when it returned
	prompt bool
}

// ask reads fields, of a link where they are a link's.
func (r *reader) ask(link uint32, ids ...uint32) *fieldValues {
	f := &fieldValues{values: make([]nvml.FieldValue, len(ids))}
	for i, id := range ids {
		f.values[i] = nvml.FieldValue{FieldId: id, ScopeId: link, NvmlReturn: uint32(nvml.ERROR_UNKNOWN)}
	}
	asked := time.Now()
	f.ret = r.call("nvmlDeviceGetFieldValues", func() nvml.Return { return r.device.GetFieldValues(f.values) })
	f.at = time.Now()
	f.prompt = f.at.Sub(asked) < prompt
	if f.ret == nvml.SUCCESS {
		for _, v := range f.values {
			if ret := nvml.Return(v.NvmlReturn); fatal(ret) {
				f.ret = r.note(ret)
			}
		}
	}
	return f
}

// field is one of the fields that were asked for.
func (f *fieldValues) field(id uint32) *nvml.FieldValue {
	i := slices.IndexFunc(f.values, func(v nvml.FieldValue) bool { return v.FieldId == id })
	return &f.values[i]
}

// get is the reading of one of the fields.
func (f *fieldValues) get(id uint32, unit float64, s span) gpu.Reading {
	v, ret := f.field(id), f.ret
	if ret == nvml.SUCCESS {
		ret = nvml.Return(v.NvmlReturn)
		if ret == nvml.ERROR_INVALID_ARGUMENT { // a field that this driver doesn't know
			ret = nvml.ERROR_NOT_SUPPORTED
		}
	}
	return reading(ret, number64(v)*unit, s)
}

// number64 is a field's value; NaN when its type is none.
func number64(v *nvml.FieldValue) float64 {
	bits := binary.NativeEndian.Uint64(v.Value[:])
	half := binary.NativeEndian.Uint32(v.Value[:])
	switch nvml.ValueType(v.ValueType) {
	case nvml.VALUE_TYPE_DOUBLE:
		return math.Float64frombits(bits)
	case nvml.VALUE_TYPE_UNSIGNED_INT:
		return float64(half)
	case nvml.VALUE_TYPE_SIGNED_INT:
		return float64(int32(half))
	case nvml.VALUE_TYPE_UNSIGNED_SHORT:
		return float64(binary.NativeEndian.Uint16(v.Value[:]))
	case nvml.VALUE_TYPE_UNSIGNED_LONG, nvml.VALUE_TYPE_UNSIGNED_LONG_LONG:
		return float64(bits)
	case nvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return float64(int64(bits))
	}
	return math.NaN()
}

// rate is how fast a field counts, since the former look at it.
func (r *reader) rate(f *fieldValues, id uint32, unit float64) gpu.Reading {
	key := counter{id, f.field(id).ScopeId}
	v := f.get(id, unit, traffic)
	was, known := r.work.counts[key]
	if !v.Known() || !f.prompt {
		delete(r.work.counts, key)
		if v.Known() {
			return gpu.Reading{}
		}
		return v
	}
	now := count{v.Or(0), f.at}
	r.work.counts[key] = now
	if !known {
		return gpu.Reading{}
	}
	// Below 0, and so no data, when the count was reset or has wrapped.
	return reading(nvml.SUCCESS, (now.value-was.value)/now.at.Sub(was.at).Seconds(), speed)
}

// fields reads what has no better function, most of it in one call.
func (r *reader) fields(s *gpu.Sample) {
	f := r.ask(0,
		nvml.FI_DEV_PCIE_COUNT_RX_BYTES, nvml.FI_DEV_PCIE_COUNT_TX_BYTES, nvml.FI_DEV_PCIE_REPLAY_COUNTER,
		nvml.FI_DEV_ECC_CURRENT,
		nvml.FI_DEV_ECC_SBE_VOL_TOTAL, nvml.FI_DEV_ECC_DBE_VOL_TOTAL, nvml.FI_DEV_ECC_SBE_AGG_TOTAL, nvml.FI_DEV_ECC_DBE_AGG_TOTAL,
		nvml.FI_DEV_REMAPPED_COR, nvml.FI_DEV_REMAPPED_UNC, nvml.FI_DEV_REMAPPED_PENDING, nvml.FI_DEV_REMAPPED_FAILURE,
		nvml.FI_DEV_NVLINK_LINK_COUNT)
	s.PCIe.Rx, s.PCIe.Tx = r.pcie(f)
	s.PCIe.Replays = f.get(nvml.FI_DEV_PCIE_REPLAY_COUNTER, 1, tally)
	s.ECC = gpu.ECC{
		Enabled:        f.get(nvml.FI_DEV_ECC_CURRENT, 1, flag),
		Corrected:      f.get(nvml.FI_DEV_ECC_SBE_VOL_TOTAL, 1, tally),
		Uncorrected:    f.get(nvml.FI_DEV_ECC_DBE_VOL_TOTAL, 1, tally),
		CorrectedAll:   f.get(nvml.FI_DEV_ECC_SBE_AGG_TOTAL, 1, tally),
		UncorrectedAll: f.get(nvml.FI_DEV_ECC_DBE_AGG_TOTAL, 1, tally),
		Remapped:       f.get(nvml.FI_DEV_REMAPPED_COR, 1, tally),
		RemappedBad:    f.get(nvml.FI_DEV_REMAPPED_UNC, 1, tally),
		RemapPending:   f.get(nvml.FI_DEV_REMAPPED_PENDING, 1, flag),
		RemapFailed:    f.get(nvml.FI_DEV_REMAPPED_FAILURE, 1, flag),
	}
	switch links := f.get(nvml.FI_DEV_NVLINK_LINK_COUNT, 1, span{0, nvml.NVLINK_MAX_LINKS}); {
	case !links.Supported():
		s.NVLinks = []gpu.NVLink{}
	case links.Known():
		s.NVLinks = make([]gpu.NVLink, int(links.Or(0)))
		for i := range s.NVLinks {
			s.NVLinks[i] = r.link(i)
		}
	}
}

// pcie is the throughput of the bus. Counts of 32 bits wrap within a fraction
// of a second, so those are looked at twice in a row.
func (r *reader) pcie(f *fieldValues) (rx, tx gpu.Reading) {
	const in, out = nvml.FI_DEV_PCIE_COUNT_RX_BYTES, nvml.FI_DEV_PCIE_COUNT_TX_BYTES
	narrow := func(id uint32) bool {
		return f.get(id, 1, traffic).Known() && nvml.ValueType(f.field(id).ValueType) == nvml.VALUE_TYPE_UNSIGNED_INT
	}
	if !narrow(in) || !narrow(out) {
		return r.rate(f, in, 1), r.rate(f, out, 1)
	}
	select {
	case <-time.After(window):
	case <-r.ctx.Done():
	}
	g := r.ask(0, in, out)
	took := g.at.Sub(f.at)
	moved := func(id uint32) gpu.Reading {
		if !g.get(id, 1, traffic).Known() || !f.prompt || took > 3*window/2 {
			return gpu.Reading{}
		}
		count := uint32(number64(g.field(id))) - uint32(number64(f.field(id)))
		return reading(nvml.SUCCESS, float64(count)/took.Seconds(), span{0, 130e9})
	}
	return moved(in), moved(out)
}

// link reads one NVLink. Which fields a link has depends on its generation:
// those from Blackwell on count bytes, those before KiB.
func (r *reader) link(i int) gpu.NVLink {
	blackwell := []uint32{nvml.FI_DEV_NVLINK_COUNT_RCV_ERRORS, nvml.FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS}
	hopper := []uint32{nvml.FI_DEV_NVLINK_ERROR_DL_CRC, nvml.FI_DEV_NVLINK_ERROR_DL_REPLAY, nvml.FI_DEV_NVLINK_ERROR_DL_RECOVERY}
	var ampere []uint32 // and before: a field for each of the first twelve links
	switch l := uint32(i); {
	case l < 6:
		ampere = []uint32{nvml.FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L0 + l, nvml.FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L0 + l, nvml.FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L0 + l}
	case l < 12:
		ampere = []uint32{nvml.FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L6 + l - 6, nvml.FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L6 + l - 6, nvml.FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L6 + l - 6}
	}
	f := r.ask(uint32(i), slices.Concat([]uint32{
		nvml.FI_DEV_NVLINK_GET_STATE,
		nvml.FI_DEV_NVLINK_COUNT_RCV_BYTES, nvml.FI_DEV_NVLINK_COUNT_XMIT_BYTES,
		nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX, nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
	}, blackwell, hopper, ampere)...)
	l := gpu.NVLink{Index: i, Rx: r.rate(f, nvml.FI_DEV_NVLINK_COUNT_RCV_BYTES, 1), Tx: r.rate(f, nvml.FI_DEV_NVLINK_COUNT_XMIT_BYTES, 1)}
	if !l.Rx.Supported() {
		l.Rx, l.Tx = r.rate(f, nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX, kib), r.rate(f, nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX, kib)
	}
	if l.Active = f.get(nvml.FI_DEV_NVLINK_GET_STATE, 1, span{0, 3}); !l.Active.Supported() {
		l.Active = value(r, "nvmlDeviceGetNvLinkState", func() (nvml.EnableState, nvml.Return) { return r.device.GetNvLinkState(i) }, 1, flag)
	}
	if l.Active.Or(0) > 1 { // asleep, or held: up all the same
		l.Active = gpu.Read(1, l.Active.At())
	}
	l.Errors = f.sum(blackwell, hopper, ampere)
	return l
}

// sum adds up the first group of fields of which any is supported.
func (f *fieldValues) sum(groups ...[]uint32) gpu.Reading {
	for _, group := range groups {
		sum, some := 0.0, false
		for _, id := range group {
			v := f.get(id, 1, tally)
			if v.Supported() && !v.Known() {
				return gpu.Reading{}
			}
			sum, some = sum+v.Or(0), some || v.Known()
		}
		if some {
			return gpu.Read(sum, f.at)
		}
	}
	return gpu.NotSupported()
}
