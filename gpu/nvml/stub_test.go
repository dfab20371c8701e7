//go:build !linux || !cgo

package nvml

import (
	"errors"
	"os/exec"
	"runtime"
	"testing"

	"pilothouse/gpu"
)

// Where there is no C compiler Go builds without cgo, and says nothing: the real
// tests would be missing, not failing.
func TestThereIsACompiler(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil && runtime.GOOS == "linux" {
		t.Fatalf("the driver's library isn't tested: %v; make deps installs it", err)
	}
}

func TestWithoutCgo(t *testing.T) {
	s := New("")
	_, listed := s.Devices(t.Context())
	_, read := s.Read(t.Context(), 0, gpu.All)
	watched := s.Watch(t.Context(), nil)
	for what, err := range map[string]error{"Devices": listed, "Read": read, "Watch": watched} {
		if !errors.Is(err, gpu.ErrNoCgo) {
			t.Errorf("%s returned %v", what, err)
		}
	}
	if s.Name() != "nvml" || s.Simulated() || s.Close() != nil {
		t.Error("the stub is not one")
	}
}
