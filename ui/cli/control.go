package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of the control socket.
const (
	maxArgs      = 64 << 10        // bytes of one request
	maxHeader    = 4 << 10         // bytes of its header
	maxCommands  = 64              // at once; more are refused
	requestTime  = 5 * time.Second // to send a request
	stalledTime  = time.Minute     // that a client may leave its output unread
	farewellTime = 2 * time.Second // that clients have to read the rest when serving ends
	maxPath      = 107             // bytes of a socket's path (unix(7): sun_path holds 108, with its end)
	controlRoute = "/run"
)

// Command runs one command line, without the program's name, for an operator
// and returns its exit code, 0 to 255. It ends soon after ctx does, which is when
// its client has gone or reads no more, and may take as long as it likes until
// then. Several may run at once.
type Command func(ctx context.Context, operator string, args []string, out, errOut io.Writer) int

// Control is the serving process's end of the control socket: the way by which
// a shell on the same host has commands run in it. Only the user that serves
// (and root) can connect, and a command is told the name of whoever did, as the
// kernel knows it.
type Control struct {
	path   string
	socket os.FileInfo // the file that this one made
	l      *net.UnixListener
	run    Command
	log    *slog.Logger
	slots  chan struct{} // one is taken by each command that runs
	unread time.Duration // that output may wait for its client
	once   sync.Once
	closed error // what Close returns
}

// ListenControl makes the socket at path and listens on it; what comes is held
// until Run. A file that a process left there when it died is replaced. It is
// an error if another process serves there, or if it is no socket. A nil log is
// none.
func ListenControl(path string, run Command, log *slog.Logger) (*Control, error) {
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
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	l.SetUnlinkOnClose(false) // it is renamed; Close does it
	c := &Control{path: path, l: l, run: run, log: log, slots: make(chan struct{}, maxCommands), unread: stalledTime}
	if log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	err = os.Chmod(fresh, 0o600)
	if err == nil {
		c.socket, err = os.Lstat(fresh)
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = os.Remove(fresh) // the first error says more
		_ = l.Close()
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	return c, nil
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
	conn, err := net.DialTimeout("unix", path, requestTime)
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

// Run serves until ctx ends, which ends the commands that run, too, and returns
// after the last of them; the socket's file is gone then.
func (c *Control) Run(ctx context.Context) error {
	var conns sync.WaitGroup
	srv := &http.Server{
		Handler:           http.HandlerFunc(c.serve),
		ReadHeaderTimeout: requestTime,
		ReadTimeout:       requestTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, conn)
		},
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed: // its goroutine, and so its command, has ended
				conns.Done()
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(c.l) }()
	var err error
	select {
	case <-ctx.Done():
		err = c.Close()
		wait, stop := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
		defer stop()
		if srv.Shutdown(wait) != nil {
			err = errors.Join(err, srv.Close()) // of clients that don't read
		}
		<-served
	case err = <-served:
		err = errors.Join(fmt.Errorf("serve commands: %w", err), c.Close())
	}
	conns.Wait()
	return err
}

// Close stops listening and removes the socket's file. Run does it when it
// ends; twice is fine.
func (c *Control) Close() error {
	c.once.Do(func() {
		if info, err := os.Lstat(c.path); err == nil && os.SameFile(info, c.socket) {
			c.closed = os.Remove(c.path)
		}
		c.closed = errors.Join(c.closed, c.l.Close())
	})
	return c.closed
}

// request is what the client asks for.
type request struct {
	Args []string `json:"args"`
}

func (c *Control) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != controlRoute {
		http.Error(w, "want POST "+controlRoute, http.StatusNotFound)
		return
	}
	var req request
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxArgs))
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	if err != nil {
		http.Error(w, fmt.Sprintf("read the command's arguments (%d bytes at most): %v", maxArgs, err), http.StatusBadRequest)
		return
	}
	operator, err := peer(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		http.Error(w, fmt.Sprintf("%d commands run already; try again", maxCommands), http.StatusServiceUnavailable)
		return
	}
	way := http.NewResponseController(w)
	frames := &frameWriter{w: patientWriter{w, way, c.unread}, flush: way.Flush}
	w.Header().Set("Content-Type", "application/x-ndjson")
	if way.Flush() != nil {
		return // there is nobody to tell
	}
	// The context ends, too, when the client goes away: the body has been read.
	code := c.run(r.Context(), operator, req.Args, frames.stdout(), frames.stderr())
	_ = frames.end(min(max(code, 0), maxCode)) // a client that left can't be told
}

// patientWriter gives the client as long for each write, and the flush behind
// it, however long nothing was written before.
type patientWriter struct {
	w      io.Writer
	way    *http.ResponseController
	unread time.Duration
}

func (p patientWriter) Write(b []byte) (int, error) {
	if err := p.way.SetWriteDeadline(time.Now().Add(p.unread)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}

// peerKey is the context key of a request's connection.
type peerKey struct{}

// peer returns the name of the user at the other end of a request's
// connection, as the kernel knows it.
func peer(ctx context.Context) (string, error) {
	conn, ok := ctx.Value(peerKey{}).(*net.UnixConn)
	if !ok {
		return "", errors.New("find who asks: not a unix socket")
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return "", fmt.Errorf("find who asks: %w", err)
	}
	var cred *unix.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, sockErr); err != nil {
		return "", fmt.Errorf("find who asks: %w", err)
	}
	return userName(cred.Uid), nil
}

// userName is a user's name, or "uid 1234" where the host knows none.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(id)
	if err != nil || u.Username == "" {
		return "uid " + id
	}
	return u.Username
}
