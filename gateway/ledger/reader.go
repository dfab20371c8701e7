package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// readAhead is what is read of a segment at once.
const readAhead = 256 << 10

// reader reads frames out of a segment, one after the other.
type reader struct {
	file   io.ReaderAt
	shut   io.Closer
	buf    []byte // what is read of it
	rest   []byte // of buf, from the next frame on
	end    int64  // where the segment ends; what is after it isn't read
	offset int64  // of rest
}

// open begins to read at a position, up to end: -1 is as far as there are
// whole frames.
func (r *reader) open(dir string, at position, end int64) error {
	f, err := os.Open(segmentPath(dir, at.Segment))
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	if end < 0 {
		info, err := f.Stat()
		if err != nil {
			return errors.Join(fmt.Errorf("read journal: %w", err), f.Close())
		}
		end = info.Size()
	}
	r.from(f, at.Offset, end)
	r.shut = f
	return nil
}

// from begins to read a file that is open.
func (r *reader) from(f io.ReaderAt, at, end int64) {
	r.file, r.rest, r.offset, r.end = f, nil, at, end
}

func (r *reader) close() {
	if r.shut != nil {
		r.shut.Close() //nolint:errcheck // it was only read
		r.shut = nil
	}
}

// next returns the next frame, whose body is good until the call after. It
// fails with io.EOF at the end, with errShort or errFrame where what comes next
// is not a whole frame, and with what reading failed with.
func (r *reader) next() (kind, []byte, error) {
	k, body, rest, err := splitFrame(r.rest)
	if errors.Is(err, errShort) {
		if err := r.fill(); err != nil {
			return 0, nil, err
		}
		k, body, rest, err = splitFrame(r.rest)
	}
	switch {
	case err == nil:
		r.offset += int64(len(r.rest) - len(rest))
		r.rest = rest
	case errors.Is(err, errShort) && len(r.rest) == 0:
		err = io.EOF
	}
	return k, body, err
}

// fill reads on.
func (r *reader) fill() error {
	if r.buf == nil {
		r.buf = make([]byte, readAhead)
	}
	n := copy(r.buf, r.rest)
	more := min(int64(len(r.buf)-n), r.end-r.offset-int64(n))
	r.rest = r.buf[:n]
	if more <= 0 {
		return nil
	}
	got, err := r.file.ReadAt(r.buf[n:n+int(more)], r.offset+int64(n))
	r.rest = r.buf[:n+got]
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read journal: %w", err)
	}
	return nil
}
