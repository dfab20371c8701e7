// Package gpu samples the GPUs of one host or of many, says who is on them and
// what has happened to them, and keeps what it saw.
//
// A Source knows how to read devices; a Sampler reads it once a second and
// publishes an immutable Snapshot, with history of a day, that any number of
// readers take without waiting:
//
//	s := gpu.New(gpu.Options{Log: log}, gpu.Host{Source: source})
//	go s.Run(ctx)
//	snap := s.Snapshot() // never nil
//
// What is not known is never 0. A Reading says whether there is a value and
// when it was taken; a Point of history holds NaN where nothing was measured.
// A value that can't be refreshed stays, and its age grows: the reader decides
// from which age on it is stale.
//
// Drivers hang. Every device has a worker of its own with at most one call
// outstanding, so a device that doesn't answer ages alone while the others go
// on, and no call is ever queued behind a hung one. Devices that are lost, or
// need a reset, are not asked again until their host lists them once more.
//
// Memory is bounded: 208 KiB of history a device, 64 devices a host, 512 events,
// 4,096 processes.
package gpu
