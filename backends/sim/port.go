package sim

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// port is an address on loopback that nobody else is given until it is closed. A
// socket is bound to it that never listens, so that connections are refused, as by
// a container that doesn't run; beside it one that names the address may listen.
type port struct {
	addr  string
	close func() error // may be called twice
}

func newPort() (*port, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	p := &port{close: sync.OnceValue(func() error { return unix.Close(fd) })}
	// Without it, nobody could listen beside it; net.Listen sets it too.
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		var at unix.Sockaddr
		if at, err = unix.Getsockname(fd); err == nil {
			p.addr = fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
			return p, nil
		}
	}
	_ = p.close() // the error before is the one to tell
	return nil, fmt.Errorf("reserve a port: %w", err)
}
