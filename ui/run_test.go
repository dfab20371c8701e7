//go:build linux

package ui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a real pseudo-terminal: the dashboard has one end, the test
// types and reads at the other.
type terminal struct {
	t    *testing.T
	user *os.File
	tty  *os.File
	left bool // something still uses tty when the test ends

	mu  sync.Mutex
	out bytes.Buffer
	got *sync.Cond
}

func newTerminal(t *testing.T, w, h int) *terminal {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	control(t, user, func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, user: user, tty: tty}
	x.got = sync.NewCond(&x.mu)
	x.resize(w, h)
	read := make(chan struct{})
	go func() {
		defer close(read)
		p := make([]byte, 4096)
		for {
			n, err := user.Read(p)
			if err != nil {
				return
			}
			x.mu.Lock()
			x.out.Write(p[:n])
			x.got.Broadcast()
			x.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		user.Close()
		<-read
		if !x.left {
			tty.Close()
		}
	})
	return x
}

// control calls with the file's descriptor. Fd would make reads block, and a
// file whose read blocks can't be closed.
func control(t *testing.T, f *os.File, call func(fd int) error) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { err = call(int(fd)) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
}

func (x *terminal) resize(w, h int) {
	x.t.Helper()
	control(x.t, x.user, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(w), Row: uint16(h)})
	})
}

func (x *terminal) type_(s string) {
	x.t.Helper()
	if _, err := io.WriteString(x.user, s); err != nil {
		x.t.Fatal(err)
	}
}

// see waits until the dashboard has written text, after what was seen before.
func (x *terminal) see(text string) {
	x.t.Helper()
	late := time.AfterFunc(20*time.Second, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.got.Broadcast()
	})
	defer late.Stop()
	deadline := time.Now().Add(20 * time.Second)
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		if i := strings.Index(x.out.String(), text); i >= 0 {
			x.out.Next(i + len(text))
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("never saw %q in %q", text, x.out.String())
		}
		x.got.Wait()
	}
}

// on gives options that draw on the terminal.
func (x *terminal) on(o Options) Options {
	o.Input, o.Output, o.Environ = x.tty, x.tty, []string{"TERM=xterm-256color"}
	return o
}

func ended(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run goes on")
	}
}

// The real program on a real terminal: it draws, follows a resize, asks before
// it quits, and leaves the terminal as it was.
func TestRun(t *testing.T) {
	x := newTerminal(t, 80, 24)
	before, err := unix.IoctlGetTermios(int(x.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), x.on(with(calm()))) }()
	x.see("\x1b[?1049h") // the alternate screen
	x.see("healthy")
	x.resize(120, 40)
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil { // the terminal's own goes to its session
		t.Fatal(err)
	}
	x.see("pilothouse") // not shown at 80 columns
	x.type_("\x1a")     // ctrl-z must not stop the process
	x.type_("q")
	x.see("Cancel")
	x.type_("\t\r")
	x.see("\x1b[?1049l")
	ended(t, done)
	after, err := unix.IoctlGetTermios(int(x.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *after != *before {
		t.Errorf("the terminal's modes are %+v, were %+v", after, before)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	x := newTerminal(t, 80, 24)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, x.on(with(calm()))) }()
	x.see("healthy")
	cancel()
	x.see("\x1b[?1049l")
	ended(t, done)
}

// A terminal that goes away ends the dashboard, and says so: it is no quit.
func TestRunTellsOfALostTerminal(t *testing.T) {
	x := newTerminal(t, 80, 24)
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), x.on(with(calm()))) }()
	x.see("healthy")
	x.user.Close()
	select {
	case err := <-done:
		if !errors.Is(err, ErrLost) {
			t.Errorf("Run: %v, want %v", err, ErrLost)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run goes on without a terminal")
	}
}

// held is a terminal whose writes can be held up, as a line that hangs does.
type held struct {
	*os.File
	hold    atomic.Bool
	waiting chan struct{} // a write is held
	release chan struct{}
}

func (h *held) Write(p []byte) (int, error) {
	if h.hold.Swap(false) {
		close(h.waiting)
		<-h.release
	}
	return h.File.Write(p)
}

// A terminal that takes no output can't hold the process up.
func TestRunEndsOnAStuckTerminal(t *testing.T) {
	x := newTerminal(t, 80, 24)
	x.left = true
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	o := x.on(with(calm()))
	out := &held{File: x.tty, waiting: make(chan struct{}), release: make(chan struct{})}
	o.Output = out
	go func() { done <- Run(ctx, o) }()
	x.see("healthy")
	out.hold.Store(true)
	x.type_("?")
	<-out.waiting
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, ErrStuck) {
			t.Errorf("Run: %v, want %v", err, ErrStuck)
		}
	case <-time.After(20 * time.Second):
		t.Error("a stuck terminal holds Run up")
	}
	close(out.release)
	x.see("\x1b[?1049l") // once it takes output again, it is put back
}

// A terminal at the end of a connection can't be asked for its size, nor does it
// signal a new one: both are told.
func TestRunWhereTheSizeIsTold(t *testing.T) {
	x := newTerminal(t, 1, 1) // whose own size must not count
	in, keys := io.Pipe()
	sizes := make(chan Size)
	o := x.on(with(calm()))
	o.Input, o.Output = in, struct{ io.Writer }{x.tty}
	o.Size, o.Sizes, o.Attached = Size{80, 24}, sizes, true
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), o) }()
	x.see("healthy")
	sizes <- Size{120, 40}
	x.see("pilothouse") // not shown at 80 columns
	if _, err := io.WriteString(keys, "?"); err != nil {
		t.Fatal(err)
	}
	x.see("leave at once")
	if _, err := io.WriteString(keys, "qq"); err != nil { // the help, and then the dashboard, which does not ask
		t.Fatal(err)
	}
	ended(t, done)
	keys.Close()
	select {
	case sizes <- Size{80, 24}:
		t.Error("sizes are read after the end")
	default:
	}
}
