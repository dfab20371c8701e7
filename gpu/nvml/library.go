//go:build linux && cgo

package nvml

import (
	"fmt"
	"sync"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

// loaded is the library that this process has. It is a global because the
// bindings' functions are.
var loaded struct {
	sync.Mutex
	library string
}

// claim loads a library for good: a call that hangs in it may outlast us, and
// calls of a library that was unloaded end the process, as do those of
// functions that it hasn't got. The bindings load it once more, and don't say
// why they can't.
func claim(library string) error {
	loaded.Lock()
	defer loaded.Unlock()
	switch loaded.library {
	case library:
		return nil
	case "":
	default:
		return fmt.Errorf("%q can't be loaded: this process has %q", library, loaded.library)
	}
	l := dl.New(library, dl.RTLD_LAZY|dl.RTLD_GLOBAL|dl.RTLD_NODELETE)
	if err := l.Open(); err != nil {
		return fmt.Errorf("%w: %w", gpu.ErrAbsent, err)
	}
	for _, f := range []string{"nvmlInit", "nvmlShutdown", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex"} {
		if !find(f, l.Lookup) {
			return fmt.Errorf("%w: %q has no %s", gpu.ErrAbsent, library, f)
		}
	}
	loaded.library = library
	return nil
}

// newest are the functions of which there are several, and the newest that the
// bindings turn to by themselves.
var newest = map[string]int{
	"nvmlInit": 2, "nvmlDeviceGetCount": 2, "nvmlDeviceGetHandleByIndex": 2, "nvmlDeviceGetPciInfo": 3,
	"nvmlDeviceGetAttributes": 2, "nvmlEventSetWait": 2, "nvmlDeviceGetComputeRunningProcesses": 3,
	"nvmlDeviceGetGraphicsRunningProcesses": 3, "nvmlDeviceGetMPSComputeRunningProcesses": 3,
}

// optional are the functions that a driver may lack.
var optional = []string{
	"nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion",
	"nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetPciInfo",
	"nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV",
	"nvmlDeviceGetPowerUsage", "nvmlDeviceGetClockInfo", "nvmlDeviceGetPerformanceState",
	"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons",
	"nvmlDeviceGetEncoderUtilization", "nvmlDeviceGetDecoderUtilization", "nvmlDeviceGetEnforcedPowerLimit",
	"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetTemperatureThreshold", "nvmlDeviceGetMaxClockInfo",
	"nvmlDeviceGetNumFans", "nvmlDeviceGetFanSpeed_v2", "nvmlDeviceGetFanSpeed",
	"nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetMaxPcieLinkGeneration",
	"nvmlDeviceGetCurrPcieLinkWidth", "nvmlDeviceGetMaxPcieLinkWidth", "nvmlDeviceGetFieldValues", "nvmlDeviceGetNvLinkState",
	"nvmlDeviceGetPersistenceMode", "nvmlDeviceGetComputeMode",
	"nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex", "nvmlDeviceGetAttributes",
	"nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses",
	"nvmlDeviceGetMPSComputeRunningProcesses", "nvmlDeviceGetProcessUtilization",
	"nvmlEventSetCreate", "nvmlEventSetFree", "nvmlEventSetWait", "nvmlDeviceRegisterEvents", "nvmlDeviceGetSupportedEventTypes",
}

// find tells whether a function is there, in any version that is called.
func find(function string, lookup func(string) error) bool {
	if lookup(function) == nil {
		return true
	}
	for v := 2; v <= newest[function]; v++ {
		if lookup(fmt.Sprintf("%s_v%d", function, v)) == nil {
			return true
		}
	}
	return false
}

// start starts the library, after ending it if it runs. The caller is alone.
func (s *Source) start() error {
	if s.closed.Load() {
		return errClosed
	}
	if s.started {
		s.lib.Shutdown() // what it says doesn't matter: Init will
		s.started = false
	}
	if s.claim != nil {
		if err := s.claim(); err != nil {
			return err
		}
	}
	if ret := s.lib.Init(); ret != nvml.SUCCESS {
		return failure(ret)
	}
	s.started = true
	s.has = make(map[string]bool, len(optional))
	for _, f := range optional {
		s.has[f] = find(f, s.lib.Extensions().LookupSymbol)
	}
	return nil
}

// failure is what a return code says. The bindings' own texts come from the
// library, by a function that it may lack.
func failure(ret nvml.Return) error {
	switch ret {
	case nvml.ERROR_GPU_IS_LOST:
		return gpu.ErrLost
	case nvml.ERROR_RESET_REQUIRED:
		return gpu.ErrReset
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return gpu.ErrMismatch
	case nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED:
		return gpu.ErrAbsent
	}
	words := map[nvml.Return]string{
		nvml.ERROR_UNINITIALIZED: "not initialised", nvml.ERROR_NO_PERMISSION: "no permission",
		nvml.ERROR_TIMEOUT: "time-out", nvml.ERROR_IRQ_ISSUE: "an interrupt problem", nvml.ERROR_NOT_SUPPORTED: "not supported",
		nvml.ERROR_CORRUPTED_INFOROM: "a corrupted infoROM", nvml.ERROR_OPERATING_SYSTEM: "blocked by the operating system",
		nvml.ERROR_MEMORY: "out of memory", nvml.ERROR_UNKNOWN: "an internal error of the driver",
	}
	if w, ok := words[ret]; ok {
		return fmt.Errorf("nvml says: %s", w)
	}
	return fmt.Errorf("nvml says: error %d", int(ret))
}
