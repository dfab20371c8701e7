//go:build linux && cgo

package nvml

import (
	"context"
	"errors"
	"testing"
	"time"

	"pilothouse/gpu"
)

func TestALostGPUKeepsItsPlace(t *testing.T) {
	for code, wanted := range map[string]error{"15": gpu.ErrLost, "16": gpu.ErrReset, "18": gpu.ErrMismatch} {
		t.Run(code, func(t *testing.T) {
			f := drive(t, "count 3\n")
			before := f.list()
			f.set("count 3\n1.all " + code)
			fails := func(when string) {
				t.Helper()
				if _, err := f.Read(t.Context(), 1, gpu.Fast); !errors.Is(err, wanted) {
					t.Errorf("%s Read returned %v", when, err)
				}
				f.read(0, gpu.All)
				f.read(2, gpu.All)
			}
			fails("lost,")
			after := f.list()
			if len(after.Devices) != 3 || after.Devices[1] != before.Devices[1] {
				t.Errorf("listed again: %+v", after.Devices)
			}
			fails("listed again,")
			f.set("count 3\n")
			fails("back but not listed,")
			f.list()
			f.read(1, gpu.All)
			if f.logged("init") != 3 || f.logged("shutdown") != 2 {
				t.Errorf("%d starts and %d ends of the library", f.logged("init"), f.logged("shutdown"))
			}
		})
	}
}

func TestAnIdentityIsNotGivenTwice(t *testing.T) {
	f := drive(t, "count 2")
	f.list()
	f.set("count 2\n0.uuid GPU-1\n1.all 15") // the second has become the first
	l := f.list()
	if l.Devices[0].UUID != "GPU-1" || l.Devices[1].UUID != "" || l.Devices[1].Index != 1 {
		t.Errorf("listed %+v", l.Devices)
	}
}

func TestSingleFailures(t *testing.T) {
	f := drive(t, l4+`
nvmlDeviceGetPowerUsage 999
nvmlDeviceGetClockInfo 3
nvmlDeviceGetTemperature 4
nvmlDeviceGetMemoryInfo_v2 25
nvmlDeviceGetUtilizationRates 3
nvmlDeviceGetGraphicsRunningProcesses 999
field.4 999
field.5 2
field.91 999
nvmlDeviceGetMigMode 999
`)
	f.list()
	s := f.read(0, gpu.All)
	want(t, s, "Power=- Clock=n/a Temp=- MemUsed=2.08813e+10 MemReserved=- Util=n/a MemUtil=n/a PerfState=0 Corrected=5")
	if s.Processes != nil || s.NVLinks != nil || s.MIG != nil {
		t.Errorf("processes %v, links %v, MIG %v", s.Processes, s.NVLinks, s.MIG)
	}
	for _, function := range []string{"nvmlDeviceGetTemperature", "nvmlDeviceGetNvLinkState", "nvmlDeviceGetMigMode"} {
		f.set(function + " 16\nfield.91 1:1")
		if _, err := f.Read(t.Context(), 0, gpu.All); !errors.Is(err, gpu.ErrReset) {
			t.Errorf("%s alone tells of a reset: %v", function, err)
		}
	}
	f.set("field.142 15")
	if _, err := f.Read(t.Context(), 0, gpu.Slow); !errors.Is(err, gpu.ErrLost) {
		t.Errorf("a field that tells of a loss: %v", err)
	}
	f.set("all 999") // until it is listed again
	if _, err := f.Read(t.Context(), 0, gpu.Fast); err == nil || errors.Is(err, gpu.ErrLost) {
		t.Errorf("with every call failing Read returned %v", err)
	}
}

// A call that hangs holds up its device alone, and isn't joined by a second one:
// the fake driver ends the process then.
func TestAHungCall(t *testing.T) {
	f := drive(t, "count 2\n")
	f.list()
	f.set("count 2\n0.hang.nvmlDeviceGetPowerUsage 30")
	ctx, stop := context.WithCancel(t.Context())
	hung := make(chan error, 1)
	go func() {
		_, err := f.Read(ctx, 0, gpu.Fast)
		hung <- err
	}()
	until(t, "the call hangs", func() bool { return len(f.works[0].turn) == 1 })
	began := time.Now()
	f.read(1, gpu.All)
	if took := time.Since(began); took > 10*time.Second { // of the 30 for which the call hangs
		t.Errorf("the other device took %v", took)
	}
	if _, err := f.Read(t.Context(), 0, gpu.Fast); !errors.Is(err, errBusy) {
		t.Errorf("a second call returned %v", err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Devices(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Devices with a deadline returned %v", err)
	}
	reading := make(chan error, 1) // all the while
	listed := make(chan struct{})
	go func() {
		for {
			select {
			case <-listed:
				reading <- nil
				return
			default:
				began := time.Now()
				if _, err := f.Read(t.Context(), 1, gpu.Fast); err != nil || time.Since(began) > 10*time.Second {
					reading <- errors.Join(err, errors.New("held up"))
					return
				}
			}
		}
	}()
	if l := f.list(); len(l.Devices) != 2 || l.Devices[0].UUID != "GPU-0" {
		t.Errorf("listed %+v", l.Devices)
	}
	close(listed)
	if err := <-reading; err != nil {
		t.Errorf("while devices are listed: %v", err)
	}
	if f.logged("init") != 1 {
		t.Error("the library was started anew under a call")
	}
	stop() // is looked at between two calls
	f.set("count 2\n")
	if err := <-hung; !errors.Is(err, context.Canceled) {
		t.Errorf("the hung Read returned %v", err)
	}
	f.list()
	f.read(0, gpu.All)
}

func TestAHungStart(t *testing.T) {
	f := drive(t, "hang.nvmlInit 30")
	listed := make(chan error, 1)
	go func() {
		_, err := f.Devices(t.Context())
		listed <- err
	}()
	until(t, "the library is being started", func() bool { return f.logged("init") == 1 })
	if _, err := f.Devices(t.Context()); err == nil {
		t.Error("a second start is made")
	}
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Read(soon, 0, gpu.Fast); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read returned %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	f.set("")
	if err := <-listed; err != nil {
		t.Errorf("Devices returned %v", err)
	}
	until(t, "the library is ended", func() bool { return f.logged("shutdown") == 1 })
}

func TestCloseWhileACallHangs(t *testing.T) {
	f := drive(t, "")
	f.list()
	f.set("0.hang.nvmlDeviceGetPowerUsage 30")
	hung := make(chan error, 1)
	go func() {
		_, err := f.Read(t.Context(), 0, gpu.Fast)
		hung <- err
	}()
	until(t, "the call hangs", func() bool { return len(f.works[0].turn) == 1 })
	for range 2 {
		if err := f.Close(); err != nil || f.logged("shutdown") != 0 {
			t.Errorf("Close returned %v, the library was ended: %d", err, f.logged("shutdown"))
		}
	}
	if _, err := f.Read(t.Context(), 1, gpu.Fast); !errors.Is(err, errClosed) {
		t.Errorf("Read returned %v", err)
	}
	f.set("")
	if err := <-hung; err != nil {
		t.Errorf("the hung Read returned %v", err)
	}
	until(t, "the library is ended", func() bool { return f.logged("shutdown") == 1 })
	if _, err := f.Devices(t.Context()); !errors.Is(err, errClosed) || f.logged("init") != 1 {
		t.Errorf("Devices returned %v", err)
	}
	f.Close()
	if f.logged("shutdown") != 1 {
		t.Errorf("the library was ended %d times", f.logged("shutdown"))
	}
}

func TestAnEndedContextMakesNoCall(t *testing.T) {
	f := drive(t, "")
	f.list()
	f.set("hang.nvmlDeviceGetUtilizationRates 30\nall 15") // what a call would bring
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := f.Read(ctx, 0, gpu.All); !errors.Is(err, context.Canceled) {
		t.Errorf("Read returned %v", err)
	}
}

// The whole of it, under the sampler: the fake driver ends the process when a
// device gets two calls at a time.
func TestUnderTheSampler(t *testing.T) {
	f := drive(t, "count 4\nwait 20\n"+l4)
	s := gpu.New(gpu.Options{}, gpu.Host{Source: f})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	sampled, watched := make(chan error, 1), make(chan error, 1)
	go func() { sampled <- s.Run(ctx) }()
	go func() { watched <- f.Watch(ctx, func(gpu.Event) {}) }()
	well := func(i int) bool {
		g := s.Snapshot().GPUs
		return len(g) == 4 && g[i].Err == "" && g[i].Util.Or(0) == 87 && g[i].Age(time.Now()) < 3*time.Second
	}
	until(t, "all are read", func() bool { return well(0) && well(3) })
	f.set("count 4\nwait 20\n2.hang.nvmlDeviceGetClockInfo 30\n3.all 15\n" + l4)
	until(t, "two fail", func() bool { return s.Snapshot().GPUs[2].Err != "" && s.Snapshot().GPUs[3].Err != "" })
	if !well(0) || !well(1) {
		t.Errorf("the others: %+v", s.Snapshot().GPUs[:2])
	}
	f.set("count 4\nwait 20\n" + l4)
	until(t, "one is back", func() bool { return well(2) })
	f.list()
	until(t, "the other is back", func() bool { return well(3) })
	stop()
	if err := errors.Join(<-sampled, <-watched); err != nil {
		t.Error(err)
	}
}
