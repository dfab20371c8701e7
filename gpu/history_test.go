package gpu

import (
	"context"
	"math"
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

func TestLongHistoryIsOfMeans(t *testing.T) {
	h := newHistory()
	start := time.Unix(1_800_000_000, 0)
	for i := range 35 {
		p := Point{Util: float32(i), Mem: 50, Power: nan, Temp: 40}
		if i%2 == 1 {
			p.Temp = nan
		}
		h.add(i+1, p, start.Add(time.Duration(i)*time.Second))
	}
	long := h.long.view()
	if len(long) != 3 || long[0].Util != 4.5 || long[2].Util != 24.5 || long[1].Mem != 50 || long[1].Temp != 40 || Known(long[1].Power) {
		t.Errorf("%+v", long)
	}
	if got := h.longAt.Sub(start); got != 29*time.Second {
		t.Errorf("the newest ended at %v", got)
	}
}

func TestRoundsThatWereLeftOutAreUnknown(t *testing.T) {
	h := newHistory()
	h.add(7, Point{Util: 1}, time.Now()) // it was listed late: nothing before
	h.add(7, Point{Util: 9}, time.Now()) // a round has one point
	h.add(10, Point{Util: 2}, time.Now())
	got := h.short.view()
	if len(got) != 4 || got[0].Util != 1 || Known(got[1].Util) || Known(got[2].Util) || got[3].Util != 2 {
		t.Errorf("%+v", got)
	}
	h.add(1_000_000_000, Point{Util: 3}, time.Now())
	if got := h.short.view(); len(got) != 900 || Known(got[0].Util) || got[899].Util != 3 {
		t.Errorf("after a long sleep %d points", len(got))
	}
}

// A day and more of history takes what the constants say, and no more.
func TestHistoryIsBounded(t *testing.T) {
	if n := unsafe.Sizeof(Point{}); n != 16 {
		t.Errorf("a point takes %d bytes", n)
	}
	h := newHistory()
	now := time.Unix(1_800_000_000, 0)
	round := 0
	second := func() { round++; h.add(round, Point{Util: float32(round)}, now) }
	for range 25 * 3600 {
		second()
	}
	if short, long := h.short.view(), h.long.view(); len(short) != 900 || len(long) != 8640 || cap(long) != 8640 || short[899].Util != float32(round) || long[8639].Util != float32(round)-4.5 {
		t.Errorf("%d and %d points", len(short), len(long))
	}
	if got := cap(h.short.points) + cap(h.long.points); got*16 != 208<<10 {
		t.Errorf("%d bytes are held", got*16)
	}
	if per := testing.AllocsPerRun(5*3600, second); per > 0 {
		t.Errorf("%v allocations a second", per) // rounded down: one in 1,149 and one in 26,250 are not seen
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 24 * 3600 {
		second()
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 77*(32<<10)+4*(176<<10)+50_000 {
		t.Errorf("%d bytes allocated in a day", got)
	}
}

// What one Read leaves out stays, field by field.
func TestEveryReadingIsTaken(t *testing.T) {
	now := time.Now()
	full := Sample{Throttle: ThrottleHeat, NVLinks: []NVLink{}, MIG: &MIG{}, Processes: []Process{}}
	fill(reflect.ValueOf(&full).Elem(), Read(7, now))
	var s Sample
	s.take(&full)
	if !reflect.DeepEqual(s, full) {
		t.Errorf("taken: %+v", s)
	}
	s.take(&Sample{})
	if !reflect.DeepEqual(s, full) {
		t.Errorf("an empty sample took something away: %+v", s)
	}
	var never Sample
	fill(reflect.ValueOf(&never).Elem(), NotSupported())
	s.take(&never)
	if s.Util.Supported() || s.ECC.RemapFailed.Supported() || s.PCIe.Replays.Supported() {
		t.Errorf("what can't be measured any more: %+v", s)
	}
}

// fill sets every single reading of a sample.
func fill(v reflect.Value, r Reading) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Type() == reflect.TypeFor[Reading]():
			f.Set(reflect.ValueOf(r))
		case f.Kind() == reflect.Struct:
			fill(f, r)
		}
	}
}

func TestUncorrectedErrorsSinceTheStart(t *testing.T) {
	c := newCard(&host{}, Device{})
	for i, tc := range []struct{ count, want float64 }{{5, 0}, {5, 0}, {7, 2}, {1, 3}, {1, 3}, {0, 3}, {2, 5}} {
		c.count(Read(tc.count, time.Now()))
		if got := c.gpu.NewUncorrected.Or(-1); got != tc.want {
			t.Errorf("%d: %v, want %v", i, got, tc.want)
		}
	}
	c.count(Reading{})
	if math.Abs(c.gpu.NewUncorrected.Or(-1)-5) > 0 {
		t.Error("no data changed the count")
	}
}

// BenchmarkSecond is what a second of eight devices costs whose readings cost
// nothing; with processes, those of two on each are looked up every second.
func BenchmarkSecond(b *testing.B) {
	b.Run("readings", func(b *testing.B) { benchmarkSecond(b, []Process{}) })
	b.Run("processes", func(b *testing.B) { benchmarkSecond(b, []Process{{PID: os.Getpid()}, {PID: os.Getppid()}}) })
}

func benchmarkSecond(b *testing.B, processes []Process) {
	src := &script{list: cards("a", "b", "c", "d", "e", "f", "g", "h")}
	now := time.Now()
	sample := Sample{NVLinks: []NVLink{}, MIG: &MIG{}, Throttle: NotThrottled, Processes: processes}
	fill(reflect.ValueOf(&sample).Elem(), Read(7, now))
	src.read = func(context.Context, int, Group) (Sample, error) { return sample, nil }
	s := New(Options{}, Host{"", quiet{src}})
	s.began = time.Now()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	list, _ := src.list()
	s.listed(ctx, listing{s.hosts[0], list, nil}, time.Now())
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.begin(ctx, s.began.Add(time.Duration(i)*time.Second))
		for s.asked > 0 {
			r := <-s.results
			s.take(r)
			s.answered(time.Now())
		}
	}
}

// quiet is a script that notes nothing.
type quiet struct{ s *script }

func (q quiet) Name() string                                 { return "quiet" }
func (q quiet) Simulated() bool                              { return false }
func (q quiet) Devices(ctx context.Context) (Listing, error) { return q.s.list() }
func (q quiet) Read(ctx context.Context, index int, due Group) (Sample, error) {
	return q.s.read(ctx, index, due)
}
