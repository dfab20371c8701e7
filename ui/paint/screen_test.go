package paint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink is a terminal that keeps what it is written, with the time of each write; it
// takes one only when it is let.
type sink struct {
	mu     sync.Mutex
	writes []string
	at     []time.Time
	hold   chan struct{} // a write waits for it; nil: none does
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.writes, s.at = append(s.writes, string(p)), append(s.at, time.Now())
	return len(p), nil
}

// taken are the writes so far, and none of them again.
func (s *sink) taken() (all []string) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	all, s.writes = s.writes, nil
	return all
}

// A frame after a quiet time is written at once; of those that follow within Gap
// only the last is, when Gap is over.
func TestWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		s := New(out, 4, 1)
		defer s.Close()
		began := time.Now()
		for i := range 9 {
			s.Show(fmt.Sprintf("%4d", i), false)
			if i == 0 {
				synctest.Wait()
			}
		}
		time.Sleep(Gap)
		if w := out.taken(); len(w) != 2 || !strings.HasSuffix(w[0], "0") || !strings.HasSuffix(w[1], "8") {
			t.Fatalf("written: %q", w)
		}
		if first, second := out.at[0].Sub(began), out.at[1].Sub(began); first != 0 || second != Gap {
			t.Errorf("written after %v and %v", first, second)
		}
		time.Sleep(time.Minute)
		if w := out.taken(); len(w) != 0 {
			t.Errorf("written of itself: %q", w)
		}
		s.Show("   8", false)
		if w := out.taken(); len(w) != 0 {
			t.Errorf("written for the same frame: %q", w)
		}
		s.Show("   9", false)
		if w := out.taken(); len(w) != 1 || w[0] != "\x1b[1;4H9" {
			t.Errorf("written for a cell: %q", w)
		}
	})
}

// Nothing is written before there is a frame; then the terminal is entered, and what
// was to be said is. A size takes a frame of that size. Closing leaves it, once.
func TestWhatElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		s := New(out, 4, 1)
		s.Say("\x1b]52;c;YQ==\a")
		s.Redraw()
		time.Sleep(Gap)
		if w := out.taken(); len(w) != 0 {
			t.Fatalf("written without a frame: %q", w)
		}
		s.Show("abcd", true)
		if w := out.taken(); len(w) != 1 || w[0] != enter+"\x1b]52;c;YQ==\a"+mouseOn+"\x1b[m\x1b[2J\x1b[1;1Habcd" {
			t.Errorf("the first frame: %q", w)
		}
		for _, step := range []struct {
			name string
			do   func()
			want string
		}{
			{"say", func() { s.Say("\x1b]11;?\a") }, "\x1b]11;?\a"},
			{"no mouse", func() { s.Show("abcd", false) }, mouseOff},
			{"redraw", s.Redraw, "\x1b[m\x1b[2J\x1b[1;1Habcd"},
			{"another size", func() { s.Resize(2, 2) }, ""},
			{"its frame", func() { s.Show("ab\ncd", false) }, "\x1b[m\x1b[2J\x1b[1;1Hab\x1b[2;1Hcd"},
			{"synchronized", s.Synchronize, ""},
			{"a frame at once", func() { s.Show("ab\nce", false) }, "\x1b[?2026h\x1b[2;2He\x1b[?2026l"},
		} {
			time.Sleep(Gap)
			step.do()
			if got := strings.Join(out.taken(), ""); got != step.want {
				t.Errorf("%s: %q, want %q", step.name, got, step.want)
			}
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if w := out.taken(); len(w) != 1 || w[0] != "\x1b[m"+leave {
			t.Errorf("at the end: %q", w)
		}
	})
}

// A terminal that takes nothing holds up who closes the screen, and nobody else; and
// one that fails is written to no more.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{hold: make(chan struct{})}
		s := New(out, 1, 1)
		for _, f := range []string{"a", "b", "c"} {
			s.Show(f, false) // which would be seen to hang
			synctest.Wait()
		}
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed with a write under way")
		default:
		}
		close(out.hold)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if w := out.taken(); len(w) != 2 || !strings.HasSuffix(w[0], "a") || !strings.HasSuffix(w[1], leave) {
			t.Errorf("written: %q", w)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		out := &sink{err: gone}
		s := New(out, 1, 1)
		for _, f := range []string{"a", "b"} {
			s.Show(f, false)
			time.Sleep(Gap)
		}
		if err := s.Close(); !errors.Is(err, gone) {
			t.Errorf("Close: %v", err)
		}
	})
}

var ends = regexp.MustCompile(`(?m) +$`)

// A real terminal shows what it shows when all is written.
func TestTmux(t *testing.T) {
	const w, h = 60, 20
	socket := t.TempDir() + "/tmux"
	tmux := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("tmux", append([]string{"-u", "-S", socket, "-f", "/dev/null"}, args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %q: %v: %s", args, err, text)
		}
		return string(text)
	}
	tmux("new-session", "-d", "-x", fmt.Sprint(w), "-y", fmt.Sprint(h), "cat")
	defer tmux("kill-server")
	tmux("set", "-g", "status", "off")
	tmux("new-window", "-d", "cat")
	open := func(window string) io.WriteCloser {
		f, err := os.OpenFile(strings.TrimSpace(tmux("display", "-p", "-t", window, "#{pane_tty}")), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	one, other := open(":0"), open(":1")
	defer one.Close()
	defer other.Close()
	m := newMaker(7, w, h)
	p, last := &pen{}, ""
	for step := range 60 {
		frame := m.frame()
		p.reset()
		if last == "" {
			p.clear()
		}
		p.draw(last, frame, w, h)
		// The end of each is told by the title.
		title := fmt.Sprintf("\x1b]2;step %d\x1b\\", step)
		io.WriteString(one, string(p.text)+title)
		io.WriteString(other, whole(frame)+title)
		for _, window := range []string{":0", ":1"} {
			for end := time.Now().Add(20 * time.Second); ; {
				if strings.TrimSpace(tmux("display", "-p", "-t", window, "#{pane_title}")) == fmt.Sprint("step ", step) {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("tmux has not come to step %d", step)
				}
			}
		}
		got, want := tmux("capture-pane", "-p", "-e", "-N", "-t", ":0"), tmux("capture-pane", "-p", "-e", "-N", "-t", ":1")
		// It tells places that were erased from blanks that were written.
		if got, want = ends.ReplaceAllString(got, ""), ends.ReplaceAllString(want, ""); got != want {
			t.Fatalf("step %d, written %q:\n%s\nwant\n%s", step, p.text, got, want)
		}
		last = frame
		m.change()
	}
}
