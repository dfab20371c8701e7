package gpu

import (
	"context"
	"errors"
	"time"
)

// Source is a way to read GPUs: the driver's library, an exporter on another
// host, or a simulation.
//
// The sampler calls Devices until it succeeds, then Read for every device,
// for different devices at once and for one device never twice at a time. It
// calls Devices again, never twice at a time, while devices are lost or fail;
// Reads of the others may be under way then. What a Read has returned the
// source must not change any more.
// A source should give up when the context ends; a Read that hangs in a driver
// all the same holds up its own device alone.
type Source interface {
	Name() string    // "nvml", "dcgm", "sim"
	Simulated() bool // no hardware is behind it
	// Devices lists what there is, in the order of their indices.
	Devices(ctx context.Context) (Listing, error)
	// Read measures one of the listed devices: the groups of readings that are
	// due, and no other. An error that wraps [ErrLost], [ErrReset] or
	// [ErrMismatch] says what has become of the device.
	Read(ctx context.Context, index int, due Group) (Sample, error)
}

// Watcher is a Source that is told of events by its devices.
type Watcher interface {
	// Watch tells events until ctx ends, one at a time.
	Watch(ctx context.Context, tell func(Event)) error
}

// What has become of a device, for a source's errors to wrap.
var (
	ErrLost     = errors.New("it has fallen off the bus")                                          // a reboot brings it back, if anything does
	ErrReset    = errors.New("it needs a reset")                                                   // nvidia-smi --gpu-reset, with nobody on it
	ErrMismatch = errors.New("the driver and its library are of different versions")               // after an upgrade; a reload of the module, or a reboot
	ErrAbsent   = errors.New("there is no NVIDIA driver here")                                     // nothing to be read, ever
	ErrNoCgo    = errors.New("this binary was built without cgo, and so without NVIDIA's library") // nor there
)

// Group is a set of readings that are taken together, because they cost about
// the same and change about as fast.
type Group uint8

const (
	Fast      Group = 1 << iota // utilisation, memory, power, temperature, clocks, throttling: every second
	Slow                        // limits, PCIe, NVLink, ECC, modes, MIG: every five seconds
	Processes                   // who is on it: every two seconds
	All       = Fast | Slow | Processes
)

// Listing is what a source has.
type Listing struct {
	Driver  string // version, "550.54.15"; "": not known
	CUDA    string // that the driver supports, "12.4"; "": not known
	Devices []Device
}

// Device is what doesn't change about a GPU while the process runs.
type Device struct {
	Index  int
	Name   string // "NVIDIA L4"
	UUID   string
	PCI    string // address, "0000:01:00.0"; "": not known
	Serves string // the backend that works on it, where the source knows; "": it does not
}

// Sample is what one Read measured. A reading left empty was not measured
// this time: the former one stands, and ages.
type Sample struct {
	// Fast.
	Util        Reading // percent of the time in which a kernel ran, 0 to 100
	MemUtil     Reading // percent of the time in which memory was read or written
	MemUsed     Reading // bytes
	MemReserved Reading // bytes, by the driver itself; not part of MemUsed
	MemTotal    Reading // bytes
	Temp        Reading // °C
	Power       Reading // W
	Clock       Reading // SM clock, MHz
	MemClock    Reading // MHz
	PerfState   Reading // 0, the fastest, to 15
	Throttle    Throttle

	// Slow.
	Encoder     Reading // percent
	Decoder     Reading // percent
	PowerCap    Reading // W
	Energy      Reading // J since the driver was loaded
	TempSlow    Reading // °C at which it slows down
	TempLimit   Reading // °C at which it shuts down
	ClockMax    Reading // MHz
	MemClockMax Reading // MHz
	Fan         Reading // percent; of several the fastest
	PCIe        PCIe
	NVLinks     []NVLink // nil: not measured; empty: it has none
	ECC         ECC
	Persistence Reading // 1: the driver stays loaded; 0: it does not
	Compute     Reading // 0: default; 2: prohibited; 3: one process only
	MIG         *MIG    // nil: not measured

	// Processes.
	Processes []Process // nil: not measured; empty: nobody is on it
}

// PCIe is a device's way to its host.
type PCIe struct {
	Gen, GenMax     Reading
	Width, WidthMax Reading // lanes
	Rx, Tx          Reading // bytes/s to the device, and from it
	Replays         Reading // since the driver was loaded
}

// NVLink is one link.
type NVLink struct {
	Index  int
	Active Reading // 1: it is up; 0: it is down
	Rx, Tx Reading // bytes/s
	Errors Reading // since the driver was loaded
}

// ECC is what the memory's error correction has seen.
type ECC struct {
	Enabled                   Reading // 1 or 0
	Corrected, Uncorrected    Reading // errors since the driver was loaded
	CorrectedAll              Reading // errors in the device's life
	UncorrectedAll            Reading
	Remapped, RemappedBad     Reading // rows put out of use for corrected, and for uncorrected errors
	RemapPending, RemapFailed Reading // 1: a reset is needed; 1: the device is to be replaced
}

// MIG is how a device is divided.
type MIG struct {
	Enabled Reading // 1 or 0
	Parts   []MIGPart
}

// MIGPart is a MIG device: it has memory of its own, and no utilisation.
type MIGPart struct {
	UUID              string
	Name              string // "1g.10gb"
	MemUsed, MemTotal Reading
}

// Kind is what a process does on a device.
type Kind string

// The kinds of process.
const (
	Compute  Kind = "compute"
	Graphics Kind = "graphics"
	MPS      Kind = "mps" // a client of the Multi-Process Service
)

// Process is one that has a context on a device, as the driver tells.
type Process struct {
	PID  int // on the host
	Kind Kind
	Name string  // where the source knows it; "": the host is asked
	Mem  Reading // bytes
	Util Reading // percent of the device
	MIG  string  // UUID of the part that it is on; "": the whole
}

// Event is something that a device, or the kernel, has told of.
type Event struct {
	At   time.Time
	PCI  string // which device, by its address; "": UUID says
	UUID string // "": PCI says
	XID  int    // NVIDIA's number of an error; 0: it is none
	Text string // what else there is to say; may hold what the kernel log says, unescaped
	From string // "nvml" or "kernel log"
	Old  bool   // it was there before anybody listened
}
