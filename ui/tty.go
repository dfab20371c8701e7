package ui

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"pilothouse/ui/paint"
)

// tty is the terminal that a dashboard has to itself: this process's own, or one at
// the end of a connection, which can't be asked for its size and has no modes.
type tty struct {
	in      io.Reader
	out     io.Writer
	size    Size
	sizes   <-chan Size // what it becomes
	closers []func()
}

// takeOver makes the terminal one of single keys, until it is closed.
func takeOver(o *Options) (*tty, error) {
	t := &tty{in: o.Input, out: o.Output, size: o.Size, sizes: o.Sizes}
	if t.in == nil {
		t.in = os.Stdin
	}
	if t.out == nil {
		t.out = os.Stdout
	}
	if fd, ok := terminalOf(t.in); ok {
		before, err := term.MakeRaw(fd)
		if err != nil {
			return nil, fmt.Errorf("set the terminal's modes: %w", err)
		}
		t.closers = append(t.closers, func() { _ = term.Restore(fd, before) }) // which fails where it is gone
	}
	if fd, ok := terminalOf(t.out); ok && t.size == (Size{}) {
		t.follow(fd)
	}
	if t.size.Width <= 0 || t.size.Height <= 0 {
		t.size = Size{80, 24}
	}
	return t, nil
}

// terminalOf is the descriptor of a file that is a terminal.
func terminalOf(f any) (fd int, ok bool) {
	if f, is := f.(interface{ Fd() uintptr }); is {
		fd = int(f.Fd())
		ok = term.IsTerminal(fd)
	}
	return fd, ok
}

// follow has the sizes that the terminal signals told.
func (t *tty) follow(fd int) {
	changed, sizes := make(chan os.Signal, 1), make(chan Size)
	signal.Notify(changed, syscall.SIGWINCH) // before it is asked, so that no change is missed
	if w, h, err := term.GetSize(fd); err == nil {
		t.size = Size{w, h}
	}
	over := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() {
		for {
			select {
			case <-changed:
			case <-over:
				return
			}
			w, h, err := term.GetSize(fd)
			if err != nil {
				continue // it is gone, which reading it tells
			}
			select {
			case sizes <- Size{w, h}:
			case <-over:
				return
			}
		}
	})
	t.sizes = sizes
	t.closers = append(t.closers, func() {
		signal.Stop(changed)
		close(over)
		following.Wait()
	})
}

// close leaves the terminal as it was.
func (t *tty) close() {
	for i := len(t.closers) - 1; i >= 0; i-- {
		t.closers[i]()
	}
	t.closers = nil
}

// dashboard is a Model as the terminal library runs it: the library has the keys and
// the messages, and what the dashboard draws goes to a screen of ours.
type dashboard struct {
	*Model
	screen *paint.Screen
}

// redraw asks for all of the screen to be written anew.
type redraw struct{}

// said is for the terminal, and shows nothing: a question to it, or text for its
// clipboard.
type said string

// say has something said to the terminal.
func say(s string) tea.Cmd { return func() tea.Msg { return said(s) } }

// copied has text put into the terminal's clipboard (OSC 52), which is that of
// whoever sits at it.
func copied(text string) tea.Cmd { return say(ansi.SetSystemClipboard(text)) }

// Update implements tea.Model.
func (s dashboard) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.screen.Resize(msg.Width, msg.Height)
	case redraw:
		s.screen.Redraw()
	case said:
		s.screen.Say(string(msg))
	case tea.ModeReportMsg:
		if msg.Mode == ansi.ModeSynchronizedOutput && (msg.Value == ansi.ModeReset || msg.Value == ansi.ModeSet) {
			s.screen.Synchronize()
		}
	}
	_, cmd := s.Model.Update(msg)
	return s, cmd
}

// View implements tea.Model.
func (s dashboard) View() tea.View {
	changed := s.dirty
	v := s.Model.View()
	if changed {
		s.screen.Show(v.Content, v.MouseMode != tea.MouseModeNone)
	}
	return v
}
