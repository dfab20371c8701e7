package sshd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// leaveTime is how long a screen has to be put away before its client goes.
const leaveTime = 2 * time.Second

// restore is what a dashboard that was cut off could not do any more: no
// alternate screen, a cursor, no mouse, paste and keys as they come, no colour.
const restore = "\x1b[?2026l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[>4m\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m\r\x1b[K"

// Terminal is where Attach shows the dashboard. In and Out are terminals.
type Terminal struct {
	In, Out  *os.File
	Environ  []string // of which what says how to draw is passed on
	ReadOnly bool     // who attaches only looks
}

// Attach shows the dashboard of the process that listens on the socket at path,
// until its user leaves, with ctrl-z at any time, ctx ends or the process is told
// to hang up or to stop; all of these leave the gateway as it is. It returns the
// dashboard's exit code, and leaves the terminal as it was, even if the gateway
// is killed. The error is [desk.ErrNotServing] when nothing listens.
func Attach(ctx context.Context, path string, t Terminal) (int, error) {
	ctx, done := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGTSTP)
	defer done()
	client, err := dial(ctx, path)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH) // before the size is asked for
	defer signal.Stop(resized)
	s, keys, err := t.session(client)
	if err != nil {
		return 0, err
	}
	before, err := term.MakeRaw(int(t.In.Fd()))
	if err != nil {
		return 0, fmt.Errorf("make the terminal raw: %w", err)
	}
	defer term.Restore(int(t.In.Fd()), before) // it may be gone
	screen := &drawnOn{w: t.Out}
	s.Stdout = screen
	if err := s.Shell(); err != nil {
		return 0, fmt.Errorf("ask the process that serves for the dashboard: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	code, err := t.hold(ctx, client, s, keys, resized, ended)
	if err != nil {
		_ = client.Close()
		if screen.began() {
			_, _ = io.WriteString(t.Out, restore) // likewise
		}
	}
	return code, err
}

// session asks for one of the terminal's kind, and for where its keys go.
func (t *Terminal) session(client *ssh.Client) (*ssh.Session, io.WriteCloser, error) {
	var environ [][2]string
	if t.ReadOnly {
		environ = append(environ, [2]string{envReadOnly, "1"})
	}
	kind := "dumb"
	for _, e := range t.Environ {
		name, value, _ := strings.Cut(e, "=")
		if drawn(name, value) && len(environ) < maxEnv {
			environ = append(environ, [2]string{name, value})
		}
		if name == "TERM" && value != "" {
			kind = value
		}
	}
	s, err := open(client, environ...)
	if err != nil {
		return nil, nil, err
	}
	cols, rows, _ := term.GetSize(int(t.Out.Fd())) // 0 of one that can't tell: the other side knows what to do
	if err = s.RequestPty(kind, rows, cols, nil); err != nil {
		return nil, nil, fmt.Errorf("ask the process that serves for a terminal: %w", err)
	}
	keys, err := s.StdinPipe()
	return s, keys, err
}

var errCutOff = errors.New("the gateway is gone, or has cut this screen off")

// hold passes keys and sizes on until the session has ended, or its user leaves.
// An error means that the screen was not put away.
func (t *Terminal) hold(ctx context.Context, client *ssh.Client, s *ssh.Session, keys io.WriteCloser, resized <-chan os.Signal, ended <-chan error) (int, error) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	over, tell, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("watch the terminal: %w", err)
	}
	defer over.Close()
	var typing sync.WaitGroup
	defer typing.Wait()
	defer tell.Close() // which ends the typing
	typing.Go(func() {
		defer leave()
		typed(keys, t.In, over)
	})
	leaving := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case err := <-ended:
			code, err := status(err)
			if err != nil {
				err = errCutOff
			}
			return code, err
		case <-resized:
			if cols, rows, err := term.GetSize(int(t.Out.Fd())); err == nil {
				_ = s.WindowChange(rows, cols) // fails where the session ends
			}
		case <-leaving:
			// The end of its input has the dashboard put the screen away.
			leaving, late = nil, time.After(leaveTime)
			_ = keys.Close()
		case <-late:
			_ = client.Close() // a key may be on its way
			return 0, errStuck
		}
	}
}

var errStuck = errors.New("the dashboard did not end in time; it was left behind")

// leaveKeys are ctrl-z, as terminals send it and as those do that tell keys apart
// (kitty's keyboard protocol).
var leaveKeys = [...][]byte{{0x1a}, []byte("\x1b[122;5u")}

// typed copies what is typed until the terminal is gone, over ends, or its user
// leaves.
func typed(keys io.Writer, in, over *os.File) {
	buf := make([]byte, 4<<10)
	for {
		wait := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}, {Fd: int32(over.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(wait, -1); err != nil && !errors.Is(err, unix.EINTR) || wait[1].Revents != 0 {
			return
		}
		if wait[0].Revents == 0 {
			continue
		}
		n, err := unix.Read(int(in.Fd()), buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		for _, k := range leaveKeys {
			if bytes.Contains(buf[:n], k) {
				return
			}
		}
		if _, err := keys.Write(buf[:n]); err != nil {
			return
		}
	}
}

// drawnOn notes whether anything was written.
type drawnOn struct {
	w     io.Writer
	mu    sync.Mutex
	begun bool
}

func (d *drawnOn) Write(p []byte) (int, error) {
	d.mu.Lock()
	d.begun = true
	d.mu.Unlock()
	return d.w.Write(p)
}

func (d *drawnOn) began() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun
}
