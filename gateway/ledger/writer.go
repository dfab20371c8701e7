package ledger

import (
	"errors"
	"os"
	"time"
)

// retryEvery is how long after a failed attempt to write the next one is made.
const retryEvery = 100 * time.Millisecond

// writer writes groups into segments. It is used by one goroutine at a time,
// the one with the journal's pen.
type writer struct {
	dir   string
	sync  bool
	t     tuning
	clock func() time.Time

	file *segment // nil: none can be written
	at   position // the end of what is written whole, even with no file
	size int64    // of the segment
	next uint64   // the next segment's number

	live []*Entry // begun and not ended, as far as is written
	kept int64    // room kept for their ends

	backlog     []byte // ends that could not be written
	backlogRows int

	rows, lost uint64
	err        *Unavailable // nil: writing works
	since      time.Time    // when err began
	tried      time.Time    // when writing was last tried, with err
	closed     bool

	buf []byte
}

// commit writes g, or says in it why not.
func (w *writer) commit(g *group) {
	if g.tasks&checkpointTask != 0 && w.err == nil {
		w.checkpoint(g)
	}
	if w.wantsSegment(g) {
		w.roll(g)
	}
	w.put(g)
	for _, e := range g.ended {
		w.remove(e)
	}
	if g.tasks&closeTask != 0 {
		w.close()
	}
}

// wantsSegment says whether a new segment is to be tried before g is written.
func (w *writer) wantsSegment(g *group) bool {
	switch {
	case w.err == nil:
		return w.need(g) > w.size-w.at.Offset
	case w.closed:
		return false
	case g.tasks&closeTask != 0:
		return true
	}
	return (g.tasks&probeTask != 0 || len(g.begun) > 0 || w.file == nil) && time.Since(w.tried) >= retryEvery
}

// need is the room that g takes, with what is to be kept after it.
func (w *writer) need(g *group) int64 {
	n := w.keptAfter(g) + int64(len(g.ends)+len(g.loose)+len(g.fresh))
	for _, e := range g.begun {
		n += e.room()
	}
	return n
}

func (w *writer) keptAfter(g *group) int64 {
	n := w.kept
	for _, e := range g.ended {
		n -= e.room()
	}
	return n
}

// put writes of g what there is room for. The rest fails, its ends to the
// backlog.
func (w *writer) put(g *group) {
	if len(g.ends)+len(g.loose)+len(g.fresh) == 0 {
		return
	}
	if w.file == nil {
		w.refuse(g)
		return
	}
	room := w.size - w.at.Offset - w.keptAfter(g)
	buf, rows := w.buf[:0], 0
	if int64(len(g.ends)) <= room {
		buf, rows = append(buf, g.ends...), g.endRows
	} else {
		g.endErr = w.keep(g.ends, g.endRows)
	}
	if int64(len(buf)+len(g.loose)) <= room {
		buf, rows = append(buf, g.loose...), rows+g.looseRows
	} else {
		g.looseErr = w.keep(g.loose, g.looseRows)
	}
	if w.err == nil {
		buf = append(buf, g.fresh...)
	} else {
		g.freshErr = w.err
	}
	w.buf = buf[:0]
	if err := w.write(buf); err != nil {
		w.breakOff(err)
		w.refuse(g)
		return
	}
	w.at.Offset += int64(len(buf))
	w.rows += uint64(rows)
	if g.freshErr == nil {
		for _, e := range g.begun {
			w.add(e)
		}
	}
}

func (w *writer) write(b []byte) error {
	if err := w.file.writeAt(b, w.at.Offset); err != nil {
		return err
	}
	if w.sync {
		return datasync(w.file.file)
	}
	return nil
}

// refuse fails all of g that has not failed yet.
func (w *writer) refuse(g *group) {
	g.freshErr = w.err
	if g.endErr == nil {
		g.endErr = w.keep(g.ends, g.endRows)
	}
	if g.looseErr == nil {
		g.looseErr = w.keep(g.loose, g.looseRows)
	}
}

// keep puts rows framed ends into the backlog, as many as it has room for, and
// returns why they are not written. What counts for nobody, such as refusals,
// leaves half of the room to what does.
func (w *writer) keep(frames []byte, rows int) *Unavailable {
	for ; rows > 0; rows-- {
		n := frameSize(frames)
		full := w.closed || w.backlogRows >= w.t.backlog
		if !full && (w.backlogRows < w.t.backlog/2 || charged(frames[:n])) {
			w.backlog = append(w.backlog, frames[:n]...)
			w.backlogRows++
		} else {
			w.lost++
		}
		frames = frames[n:]
	}
	return w.err
}

// charged tells whether the row of a framed end counts for quotas.
func charged(frame []byte) bool {
	var row Row
	_, body, _, err := splitFrame(frame)
	_, ok := new(decoder).row(body, &row)
	return err == nil && ok && row.Counted
}

// breakOff ends the segment where it was last whole, after a write failed.
func (w *writer) breakOff(err error) {
	w.file.shut(w.at.Offset)
	w.file = nil
	w.fail(err)
}

func (w *writer) fail(err error) {
	w.tried = time.Now()
	if w.err == nil {
		w.since = w.clock()
	}
	w.err = &Unavailable{plain(err)}
}

// plain is err without the file's name.
func plain(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// roll begins a new segment, with room for g. If it can't, the old one goes on
// being used, if there is one, for the ends of what is open.
func (w *writer) roll(g *group) {
	head := appendSeal(nil, w.at)
	now := w.clock()
	for _, e := range w.live {
		head = append(head, e.frame...)
		if p := e.now(); p != (progress{}) {
			head = appendCheckpoint(head, e.id, now, p)
			e.saved = p
		}
	}
	head = append(head, w.backlog...)

	size := w.t.segment
	for size < 2*(int64(len(head))+w.need(g)) {
		size *= 2
	}
	number := w.next
	w.next++
	f, err := createSegment(w.dir, number, size, head, w.sync, !w.t.unmapped)
	if err != nil {
		w.fail(err)
		return
	}
	if w.file != nil {
		w.file.shut(w.at.Offset)
	}
	w.file, w.size = f, size
	w.at = position{Segment: number, Offset: int64(len(head))}
	w.rows += uint64(w.backlogRows)
	w.backlog, w.backlogRows, w.err = nil, 0, nil
}

// checkpoint adds to g what is new of the live requests.
func (w *writer) checkpoint(g *group) {
	now := w.clock()
	for _, e := range w.live {
		if p := e.now(); p != e.saved {
			g.fresh = appendCheckpoint(g.fresh, e.id, now, p)
			e.saved = p
		}
	}
}

func (w *writer) add(e *Entry) {
	e.index = len(w.live)
	w.live = append(w.live, e)
	w.kept += e.room()
}

func (w *writer) remove(e *Entry) {
	last := len(w.live) - 1
	w.live[e.index] = w.live[last]
	w.live[e.index].index = e.index
	w.live[last] = nil
	w.live = w.live[:last]
	w.kept -= e.room()
}

func (w *writer) close() {
	if w.file != nil {
		w.file.shut(w.at.Offset)
		w.file = nil
	}
	w.lost += uint64(w.backlogRows)
	w.backlog, w.backlogRows = nil, 0
	w.closed = true
	w.fail(ErrClosed)
}
