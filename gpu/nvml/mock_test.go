//go:build linux && cgo

package nvml

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxb200"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh200"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"

	"pilothouse/gpu"
)

// underSampler holds the sampler's promises with a source of eight devices.
func underSampler(t *testing.T, source *Source) {
	t.Helper()
	s := gpu.New(gpu.Options{}, gpu.Host{Source: source})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	until(t, "all are read", func() bool {
		n := 0
		for _, g := range s.Snapshot().GPUs {
			if g.State == gpu.OK && g.MemTotal.Known() && g.MIG != nil {
				n++
			}
		}
		return n == 8
	})
	watch(t, s, 2500*time.Millisecond, -1)
	stop()
	<-ended
}

// The bindings' own doubles of whole servers have few functions, and panic
// when another is called.
func TestServers(t *testing.T) {
	functions := []string{
		"nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion", "nvmlDeviceGetName", "nvmlDeviceGetUUID",
		"nvmlDeviceGetPciInfo", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMigMode",
	}
	for name, s := range map[string]*server.Server{
		"NVIDIA A100-SXM4-40GB": dgxa100.New(), "NVIDIA B200 180GB HBM3e": dgxb200.New(),
		"NVIDIA H100 80GB HBM3": dgxh100.New(), "NVIDIA H200 141GB HBM3e": dgxh200.New(),
	} {
		t.Run(name, func(t *testing.T) {
			s.LookupSymbolFunc = func(f string) error {
				if slices.Contains(functions, f) {
					return nil
				}
				return errors.New("no such function")
			}
			source := over(s, nil)
			list, err := source.Devices(t.Context())
			if err != nil || len(list.Devices) != 8 || list.Driver != s.DriverVersion || list.CUDA == "" {
				t.Fatalf("listed %+v, %v", list, err)
			}
			for i, d := range list.Devices {
				if d.Index != i || !strings.HasSuffix(d.Name, name) || d.UUID == "" || d.PCI != "" {
					t.Errorf("device %d is %+v", i, d)
				}
				got, err := source.Read(t.Context(), i, gpu.All)
				if err != nil || got.MemTotal.Or(0) < 40<<30 || got.MemUsed.Or(-1) != 0 || got.Util.Supported() || got.Processes != nil {
					t.Errorf("device %d reads %+v, %v", i, got, err)
				}
				if got.MIG == nil || got.MIG.Enabled.Or(-1) != 0 {
					t.Errorf("device %d is divided: %+v", i, got.MIG)
				}
			}
			if err := source.Watch(context.Background(), nil); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Watch returned %v", err)
			}
			underSampler(t, source)
			source.Close()
			source.Close()
			if n := len(s.ShutdownCalls()); n != 2 { // before it was listed for the sampler, and in the end
				t.Errorf("%d ends of the library", n)
			}
		})
	}
}
