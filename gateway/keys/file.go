package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxFile is more than 100,000 keys take.
const maxFile = 32 << 20

// stamp tells one state of a file from another without reading it. The zero
// value is that of a file that is not there.
type stamp struct {
	inode   uint64
	size    int64
	mode    fs.FileMode
	changed time.Time
}

func newStamp(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mode: info.Mode(), changed: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return newStamp(info)
}

// file is a keys file that was read.
type file struct {
	*document
	orgs  []*Org
	stamp stamp
}

// read reads the file at path. The error is a *FileError; the stamp is right
// in any case.
func read(path string) (file, error) {
	var f file
	info, err := os.Stat(path) // first, for opening a pipe would wait for ever
	if err != nil {
		return f, unreadable(path, err)
	}
	f.stamp = newStamp(info)
	switch {
	case !info.Mode().IsRegular():
		return f, &FileError{File: path, Got: "not a regular file", Want: "a file that pilothouse can read and replace"}
	case info.Mode().Perm()&0o002 != 0:
		return f, &FileError{File: path, Got: fmt.Sprintf("mode %04o: everybody may write it", info.Mode().Perm()),
			Want: "mode 0600", Remedy: "run: chmod 600 " + path}
	case info.Size() > maxFile:
		return f, &FileError{File: path, Got: fmt.Sprintf("%d bytes", info.Size()), Want: fmt.Sprintf("at most %d", maxFile)}
	}
	r, err := os.Open(path)
	if err != nil {
		return f, unreadable(path, err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return f, unreadable(path, err)
	}
	f.document, f.orgs, err = parse(path, text)
	return f, err
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &FileError{File: path, Got: "no such file", Want: "a keys file",
			Remedy: "make it, with a first key in it, with: pilothouse key new --org NAME --name NAME", Err: err}
	}
	return &FileError{File: path, Got: "can't be read: " + cause(err), Remedy: "let the user that runs pilothouse read it", Err: err}
}

// cause takes the path off an error that already stands behind it.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Op + ": " + pe.Err.Error()
	}
	return err.Error()
}

// replace puts text in the place of the file at path, whole or not at all. The
// mode and the owner stay as they are; a new file has mode 0600 and, if root makes
// it, the owner of its directory, who is the one to read it.
func replace(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".keys-*.toml") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err = inherit(tmp, path, dir); err != nil {
		return err
	}
	if _, err = tmp.Write(text); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// inherit gives a new file the mode and owner of the one that it replaces.
func inherit(tmp *os.File, path, dir string) error {
	model, err := os.Stat(path)
	switch {
	case err == nil:
		if err := tmp.Chmod(model.Mode().Perm()); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrNotExist) && os.Geteuid() == 0:
		if model, err = os.Stat(dir); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
	want, ok := model.Sys().(*syscall.Stat_t)
	if !ok || int(want.Uid) == os.Geteuid() && int(want.Gid) == os.Getegid() {
		return nil
	}
	if err := tmp.Chown(int(want.Uid), int(want.Gid)); err != nil {
		return fmt.Errorf("keep the owner of %q: %w", path, err)
	}
	return nil
}

// lock takes the lock of the file at path, and waits for it if need be. The lock
// ends with release, or with the process.
func lock(path string) (release func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %q: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
