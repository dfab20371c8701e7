package sshd

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

// peer is the user at the other end of a unix socket, as the kernel knows it: of
// a client who connected, of a server who made the socket (unix(7), SO_PEERCRED).
func peer(conn net.Conn) (uid uint32, err error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, errors.New("find who is at the other end: it is no unix socket")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("find who is at the other end: %w", err)
	}
	var cred *unix.Ucred
	var wrong error
	err = raw.Control(func(fd uintptr) {
		cred, wrong = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, wrong); err != nil {
		return 0, fmt.Errorf("find who is at the other end: %w", err)
	}
	return cred.Uid, nil
}

// UserName is the name of a user of this host, or "uid 1234" where there is none.
func UserName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(id)
	if err != nil || u.Username == "" {
		return "uid " + id
	}
	return u.Username
}
