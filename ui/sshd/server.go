package sshd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui"
	"pilothouse/ui/desk"
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

// Options are what a server is made of. Log may be nil: none; so may Socket.
type Options struct {
	Config Config  // filled and valid
	Socket *Socket // by which this host's users come; closed when Run ends

	Desk *desk.Desk // where those who come get their seats
	// Screen shows a session the dashboard until its user quits or ctx ends. It
	// may leave a read of the session's input behind, which ends soon after.
	// Several may run at once.
	Screen  func(ctx context.Context, s Session) error
	Command Command

	Log *slog.Logger
}

// Command runs one command line, without the program's name, from an operator's
// seat. It returns the name of the command, "" where that is not known, and its
// exit code, 0 to 255. It ends soon after ctx does, which is when its client has
// gone or reads no more, and may take as long as it likes until then. Several may
// run at once.
type Command func(ctx context.Context, seat *desk.Seat, args []string, out, errOut io.Writer) (name string, code int)

// Session is a terminal that shows the dashboard to an operator.
type Session struct {
	Seat    *desk.Seat
	Environ []string // TERM, and what else says how to draw; nothing of this process's
	Size    ui.Size
	Sizes   <-chan ui.Size // what it becomes, of several that nobody read the last; never closed
	In      io.Reader      // ends with the session
	Out     io.Writer      // fails once the client is gone, or has read nothing for as long as it may
}

// Server lets operators in. New makes one.
type Server struct {
	opt    Options
	log    *slog.Logger
	limits limits
	ways   []*way
	failed seldom

	ready chan struct{}
	addr  net.Addr // once ready

	mu    sync.Mutex
	known map[string]Operator // by key, as it is on the wire
	idle  time.Duration
	open  map[*conn]bool // those who came with a key
}

// way is one of the ways in: TCP, where a key says who it is, and the socket,
// where the kernel does.
type way struct {
	local    bool
	l        net.Listener
	ssh      *ssh.ServerConfig
	stalled  time.Duration
	door     *door
	conns    *room
	sessions *room
}

func newWay(c crowd, config *ssh.ServerConfig) *way {
	return &way{ssh: config, stalled: c.stalled, door: newDoor(c.door), conns: newRoom(c.conns), sessions: newRoom(c.sessions)}
}

// New makes a server, and its host key if it needs one and there is none yet.
func New(o Options) (*Server, error) { return newServer(o, defaultLimits()) }

func newServer(o Options, l limits) (*Server, error) {
	s := &Server{opt: o, log: o.Log, limits: l, ready: make(chan struct{}), open: make(map[*conn]bool)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.Apply(o.Config); err != nil {
		return nil, err
	}
	if o.Config.Listen != "" {
		key, err := hostKey(o.Config.HostKeyFile)
		if err != nil {
			return nil, err
		}
		s.ways = append(s.ways, newWay(l.remote, newServerConfig(key, s.recognise)))
	}
	if o.Socket != nil {
		key, err := passingKey()
		if err != nil {
			return nil, err
		}
		w := newWay(l.local, newServerConfig(key, nil))
		w.local, w.l = true, o.Socket.l
		s.ways = append(s.ways, w)
	}
	return s, nil
}

// Ready is closed once the server listens.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is where it listens for TCP; nil: nowhere. It may be called once the server
// is ready.
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
	if s.opt.Socket != nil {
		defer s.opt.Socket.Close() // nothing can be done about an error but what the next process does
	}
	for _, w := range s.ways {
		if w.local {
			continue
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opt.Config.Listen)
		if ctx.Err() != nil && err != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listen for SSH: %w", err)
		}
		w.l, s.addr = l, l.Addr()
		s.log.Info("ssh listens", attrAddr, s.addr.String())
	}
	close(s.ready)
	var ways sync.WaitGroup
	for _, w := range s.ways {
		ways.Go(func() { s.accept(ctx, w) })
	}
	<-ctx.Done()
	for _, w := range s.ways {
		if !w.local {
			_ = w.l.Close() // it listens no more either way
		}
	}
	var err error
	if s.opt.Socket != nil {
		err = s.opt.Socket.Close()
	}
	ways.Wait()
	return err
}

// accept lets in who comes by one way, and returns when ctx has ended and the last
// of them is gone.
func (s *Server) accept(ctx context.Context, w *way) {
	var conns sync.WaitGroup
	for ctx.Err() == nil {
		raw, err := w.l.Accept()
		if err == nil {
			leave := w.door.enter(raw) // here, so that the order is that of coming
			conns.Go(func() { s.serve(ctx, w, raw, leave) })
		} else if ctx.Err() == nil {
			// Out of descriptors, as a rule. Those who are in keep what they have.
			s.log.Error("accepting ssh connections failed", attrError, err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
	conns.Wait()
}

// serve has a connection from its first byte to its last. It leaves the door once
// a key was proven, or was not.
func (s *Server) serve(ctx context.Context, w *way, raw net.Conn, leave func()) {
	defer raw.Close()
	from := raw.RemoteAddr().String()
	if w.local {
		from = "this host"
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(s.limits.handshake)) // fails on closed ones, as what follows does
	proven, chans, reqs, err := ssh.NewServerConn(raw, w.ssh)
	leave()
	stop()
	if err != nil {
		s.logFailure(from, err)
		return
	}
	_ = raw.SetDeadline(time.Time{})
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	c := &conn{Server: s, way: w, raw: raw, ssh: proven, stop: end, log: s.log.With(attrFrom, from)}
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
