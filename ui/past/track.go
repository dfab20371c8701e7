package past

import (
	"reflect"
	"slices"
	"sort"
	"sync"
	"time"
)

// blockFrames is how many values are read at most to come to one.
const blockFrames = 30

// track keeps values of different moments. One goroutine adds them; any number
// read them at once.
type track[T any] struct {
	shape shape
	every time.Duration // the least between two
	keep  time.Duration

	w    writer // of the newest block
	base *T     // the newest value

	mu     sync.RWMutex // of what follows
	blocks []*block     // oldest first
	bytes  int          // that they take

	cache seen[T]
}

// block is a run of values, of which each is written as what differs from the
// one before. Bytes and times are only ever appended.
type block struct {
	data  []byte
	times []time.Time
}

// overhead is what a block takes besides its bytes, about.
const overhead = 256

func (b *block) bytes() int { return cap(b.data) + 24*cap(b.times) + overhead }

func newTrack[T any](every, keep time.Duration, skip map[reflect.Type][]string) *track[T] {
	return &track[T]{shape: newShape(reflect.TypeFor[T](), skip), every: every, keep: keep}
}

// due tells whether there is to be a value of this moment. Ticks come a little
// late, and a little early.
func (t *track[T]) due(now time.Time) bool {
	n := len(t.blocks)
	if n == 0 {
		return true
	}
	last := t.blocks[n-1].times[len(t.blocks[n-1].times)-1]
	since := now.Sub(last)
	return since < 0 || since >= t.every-tickEvery/2
}

// add adds the value of a moment, which must not be changed any more. Where time
// was set back, what is of later moments is forgotten.
func (t *track[T]) add(now time.Time, v *T) {
	t.drop(func(b *block) bool {
		return now.Sub(b.times[len(b.times)-1]) > t.keep || b.times[len(b.times)-1].After(now)
	})
	var open *block
	if n := len(t.blocks); n > 0 && len(t.blocks[n-1].times) < blockFrames { // it goes on with base: only the newest is not full
		open = t.blocks[n-1]
	} else {
		t.w = writer{shape: t.shape, buf: t.w.buf, words: map[string]uint64{}}
		t.base = new(T)
	}
	t.w.buf = t.w.buf[:0]
	t.w.write(reflect.ValueOf(v).Elem(), reflect.ValueOf(t.base).Elem(), now)
	t.base = v
	t.mu.Lock()
	defer t.mu.Unlock()
	if open == nil {
		if n := len(t.blocks); n > 0 {
			last := t.blocks[n-1]
			t.bytes -= last.bytes()
			last.data = append(make([]byte, 0, len(last.data)), last.data...)
			last.times = slices.Clip(last.times)
			t.bytes += last.bytes()
		}
		open = &block{times: make([]time.Time, 0, blockFrames)}
		t.blocks = append(t.blocks, open)
		t.bytes += open.bytes()
	}
	t.bytes -= open.bytes()
	open.data = append(open.data, t.w.buf...)
	open.times = append(open.times, now)
	t.bytes += open.bytes()
}

// drop forgets blocks.
func (t *track[T]) drop(which func(*block) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.ContainsFunc(t.blocks, which) {
		return
	}
	var kept []*block // others may be searching the old ones
	for _, b := range t.blocks {
		if which(b) {
			t.bytes -= b.bytes()
		} else {
			kept = append(kept, b)
		}
	}
	t.blocks = kept
}

func (t *track[T]) dropFirst() {
	first := t.blocks[0]
	t.drop(func(b *block) bool { return b == first })
}

// oldest is the moment of the first value that is there.
func (t *track[T]) oldest() (time.Time, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.blocks) == 0 {
		return time.Time{}, false
	}
	return t.blocks[0].times[0], true
}

func (t *track[T]) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bytes
}

// at is the newest value that is not of a later moment, and when it was. It must
// not be changed.
func (t *track[T]) at(when time.Time) (*T, time.Time, bool) {
	t.mu.RLock()
	i := sort.Search(len(t.blocks), func(i int) bool { return t.blocks[i].times[0].After(when) }) - 1
	if i < 0 {
		t.mu.RUnlock()
		return nil, time.Time{}, false
	}
	b := t.blocks[i]
	data, times := b.data, b.times
	t.mu.RUnlock()
	n := sort.Search(len(times), func(i int) bool { return times[i].After(when) })
	if v := t.cache.find(b, n); v != nil {
		return v, times[n-1], true
	}
	in := reader{shape: t.shape, data: data}
	v := new(T)
	for _, at := range times[:n] {
		next := new(T)
		in.read(reflect.ValueOf(next).Elem(), reflect.ValueOf(v).Elem(), at)
		v = next
	}
	t.cache.put(b, n, v)
	return v, times[n-1], true
}

// seen is the values that were read last: whoever looks at a moment looks at it
// again.
type seen[T any] struct {
	mu   sync.Mutex
	last [8]struct {
		block *block
		n     int
		value *T
	}
	next int
}

func (s *seen[T]) find(b *block, n int) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.last {
		if s.last[i].block == b && s.last[i].n == n {
			return s.last[i].value
		}
	}
	return nil
}

func (s *seen[T]) put(b *block, n int, v *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.last[s.next%len(s.last)]
	e.block, e.n, e.value = b, n, v
	s.next++
}
