package sshd

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pilothouse/ui"
	"pilothouse/ui/desk"
)

// attachTo names the socket that this test's program attaches to in place of
// testing, as main would, when it is run in a terminal.
const attachTo = "PILOTHOUSE_TEST_ATTACH"

func TestMain(m *testing.M) {
	path := os.Getenv(attachTo)
	if path == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := Attach(ctx, path, Terminal{In: os.Stdin, Out: os.Stdout, Environ: os.Environ(), ReadOnly: os.Getenv("LOOK") != ""})
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		code = 9
	}
	os.Exit(code)
}

// attached is a terminal in which a client runs, and what comes after it.
type attached struct {
	*tmux
	pid string // the file with the client's
}

// attach starts a client in a terminal, and says when it has left how, and whether
// the terminal is as it was.
func (b *bed) attach(cols, rows int, environ ...string) *attached {
	b.t.Helper()
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	pid := filepath.Join(b.t.TempDir(), "pid")
	script := fmt.Sprintf(`echo before; stty -g >%[1]s.stty; sh -c 'echo $$ >%[1]s; exec %[2]s'; echo left $?; [ $(stty -g) = $(cat %[1]s.stty) ] && echo same; cat`, pid, self)
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), attachTo + "=" + b.socket, "COLORTERM=truecolor", "SECRET=x"}, environ...)
	x := newTmux(b.t, cols, rows, cmd)
	x.do("set-option", "status", "off")
	return &attached{x, pid}
}

// signal sends the client one.
func (a *attached) signal(s syscall.Signal) {
	a.t.Helper()
	text, err := os.ReadFile(a.pid)
	if err != nil {
		a.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		err = syscall.Kill(pid, s)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// leaves waits until the client has left so, and the terminal is as it was.
func (a *attached) leaves(how string) {
	a.t.Helper()
	a.shows(how)
	a.shows("same")
	a.shows("before")
}

// dashboards has the bed show the real one, at the desk.
func dashboards(seats chan<- *desk.Seat) func(*Options, *limits) {
	return func(o *Options, _ *limits) {
		o.Screen = func(ctx context.Context, s Session) error {
			leave := s.Seat.Enter(ctx)
			defer leave()
			seats <- s.Seat
			err := ui.Run(ctx, ui.Options{Gateway: emptyGateway{}, Pool: emptyPool{}, Seat: s.Seat, Attached: true, Version: "test",
				Input: s.In, Output: s.Out, Environ: s.Environ, Size: s.Size, Sizes: s.Sizes})
			if err != nil && err != ui.ErrLost {
				return err
			}
			return nil
		}
	}
}

// Two who attach see the dashboard at the size of their terminals, and one
// another; who leaves, in whichever way, finds the terminal as it was, and leaves
// the other one alone.
func TestAttach(t *testing.T) {
	seats := make(chan *desk.Seat, 10)
	b := newBed(t, dashboards(seats))
	stays := b.attach(80, 24)
	stays.shows("help")
	one := receive(t, "a seat", seats)
	me := desk.Operator{Name: UserName(uint32(os.Geteuid())), Role: desk.Admin}
	if one.Operator() != me {
		t.Errorf("who attaches is %+v", one.Operator())
	}
	for _, size := range [][2]int{{120, 40}, {80, 24}} {
		stays.do("resize-window", "-x", fmt.Sprint(size[0]), "-y", fmt.Sprint(size[1]))
		eventually(t, fmt.Sprint("the size ", size), func() bool {
			r := strings.Split(strings.TrimRight(stays.do("capture-pane", "-p"), "\n"), "\n")
			return len(r) == size[1] && len([]rune(strings.TrimRight(r[size[1]/2], " "))) == size[0]
		})
	}
	for name, leave := range map[string]func(*attached){
		"q":          func(a *attached) { a.do("send-keys", "q") },
		"ctrl-z":     func(a *attached) { a.do("send-keys", "C-z") },
		"ctrl-c":     func(a *attached) { a.do("send-keys", "C-c") },
		"to stop":    func(a *attached) { a.signal(syscall.SIGTSTP) },
		"to end":     func(a *attached) { a.signal(syscall.SIGTERM) },
		"to hang up": func(a *attached) { a.signal(syscall.SIGHUP) },
	} {
		a := b.attach(100, 30, "LOOK=1")
		a.shows("help")
		two := receive(t, "a seat", seats)
		if two.Operator().Role != desk.Viewer {
			t.Errorf("%s: who only looks is %+v", name, two.Operator())
		}
		for _, s := range []*desk.Seat{one, two} {
			if all := s.Others(); len(all) != 1 || all[0].Name != me.Name {
				t.Errorf("%s: the others are %+v", name, all)
			}
		}
		leave(a)
		a.leaves("left 0")
		eventually(t, "to be alone", func() bool { return len(one.Others()) == 0 })
	}
	for _, kill := range []func(*attached){
		func(a *attached) { a.signal(syscall.SIGKILL) },
		func(a *attached) { a.do("kill-server") },
	} {
		a := b.attach(100, 30)
		a.shows("help")
		receive(t, "a seat", seats)
		kill(a)
		eventually(t, "to be alone", func() bool { return len(one.Others()) == 0 })
	}
	stays.do("send-keys", "?")
	stays.shows("▸help")
	stays.do("send-keys", "G")
	stays.shows("leave at once")
	if n := strings.Count(b.audit.String(), me.Name+": attach dashboard\n"); n != 9 {
		t.Errorf("the audit has %d who came:\n%s", n, b.audit.String())
	}
	eventually(t, "the audit", func() bool { return strings.Count(b.audit.String(), ": detach dashboard\n") == 8 })
	b.end()
	stays.leaves("left 1")
	stays.shows("pilothouse: this gateway stops")
}

// What the terminal is, and what says how to draw on it, goes along, and nothing
// else. A dashboard that does not end is left behind.
func TestAttachStuck(t *testing.T) {
	b := newBed(t, nil)
	a := b.attach(90, 20, "NO_COLOR=1", "LC_TIME=C")
	w := receive(t, "the screen", b.screens)
	if w.Size != (ui.Size{Width: 90, Height: 20}) && w.Size != (ui.Size{Width: 90, Height: 19}) {
		t.Errorf("its size is %v", w.Size)
	}
	if got := strings.Join(slices.Sorted(slices.Values(w.Environ[1:])), " "); got != "COLORTERM=truecolor LANG=C.UTF-8 LC_TIME=C NO_COLOR=1" || !strings.HasPrefix(w.Environ[0], "TERM=") || w.Environ[0] == "TERM=dumb" {
		t.Errorf("its environment is %q", w.Environ)
	}
	io.WriteString(w.Out, "\x1b[?1049h\x1b[?25l\x1b[1;31mdrawn")
	a.shows("drawn")
	a.do("send-keys", "x")
	w.read(t, "x")
	a.signal(syscall.SIGTERM)
	a.leaves("left 9")
	a.shows("failed: the dashboard did not end in time")
	if on := strings.TrimSpace(a.do("display-message", "-p", "#{alternate_on}#{cursor_flag}")); on != "01" {
		t.Errorf("alternate screen and cursor are %s", on)
	}
	receive(t, "its end", w.ctx.Done())
}
