package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui"
	"pilothouse/ui/cli"
)

// The log's attributes.
const (
	attrAddr     = "addr"
	attrFrom     = "from"
	attrOperator = "operator"
	attrRole     = "role"
	attrCommand  = "command" // its name alone: arguments may hold secrets
	attrCode     = "code"
	attrAfter    = "after"
	attrCause    = "cause"
	attrError    = "error"
	attrTries    = "tries"
	attrLeftOut  = "left_out"
	attrPanic    = "panic"
	attrStack    = "stack"
)

// Options are what a server is made of. All but Log are required.
type Options struct {
	Config Config // filled and valid, with an address to listen on

	// Screen shows a session the dashboard until its user quits or ctx ends. It
	// may leave a read of the session's input behind, which ends soon after.
	// Several may run at once.
	Screen func(ctx context.Context, s Session) error
	// Command runs what a session's operator may run, as over the control socket.
	Command cli.Command

	Log *slog.Logger // nil: none
}

// Session is a terminal that shows the dashboard to an operator.
type Session struct {
	Operator string
	Role     Role
	From     string   // the client's address
	Environ  []string // TERM, and what else says how to draw; nothing of this process's
	Size     ui.Size
	Sizes    <-chan ui.Size // what it becomes, of several that nobody read the last; never closed
	In       io.Reader      // ends with the session
	Out      io.Writer      // fails once the client is gone, or has read nothing for half a minute
}

// Server lets operators in over SSH. New makes one.
type Server struct {
	opt      Options
	log      *slog.Logger
	limits   limits
	ssh      *ssh.ServerConfig
	door     *door
	conns    *room
	sessions *room
	failed   seldom

	ready chan struct{}
	addr  net.Addr // once ready

	mu    sync.Mutex
	known map[string]Operator // by key, as it is on the wire
	idle  time.Duration
	open  map[*conn]bool
}

// New makes a server, and its host key if there is none yet.
func New(o Options) (*Server, error) { return newServer(o, defaultLimits()) }

func newServer(o Options, l limits) (*Server, error) {
	s := &Server{
		opt: o, log: o.Log, limits: l,
		door: newDoor(l.door), conns: newRoom(l.conns), sessions: newRoom(l.sessions),
		ready: make(chan struct{}), open: make(map[*conn]bool),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.Apply(o.Config); err != nil {
		return nil, err
	}
	key, err := hostKey(o.Config.HostKeyFile)
	if err != nil {
		return nil, err
	}
	s.ssh = newServerConfig(key, s.recognise)
	return s, nil
}

// Ready is closed once the server listens.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is where it listens. It may be called once the server is ready.
func (s *Server) Addr() net.Addr { return s.addr }

// Apply puts other operators in force, and another idle time for those who come
// from now on. Who is no longer known, or has another name or role, is cut off.
// Listen and HostKeyFile need a new process.
func (s *Server) Apply(c Config) error {
	known, err := c.known()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.idle = known, time.Duration(c.IdleTimeout)
	for open := range s.open {
		if now := known[open.key]; now.Name != open.who.Name || now.Role != open.who.Role {
			open.stop(errRevoked)
		}
	}
	return nil
}

// Run listens and serves until ctx ends, which ends all sessions, too: they have
// five seconds to leave their terminals as they were. It is called once.
func (s *Server) Run(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opt.Config.Listen)
	if ctx.Err() != nil && err != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listen for SSH: %w", err)
	}
	s.addr = l.Addr()
	close(s.ready)
	s.log.Info("ssh listens", attrAddr, s.addr.String())
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() { _ = l.Close(); close(closed) })
	var conns sync.WaitGroup
	for ctx.Err() == nil {
		raw, err := l.Accept()
		if err == nil {
			leave := s.door.enter(raw) // here, so that the order is that of coming
			conns.Go(func() { s.serve(ctx, raw, leave) })
		} else if ctx.Err() == nil {
			// Out of descriptors, as a rule. Those who are in keep what they have.
			s.log.Error("accepting ssh connections failed", attrError, err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
	<-closed // ctx has ended
	conns.Wait()
	return nil
}

// serve has a connection from its first byte to its last. It leaves the door once
// a key was proven, or was not.
func (s *Server) serve(ctx context.Context, raw net.Conn, leave func()) {
	defer raw.Close()
	from := raw.RemoteAddr().String()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(s.limits.handshake)) // fails on closed ones, as what follows does
	proven, chans, reqs, err := ssh.NewServerConn(raw, s.ssh)
	leave()
	stop()
	if err != nil {
		s.logFailure(from, err)
		return
	}
	_ = raw.SetDeadline(time.Time{})
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	c := &conn{Server: s, raw: raw, ssh: proven, stop: end, from: from, key: proven.Permissions.Extensions[keyExtension],
		log: s.log.With(attrFrom, from)}
	if why := s.admit(c); why != nil {
		c.log.Warn("ssh login refused", attrError, why)
		_ = raw.Close()
		discard(chans, reqs)
		return
	}
	defer s.dismiss(c)
	c.log.Info("ssh login")
	c.serve(ctx, chans, reqs)
	c.log.Info("ssh logout", attrCause, text(context.Cause(ctx)))
}

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

// admit counts a connection in, as the operator's whose key was proven.
func (s *Server) admit(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, ok := s.known[c.key]
	if !ok {
		return errUnknown // since a moment ago
	}
	c.who, c.idle = who, s.idle
	c.log = c.log.With(attrOperator, who.Name, attrRole, who.Role)
	if !s.conns.take(who.Name) {
		return errCrowded
	}
	s.open[c] = true
	return nil
}

func (s *Server) dismiss(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns.leave(c.who.Name)
	delete(s.open, c)
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
