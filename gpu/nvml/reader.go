//go:build linux && cgo

package nvml

import (
	"context"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

const notMade nvml.Return = -1 // in place of the code of a call that was not made

// reader makes the calls of one Read.
type reader struct {
	ctx    context.Context // of the Read
	has    map[string]bool
	device nvml.Device
	work   *work

	err       error       // after which no call is made
	answered  bool        // by one call at least
	complaint nvml.Return // of the newest call that failed
}

// verdict is why the Read brings nothing: the device is gone, the context
// ended, or every call failed.
func (r *reader) verdict() error {
	if r.err == nil && !r.answered && r.complaint != nvml.SUCCESS {
		return failure(r.complaint)
	}
	return r.err
}

// call makes one call of the library, if it may and can be made.
func (r *reader) call(function string, f func() nvml.Return) nvml.Return {
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	switch {
	case r.err != nil:
		return notMade
	case !r.has[function]:
		return nvml.ERROR_FUNCTION_NOT_FOUND
	}
	return r.note(f())
}

// note remembers what a code says about the Read as a whole.
func (r *reader) note(ret nvml.Return) nvml.Return {
	switch {
	case ret == nvml.SUCCESS || lacking(ret):
		r.answered = true
	case fatal(ret) && r.err == nil:
		r.err = failure(ret)
	default:
		r.complaint = ret
	}
	return ret
}

// fatal tells whether a code concerns the whole device.
func fatal(ret nvml.Return) bool {
	return ret == nvml.ERROR_GPU_IS_LOST || ret == nvml.ERROR_RESET_REQUIRED || ret == nvml.ERROR_LIB_RM_VERSION_MISMATCH
}

// lacking tells whether a code means that the device or the driver never will.
func lacking(ret nvml.Return) bool {
	return ret == nvml.ERROR_NOT_SUPPORTED || ret == nvml.ERROR_FUNCTION_NOT_FOUND || ret == nvml.ERROR_DEPRECATED
}

// span is what a value can be. Drivers return all ones, and other nonsense,
// with a code that says success.
type span struct{ least, most float64 }

var (
	percent   = span{0, 100}
	degrees   = span{1, 150}    // the hottest threshold is below 120
	watts     = span{0, 10_000} // the largest module takes below 3,000
	megahertz = span{0, 10_000}
	flag      = span{0, 1}
	tally     = span{0, 1e15}    // of errors: below any count of all ones
	bytes     = span{0, 1 << 50} // of memory
	traffic   = span{0, 1 << 63} // of bytes so far
	joules    = span{0, 1e13}    // of ten years at 30 kW
	speed     = span{0, 260e9}   // bytes/s each way: PCIe 7 x16, NVLink
	ratio     = span{1, 32}      // of lanes, and generations
	fanSpeed  = span{0, 200}     // percent: the manual allows for more than 100
)

// reading makes a reading of how a call ended.
func reading(ret nvml.Return, v float64, s span) gpu.Reading {
	if lacking(ret) {
		return gpu.NotSupported()
	}
	if ret != nvml.SUCCESS || !(v >= s.least && v <= s.most) {
		return gpu.Reading{}
	}
	return gpu.Read(v, time.Now())
}

// number is what the library counts in.
type number interface {
	~int | ~int32 | ~uint32 | ~uint64
}

// value reads what one call answers, in the unit given.
func value[N number](r *reader, function string, call func() (N, nvml.Return), unit float64, s span) gpu.Reading {
	var v N
	ret := r.call(function, func() (ret nvml.Return) { v, ret = call(); return ret })
	return reading(ret, float64(v)*unit, s)
}
