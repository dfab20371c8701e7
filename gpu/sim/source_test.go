package sim

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/gpu"
)

// load is work that the test sets.
type load struct{ prefill, decode, memory float64 }

func (l *load) Busy() (float64, float64) { return l.prefill, l.decode }
func (l *load) Memory() float64          { return l.memory }

func value(t *testing.T, r gpu.Reading) float64 {
	t.Helper()
	v, ok := r.Value()
	if !ok {
		t.Fatal("no data")
	}
	return v
}

func TestCardFollowsItsLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := &load{memory: 20.75e9}
		s := New(Card{Serves: "chat", Work: work})
		after := func(d time.Duration) gpu.Sample {
			var sample gpu.Sample
			for range int(d / time.Second) {
				time.Sleep(time.Second)
				var err error
				if sample, err = s.Read(t.Context(), 0, gpu.All); err != nil {
					t.Fatal(err)
				}
			}
			return sample
		}
		for _, step := range []struct {
			name              string
			load              load
			wait              time.Duration
			util, power, temp float64 // wanted, within 2 of each
			clock             float64
			throttle          gpu.Throttle
		}{
			{"idle with a model", load{0, 0, 20.75e9}, 10 * time.Minute, 0, 16, 41, 2040, gpu.NotThrottled},
			{"decoding, at once", load{0, 1, 20.75e9}, time.Second, 100, 38, 41, 2040, gpu.NotThrottled},
			{"decoding, soon", load{0, 1, 20.75e9}, 10 * time.Second, 100, 60, 44, 2040, gpu.NotThrottled},
			{"decoding, for long", load{0, 1, 20.75e9}, 10 * time.Minute, 100, 60, 67, 2040, gpu.NotThrottled},
			{"prefill at the cap", load{1, 0, 20.75e9}, 10 * time.Minute, 100, 72, 74, 1905, gpu.ThrottlePower},
			{"half the time", load{0.1, 0.4, 20.75e9}, 10 * time.Minute, 50, 41, 55, 2040, gpu.NotThrottled},
			{"more than there is", load{1, 1, 20.75e9}, time.Minute, 100, 72, 64, 1905, gpu.ThrottlePower},
			{"nothing runs", load{}, 10 * time.Minute, 0, 16, 41, 210, gpu.NotThrottled},
		} {
			*work = step.load
			got := after(step.wait)
			near := func(what string, r gpu.Reading, want float64) {
				if v := value(t, r); math.Abs(v-want) > 2 {
					t.Errorf("%s: %s is %.1f, want %.1f", step.name, what, v, want)
				}
			}
			near("utilisation", got.Util, step.util)
			near("power", got.Power, step.power)
			near("temperature", got.Temp, step.temp)
			near("clock", got.Clock, step.clock)
			if got.Throttle != step.throttle {
				t.Errorf("%s: throttled by %v", step.name, got.Throttle.Reasons())
			}
			if p := value(t, got.Power); p > value(t, got.PowerCap) {
				t.Errorf("%s: %v W are above the cap", step.name, p)
			}
			used, total := value(t, got.MemUsed), value(t, got.MemTotal)
			if (used > 0) != (step.load.memory > 0) || used > total {
				t.Errorf("%s: %v of %v bytes", step.name, used, total)
			}
		}
	})
}

func TestDevices(t *testing.T) {
	s := New(Card{"text2sql", &load{}}, Card{"chat", &load{}})
	listing, err := s.Devices(t.Context())
	list := listing.Devices
	if err != nil || len(list) != 2 || list[1].Index != 1 || list[1].Serves != "chat" || list[0].UUID == list[1].UUID {
		t.Errorf("devices %+v, %v", list, err)
	}
	for _, index := range []int{-1, 2} {
		if _, err := s.Read(t.Context(), index, gpu.All); err == nil {
			t.Errorf("gpu %d was read, and there is none", index)
		}
	}
	if !s.Simulated() {
		t.Error("it does not say that it is simulated")
	}
}
