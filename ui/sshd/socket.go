package sshd

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	maxPath  = 107             // bytes of a socket's path (unix(7): sun_path holds 108, with its end)
	lookTime = 5 * time.Second // to see whether somebody listens
)

// Socket is a unix socket by which the users of this host come in. Only the user
// that serves, and root, can connect.
type Socket struct {
	path   string
	file   os.FileInfo // that this one made
	l      *net.UnixListener
	once   sync.Once
	closed error // what Close returns
}

// ListenSocket makes the socket at path and listens on it; who comes waits until
// a [Server] runs. A file that a process left there when it died is replaced. It
// is an error if another process serves there, or if it is no socket. Its user
// closes it, or the server that it was given to when that ends.
func ListenSocket(path string) (*Socket, error) {
	if err := vacant(path); err != nil {
		return nil, err
	}
	// It gets its mode under another name, so that nobody else can connect
	// before it has; and taking the name of a stale one is one step.
	fresh := path + "~"
	if len(fresh) > maxPath {
		return nil, fmt.Errorf("listen on %q: the path is too long for a socket by %d bytes; choose a shorter server.state_dir",
			path, len(fresh)-maxPath)
	}
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove an unfinished control socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on the control socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // it is renamed; Close does it
	s := &Socket{path: path, l: l}
	err = os.Chmod(fresh, 0o600)
	if err == nil {
		s.file, err = os.Lstat(fresh)
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = os.Remove(fresh) // the first error says more
		_ = l.Close()
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	return s, nil
}

// vacant returns an error unless a socket may be made at path.
func vacant(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for a control socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("make the control socket %q: there is a file that is no socket; move it away", path)
	}
	conn, err := net.DialTimeout("unix", path, lookTime)
	switch {
	case err == nil:
		_ = conn.Close() // it was only to see
		return fmt.Errorf("make the control socket %q: another pilothouse serves with this state directory; stop it, or choose another server.state_dir", path)
	case gone(err):
		return nil
	}
	return fmt.Errorf("see whether another process serves at %q: %w", path, err)
}

// gone tells whether nothing listens where a dial failed so.
func gone(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

// Close stops listening and removes the socket's file, if it is still its own.
// Twice is fine.
func (s *Socket) Close() error {
	s.once.Do(func() {
		if info, err := os.Lstat(s.path); err == nil && os.SameFile(info, s.file) {
			s.closed = os.Remove(s.path)
		}
		s.closed = errors.Join(s.closed, s.l.Close())
	})
	return s.closed
}
