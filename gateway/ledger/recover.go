package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// usualKeep is for Options.Keep of 0.
const usualKeep = 90 * 24 * time.Hour

func open(o Options, t tuning) (*Ledger, error) {
	if o.Keep == 0 {
		o.Keep = usualKeep
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	store, err := openStore(filepath.Join(o.Dir, "ledger.db"), o)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	l := &Ledger{o: o, t: t, lock: lock, store: store, filled: make(chan struct{}, 1)}
	if err := l.recover(); err != nil {
		if l.journal != nil {
			l.journal.do(closeTask)
		}
		return nil, errors.Join(err, store.close(), lock.release())
	}
	return l, nil
}

// recover reads what the last process left, begins a new segment with an end
// for each request that was open, and drains it all.
func (l *Ledger) recover() error {
	at, err := l.store.position()
	if err != nil {
		return err
	}
	found, err := l.findSegments()
	if err != nil {
		return err
	}
	open, err := l.findOpen(found)
	if err != nil {
		return err
	}
	j := &journal{gathering: newGroup(), filled: l.filled}
	j.view.segments = found
	j.w = writer{dir: l.o.Dir, sync: l.o.Sync, t: l.t, clock: l.o.Clock, at: at, next: at.Segment + 1}
	if n := len(found); n > 0 {
		j.w.at = found[n-1]
		j.w.next = max(j.w.next, found[n-1].Segment+1)
	}
	numbers, err := listSegments(l.o.Dir)
	if err != nil {
		return err
	}
	if n := len(numbers); n > 0 {
		j.w.next = max(j.w.next, numbers[n-1]+1)
	}
	for _, id := range slices.Sorted(maps.Keys(open)) {
		row := open[id].interrupted()
		j.w.backlog = appendRow(j.w.backlog, endKind, id, &row)
		j.w.backlogRows++
	}
	l.journal, l.drainer.at = j, at
	j.view.taken = at
	j.w.roll(&group{})
	if j.w.err != nil {
		return fmt.Errorf("begin journal in %q: %w", l.o.Dir, j.w.err.Err)
	}
	j.publish()
	err = l.drain(context.Background())
	j.view.drained = j.view.rows // the others were written by earlier processes
	return err
}

// findSegments returns the segments that belong to the journal, each with its
// end. A segment's seal names the one before it; one that none names was being
// made when the process died, or could not be made whole, and holds nothing
// that counts.
func (l *Ledger) findSegments() ([]position, error) {
	numbers, err := listSegments(l.o.Dir)
	if err != nil {
		return nil, err
	}
	var found []position
	end := position{Offset: -1} // of the one looked for; Segment 0: the next below
	for i := len(numbers) - 1; i >= 0; i-- {
		n := numbers[i]
		if end.Segment != 0 && n != end.Segment {
			continue
		}
		before, ok, err := l.readSeal(n)
		if err != nil {
			return nil, err
		}
		if !ok && len(found) == 0 {
			continue // it was never whole
		}
		found = append([]position{{n, end.Offset}}, found...)
		end = before
		if !ok {
			end = position{Offset: -1}
		} else if before.Segment == 0 {
			break
		}
	}
	return found, nil
}

// readSeal reads what a segment says of the one before it.
func (l *Ledger) readSeal(number uint64) (before position, ok bool, err error) {
	var r reader
	if err := r.open(l.o.Dir, position{Segment: number}, -1); err != nil {
		return position{}, false, err
	}
	defer r.close()
	k, body, err := r.next()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, errShort), errors.Is(err, errFrame):
		return position{}, false, nil
	case err != nil:
		return position{}, false, err
	case k != sealKind:
		return position{}, false, nil
	}
	before, ok = new(decoder).seal(body)
	return before, ok, nil
}

// opened is a request that had begun.
type opened struct {
	row   Row
	at    time.Time // of the last checkpoint
	known progress
}

// interrupted is the row that the request gets: what was known last, and that
// more may have come.
func (o *opened) interrupted() Row {
	row := o.row
	row.Ended = row.Arrived
	if row.Sent.After(row.Ended) {
		row.Ended = row.Sent
	}
	if !o.at.IsZero() {
		row.Ended = o.at
		row.Prompt, row.Completion, row.Cached = o.known.prompt, o.known.completion, o.known.cached
	}
	row.Estimated = true
	row.Counted = row.Prompt > 0 || row.Completion > 0 || !row.Sent.IsZero()
	row.End = Interrupted
	return row
}

// findOpen reads the segments for the requests that have no end. Where a
// segment has no known end it gets the one that is found.
func (l *Ledger) findOpen(segments []position) (map[uint64]*opened, error) {
	open := make(map[uint64]*opened)
	var r reader
	var d decoder
	for i := range segments {
		if err := r.open(l.o.Dir, position{Segment: segments[i].Segment}, segments[i].Offset); err != nil {
			return nil, err
		}
		for {
			k, body, err := r.next()
			if errors.Is(err, io.EOF) || errors.Is(err, errShort) || errors.Is(err, errFrame) {
				break
			}
			if err != nil {
				r.close()
				return nil, err
			}
			note(open, &d, k, body)
		}
		r.close()
		if segments[i].Offset < 0 {
			segments[i].Offset = r.offset
		}
	}
	return open, nil
}

// note takes a frame into what is open.
func note(open map[uint64]*opened, d *decoder, k kind, body []byte) {
	switch k {
	case beginKind:
		o := new(opened)
		if id, ok := d.row(body, &o.row); ok {
			open[id] = o
		}
	case checkpointKind:
		id, at, p, ok := d.checkpoint(body)
		if o := open[id]; ok && o != nil {
			o.at, o.known = at, p
		}
	case endKind:
		if id, ok := d.id(body); ok {
			delete(open, id)
		}
	}
}

// shut ends the journal and the database. What is drained whole leaves no
// journal behind.
func (l *Ledger) shut() error {
	l.journal.do(closeTask)
	err := l.drain(context.Background())
	v := l.journal.look()
	if err == nil && v.open == 0 {
		err = l.dropAll()
	}
	if v.lost > 0 {
		err = errors.Join(err, fmt.Errorf("close ledger: %d ended requests could not be written: %w", v.lost, v.err.Err))
	}
	return errors.Join(err, l.store.close(), l.lock.release())
}
