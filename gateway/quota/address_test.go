package quota

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bucket is what Addresses must be the same as: a bucket that holds burst
// requests and gains one every interval, in exact arithmetic.
type bucket struct {
	interval, level, most time.Duration // a request takes an interval of the level
	last                  time.Time
}

func (b *bucket) allow(now time.Time) (bool, time.Duration) {
	b.level = min(b.most, b.level+now.Sub(b.last))
	b.last = now
	if b.level < b.interval {
		return false, b.interval - b.level
	}
	b.level -= b.interval
	return true, 0
}

func TestAddressesAreTokenBuckets(t *testing.T) {
	for _, tc := range []struct {
		rate     float64
		burst    int
		interval time.Duration
	}{
		{50, 50, 20 * time.Millisecond},
		{1, 1, time.Second},
		{0.1, 3, 10 * time.Second},
		{3, 7, 333333334}, // rounded up
		{1000, 20, time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%v/s burst %d", tc.rate, tc.burst), func(t *testing.T) {
			c := newClock(utc("2026-11-22 10:00:00"))
			a := NewAddresses(tc.rate, tc.burst, c.now)
			r := rand.New(rand.NewPCG(1, uint64(tc.burst)))
			buckets := make([]bucket, 3)
			refused := 0
			for step := range 50_000 {
				i := r.IntN(len(buckets))
				b := &buckets[i]
				if b.last.IsZero() {
					*b = bucket{interval: tc.interval, level: tc.interval * time.Duration(tc.burst),
						most: tc.interval * time.Duration(tc.burst), last: c.now()}
				}
				ok, wait := a.Allow(addr4(i))
				wantOK, wantWait := b.allow(c.now())
				if ok != wantOK || wait != wantWait {
					t.Fatalf("step %d, address %d: Allow = %v, %v, want %v, %v", step, i, ok, wait, wantOK, wantWait)
				}
				switch r.IntN(4) {
				case 0:
					if !ok {
						refused++
						c.advance(wait - time.Duration(r.IntN(2))) // just in time, or just too early
					}
					if r.IntN(1000) == 0 {
						c.advance(2 * tc.interval * time.Duration(tc.burst)) // all are full again
					}
				case 1:
					c.advance(time.Duration(r.Int64N(int64(tc.interval))))
				case 2:
					c.advance(time.Duration(r.Int64N(int64(tc.interval) / 4)))
				}
			}
			if refused == 0 {
				t.Error("nothing was ever refused: the test shows nothing")
			}
		})
	}
}

func addr4(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|uint32(i))
	return netip.AddrFrom4(b)
}

func addr6(i int) netip.Addr {
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	binary.BigEndian.PutUint32(b[4:], uint32(i))
	return netip.AddrFrom16(b)
}

// spend asks until it is refused.
func spend(a *Addresses, addr netip.Addr) (passed int) {
	for {
		if ok, _ := a.Allow(addr); !ok {
			return passed
		}
		passed++
	}
}

func TestAddressesIdentity(t *testing.T) {
	for _, tc := range []struct {
		name, one, other string
		same             bool
	}{
		{"same address", "192.0.2.1", "192.0.2.1", true},
		{"another address", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 written as IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"one /64", "2001:db8::1", "2001:db8::ffff:2", true},
		{"another /64", "2001:db8::1", "2001:db8:0:1::1", false},
		{"zones", "fe80::1%eth0", "fe80::1%eth1", true},
		{"lowest of both families", "0.0.0.0", "::", false},
		{"no address", "", "", true},
		{"no address and an IPv4", "", "0.0.0.0", false},
		{"no address and an IPv6", "", "::", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock(utc("2026-11-22 10:00:00"))
			a := NewAddresses(1, 5, c.now)
			parse := func(s string) netip.Addr {
				if s == "" {
					return netip.Addr{}
				}
				return netip.MustParseAddr(s)
			}
			if n := spend(a, parse(tc.one)); n != 5 {
				t.Fatalf("%s passed %d times, want the burst of 5", tc.one, n)
			}
			want := 5
			if tc.same {
				want = 0
			}
			if n := spend(a, parse(tc.other)); n != want {
				t.Errorf("%s then passed %d times, want %d", tc.other, n, want)
			}
		})
	}
}

func TestAddressesSettings(t *testing.T) {
	for _, tc := range []struct {
		rate  float64
		burst int
		want  int // of 200 requests at one moment
	}{
		{0, 0, 200},
		{0, 50, 200},
		{-1, 50, 200},
		{math.NaN(), 50, 200},
		{50, 50, 50},
		{50, 0, 1},
		{50, -3, 1},
		{1e-300, 10, 10},
		{1e-300, math.MaxInt, 101}, // one a year, at most a century ahead
		{math.Inf(1), 10, 10},
		{1e300, math.MaxInt, 200},
	} {
		c := newClock(utc("2026-11-22 10:00:00"))
		a := NewAddresses(tc.rate, tc.burst, c.now)
		passed := 0
		for range 200 {
			ok, wait := a.Allow(addr4(1))
			if ok {
				passed++
			}
			if ok != (wait == 0) || wait < 0 {
				t.Fatalf("rate %v burst %d: Allow = %v, %v", tc.rate, tc.burst, ok, wait)
			}
		}
		if passed != tc.want {
			t.Errorf("rate %v burst %d: %d passed, want %d", tc.rate, tc.burst, passed, tc.want)
		}
	}
}

// A flood of addresses, twice what the table holds of a family, neither frees an
// address that has spent its burst nor locks out a new one.
func TestAddressesFlood(t *testing.T) {
	for name, addr := range map[string]func(int) netip.Addr{"IPv4": addr4, "IPv6": addr6} {
		t.Run(name, func(t *testing.T) {
			c := newClock(utc("2026-11-22 10:00:00"))
			a := NewAddresses(50, 50, c.now)
			if n := spend(a, addr(0)); n != 50 {
				t.Fatalf("%d passed, want 50", n)
			}
			for i := 1; i <= Capacity; i++ {
				if ok, _ := a.Allow(addr(i)); !ok {
					t.Fatalf("address %d of the flood was refused its first request", i)
				}
			}
			if ok, _ := a.Allow(addr(0)); ok {
				t.Error("the flood gave an address its burst back")
			}
			if len(a.sets)*ways != Capacity {
				t.Errorf("the table holds %d addresses, want %d", len(a.sets)*ways, Capacity)
			}
		})
	}
}

// An address that takes the place of another has its own whole burst, and no
// debts of the other's.
func TestAddressesFloodOfBursts(t *testing.T) {
	c := newClock(utc("2026-11-22 10:00:00"))
	a := NewAddresses(50, 3, c.now)
	for i := range Capacity {
		if n := spend(a, addr4(i)); n != 3 {
			t.Fatalf("address %d passed %d times, want the burst of 3", i, n)
		}
	}
}

func TestAddressesConcurrent(t *testing.T) {
	c := newClock(utc("2026-11-22 10:00:00"))
	const burst = 500
	a := NewAddresses(10, burst, c.now)
	var passed [4]atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 4 * burst {
				if ok, _ := a.Allow(addr4(i % len(passed))); ok {
					passed[i%len(passed)].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range passed {
		if n := passed[i].Load(); n != burst {
			t.Errorf("address %d: %d passed, want %d", i, n, burst)
		}
	}
}

func TestAllowAllocatesNothing(t *testing.T) {
	a := NewAddresses(50, 50, nil)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i++
		a.Allow(addr4(i % 100))
		a.Allow(addr6(i % 100))
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkAllow(b *testing.B) {
	addrs := make([]netip.Addr, 1024)
	for i := range addrs {
		addrs[i] = addr4(i * 7919)
	}
	b.Run("addresses=1", func(b *testing.B) {
		a := NewAddresses(1e9, 1<<30, nil)
		b.ReportAllocs()
		for b.Loop() {
			a.Allow(addrs[0])
		}
	})
	for _, n := range []int{1000, 100_000} { // the table takes 4 MiB, whatever comes
		b.Run(fmt.Sprintf("addresses=%d", n), func(b *testing.B) {
			a := NewAddresses(50, 50, nil)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i = (i + 7919) % n
				a.Allow(addr4(i))
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		a := NewAddresses(50, 50, nil)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				a.Allow(addrs[i%len(addrs)])
			}
		})
	})
	b.Run("flood", func(b *testing.B) {
		a := NewAddresses(50, 50, nil)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			a.Allow(addr4(i))
		}
	})
}
