package ledger

import (
	"sync"
	"sync/atomic"
)

// Entry is a request that has begun.
type Entry struct {
	id    uint64
	frame []byte // of its beginning: each new segment opens with a copy
	end   []byte // of its end, while that is written
	index int    // in writer.live

	prompt, completion, cached atomic.Int64
	estimated                  atomic.Bool

	saved progress // the last checkpoint's; the writer's
}

var entries = sync.Pool{New: func() any { return new(Entry) }}

// endRoom is what a request's end may be longer than its beginning: the names
// of its backend and replica, a code, greater numbers.
const endRoom = 512

// room is what is kept free in the segment for e's end.
func (e *Entry) room() int64 { return int64(len(e.frame)) + endRoom }

// Progress says what is known of the request's tokens by now; cached ones are
// among those of the prompt. It is cheap: the next checkpoint, at most a second
// later, writes it. A nil Entry is fine.
func (e *Entry) Progress(prompt, completion, cached int64, estimated bool) {
	if e == nil {
		return
	}
	e.prompt.Store(prompt)
	e.completion.Store(completion)
	e.cached.Store(cached)
	e.estimated.Store(estimated)
}

func (e *Entry) now() progress {
	return progress{e.prompt.Load(), e.completion.Load(), e.cached.Load(), e.estimated.Load()}
}

// release gives e back.
func (e *Entry) release() {
	e.reset()
	entries.Put(e)
}

// reset leaves of e what its memory holds, and nothing of the request.
func (e *Entry) reset() {
	e.id, e.index, e.saved = 0, 0, progress{}
	e.frame, e.end = e.frame[:0], e.end[:0]
	e.Progress(0, 0, 0, false)
}
