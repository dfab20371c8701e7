//go:build !linux || !cgo

package nvml

import (
	"context"

	"pilothouse/gpu"
)

// Source is what is left of one without cgo: it fails with [gpu.ErrNoCgo].
type Source struct{}

var (
	_ gpu.Source  = (*Source)(nil)
	_ gpu.Watcher = (*Source)(nil)
)

// New makes a source that has no devices.
func New(string) *Source { return &Source{} }

// Name is "nvml".
func (*Source) Name() string { return "nvml" }

// Simulated is false.
func (*Source) Simulated() bool { return false }

// Devices fails.
func (*Source) Devices(context.Context) (gpu.Listing, error) { return gpu.Listing{}, gpu.ErrNoCgo }

// Read fails.
func (*Source) Read(context.Context, int, gpu.Group) (gpu.Sample, error) {
	return gpu.Sample{}, gpu.ErrNoCgo
}

// Watch fails.
func (*Source) Watch(context.Context, func(gpu.Event)) error { return gpu.ErrNoCgo }

// Close does nothing.
func (*Source) Close() error { return nil }
