package sshd

import (
	"errors"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui/desk"
)

// keyExtension is under which name a login's permissions have its key.
const keyExtension = "key"

var errUnknown = errors.New("no operator has this key")

// recognise says whether a key may be used; the client has yet to prove that it
// has it. What it returns is the connection's only then.
func (s *Server) recognise(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.known[string(key.Marshal())]; !ok {
		return nil, errUnknown
	}
	return &ssh.Permissions{Extensions: map[string]string{keyExtension: string(key.Marshal())}}, nil
}

var errCrowded = errors.New("too many connections")

// admit says who came, and counts them in: the user whom the kernel names, who can
// open the socket and may therefore do everything, or the operator whose key was
// proven.
func (s *Server) admit(c *conn) error {
	if c.way.local {
		uid, err := peer(c.raw)
		if err != nil {
			return err
		}
		c.who = desk.Operator{Name: UserName(uid), Role: desk.Admin}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.way.local {
		if c.ssh.Permissions == nil {
			return errUnknown
		}
		c.key = c.ssh.Permissions.Extensions[keyExtension]
		who, ok := s.known[c.key]
		if !ok {
			return errUnknown // since a moment ago
		}
		c.who = desk.Operator{Name: who.Name, Role: who.Role, From: host(c.raw.RemoteAddr())}
	}
	c.idle = s.idle
	c.log = c.log.With(attrOperator, c.who.Name, attrRole, c.who.Role)
	if !c.way.conns.take(c.who.Name) {
		return errCrowded
	}
	if !c.way.local {
		s.open[c] = true
	}
	return nil
}

func (s *Server) dismiss(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.way.conns.leave(c.who.Name)
	delete(s.open, c)
}

// host is an address without its port, written one way.
func host(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().String()
	}
	return a.String()
}

// logFailure tells of a login that came to nothing. Who never tried to log in is
// no news: the internet does that all day.
func (s *Server) logFailure(from string, err error) {
	var auth *ssh.ServerAuthError
	if !errors.As(err, &auth) {
		s.log.Debug("ssh handshake failed", attrFrom, from, attrError, err)
		return
	}
	if left, ok := s.failed.now(time.Now()); ok {
		s.log.Warn("ssh login failed", attrFrom, from, attrTries, len(auth.Errors), attrLeftOut, left)
	}
}

// discard takes what a connection that is closed still has, so that its reader
// can end.
func discard(chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) {
	for range chans {
	}
	for range reqs {
	}
}
