package backends

import (
	"fmt"
	"sync"
	"time"
)

// progress tells a hung engine from a busy one. A hung vLLM answers its health
// check and lists its models, so neither says anything. What does:
//
//   - bytes of an answer came: it works, whatever else is slow;
//   - its count of steps moved, or its cache fills, between two readings: it
//     works. Both are needed, because vLLM counts a step only if it gave somebody
//     a token (AsyncLLM's output handler in vllm/v1/engine/async_llm.py): while
//     it reads one long prompt in chunks the count stands, and the cache grows.
//
// Stillness of that kind is a verdict only while a request of ours waits for the
// engine. Its own count of running requests is not enough: it stands still at
// what it was when all of them are aborted at once (vllm#22545, vllm#29928), in
// an engine that is idle and well. Nor is a request in flight enough: a client
// that takes nothing keeps its stream from being read. So requests count from
// the moment at which the gateway waits for bytes (see wait in flight.go).
//
// The verdict is hung
//
//   - with the engine's own word: readings that span six seconds (stillFor), from
//     the end of the first to the beginning of the last, three at least, which
//     all tell of work and of no movement, while a request of ours waited all
//     along, and no byte came. One step is
//     the longest thing that may lie between two movements, and takes a few
//     seconds at most; where a prompt is waiting that takes longer to read, at
//     the slowest rate that is plausible, it may take that long;
//   - where the engine says that it has no work, or only such as it puts off (it
//     compiles a grammar, or waits for another's cache), and a request of ours
//     has waited for its first byte for hung_after with no movement at all;
//   - for an engine that counts no steps, or tells no more: no byte from it for
//     hung_after, while an answer that had begun waits for more. Requests that
//     have no first byte yet say nothing there: they may be in its queue, or be
//     answered in one piece.
//
// It is lifted by movement alone. The methods may be called at once.
type progress struct {
	mu     sync.Mutex
	bytes  time.Time // when some came last, at the latest
	steps  time.Time // when a reading told of movement last
	news   bool      // there was movement since the last look
	same   int       // readings in a row that tell of work and no movement
	from   time.Time // the end of the first of them
	until  time.Time // the beginning of the last one
	engine *EngineStatus
}

const (
	// stillFor is how long an engine that is at work must have stood still by its
	// own word: six seconds, from reading to reading, less what one takes.
	// hung_after bounds it, where that is less.
	stillFor = 5500 * time.Millisecond
	// stillReadings is how many must say so.
	stillReadings = 3
	// staleAfter makes a reading too old to say anything.
	staleAfter = 10 * time.Second
	// newsAfter is how far two readings that succeed lie apart with two between them
	// that are not answered in time, as a busy engine's may be.
	newsAfter = 15 * time.Second
	// slowPrefill is the rate, in tokens per second, below which nobody serves: a
	// third of what one L4 reads with a 7B model.
	slowPrefill = 800
	// lookEvery is how often progress is looked at, and how coarse the times of
	// bytes and waits are.
	lookEvery = time.Second / 2
)

// waits is what requests wait for at a moment. Times are too early by up to
// lookEvery, and zero for none.
type waits struct {
	first  time.Time // since when the longest has waited for its first byte
	more   time.Time // since when the longest has waited for more of its answer
	prompt int       // bytes of the longest request that has no first byte
}

// patience is how long the engine may be at the longest prompt.
func (w *waits) patience(context int) time.Duration {
	tokens := w.prompt / 3
	if context == 0 {
		context = 128 << 10
	}
	return time.Duration(min(tokens, context)) * time.Second / slowPrefill
}

// moved tells whether an engine has done anything between two readings. Counts
// of requests are no sign: clients change them.
func (e *EngineStatus) moved(since *EngineStatus) bool {
	return !e.Started.Equal(since.Started) || e.Iterations != since.Iterations || e.Prompt != since.Prompt ||
		e.Generation != since.Generation || e.Preemptions != since.Preemptions || e.PrefixQueries != since.PrefixQueries ||
		e.KVUsage > since.KVUsage
}

// working tells whether it has work by its own word: what it runs, or what waits
// for nothing but room.
func (e *EngineStatus) working() bool {
	return e.Running > 0 || e.Deferred >= 0 && e.Waiting > e.Deferred
}

// read takes a reading that began at a time, and the one before; nil: none.
func (p *progress) read(began time.Time, last, next *EngineStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next.Iterations < 0 {
		p.engine, p.same = nil, 0
		return
	}
	moved := last != nil && last.Iterations >= 0 && next.moved(last)
	if moved {
		p.steps, p.news = next.At, true
	}
	switch {
	case !next.working():
		p.same = 0
	case moved || p.same == 0:
		p.same, p.from = 1, next.At
	default:
		p.same++
	}
	p.engine, p.until = next, began
}

// look judges: whether there was movement since the last look, and why the
// engine hangs; "": it does not, as far as can be told.
func (p *progress) look(now, bytes time.Time, w waits, after time.Duration, context int) (moved bool, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !bytes.IsZero() {
		if at := bytes.Add(lookEvery); at.After(p.bytes) {
			p.bytes, p.news = at, true
		}
	}
	moved, p.news = p.news, false
	patience := w.patience(context)
	longest := earlier(w.first, w.more)
	if longest.IsZero() || longest.Add(lookEvery).After(p.from) || !p.bytes.Before(p.from) {
		p.same = 0 // nobody has waited since then: the next reading is the first
	}
	if still := p.until.Sub(p.from); p.same >= stillReadings && still >= max(min(after, stillFor), patience) {
		return moved, fmt.Sprintf("its engine made no step for %s with %s, and no byte came from it: hung, not busy", span(still), p.engine.load())
	}
	after = max(after, patience)
	fresh := p.engine != nil && now.Sub(p.engine.At) < staleAfter
	switch {
	case fresh && p.engine.Iterations > 0 && !w.first.IsZero() && p.until.Sub(later(w.first.Add(lookEvery), p.bytes, p.steps)) >= after:
		return moved, fmt.Sprintf("a request has waited for its first byte for %s, and its engine made no step", span(after))
	case !fresh && !w.more.IsZero() && now.Sub(later(w.more.Add(lookEvery), p.bytes, p.steps)) >= after:
		return moved, fmt.Sprintf("no byte came from it for %s, with answers under way", span(after))
	}
	return moved, ""
}

// load says what an engine has to do.
func (e *EngineStatus) load() string {
	if e.Running > 0 {
		return fmt.Sprintf("%d running", e.Running)
	}
	return fmt.Sprintf("%d waiting", e.Waiting)
}

// stepped tells whether a reading told of movement less than d ago, or less than
// newsAfter.
func (p *progress) stepped(now time.Time, d time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Sub(p.steps) < max(d, newsAfter)
}

// earlier is the earlier of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.After(first) {
			first = t
		}
	}
	return first
}
