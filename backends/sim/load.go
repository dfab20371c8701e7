package sim

import "time"

// Load is what a simulated server does at one moment.
type Load struct {
	At      time.Time
	Serving bool // between the start and the end of Serve

	Running, Waiting int     // sequences in the engine; a request has n of them
	KVUsed, KVTotal  int     // tokens
	Prefill, Decode  float64 // share of the last second that went into each, 0 to 1
	TokensPerSecond  float64 // generated, over the last second
	WeightBytes      float64 // of the model
	KVBytes          float64 // of the whole cache, which vLLM takes at its start

	Requests        uint64 // that came with any method and path
	Aborted         uint64 // cut off before their end: by their client, a fault, or the server's stop
	Preemptions     uint64
	PromptTokens    uint64
	GeneratedTokens uint64
}

// Busy is the share of the last second in which the GPU computed, 0 to 1.
func (s *Server) Busy() (prefill, decode float64) {
	l := s.Load()
	return l.Prefill, l.Decode
}

// Memory is what it holds of the GPU's memory in bytes: weights and the whole
// KV cache from start to stop, and nothing otherwise.
func (s *Server) Memory() float64 {
	l := s.Load()
	if !l.Serving {
		return 0
	}
	return l.WeightBytes + l.KVBytes
}

// Load is what the server does now. It may be called at any time and by many
// at once.
func (s *Server) Load() Load {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	l := Load{
		At:              now,
		Serving:         s.serving.Load(),
		Running:         len(e.running),
		Waiting:         len(e.waiting),
		KVUsed:          e.pool.used() * e.config.BlockSize,
		KVTotal:         e.pool.total * e.config.BlockSize,
		WeightBytes:     e.config.Timing.WeightBytes,
		KVBytes:         e.config.Timing.KVTokenBytes * float64(e.pool.total*e.config.BlockSize),
		Requests:        s.seen.count(),
		Aborted:         e.meter.aborted,
		Preemptions:     e.meter.preemptions,
		PromptTokens:    e.meter.prompts,
		GeneratedTokens: e.meter.generated,
	}
	l.Prefill, l.Decode, l.TokensPerSecond = e.window.last(e.step, now)
	return l
}

// stepTime is a step's beginning, and how its time divides. The zero value is
// no step.
type stepTime struct {
	start   time.Time
	prefill float64 // share
	decodes bool
}

// window is the busy time of the last second, in slots of a tenth.
type window struct {
	slots [windowSlots]slot
}

const (
	windowSlot  = 100 * time.Millisecond
	windowSlots = 12 // a second, the slot that is being filled, and one to spare
)

type slot struct {
	number          int64 // since the epoch, in windowSlots
	prefill, decode time.Duration
	tokens          int
}

func (w *window) slot(number int64) *slot {
	s := &w.slots[number%windowSlots]
	if s.number != number {
		*s = slot{number: number}
	}
	return s
}

// add counts a step that ended now, and the tokens that came of it.
func (w *window) add(st stepTime, now time.Time, tokens int) {
	w.spread(st, now)
	w.slot(slotOf(now)).tokens += tokens
}

// spread divides a step's time over the slots that it lay in.
func (w *window) spread(st stepTime, now time.Time) {
	from := st.start
	if oldest := now.Add(-windowSlot * (windowSlots - 1)); from.Before(oldest) {
		from = oldest
	}
	for from.Before(now) {
		number := slotOf(from)
		to := time.Unix(0, (number+1)*int64(windowSlot))
		if to.After(now) {
			to = now
		}
		took := to.Sub(from)
		prefill := time.Duration(float64(took) * st.prefill)
		s := w.slot(number)
		s.prefill += prefill
		if st.decodes {
			s.decode += took - prefill
		}
		from = to
	}
}

// last is the last ten whole slots' shares and tokens, a step in progress
// counted as far as it has come.
func (w window) last(st stepTime, now time.Time) (prefill, decode, tokens float64) {
	if !st.start.IsZero() {
		w.spread(st, now)
	}
	current := slotOf(now)
	for i := range w.slots {
		if s := w.slots[i]; s.number < current && s.number >= current-10 {
			prefill += s.prefill.Seconds()
			decode += s.decode.Seconds()
			tokens += float64(s.tokens)
		}
	}
	return min(1, prefill), min(1, decode), tokens
}

func slotOf(t time.Time) int64 { return t.UnixNano() / int64(windowSlot) }
