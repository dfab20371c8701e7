package dcgm

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/gpu"
)

// remote is an exporter that answers as the handler does, and a source of it.
func remote(t testing.TB, handler http.HandlerFunc) *Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return source(t, Remote{Name: "gpu2", URL: server.URL, Timeout: Duration(30 * time.Second)})
}

func source(t testing.TB, r Remote) *Source {
	t.Helper()
	r.Fill()
	s, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// says is an exporter that always says the same.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func read(t testing.TB, s *Source, index int, due gpu.Group) gpu.Sample {
	t.Helper()
	sample, err := s.Read(t.Context(), index, due)
	if err != nil {
		t.Fatal(err)
	}
	return sample
}

// TestRoundTrip: what a collector exports a source reads.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		now := time.Now()
		var all full
		for i := range 1 + random.IntN(8) {
			d := device{index: i * 2, name: "NVIDIA L4", uuid: fmt.Sprintf("GPU-%d", i), pci: fmt.Sprintf("0000:%02x:00.0", i), driver: "550.54.15", serves: "chat", at: now}
			some := func(unit, most float64) gpu.Reading {
				switch random.IntN(4) {
				case 0:
					return gpu.Reading{}
				case 1:
					return gpu.NotSupported()
				}
				if most > 0 {
					return gpu.Read(float64(random.IntN(int(most)+1)), now)
				}
				return gpu.Read(math.Round(random.Float64()*1e6)*unit, now)
			}
			for _, f := range fields {
				*f.at(&d.sample) = some(f.unit, f.most)
			}
			d.sample.Throttle = throttle(uint64(random.IntN(256)))
			if d.sample.MIG = (&gpu.MIG{Enabled: some(1, 1)}); !d.sample.MIG.Enabled.Known() {
				d.sample.MIG = nil
			} else if d.sample.MIG.Enabled.Or(0) == 1 {
				for n := range random.IntN(4) {
					d.sample.MIG.Parts = append(d.sample.MIG.Parts, gpu.MIGPart{UUID: partUUID(d.uuid, fmt.Sprint(n)), Name: "1g.10gb", MemUsed: gpu.Read(float64(random.IntN(1e9)), now), MemTotal: some(mib, 0)})
				}
			}
			d.sample.MemUsed, d.sample.Temp = gpu.Read(float64(random.IntN(1e10)), now), gpu.Read(0, now)
			all = append(all, d)
		}
		s := remote(t, says(expose(t, all)))
		list, err := s.Devices(t.Context())
		if err != nil || list.Driver != "550.54.15" || len(list.Devices) != len(all) {
			t.Fatalf("seed %d: %+v, %v", seed, list, err)
		}
		for i, d := range all {
			if want := (gpu.Device{Index: d.index, Name: d.name, UUID: d.uuid, PCI: d.pci, Serves: d.serves}); list.Devices[i] != want {
				t.Errorf("seed %d: device %+v, want %+v", seed, list.Devices[i], want)
			}
			got := read(t, s, d.index, gpu.All)
			equal(t, fmt.Sprintf("seed %d, gpu %d", seed, d.index), reflect.ValueOf(got), reflect.ValueOf(d.sample))
		}
	}
}

// equal compares all that is known in two samples, their readings by value.
func equal(t *testing.T, what string, got, want reflect.Value) {
	t.Helper()
	if r, ok := want.Interface().(gpu.Reading); ok {
		g := got.Interface().(gpu.Reading)
		if v, w := g.Or(-1), r.Or(-1); g.Known() != r.Known() || math.Abs(v-w) > 1e-12*math.Abs(w) {
			t.Errorf("%s: %v, want %v", what, g, r)
		}
		return
	}
	switch want.Kind() {
	case reflect.Struct:
		for i := range want.NumField() {
			equal(t, what+" "+want.Type().Field(i).Name, got.Field(i), want.Field(i))
		}
	case reflect.Pointer:
		if got.IsNil() != want.IsNil() {
			t.Errorf("%s: %v, want %v", what, got, want)
		} else if !want.IsNil() {
			equal(t, what, got.Elem(), want.Elem())
		}
	case reflect.Slice:
		if got.IsNil() != want.IsNil() || got.Len() != want.Len() {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
		for i := range want.Len() {
			equal(t, fmt.Sprint(what, " ", i), got.Index(i), want.Index(i))
		}
	default:
		if !got.Equal(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
}

func exporter(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "exporter.prom"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExporter reads 64 H100s as an exporter shows them with its default
// counters, not all of which make sense.
func TestExporter(t *testing.T) {
	s := remote(t, says(exporter(t)))
	list, err := s.Devices(t.Context())
	if err != nil || len(list.Devices) != 64 || list.Driver != "550.54.15" {
		t.Fatalf("%d devices, driver %q, %v", len(list.Devices), list.Driver, err)
	}
	if want := (gpu.Device{Index: 0, Name: "NVIDIA H100 80GB HBM3", UUID: "GPU-00abc000", PCI: "0000:10:00.0", Serves: "chat"}); list.Devices[0] != want {
		t.Errorf("device %+v, want %+v", list.Devices[0], want)
	}
	const none, never = -7, -8
	value := func(r gpu.Reading) float64 {
		if !r.Supported() {
			return never
		}
		return r.Or(none)
	}
	for _, c := range []struct {
		index                                                int
		util, used, total, reserved, temp, power, clock, nrg float64
		throttle                                             gpu.Throttle
	}{
		{0, 0, 20000 << 20, (60000 + 20000 + 559) << 20, 559 << 20, 40, 100, 1980, 123456789, gpu.NotThrottled},
		{1, 1, 20001 << 20, 80560 << 20, 559 << 20, 41, 101.5, 1979, 123456789.001, gpu.ThrottlePower},
		{2, 2, 20002 << 20, 80561 << 20, 559 << 20, 42, 103, 1978, 123456789.002, gpu.NotThrottled}, // utilisation by another name
		{3, 3, 20003 << 20, 80562 << 20, 559 << 20, 43, none, 1977, 123456789.003, gpu.ThrottlePower},
		{4, 4, 20004 << 20, 80563 << 20, 559 << 20, never, never, 1976, 123456789.004, gpu.NotThrottled},
		{5, 5, 20005 << 20, 80564 << 20, 559 << 20, 45, 107.5, none, 123456789.005, gpu.ThrottlePower},
		{6, 6, 20006 << 20, 80565 << 20, 559 << 20, 46, none, 1974, 123456789.006, gpu.NotThrottled},
		{7, 7, 20007 << 20, 80566 << 20, 559 << 20, 47, none, 1973, 123456789.007, gpu.ThrottlePower},
		{63, 63, 20063 << 20, 80622 << 20, 559 << 20, 43, 194.5, 1917, 123456789.063, gpu.ThrottlePower},
	} {
		g := read(t, s, c.index, gpu.All)
		for _, v := range []struct {
			what      string
			got, want float64
		}{
			{"utilisation", value(g.Util), c.util}, {"memory used", value(g.MemUsed), c.used}, {"memory", value(g.MemTotal), c.total},
			{"memory reserved", value(g.MemReserved), c.reserved}, {"temperature", value(g.Temp), c.temp}, {"power", value(g.Power), c.power},
			{"clock", value(g.Clock), c.clock}, {"energy", value(g.Energy), c.nrg},
		} {
			if math.Abs(v.got-v.want) > 1e-12*math.Abs(v.want) {
				t.Errorf("gpu %d: %s is %v, want %v", c.index, v.what, v.got, v.want)
			}
		}
		if g.Throttle != c.throttle || g.Processes != nil || (g.MIG != nil) != (c.index == 1) || g.Fan.Known() || g.ECC.Enabled.Known() {
			t.Errorf("gpu %d: %+v", c.index, g)
		}
	}
	parts := read(t, s, 1, gpu.Slow).MIG.Parts
	if len(parts) != 2 || parts[0].Name != "1g.10gb" || parts[0].UUID != "MIG-GPU-00abc001/7" || parts[0].MemUsed.Or(0) != 1000<<20 ||
		parts[0].MemTotal.Or(0) != 10000<<20 || parts[1].Name != "" {
		t.Errorf("parts %+v", parts)
	}
}

// TestDue: a Read has what is due and nothing else.
func TestDue(t *testing.T) {
	s := remote(t, says(expose(t, full{wholeH100(time.Now())})))
	if _, err := s.Devices(t.Context()); err != nil {
		t.Fatal(err)
	}
	fast, slow := read(t, s, 3, gpu.Fast), read(t, s, 3, gpu.Slow)
	if !fast.Util.Known() || !fast.MemTotal.Known() || !fast.Throttle.Known() || fast.Energy.Known() || fast.MIG != nil {
		t.Errorf("fast: %+v", fast)
	}
	if slow.Util.Known() || slow.MemTotal.Known() || slow.Throttle.Known() || !slow.Energy.Known() || slow.MIG == nil {
		t.Errorf("slow: %+v", slow)
	}
	if got := read(t, s, 3, gpu.Processes); !reflect.DeepEqual(got, gpu.Sample{}) {
		t.Errorf("processes: %+v", got)
	}
}

// TestOneRequest: however many ask, and for however many devices, there is one
// request an interval, and readings have its time.
func TestOneRequest(t *testing.T) {
	var requests atomic.Int32
	text := exporter(t)
	s := remote(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = io.WriteString(w, text)
	})
	s.remote.Interval = Duration(time.Hour)
	before := time.Now()
	if _, err := s.Devices(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			if g, err := s.Read(t.Context(), i, gpu.All); err != nil || g.Util.At().Before(before) || g.Util.At().After(after) {
				t.Errorf("gpu %d: %v, %v", i, g.Util, err)
			}
		})
	}
	all.Wait()
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	s.flight.began = s.flight.began.Add(-time.Hour)
	for i := range 64 {
		all.Go(func() { _, _ = s.Read(t.Context(), i, gpu.All) })
	}
	all.Wait()
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests after an interval", n)
	}
}

// TestLost: a device that is not shown any more, or is another, is lost until it
// is shown again.
func TestLost(t *testing.T) {
	row := func(index int, uuid string) string {
		return fmt.Sprintf("DCGM_FI_DEV_GPU_TEMP{gpu=\"%d\",UUID=\"%s\"} 40\n", index, uuid)
	}
	var text atomic.Value
	s := remote(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text.Load().(string)) })
	s.remote.Interval = 0
	for _, step := range []struct {
		shown string
		lost  bool
		err   bool
	}{
		{row(0, "GPU-a") + row(1, "GPU-b"), false, false},
		{row(0, "GPU-a"), true, true},
		{row(0, "GPU-a") + row(1, "GPU-c"), true, true},
		{row(0, "GPU-a") + row(1, ""), false, false},
		{row(0, "GPU-a") + row(1, "GPU-b"), false, false},
		{"go_goroutines 5\n", false, true}, // that says nothing of this one
		{row(0, "GPU-a") + row(0, "GPU-b"), false, true},
	} {
		text.Store(step.shown)
		if step.shown == row(0, "GPU-a")+row(1, "GPU-b") || step.lost && !strings.Contains(step.shown, "GPU-c") {
			if _, err := s.Devices(t.Context()); err != nil { // what is lost stays listed
				t.Fatal(err)
			}
		}
		if _, err := s.Read(t.Context(), 1, gpu.All); errors.Is(err, gpu.ErrLost) != step.lost || (err != nil) != step.err {
			t.Errorf("with %q: %v", step.shown, err)
		}
	}
	if _, err := s.Read(t.Context(), 9, gpu.All); err == nil || errors.Is(err, gpu.ErrLost) {
		t.Errorf("a device that never was: %v", err)
	}
}

// TestHostileLabels: nothing of a label reaches a terminal that it would obey.
func TestHostileLabels(t *testing.T) {
	s := remote(t, says("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\",UUID=\"GPU-a\",modelName=\"\x1b[31m\u202eevil\\n"+strings.Repeat("x", 5000)+"\",container=\"<<<NULL>>>\"} 40\n"))
	list, err := s.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := list.Devices[0]
	if strings.ContainsAny(d.Name, "\x1b\u202e\n") || len(d.Name) > 2*labelMost || !strings.Contains(d.Name, "evil") || d.Serves != "" {
		t.Errorf("%q, container %q", d.Name, d.Serves)
	}
}

func TestKind(t *testing.T) {
	if s := source(t, Remote{Name: "x", URL: "http://x"}); s.Name() != "dcgm" || s.Simulated() {
		t.Errorf("%q, simulated: %v", s.Name(), s.Simulated())
	}
}
