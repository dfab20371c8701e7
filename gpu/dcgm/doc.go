// Package dcgm speaks the names of NVIDIA's DCGM exporter, both ways: a
// Collector exports a host's readings under them, and a Source reads another
// host's GPUs from such an exporter.
//
//	reg.MustRegister(dcgm.NewCollector(hostname, sampler.Snapshot))
//
//	source, err := dcgm.New(remote) // one [[gpu.remote]]
//	sampler := gpu.New(source, gpu.Options{Log: log})
//
// Names, types and units are those of the exporter's counter files
// (default-counters.csv, dcp-metrics-included.csv) and of dcgm_fields.h; one
// table, in fields.go, serves both directions. What was not measured, what the
// device can't measure and what is older than [Fresh] is not exported: there is
// no line, never a 0. What the exporter does not show is not measured; it knows
// nothing of processes.
//
// A source asks its exporter once an interval, whatever the number of devices
// and of calls, and only when it is read. It trusts nothing that comes back:
// answers are bounded in time and size, redirects are not followed, and no
// error holds text of the other side.
//
// Everything here may be used by many at once. Nothing here starts a goroutine
// that outlives the call which needed it.
package dcgm
