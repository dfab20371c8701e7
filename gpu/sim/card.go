package sim

import (
	"math"
	"sync"
	"time"

	"pilothouse/gpu"
)

// An NVIDIA L4, from its data sheet and from what nvidia-smi shows of it:
// 23,034 MiB, a cap of 72 W, 2,040 MHz, passively cooled.
const (
	firstPID = 4_194_305 // one more than Linux gives to any process

	memory     = 23_034 << 20
	full       = 0.985 * memory
	overhead   = 600e6 // CUDA context and graphs of a process, bytes
	limit      = 72.0  // W
	idle       = 16.0  // W, with a model loaded or not
	decoding   = 60.0  // W: waiting for memory most of the time
	prefilling = 88.0  // W that computing alone would take: more than the cap
	clock      = 2040.0
	asleep     = 210.0 // MHz, without a process
	memClock   = 6251.0
	memAsleep  = 405.0
	reserved   = 434 << 20 // bytes, by the driver
	slowsDown  = 86.0      // °C
	shutsDown  = 94.0      // °C
	ambient    = 31.0      // °C of the air that comes in
	perWatt    = 0.6       // °C above it for each watt, in the end

	powerInertia = 1500 * time.Millisecond // of the board's averaged power reading
	heatInertia  = 70 * time.Second        // of the heat sink
	blocked      = 10 * time.Second        // of one without air
	stewing      = slowsDown + 5           // °C that it comes to
)

// state is one card's, as of its last reading.
type state struct {
	serves string
	pid    int

	mu      sync.Mutex
	work    Work
	at      time.Time
	power   float64
	temp    float64
	energy  float64       // J
	fault   Fault         // that it has now
	changed chan struct{} // closed when it gets another
	spoiled int           // times that its memory was damaged
}

// read moves the state on to now and measures what is due.
func (c *state) read(now time.Time, due gpu.Group) gpu.Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	prefill, decode := c.work.Busy()
	prefill, decode = clamp(prefill), clamp(decode)
	util := min(1, prefill+decode)
	decode = util - prefill
	used := 0.0
	if held := c.work.Memory(); held > 0 {
		used = min(memory, held+overhead)
	}
	wanted := idle + prefill*(prefilling-idle) + decode*(decoding-idle)
	c.advance(now, wanted)
	loaded := used > 0
	if c.fault == Full {
		used = full
	}

	s := gpu.Sample{
		Util:        gpu.Read(math.Round(100*util), now),
		MemUtil:     gpu.Read(math.Round(90*decode+40*prefill), now),
		MemUsed:     gpu.Read(used, now),
		MemReserved: gpu.Read(reserved, now),
		MemTotal:    gpu.Read(memory, now),
		Temp:        gpu.Read(math.Round(c.temp), now),
		Power:       gpu.Read(c.power, now),
	}
	c.clocks(&s, now, loaded, wanted)
	if due&gpu.Slow != 0 {
		c.slow(&s, now, loaded, util)
	}
	if due&gpu.Processes != 0 {
		s.Processes = []gpu.Process{}
		if loaded {
			s.Processes = append(s.Processes, gpu.Process{PID: c.pid, Kind: gpu.Compute, Name: c.serves, Mem: s.MemUsed, Util: s.Util})
		}
	}
	return s
}

// advance has power and heat follow the work.
func (c *state) advance(now time.Time, wanted float64) {
	target, inertia := min(limit, wanted), heatInertia
	passed := now.Sub(c.at)
	if c.at.IsZero() {
		c.power, c.temp, passed = idle, ambient+perWatt*idle, 0
	}
	c.at = now
	c.power = approach(c.power, target, passed, powerInertia)
	c.energy += c.power * passed.Seconds()
	warm := ambient + perWatt*c.power
	if c.fault == Hot {
		warm, inertia = stewing, blocked
	}
	c.temp = approach(c.temp, warm, passed, inertia)
}

// clocks are as the work, the cap and the heat have them.
func (c *state) clocks(s *gpu.Sample, now time.Time, loaded bool, wanted float64) {
	mhz, mem, perf := clock, memClock, 0.0
	s.Throttle = gpu.NotThrottled
	switch {
	case !loaded:
		mhz, mem, perf = asleep, memAsleep, 8
	case c.temp >= slowsDown:
		mhz, s.Throttle = clock/2, gpu.ThrottleHeat
	case wanted > limit:
		// Power goes with about the cube of the clock: what the cap leaves of it.
		mhz, s.Throttle = math.Round(clock*math.Cbrt(limit/wanted)/15)*15, gpu.ThrottlePower
	}
	s.Clock, s.MemClock, s.PerfState = gpu.Read(mhz, now), gpu.Read(mem, now), gpu.Read(perf, now)
}

// slow is what is measured less often. A card without a process lets its link
// fall back, as it does its clocks.
func (c *state) slow(s *gpu.Sample, now time.Time, loaded bool, util float64) {
	is := func(v float64) gpu.Reading { return gpu.Read(v, now) }
	gen := 1.0
	if loaded {
		gen = 4
	}
	bad := float64(c.spoiled)
	s.Encoder, s.Decoder = is(0), is(0)
	s.PowerCap, s.Energy = is(limit), is(c.energy)
	s.TempSlow, s.TempLimit = is(slowsDown), is(shutsDown)
	s.ClockMax, s.MemClockMax = is(clock), is(memClock)
	s.Fan = gpu.NotSupported()
	s.PCIe = gpu.PCIe{Gen: is(gen), GenMax: is(4), Width: is(8), WidthMax: is(8), Rx: is(40e6 * util), Tx: is(12e6 * util), Replays: is(0)}
	s.NVLinks = []gpu.NVLink{}
	s.ECC = gpu.ECC{Enabled: is(1), Corrected: is(3 * bad), Uncorrected: is(bad), CorrectedAll: is(3 * bad), UncorrectedAll: is(bad),
		Remapped: is(0), RemappedBad: is(0), RemapPending: is(min(1, bad)), RemapFailed: is(0)}
	s.Persistence, s.Compute = is(1), is(0)
	s.MIG = &gpu.MIG{Enabled: gpu.NotSupported()}
}

func clamp(share float64) float64 { return max(0, min(1, share)) }

// approach is where a quantity with inertia has come to on its way.
func approach(from, to float64, passed, inertia time.Duration) float64 {
	return to + (from-to)*math.Exp(-passed.Seconds()/inertia.Seconds())
}
