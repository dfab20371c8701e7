package sshd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/backends"
	"pilothouse/ui"
	"pilothouse/ui/desk"
)

// tmux is a real terminal in which ssh runs.
type tmux struct {
	t      *testing.T
	socket string
}

func newTmux(t *testing.T, cols, rows int, cmd *exec.Cmd) *tmux {
	t.Helper()
	x := &tmux{t, filepath.Join(t.TempDir(), "tmux")}
	args := append([]string{"-S", x.socket, "-f", os.DevNull, "new-session", "-d", "-x", fmt.Sprint(cols), "-y", fmt.Sprint(rows)}, cmd.Args...)
	start := exec.Command("tmux", args...)
	start.Env = append(cmd.Env, "LANG=C.UTF-8")
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("tmux (make deps installs it): %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("tmux", "-S", x.socket, "kill-server").Run() })
	return x
}

func (x *tmux) do(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", x.socket}, args...)...).Output()
	if err != nil {
		x.t.Fatal(args, err)
	}
	return string(out)
}

// shows waits until the terminal shows a text.
func (x *tmux) shows(text string) {
	x.t.Helper()
	eventually(x.t, "the text "+text, func() bool { return strings.Contains(x.do("capture-pane", "-p"), text) })
}

// read takes what a screen is sent.
func (w *shown) read(t *testing.T, want string) {
	t.Helper()
	got := make([]byte, len(want))
	done := make(chan error, 1)
	go func() { _, err := io.ReadFull(w.In, got); done <- err }()
	if err := receive(t, "the input "+want, done); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

// A terminal gets the screen, with its size, its type and its changes; its line
// ends are what it needs; ctrl-z is a key like others; a hang-up ends it.
func TestScreen(t *testing.T) {
	b := newBed(t, nil)
	cmd := b.ssh("oli", "-o", "SendEnv=LANG SECRET")
	cmd.Env = append(cmd.Env, "SECRET=x")
	x := newTmux(t, 100, 30, cmd)
	w := receive(t, "the screen", b.screens)
	if w.Seat.Operator() != (desk.Operator{Name: "oli", Role: desk.Hand, From: "127.0.0.1"}) || w.Size != (ui.Size{Width: 100, Height: 29}) && w.Size != (ui.Size{Width: 100, Height: 30}) {
		t.Errorf("got %+v", w.Session)
	}
	if len(w.Environ) != 2 || !strings.HasPrefix(w.Environ[0], "TERM=screen") && !strings.HasPrefix(w.Environ[0], "TERM=tmux") || w.Environ[1] != "LANG=C.UTF-8" {
		t.Errorf("environment %q", w.Environ)
	}
	io.WriteString(w.Out, "one\ntwo\n")
	x.shows("\none\ntwo"[1:])
	x.do("resize-window", "-x", "133", "-y", "41")
	eventually(t, "the new size", func() bool {
		size := receive(t, "a size", w.Sizes)
		return size.Width == 133 && size.Height >= 40
	})
	x.do("send-keys", "q", "C-z", "x")
	w.read(t, "q\x1ax")
	pane := strings.TrimSpace(x.do("list-panes", "-F", "#{pane_pid}"))
	x.do("kill-session")
	receive(t, "the end by hanging up", w.ctx.Done())
	if why := context.Cause(w.ctx); !errors.Is(why, errGone) {
		t.Errorf("it ended since %v (client %s)", why, pane)
	}
}

// The dashboard's end is the session's, with its exit code.
func TestScreenEnds(t *testing.T) {
	b := newBed(t, func(o *Options, _ *limits) {
		show := o.Screen
		o.Screen = func(ctx context.Context, s Session) error {
			if s.Seat.Operator().Name == "ada" {
				return errors.New("secret reason")
			}
			return show(ctx, s)
		}
	})
	cmd := b.ssh("vera", "-tt")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := receive(t, "the screen", b.screens)
	if w.Size != (ui.Size{Width: 80, Height: 24}) {
		t.Errorf("a terminal without a size has %v", w.Size)
	}
	close(w.quit)
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("quitting ends with %d", cmd.ProcessState.ExitCode())
	}
	if got := b.call("ada", "", "-tt"); got.code != 1 || !strings.Contains(got.out, "the dashboard failed") || strings.Contains(got.out, "secret") {
		t.Errorf("a failure: %+v", got)
	}
	if got := b.call("vera", "", "-T"); got.code != 2 || !strings.Contains(got.errOut, "needs a terminal") {
		t.Errorf("without a terminal: %+v", got)
	}
	// What ends it from outside is told.
	cmd = b.ssh("vera", "-tt")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	receive(t, "the screen", b.screens)
	b.end()
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "pilothouse: this gateway stops\r\n") {
		t.Errorf("got %q, code %d", out.String(), cmd.ProcessState.ExitCode())
	}
}

// Only keys keep a dashboard: what it draws does not.
func TestIdle(t *testing.T) {
	b := newBed(t, nil)
	c := b.opt.Config
	c.IdleTimeout = backends.Duration(2 * time.Second)
	if err := b.Apply(c); err != nil {
		t.Fatal(err)
	}
	s, in := b.terminal("vera", 80, 24)
	w := receive(t, "the screen", b.screens)
	began := time.Now()
	for range 12 { // awake for longer than it may idle
		io.WriteString(in, "k")
		w.read(t, "k")
		time.Sleep(200 * time.Millisecond)
	}
	if w.ctx.Err() != nil {
		t.Fatalf("it ended after %v of keys", time.Since(began))
	}
	for w.ctx.Err() == nil && time.Since(began) < patience {
		io.WriteString(w.Out, "x")
		time.Sleep(10 * time.Millisecond)
	}
	if why := context.Cause(w.ctx); !errors.Is(why, errIdle) {
		t.Errorf("it ended since %v", why)
	}
	s.Wait()
}

// terminal opens a screen by a client of Go's.
func (b *bed) terminal(who string, cols, rows int) (*ssh.Session, io.Writer) {
	b.t.Helper()
	s, err := b.dial(who).NewSession()
	if err != nil {
		b.t.Fatal(err)
	}
	in, err := s.StdinPipe()
	if err == nil {
		err = s.RequestPty("../x", rows, cols, nil)
	}
	if err == nil {
		err = s.Shell()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return s, in
}

// Whatever a client says of its terminal, it can be drawn on.
func TestTerminal(t *testing.T) {
	b := newBed(t, nil)
	s, _ := b.terminal("vera", 1<<30, 1<<31)
	w := receive(t, "the screen", b.screens)
	if w.Size != (ui.Size{Width: maxCols, Height: maxRows}) || w.Environ[0] != "TERM=dumb" {
		t.Errorf("got %v, %q", w.Size, w.Environ)
	}
	// Sizes that nobody reads hold nothing up: the last one counts.
	for i := range 100 {
		if err := s.WindowChange(10, i+1); err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := s.SendRequest("shell", true, nil); ok || err != nil {
		t.Errorf("a second shell: %v, %v", ok, err)
	}
	if got := receive(t, "a size", w.Sizes); got != (ui.Size{Width: 100, Height: 10}) {
		t.Errorf("the last size is %v", got)
	}
}
