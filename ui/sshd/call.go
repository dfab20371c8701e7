package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui/desk"
)

// answerTime is how long the process that serves may take to let somebody in.
const answerTime = 15 * time.Second

// dial connects to the process that listens at path. The error is
// [desk.ErrNotServing] when none does.
func dial(ctx context.Context, path string) (*ssh.Client, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err != nil && gone(err):
		return nil, desk.ErrNotServing
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("ask the process that serves, through %q: permission denied; run this as the user that it runs as", path)
	case err != nil:
		return nil, fmt.Errorf("ask the process that serves, through %q: %w", path, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	err = trusted(raw, path)
	var conn ssh.Conn
	var chans <-chan ssh.NewChannel
	var reqs <-chan *ssh.Request
	if err == nil {
		_ = raw.SetDeadline(time.Now().Add(answerTime)) // fails on closed ones, as what follows does
		conn, chans, reqs, err = ssh.NewClientConn(raw, path, &ssh.ClientConfig{
			// The kernel says who listens, and trusted has looked.
			HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error { return nil },
		})
	}
	if err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("ask the process that serves, through %q: %w", path, err)
	}
	_ = raw.SetDeadline(time.Time{})
	return ssh.NewClient(conn, chans, reqs), nil
}

// trusted returns an error unless it is the same user who listens, or root; or,
// where root asks, whoever owns the directory: there it is theirs to serve.
func trusted(conn net.Conn, path string) error {
	uid, err := peer(conn)
	me := uint32(os.Geteuid())
	if err != nil || uid == 0 || uid == me {
		return err
	}
	if dir, err := os.Stat(filepath.Dir(path)); err == nil && me == 0 {
		if st, ok := dir.Sys().(*syscall.Stat_t); ok && st.Uid == uid {
			return nil
		}
	}
	return fmt.Errorf("it is %s who listens there, and not you, nor root, nor whose directory it is", UserName(uid))
}

// open starts a session for what is to be done.
func open(client *ssh.Client, environ ...[2]string) (*ssh.Session, error) {
	s, err := client.NewSession()
	if full, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
		return nil, fmt.Errorf("ask the process that serves: %s", full.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the process that serves: %w", err)
	}
	for _, e := range environ {
		if err := s.Setenv(e[0], e[1]); err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("ask the process that serves for %s=%s: %w", e[0], e[1], err)
		}
	}
	return s, nil
}

// CallOptions are those of Call. Out and ErrOut are required.
type CallOptions struct {
	ReadOnly    bool // what only an operator or an admin may do is refused
	Out, ErrOut io.Writer
	OneOutput   bool // Out and ErrOut end in the same place: all goes to ErrOut, in the order of writing
}

var errCutShort = errors.New("the answer ended before the command's exit code came")

// Call has the process that listens on the socket at path run a command line,
// without the program's name, copies its output and returns its exit code. The
// command ends when ctx does. The error is [desk.ErrNotServing] when nothing
// listens there.
func Call(ctx context.Context, path string, args []string, o CallOptions) (int, error) {
	line := quote(args)
	if err := fits(line); err != nil {
		_, err = fmt.Fprintf(o.ErrOut, "pilothouse: %v\n", err)
		return exitUsage, err
	}
	client, err := dial(ctx, path)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() }) // which ends the command
	defer stop()
	var environ [][2]string
	if o.ReadOnly {
		environ = append(environ, [2]string{envReadOnly, "1"})
	}
	if o.OneOutput {
		environ = append(environ, [2]string{envOneOutput, "1"})
	}
	s, err := open(client, environ...)
	if err != nil {
		return 0, err
	}
	broken := &breakage{client: client}
	s.Stdout, s.Stderr = &outlet{o.Out, broken}, &outlet{o.ErrOut, broken}
	if o.OneOutput {
		s.Stdout = s.Stderr
	}
	code, err := status(s.Run(line))
	switch {
	case broken.why() != nil:
		return 0, fmt.Errorf("print the command's output: %w", broken.why())
	case err != nil && ctx.Err() != nil:
		return 0, fmt.Errorf("run the command: %w", ctx.Err())
	case err != nil:
		return 0, fmt.Errorf("run the command: %w", err)
	}
	return code, nil
}

// status is the exit code that a session's end tells of.
func status(err error) (int, error) {
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		return exit.ExitStatus(), nil
	}
	if _, cut := errors.AsType[*ssh.ExitMissingError](err); cut {
		err = errCutShort
	}
	return 0, err
}

// breakage is why what comes can't be written here; the client leaves then.
type breakage struct {
	client *ssh.Client
	mu     sync.Mutex
	err    error // the first
}

func (b *breakage) why() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// outlet is a writer whose failure is a breakage.
type outlet struct {
	w      io.Writer
	broken *breakage
}

func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		o.broken.mu.Lock()
		if o.broken.err == nil {
			o.broken.err = err
		}
		o.broken.mu.Unlock()
		_ = o.broken.client.Close() // it is over
	}
	return n, err
}
