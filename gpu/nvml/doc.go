// Package nvml reads the NVIDIA GPUs of this host through the driver's own
// library, libnvidia-ml. It is the only package that needs cgo: a binary
// built without it, or for another system, has a Source that says so
// ([gpu.ErrNoCgo]).
//
//	s := nvml.New("") // the system's library
//	defer s.Close()
//	sampler := gpu.New(s, gpu.Options{Log: log})
//	go sampler.Run(ctx)
//	go s.Watch(ctx, tell)
//
// # What is read
//
// A reading that the device or its driver doesn't offer is not supported; one
// that fails, or that can't be true (4 billion percent, 65535 °C, more memory
// in use than there is), is no data. Neither is ever 0. The library is asked
// for each function by name before the first call: calling one that an older
// driver lacks would end the process.
//
// Throughput is the difference of two counts, so it comes with the second
// Read of the group, and is no data when a count has gone backwards or a call
// took so long that nobody knows what moment it counts for.
//
// # Listing again
//
// Devices starts the library at its first call and holds it: there is no
// start per sample. A later call ends the library and starts it anew, which
// is how it finds a device that came back, once no other call is outstanding.
// For that it waits six seconds at most, while readings go on; when a call
// hangs all the same, it lists what the library knows without a new start,
// and the hung device as it was. Reads that come while the library starts
// wait for it, until their context ends.
//
// A device that can't be opened keeps its index in the listing, with the name
// and addresses of the former one if no other device has them, and every Read
// of it fails with the reason: [gpu.ErrLost], [gpu.ErrReset] or what else the
// library says. Only when no device can be opened does the listing fail.
// While the library is in use nvidia-smi refuses to reset a GPU.
//
// # Concurrency and limits
//
// All methods may be called at once. A device has one call outstanding at
// most: a Read waits a second for the former one and fails. A call can't be
// interrupted; the context is looked at between two. Close never waits: the
// last call that is outstanding ends the library when it returns.
//
// A process can have one library: the bindings keep its functions in global
// variables. A source for a second path fails to list its devices.
package nvml
