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
	memory     = 23_034 << 20
	overhead   = 600e6 // CUDA context and graphs of a process, bytes
	limit      = 72.0  // W
	idle       = 16.0  // W, with a model loaded or not
	decoding   = 60.0  // W: waiting for memory most of the time
	prefilling = 88.0  // W that computing alone would take: more than the cap
	clock      = 2040.0
	asleep     = 210.0 // MHz, without a process
	ambient    = 31.0  // °C of the air that comes in
	perWatt    = 0.6   // °C above it for each watt, in the end

	powerInertia = 1500 * time.Millisecond // of the board's averaged power reading
	heatInertia  = 70 * time.Second        // of the heat sink
)

// state is one card's, as of its last reading.
type state struct {
	mu    sync.Mutex
	work  Work
	at    time.Time
	power float64
	temp  float64
}

// read moves the state on to now and measures it.
func (c *state) read(now time.Time) gpu.Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	prefill, decode := c.work.Busy()
	held := c.work.Memory()
	prefill, decode = clamp(prefill), clamp(decode)
	util := min(1, prefill+decode)
	decode = util - prefill

	wanted := idle + prefill*(prefilling-idle) + decode*(decoding-idle)
	target := min(limit, wanted)
	if c.at.IsZero() {
		c.power, c.temp = idle, ambient+perWatt*idle
	} else {
		passed := now.Sub(c.at)
		c.power = approach(c.power, target, passed, powerInertia)
		c.temp = approach(c.temp, ambient+perWatt*c.power, passed, heatInertia)
	}
	c.at = now

	mhz, throttle := clock, gpu.NotThrottled
	switch {
	case held == 0:
		mhz = asleep
	case wanted > limit:
		// Power goes with about the cube of the clock: what the cap leaves of it.
		mhz, throttle = math.Round(clock*math.Cbrt(limit/wanted)/15)*15, gpu.ThrottlePower
	}
	used := 0.0
	if held > 0 {
		used = min(memory, held+overhead)
	}
	return gpu.Sample{
		Util:     gpu.Read(math.Round(100*util), now),
		MemUsed:  gpu.Read(used, now),
		MemTotal: gpu.Read(memory, now),
		Temp:     gpu.Read(math.Round(c.temp), now),
		Power:    gpu.Read(c.power, now),
		PowerCap: gpu.Read(limit, now),
		Clock:    gpu.Read(mhz, now),
		Throttle: throttle,
	}
}

func clamp(share float64) float64 { return max(0, min(1, share)) }

// approach is where a quantity with inertia has come to on its way.
func approach(from, to float64, passed, inertia time.Duration) float64 {
	return to + (from-to)*math.Exp(-passed.Seconds()/inertia.Seconds())
}
