package quota

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The table of addresses is sets of ways, like a processor's cache: an address
// belongs to one set and may sit in any way of it. A mutex and seven ways are no
// more than two cache lines.
const (
	ways     = 7
	setBits  = 14
	families = 2
	sets     = families << setBits
)

// Capacity is the number of addresses that the table holds: half for IPv4,
// half for IPv6. It takes 4 MiB when full.
const Capacity = sets * ways

// Addresses limits how often each client address may ask. An IPv4 address
// counts by itself, written as IPv6 or not; an IPv6 address counts by its /64,
// for that is what one subscriber gets. All addresses that are not valid count
// as one.
//
// The rule is the generic cell rate algorithm: a request is let through if it
// comes no more than burst-1 intervals before the time at which a steady client
// would have sent it. That is a token bucket of burst tokens that fills at rate
// tokens a second, kept in a single time stamp.
//
// Memory is fixed. An address that has been quiet long enough for its bucket to be
// full is no longer remembered, and needs no sweeping: its place is free. When a
// flood of addresses leaves no free place in a set, the address there that is
// nearest to a full bucket is forgotten. So a new client is never locked out by a
// flood of others, and whoever has spent his burst stays known through a flood of
// single requests. The price is that some get their burst back early: of 30,000
// addresses of one family that are active at the same moment about one in two
// thousand, of 60,000 one in seventy (the tail of a Poisson distribution). Which
// addresses share a set is random in each process and cannot be chosen from outside.
type Addresses struct {
	interval int64 // nanoseconds for one request; 0: no limit
	slack    int64 // how far ahead of now an address's time may be: (burst-1) intervals
	now      func() time.Time
	epoch    time.Time
	seed     maphash.Seed
	sets     []set

	shared  atomic.Bool // what passes is counted, for other gateways
	sharing sync.Mutex
	passed  map[placed]uint32
}

type set struct {
	mu  sync.Mutex
	way [ways]way
}

// A way is an address and the time, in nanoseconds from the epoch, at which its
// bucket will be full. A way whose time has passed is free.
type way struct {
	addr uint64
	full int64
}

// NewAddresses makes a limiter of rate requests a second with bursts of burst.
// A rate of 0 or less, or one that is no number, is no limit. A burst under 1
// is 1. A nil clock is time.Now.
func NewAddresses(rate float64, burst int, clock func() time.Time) *Addresses {
	if clock == nil {
		clock = time.Now
	}
	a := &Addresses{now: clock, seed: maphash.MakeSeed()}
	if !(rate > 0) {
		return a
	}
	// Rounded up, so that the rate is never passed; at most a request a year and a
	// century of burst, so that no sum of times can overflow.
	const year = 365 * 24 * float64(time.Hour)
	interval := max(1, math.Ceil(float64(time.Second)/rate))
	a.interval = int64(min(interval, year))
	a.slack = int64(min(float64(max(burst, 1)-1)*float64(a.interval), 100*year))
	a.epoch = clock().Add(-1)
	a.sets = make([]set, sets)
	return a
}

// Allow counts one request of addr and reports whether it may pass. If not,
// nothing is counted, and retryAfter is how long until one would pass.
func (a *Addresses) Allow(addr netip.Addr) (ok bool, retryAfter time.Duration) {
	s := a.Ask(addr)
	return s.Passed, s.RetryAfter
}

// Standing is how an address stands with its rate after a request.
type Standing struct {
	Passed     bool
	RetryAfter time.Duration // until one would pass; 0: it did
	Used       int64         // requests of the burst that are taken, this one among them if it passed
	Burst      int64         // 0: there is no limit
}

// Ask is Allow, and tells how the address stands.
func (a *Addresses) Ask(addr netip.Addr) Standing {
	if a.interval == 0 {
		return Standing{Passed: true}
	}
	now := int64(a.now().Sub(a.epoch))
	p := place(addr)
	taken, wait := a.allow(p, now)
	s := Standing{Passed: wait == 0, RetryAfter: wait, Burst: a.slack/a.interval + 1}
	s.Used = (taken + a.interval - 1) / a.interval
	if s.Passed && a.shared.Load() {
		a.pass(p)
	}
	return s
}

// allow returns how far the bucket is from full then, and how long the request
// would have to wait; 0: it has passed.
func (a *Addresses) allow(p placed, now int64) (taken int64, wait time.Duration) {
	s := a.set(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.find(p.id)
	full := max(w.full, now)
	if wait := full - now - a.slack; wait > 0 && w.addr == p.id {
		return full - now, time.Duration(wait)
	}
	if w.addr != p.id {
		full = now
	}
	*w = way{addr: p.id, full: full + a.interval}
	return full + a.interval - now, 0
}

// place returns what an address is counted by.
func place(addr netip.Addr) placed {
	switch addr = addr.Unmap(); {
	case addr.Is4():
		b := addr.As4()
		return placed{id: uint64(binary.BigEndian.Uint32(b[:]))}
	case addr.Is6():
		b := addr.As16()
		return placed{id: binary.BigEndian.Uint64(b[:8]), family: 1}
	}
	return placed{id: 1 << 32} // above every IPv4 address
}

// set returns the set that it belongs to.
func (a *Addresses) set(p placed) *set {
	h := maphash.Comparable(a.seed, p.id) >> (64 - setBits)
	return &a.sets[uint64(p.family)<<setBits|h]
}

// find returns the way that holds id, or else the one to give to it: that
// whose bucket is full, or will be soonest.
func (s *set) find(id uint64) *way {
	w := &s.way[0]
	for i := range s.way {
		if s.way[i].addr == id {
			return &s.way[i]
		}
		if s.way[i].full < w.full {
			w = &s.way[i]
		}
	}
	return w
}
