package ledger

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// drainer moves the journal's ends into the database. Its lock is held through
// a drain.
type drainer struct {
	mu       sync.Mutex
	at       position // how far the database has come
	segments []position
	batch    []Row
	reader   reader
	decoder  decoder
}

// trouble is why something fails, since when. It is good for any goroutine.
type trouble struct {
	mu    sync.Mutex
	text  string
	since time.Time
}

func (t *trouble) set(err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.text = ""
		return
	}
	if t.text == "" {
		t.since = now
	}
	t.text = err.Error()
}

func (t *trouble) look() (string, time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text, t.since
}

// drain moves into the database what the journal holds by now, and drops the
// segments that are no longer needed. It stops early when ctx ends.
func (l *Ledger) drain(ctx context.Context) error {
	d := &l.drainer
	d.mu.Lock()
	defer d.mu.Unlock()
	d.segments = l.journal.segments(d.segments)
	err := l.drainAll(ctx)
	l.trouble.set(err, l.o.Clock())
	if err == nil && len(d.segments) > 0 && d.segments[0].Segment < d.at.Segment {
		l.drop()
	}
	return err
}

func (l *Ledger) drainAll(ctx context.Context) error {
	d := &l.drainer
	for i, s := range d.segments {
		if s.Segment < d.at.Segment {
			continue
		}
		if s.Segment > d.at.Segment {
			d.at = position{Segment: s.Segment}
		}
		if err := l.drainSegment(ctx, s); err != nil {
			return err
		}
		if i+1 < len(d.segments) {
			if err := l.take(position{Segment: d.segments[i+1].Segment}); err != nil {
				return err
			}
		}
	}
	return nil
}

// drainSegment reads a segment from where the database has come to, up to end.
func (l *Ledger) drainSegment(ctx context.Context, end position) error {
	d := &l.drainer
	if d.at.Offset >= end.Offset {
		return nil
	}
	if err := d.reader.open(l.o.Dir, d.at, end.Offset); err != nil {
		return err
	}
	defer d.reader.close()
	d.batch = d.batch[:0] // reading may have failed before
	for {
		k, body, err := d.reader.next()
		if err == nil && k == endKind {
			err = d.add(body)
		}
		switch {
		case errors.Is(err, io.EOF):
			return l.take(end)
		case errors.Is(err, errShort), errors.Is(err, errFrame):
			// What is between two good ends is not to be trusted, and holds
			// nothing that could be found again.
			l.damaged.Add(end.Offset - d.reader.offset)
			l.o.Log.Error("journal is damaged", "segment", end.Segment, "offset", d.reader.offset, "end", end.Offset)
			return l.take(end)
		case err != nil:
			return err
		}
		if len(d.batch) < l.t.batch {
			continue
		}
		if err := l.take(position{end.Segment, d.reader.offset}); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// add decodes a row into the batch.
func (d *drainer) add(body []byte) error {
	if len(d.batch) < cap(d.batch) {
		d.batch = d.batch[:len(d.batch)+1]
	} else {
		d.batch = append(d.batch, Row{})
	}
	if _, ok := d.decoder.row(body, &d.batch[len(d.batch)-1]); !ok {
		d.batch = d.batch[:len(d.batch)-1]
		return errFrame
	}
	return nil
}

// take has the batch inserted: all that is before upto. After a failure the
// batch is read again.
func (l *Ledger) take(upto position) error {
	d := &l.drainer
	n := len(d.batch)
	var err error
	if upto != d.at || n > 0 {
		err = l.store.insert(d.batch, upto)
	}
	d.batch = d.batch[:0]
	if err != nil {
		return err
	}
	d.at = upto
	l.journal.taken(upto, n)
	return nil
}

// drop removes the segments before the one that is being drained. The database
// has what they held, on the disk; what was open in them is at the head of a
// later one, which is on the disk too. What fails is tried again after a later
// drain.
func (l *Ledger) drop() {
	d := &l.drainer
	err := l.store.settle()
	if err == nil {
		err = syncFile(segmentPath(l.o.Dir, d.at.Segment))
	}
	if err == nil {
		err = errors.Join(syncFile(l.o.Dir), removeSegments(l.o.Dir, d.at.Segment))
	}
	if err != nil {
		l.o.Log.Warn("journal is kept longer", "error", err)
		return
	}
	l.journal.forget(d.at.Segment)
}

// dropAll removes a journal that is drained and closed, with no request open.
func (l *Ledger) dropAll() error {
	l.drainer.mu.Lock()
	defer l.drainer.mu.Unlock()
	next := l.drainer.at.Segment + 1
	err := l.take(position{Segment: next})
	if err == nil {
		err = l.store.settle()
	}
	if err == nil {
		err = removeSegments(l.o.Dir, next)
	}
	return err
}
