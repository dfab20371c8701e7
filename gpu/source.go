package gpu

import "context"

// Source is a way to read GPUs: the driver's library, or a simulation.
//
// The sampler calls Devices until it succeeds, then Read for every device,
// for different devices at once and for one device never twice at a time.
// A source should give up when the context ends; a Read that hangs in a driver
// all the same holds up its own device alone.
type Source interface {
	Name() string    // "nvml", "sim"
	Simulated() bool // no hardware is behind it
	// Devices lists what there is, in the order of their indices.
	Devices(ctx context.Context) ([]Device, error)
	// Read measures one of the listed devices.
	Read(ctx context.Context, index int) (Sample, error)
}

// Device is what doesn't change about a GPU while the process runs.
type Device struct {
	Index  int
	Name   string // "NVIDIA L4"
	UUID   string
	Serves string // the backend or container that works on it; "" when none is known
}

// Sample is what one Read measured. A reading left empty was not measured
// this time: the former one stands, and ages.
type Sample struct {
	Util     Reading // percent, 0 to 100
	MemUsed  Reading // bytes
	MemTotal Reading // bytes
	Temp     Reading // °C
	Power    Reading // W
	PowerCap Reading // W
	Clock    Reading // SM clock, MHz
	Throttle Throttle
}
