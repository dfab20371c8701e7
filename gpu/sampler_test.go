package gpu

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a source whose devices do as they are told.
type bench struct {
	mu     sync.Mutex
	listed error
	read   map[int]func(ctx context.Context) (Sample, error)
	busy   map[int]int // calls outstanding, by device
	most   int         // of one device at once
}

func newBench(devices int) *bench {
	b := &bench{read: make(map[int]func(context.Context) (Sample, error)), busy: make(map[int]int)}
	for i := range devices {
		b.read[i] = steady
	}
	return b
}

func (b *bench) Name() string    { return "bench" }
func (b *bench) Simulated() bool { return true }

func (b *bench) Devices(context.Context) (Listing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Device, len(b.read))
	for i := range list {
		list[i] = Device{Index: i, Name: "card", Serves: "chat"}
	}
	return Listing{Devices: list}, b.listed
}

func (b *bench) Read(ctx context.Context, index int, _ Group) (Sample, error) {
	b.mu.Lock()
	b.busy[index]++
	b.most = max(b.most, b.busy[index])
	read := b.read[index]
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.busy[index]--
		b.mu.Unlock()
	}()
	return read(ctx)
}

func (b *bench) set(index int, read func(context.Context) (Sample, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read[index] = read
}

// steady reads half of everything, and 0 % utilisation, which is a value.
func steady(context.Context) (Sample, error) {
	now := time.Now()
	return Sample{
		Util: Read(0, now), MemUsed: Read(12e9, now), MemTotal: Read(24e9, now), Power: Read(36, now),
		Throttle: NotThrottled,
	}, nil
}

// hang answers when the context ends.
func hang(ctx context.Context) (Sample, error) {
	<-ctx.Done()
	return Sample{}, ctx.Err()
}

func sampling(t *testing.T, b *bench, test func(t *testing.T, s *Sampler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{}, Host{Source: b})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		test(t, s)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestBeforeRunThereIsASnapshotWithoutDevices(t *testing.T) {
	if snap := New(Options{}, Host{Source: newBench(2)}).Snapshot(); snap == nil || len(snap.GPUs) != 0 || snap.Source != "bench" || !snap.Simulated {
		t.Errorf("got %+v", snap)
	}
}

func TestSamplerReadsOnceASecond(t *testing.T) {
	b := newBench(2)
	sampling(t, b, func(t *testing.T, s *Sampler) {
		time.Sleep(10*time.Second + 500*time.Millisecond)
		snap := s.Snapshot()
		if len(snap.GPUs) != 2 || snap.GPUs[1].Index != 1 || snap.GPUs[1].Serves != "chat" {
			t.Fatalf("devices: %+v", snap.GPUs)
		}
		g := snap.GPUs[0]
		if len(g.History) != 11 || g.Age(time.Now()) != 500*time.Millisecond {
			t.Errorf("%d points after 10 s, the newest reading %v old", len(g.History), g.Age(time.Now()))
		}
		p := g.History[3]
		if p.Util != 0 || !Known(p.Util) || p.Mem != 50 || p.Power != 36 || Known(p.Temp) {
			t.Errorf("point %+v", p)
		}
		if g.Temp.Known() || !g.Util.Known() || g.Throttle.Active() || !g.Throttle.Known() {
			t.Errorf("readings %+v", g)
		}
	})
}

func TestSnapshotsDoNotChange(t *testing.T) {
	b := newBench(1)
	sampling(t, b, func(t *testing.T, s *Sampler) {
		time.Sleep(20*time.Minute + 500*time.Millisecond)
		old := s.Snapshot()
		first := old.GPUs[0].History[0]
		if n := len(old.GPUs[0].History); n != 900 {
			t.Errorf("%d points are kept, want 15 minutes of them", n)
		}
		b.set(0, func(context.Context) (Sample, error) { return Sample{Power: Read(99, time.Now())}, nil })
		time.Sleep(20 * time.Minute)
		for i, p := range old.GPUs[0].History {
			if p.Power != first.Power {
				t.Fatalf("point %d of an old snapshot has become %+v", i, p)
			}
		}
		if got := s.Snapshot().GPUs[0]; got.History[0].Power != 99 || cap(got.History) != len(got.History) {
			t.Errorf("the new snapshot begins with %+v", got.History[0])
		}
	})
}

func TestAHungDeviceAgesAlone(t *testing.T) {
	b := newBench(2)
	sampling(t, b, func(t *testing.T, s *Sampler) {
		time.Sleep(5*time.Second + 500*time.Millisecond)
		release := make(chan struct{})
		b.set(0, func(context.Context) (Sample, error) { <-release; return steady(context.Background()) })
		time.Sleep(20 * time.Second)
		snap := s.Snapshot()
		hung, well := snap.GPUs[0], snap.GPUs[1]
		if hung.Err == "" || hung.Age(time.Now()) < 19*time.Second || hung.Power.Or(0) != 36 {
			t.Errorf("the hung device: %v old, %q, %+v", hung.Age(time.Now()), hung.Err, hung.Power)
		}
		if last := hung.History[len(hung.History)-1]; Known(last.Power) {
			t.Errorf("its history goes on with %+v", last)
		}
		if well.Err != "" || well.Age(time.Now()) > time.Second || len(well.History) != len(hung.History) {
			t.Errorf("the other one: %v old, %q", well.Age(time.Now()), well.Err)
		}
		if b.most != 1 {
			t.Errorf("%d calls of one device at once", b.most)
		}
		close(release)
		time.Sleep(2 * time.Second)
		if g := s.Snapshot().GPUs[0]; g.Err != "" || g.Age(time.Now()) > time.Second {
			t.Errorf("after the hang: %v old, %q", g.Age(time.Now()), g.Err)
		}
	})
}

func TestErrorsKeepTheLastReading(t *testing.T) {
	b := newBench(1)
	sampling(t, b, func(t *testing.T, s *Sampler) {
		time.Sleep(1500 * time.Millisecond)
		b.set(0, func(context.Context) (Sample, error) { return Sample{}, errors.New("gpu is lost") })
		time.Sleep(3 * time.Second)
		if g := s.Snapshot().GPUs[0]; g.Err != "gpu is lost" || g.Power.Or(0) != 36 || g.Power.Age(time.Now()) < 3*time.Second {
			t.Errorf("got %q, power %+v", g.Err, g.Power)
		}
	})
}

func TestWhatIsNotMeasuredStaysAndAges(t *testing.T) {
	b := newBench(1)
	sampling(t, b, func(t *testing.T, s *Sampler) {
		time.Sleep(1500 * time.Millisecond)
		b.set(0, func(context.Context) (Sample, error) { return Sample{Util: Read(7, time.Now())}, nil })
		time.Sleep(3 * time.Second)
		g := s.Snapshot().GPUs[0]
		if g.Util.Or(0) != 7 || g.Power.Or(0) != 36 || g.Power.Age(time.Now()) < 3*time.Second || !g.Throttle.Known() {
			t.Errorf("utilisation %+v, power %+v, throttle known: %v", g.Util, g.Power, g.Throttle.Known())
		}
		if last := g.History[len(g.History)-1]; last.Power != 36 {
			t.Errorf("a reading of 3 s ago makes no point: %+v", last)
		}
		time.Sleep(3 * time.Second)
		g = s.Snapshot().GPUs[0]
		if last := g.History[len(g.History)-1]; Known(last.Power) || last.Util != 7 {
			t.Errorf("a reading of 6 s ago makes a point: %+v", last)
		}
	})
}

func TestDevicesAreAskedForAgain(t *testing.T) {
	b := newBench(1)
	b.listed = errors.New("no driver")
	sampling(t, b, func(t *testing.T, s *Sampler) {
		time.Sleep(7 * time.Second)
		if snap := s.Snapshot(); snap.Err != "no driver" || len(snap.GPUs) != 0 {
			t.Errorf("without a driver: %+v", snap)
		}
		b.mu.Lock()
		b.listed = nil
		b.mu.Unlock()
		time.Sleep(9 * time.Second)
		if snap := s.Snapshot(); snap.Err != "" || len(snap.GPUs) != 1 {
			t.Errorf("with a driver: %+v", snap)
		}
	})
}

func TestRunEndsThoughACallHangs(t *testing.T) {
	for name, tc := range map[string]struct {
		read func(release chan struct{}) func(context.Context) (Sample, error)
		most time.Duration
	}{
		"until the context ends": {func(chan struct{}) func(context.Context) (Sample, error) { return hang }, 0},
		"for ever": {func(release chan struct{}) func(context.Context) (Sample, error) {
			return func(context.Context) (Sample, error) { <-release; return Sample{}, nil }
		}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(1)
				release := make(chan struct{})
				b.set(0, tc.read(release))
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				s := New(Options{}, Host{Source: b})
				go func() { done <- s.Run(ctx) }()
				time.Sleep(5 * time.Second)
				began := time.Now()
				stop()
				if err := <-done; err != nil || time.Since(began) != tc.most {
					t.Errorf("Run returned %v after %v", err, time.Since(began))
				}
				close(release)
			})
		})
	}
}

func TestReading(t *testing.T) {
	now := time.Now()
	for name, tc := range map[string]struct {
		r     Reading
		known bool
	}{
		"zero value":   {Reading{}, false},
		"nought":       {Read(0, now), true},
		"no time":      {Read(5, time.Time{}), false},
		"not a number": {Read(math.NaN(), now), false},
		"infinite":     {Read(math.Inf(1), now), false},
	} {
		if _, ok := tc.r.Value(); ok != tc.known || tc.r.Known() != tc.known {
			t.Errorf("%s: known is %v", name, ok)
		}
	}
	if r := Read(5, now); r.Or(1) != 5 || (Reading{}).Or(1) != 1 || r.Age(now.Add(time.Second)) != time.Second || r.Age(now.Add(-time.Hour)) != 0 {
		t.Errorf("reading %+v", r)
	}
}

func TestThrottleReasons(t *testing.T) {
	if got := (ThrottlePower | ThrottleHeat).Reasons(); len(got) != 2 || got[0] != "heat" || got[1] != "power cap" {
		t.Errorf("reasons %v", got)
	}
	if NotThrottled.Active() || NotThrottled.Reasons() != nil || Throttle(0).Known() || !ThrottleClocks.Known() {
		t.Error("no reason is told from no data")
	}
}
