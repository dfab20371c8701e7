package paint

import (
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// Gap is the least time between two frames: thirty a second look like motion.
const Gap = time.Second / 30

// enter and leave are what a terminal is told before the first frame and after the
// last: the alternate screen; no cursor; text that is pasted to be marked as such;
// keys to be told apart as far as the terminal can, by xterm's protocol or Kitty's.
const (
	enter = ansi.SetModeAltScreenSaveCursor + ansi.ResetModeTextCursorEnable + ansi.SetModeBracketedPaste +
		ansi.SetModifyOtherKeys2 + "\x1b[>1u" + ansi.RequestModeSynchronizedOutput
	leave = ansi.ResetModifyOtherKeys + "\x1b[<u" + ansi.ResetModeBracketedPaste + mouseOff +
		ansi.ResetModeAltScreenSaveCursor + ansi.SetModeTextCursorEnable
	mouseOn  = ansi.SetModeMouseButtonEvent + ansi.SetModeMouseExtSgr
	mouseOff = ansi.ResetModeMouseButtonEvent + ansi.ResetModeMouseExtSgr
)

// Screen is a terminal that shows frames. New makes one; Close ends it. All may be
// called at once.
type Screen struct {
	wake chan struct{} // something is to be written
	done chan struct{} // nothing will be any more

	mu     sync.Mutex // of what is wanted; never held while something is written
	want   state
	again  bool   // all of it, whatever is shown
	said   string // that shows nothing
	closed bool

	// What run alone has, until it is done.
	w   io.Writer
	pen pen
	now state     // what the terminal shows
	at  time.Time // of the last write
}

// state is what a terminal shows, or is to.
type state struct {
	w, h   int
	frame  string // "": none yet
	mouse  bool   // it reports clicks and the wheel
	atomic bool   // it knows synchronized output
}

// New takes a terminal of w by h cells over, and leaves it as it is until the first
// frame. Nobody else may write to it until Close has returned.
func New(terminal io.Writer, w, h int) *Screen {
	s := &Screen{w: terminal, wake: make(chan struct{}, 1), done: make(chan struct{})}
	s.want.w, s.want.h = w, h
	go s.run()
	return s
}

// Show has a frame written, unless another one comes before it is. Mouse tells
// whether the terminal is to report what the mouse does.
func (s *Screen) Show(frame string, mouse bool) {
	s.change(func() { s.want.frame, s.want.mouse = frame, mouse })
}

// Resize tells the size that the next frame has, and that the terminal may have
// lost what it showed.
func (s *Screen) Resize(w, h int) {
	s.change(func() { s.want.w, s.want.h, s.want.frame, s.again = w, h, "", true })
}

// Redraw has all of the last frame written anew.
func (s *Screen) Redraw() { s.change(func() { s.again = true }) }

// Synchronize tells that the terminal knows synchronized output.
func (s *Screen) Synchronize() { s.change(func() { s.want.atomic = true }) }

// change is made to what is wanted.
func (s *Screen) change(how func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how()
	s.poke()
}

func (s *Screen) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Say has something written that shows nothing, a question to the terminal or text
// for its clipboard, before the next frame.
func (s *Screen) Say(sequence string) {
	s.change(func() { s.said += sequence })
}

// Close leaves the terminal as it was before the first frame, without writing what
// was wanted last. It waits for a terminal that takes no output, and may be called
// twice.
func (s *Screen) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.poke()
	s.mu.Unlock()
	<-s.done // which had the terminal
	if !first || s.now.frame == "" {
		return nil
	}
	_, err := io.WriteString(s.w, ansi.ResetStyle+leave)
	return err
}

// run writes what is wanted until the screen is closed or the terminal is gone.
func (s *Screen) run() {
	defer close(s.done)
	for range s.wake {
		if wait := Gap - time.Since(s.at); wait > 0 {
			time.Sleep(wait)
		}
		if !s.write() {
			return
		}
	}
}

// write writes what is wanted now, and tells whether there is more to come.
func (s *Screen) write() bool {
	s.mu.Lock()
	want, again, said, over := s.want, s.again, s.said, s.closed
	if want.frame != "" { // there is something to draw
		s.again, s.said = false, ""
	}
	s.mu.Unlock()
	if over {
		return false
	}
	if want.frame == "" {
		return true
	}
	text := s.difference(want, again, said)
	if len(text) == 0 {
		return true
	}
	s.at = time.Now()
	_, err := s.w.Write(text)
	return err == nil
}

// difference is what makes the terminal show what is wanted; it is valid until the
// next call.
func (s *Screen) difference(want state, again bool, said string) []byte {
	p := &s.pen
	p.reset()
	if s.now.frame == "" {
		p.write(enter)
		again = true
	}
	p.write(said)
	if want.mouse != s.now.mouse {
		p.mouse(want.mouse)
	}
	if again || want.frame != s.now.frame {
		if want.atomic {
			p.write(ansi.SetModeSynchronizedOutput)
		}
		if again || want.w != s.now.w || want.h != s.now.h {
			p.clear()
			s.now.frame = ""
		}
		p.draw(s.now.frame, want.frame, want.w, want.h)
		if want.atomic {
			p.write(ansi.ResetModeSynchronizedOutput)
		}
	}
	s.now = want
	return p.text
}
