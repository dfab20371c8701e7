package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const segmentPrefix = "journal-"

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%016x", segmentPrefix, number))
}

// listSegments returns the numbers of the segments in dir, rising.
func listSegments(dir string) ([]uint64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list journal: %w", err)
	}
	var numbers []uint64
	for _, f := range files {
		digits, ok := strings.CutPrefix(f.Name(), segmentPrefix)
		if n, err := strconv.ParseUint(digits, 16, 64); ok && err == nil && len(digits) == 16 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// segment is the one that is written. Where that is safe its file is mapped into
// memory: what is copied there is with the kernel, as what was written is, and
// costs no call.
type segment struct {
	file   *os.File
	memory []byte // nil: it is not mapped
	ready  int64  // up to where the kernel has been asked for the pages of memory
}

// writeAt writes at a place that the segment has room for.
func (s *segment) writeAt(b []byte, at int64) (err error) {
	if s.memory == nil {
		_, err = s.file.WriteAt(b, at)
		return err
	}
	// Where the room is not there after all, because somebody took it away or the
	// disk fails, the kernel has no other way to say so.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = errFault
		}
	}()
	if end := at + int64(len(b)); end > s.ready {
		s.prepare(end)
	}
	copy(s.memory[at:], b)
	return nil
}

// ahead is how much of a mapped segment is made ready to be written at once: one call
// for many pages costs less than a fault for each of them.
const ahead = 64 << 10

// prepare has the kernel bring the pages up to a place, and some more. Where it can't,
// each is brought when it is written.
func (s *segment) prepare(end int64) {
	from := s.ready
	s.ready = min((end+ahead)&^(ahead-1), int64(len(s.memory)))
	unix.Madvise(s.memory[from:s.ready], unix.MADV_POPULATE_WRITE) //nolint:errcheck // see above
}

var errFault = errors.New("the journal's room on the disk is gone")

// shut ends the segment, which is whole up to end. What truncation may leave
// behind that, the next segment's seal excludes.
func (s *segment) shut(end int64) {
	if s.memory != nil {
		unix.Munmap(s.memory) //nolint:errcheck // it is what Mmap gave
		s.memory = nil
	}
	s.file.Truncate(end) //nolint:errcheck // see above
	s.file.Close()       //nolint:errcheck // nothing is lost with it
}

// mapFile maps a file that has its room on the disk, on file systems where a
// write into that room needs no more of it.
func mapFile(f *os.File, size int64) []byte {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return nil
	}
	switch fs.Type {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		if m, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
			return m
		}
	}
	return nil
}

// createSegment makes a segment with its room on the disk and its head in it.
// After a failure there is none, or one whose number is not used again.
func createSegment(dir string, number uint64, size int64, head []byte, sync, mapped bool) (*segment, error) {
	path := segmentPath(dir, number)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	there, err := allocate(f, size)
	if err == nil {
		_, err = f.WriteAt(head, 0)
	}
	if err == nil && sync {
		err = errors.Join(f.Sync(), syncFile(dir))
	}
	if err != nil {
		f.Close()       //nolint:errcheck // it is given up
		os.Remove(path) //nolint:errcheck // the next segment's seal passes over it
		return nil, err
	}
	s := &segment{file: f}
	if there && mapped {
		s.memory = mapFile(f, size)
	}
	return s, nil
}

// allocate gives f its room, and tells whether the file system could: elsewhere
// a full disk is met by a write.
func allocate(f *os.File, size int64) (there bool, err error) {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return false, nil
		default:
			return err == nil, err
		}
	}
}

func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// removeSegments removes those with lower numbers, the oldest first.
func removeSegments(dir string, below uint64) error {
	numbers, err := listSegments(dir)
	for _, n := range numbers {
		if err != nil || n >= below {
			break
		}
		err = os.Remove(segmentPath(dir, n))
	}
	return err
}

// syncFile has the kernel write a file, or a directory, to the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// lock keeps a directory to one process.
type lock struct{ file *os.File }

func lockDir(dir string) (*lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil:
		return &lock{f}, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		err = &InUseError{dir}
	default:
		err = fmt.Errorf("lock %q: %w", f.Name(), err)
	}
	return nil, errors.Join(err, f.Close())
}

func (l *lock) release() error { return l.file.Close() }
