package ledger

import (
	"sync"
	"sync/atomic"
	"time"
)

// journal gathers frames in groups and has each group written by one of those
// whose frames are in it.
type journal struct {
	ids      atomic.Uint64 // the last; requests of an earlier process have all ended
	refusing atomic.Pointer[refusal]
	filled   chan<- struct{} // told when there is enough for a drain

	mu        sync.Mutex
	gathering *group
	writing   bool // somebody holds the pen
	view      view

	w writer // whoever holds the pen has it
}

// refusal is why Begin fails at once, and until when it needn't try.
type refusal struct {
	err *Unavailable
	try time.Time
}

// view is what others than the one with the pen see of the writer.
type view struct {
	segments []position // each with its end; the last is being written
	taken    position   // how far the database has come
	waiting  int64      // bytes written and not taken
	rows     uint64     // ends in the journal
	drained  uint64     // of them: those in the database
	open     int
	backlog  int
	lost     uint64
	err      *Unavailable
	since    time.Time
}

type task uint8

const (
	checkpointTask task = 1 << iota // write what is new of the live requests
	probeTask                       // try again to write, if writing failed
	closeTask
)

// group is what is written at once.
type group struct {
	fresh []byte // beginnings and checkpoints: what is refused when room is short
	ends  []byte // of open requests: room is kept for them
	loose []byte // ends of requests that never began

	begun, ended []*Entry
	endRows      int // in ends, and in loose
	looseRows    int
	tasks        task

	members int
	left    atomic.Int32
	pen     chan struct{}  // given to the first member
	done    sync.WaitGroup // what the others wait for

	freshErr, endErr, looseErr *Unavailable
}

var groups = sync.Pool{New: func() any { return &group{pen: make(chan struct{}, 1)} }}

// newGroup returns one that is not done.
func newGroup() *group {
	g := groups.Get().(*group)
	g.done.Add(1)
	return g
}

// leave is what each member calls last.
func (g *group) leave() {
	if g.left.Add(-1) > 0 {
		return
	}
	clear(g.begun)
	clear(g.ended)
	g.fresh, g.ends, g.loose = g.fresh[:0], g.ends[:0], g.loose[:0]
	g.begun, g.ended = g.begun[:0], g.ended[:0]
	g.endRows, g.looseRows, g.tasks, g.members = 0, 0, 0, 0
	g.freshErr, g.endErr, g.looseErr = nil, nil, nil
	groups.Put(g)
}

func (j *journal) begin(row *Row) (*Entry, error) {
	if r := j.refusing.Load(); r != nil && time.Now().Before(r.try) {
		return nil, r.err
	}
	e := entries.Get().(*Entry)
	e.id = j.ids.Add(1)
	e.frame = appendRow(e.frame[:0], beginKind, e.id, row)

	g := j.join()
	g.fresh = append(g.fresh, e.frame...)
	g.begun = append(g.begun, e)
	j.write(g)
	err := g.freshErr
	g.leave()
	if err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

func (j *journal) end(e *Entry, row *Row) error {
	scratch := e
	if e == nil {
		scratch = entries.Get().(*Entry)
		scratch.id = j.ids.Add(1)
	}
	scratch.end = appendRow(scratch.end[:0], endKind, scratch.id, row)

	g := j.join()
	if e == nil {
		g.loose = append(g.loose, scratch.end...)
		g.looseRows++
	} else {
		g.ends = append(g.ends, e.end...)
		g.ended = append(g.ended, e)
		g.endRows++
	}
	j.write(g)
	err := g.endErr
	if e == nil {
		err = g.looseErr
	}
	g.leave()
	scratch.release()
	if err != nil {
		return err
	}
	return nil
}

// do has the tasks done by the next writer, and returns when they are.
func (j *journal) do(t task) {
	g := j.join()
	g.tasks |= t
	j.write(g)
	g.leave()
}

// join makes the caller a member of the group that gathers. It returns with mu
// held, so that the caller can add its frames; write gives it back.
func (j *journal) join() *group {
	j.mu.Lock()
	g := j.gathering
	g.members++
	return g
}

// write returns when g is written, by the caller or by another member. The
// first to join a group writes it: at once if nobody holds the pen, else when
// the group before is written. So everybody writes one group at most.
func (j *journal) write(g *group) {
	switch {
	case !j.writing:
		j.writing = true
	case g.members == 1:
		j.mu.Unlock()
		<-g.pen
		j.mu.Lock()
	default:
		j.mu.Unlock()
		g.done.Wait()
		return
	}
	g.left.Store(int32(g.members))
	j.gathering = newGroup()
	j.mu.Unlock()

	j.w.commit(g)

	j.mu.Lock()
	j.publish()
	if j.gathering.members > 0 {
		j.gathering.pen <- struct{}{}
	} else {
		j.writing = false
	}
	j.mu.Unlock()
	g.done.Done()
}

// publish shows what the writer has come to. The caller has mu and the pen.
func (j *journal) publish() {
	w, v := &j.w, &j.view
	if n := len(v.segments); n == 0 || v.segments[n-1].Segment != w.at.Segment {
		v.segments = append(v.segments, w.at)
		v.waiting += w.at.Offset
	} else {
		v.waiting += w.at.Offset - v.segments[n-1].Offset
		v.segments[n-1].Offset = w.at.Offset
	}
	if v.waiting >= drainAt {
		select {
		case j.filled <- struct{}{}:
		default:
		}
	}
	v.rows, v.open, v.backlog, v.lost = w.rows, len(w.live), w.backlogRows, w.lost
	if v.err == w.err && w.err == nil {
		return
	}
	v.err, v.since = w.err, w.since
	if w.err == nil {
		j.refusing.Store(nil)
		return
	}
	j.refusing.Store(&refusal{err: w.err, try: w.tried.Add(retryEvery)})
}

// segments returns the segments that are not dropped, each with its end.
func (j *journal) segments(into []position) []position {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append(into[:0], j.view.segments...)
}

// taken says that the database has what is before at: rows more.
func (j *journal) taken(at position, rows int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := &j.view
	v.taken, v.waiting = at, 0
	v.drained += uint64(rows)
	for _, s := range v.segments {
		switch {
		case s.Segment == at.Segment:
			v.waiting += max(0, s.Offset-at.Offset)
		case s.Segment > at.Segment:
			v.waiting += s.Offset
		}
	}
}

// forget takes the segments before one off the list.
func (j *journal) forget(before uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for n < len(j.view.segments) && j.view.segments[n].Segment < before {
		n++
	}
	j.view.segments = append(j.view.segments[:0], j.view.segments[n:]...)
}

func (j *journal) look() view {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := j.view
	v.segments = append([]position(nil), v.segments...)
	return v
}
