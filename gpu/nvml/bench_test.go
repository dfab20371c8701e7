//go:build linux && cgo

package nvml

import (
	"context"
	"syscall"
	"testing"
	"time"

	"pilothouse/gpu"
)

// BenchmarkRead tells the processor time of reading eight GPUs, library
// included, and what that is of a core at the group's interval.
func BenchmarkRead(b *testing.B) {
	script := "count 8\nprocs 1:c:1000:9 2:c:1000:8\nfield.91 1:4\nfield.165 1:1\n" + counts(1, 1) + l4
	f := drive(b, script)
	f.list()
	for _, g := range []struct {
		name  string
		due   gpu.Group
		every time.Duration
	}{{"Fast", gpu.Fast, time.Second}, {"Slow", gpu.Slow, 5 * time.Second}, {"Processes", gpu.Processes, 2 * time.Second}} {
		b.Run(g.name, func(b *testing.B) {
			b.ReportAllocs()
			before := spent()
			for b.Loop() {
				for i := range 8 {
					f.read(i, g.due)
				}
			}
			cost := (spent() - before) / time.Duration(b.N)
			b.ReportMetric(float64(cost.Microseconds()), "cpu-µs/8gpus")
			b.ReportMetric(100*cost.Seconds()/g.every.Seconds(), "%core")
		})
	}
}

// BenchmarkSampler tells what the sampler costs over eight GPUs, the fake driver's
// own share included, over ten seconds of its rounds.
func BenchmarkSampler(b *testing.B) {
	b.Setenv("FAKE_NVML_STILL", "1")
	f := drive(b, "count 8\nprocs 1:c:1000:9 2:c:1000:8\nfield.91 1:4\nfield.165 1:1\n"+counts(1, 1)+l4)
	s := gpu.New(gpu.Options{}, gpu.Host{Source: f})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() { stop(); <-ended }()
	until(b, "all are read", func() bool {
		g := s.Snapshot().GPUs
		return len(g) == 8 && g[7].State == gpu.OK
	})
	for b.Loop() {
		before := spent()
		time.Sleep(10 * time.Second)
		b.ReportMetric(10*(spent()-before).Seconds(), "%core")
	}
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
