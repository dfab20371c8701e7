package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui"
	"pilothouse/ui/desk"
)

// Bounds of the size that a client may say its terminal has.
const maxCols, maxRows = 1000, 500

// session is one channel: what the client has said of it so far, and what runs.
// What answers requests is called by conn.session alone; run, screen and command
// are what begin has started.
type session struct {
	*conn
	ch   ssh.Channel
	env  []string
	term string // "": there is no terminal
	one  bool   // standard error goes where standard output does
	look bool   // it may do no more than a viewer
	size ui.Size
	stop context.CancelCauseFunc

	started     bool         // or never will be
	sizes       chan ui.Size // holds the last one that was not read
	out, errOut *output
	running     sync.WaitGroup // what was started
	reading     sync.WaitGroup // what reads its input
}

// session serves a channel until both sides have closed it, or the client is gone.
func (c *conn) session(ctx context.Context, asked ssh.NewChannel) {
	ch, reqs, err := asked.Accept()
	if err != nil {
		return // the client is gone
	}
	ctx, stop := context.WithCancelCause(ctx)
	s := &session{conn: c, ch: ch, sizes: make(chan ui.Size, 1), stop: stop}
	// Requests are taken to the end: the library waits until they are.
	for ending := ctx.Done(); reqs != nil; {
		select {
		case r, ok := <-reqs:
			if !ok {
				reqs = nil
				break
			}
			s.request(ctx, r)
		case <-ending:
			ending = nil
			if !s.started {
				s.started = true // nothing is, any more
				_ = ch.Close()   // fails where the client is gone
			}
		}
	}
	stop(errGone)
	s.running.Wait()
	s.reading.Wait()
}

// request answers one; what it starts begins after the answer.
func (s *session) request(ctx context.Context, r *ssh.Request) {
	var start func()
	ok := false
	switch r.Type {
	case "pty-req":
		ok = !s.started && s.terminal(r.Payload)
	case "env":
		ok = !s.started && s.setenv(r.Payload)
	case "window-change":
		ok = s.resize(r.Payload)
	case "signal":
		if ok = s.started; ok {
			s.stop(errInterrupted) // whichever it is: all of them mean that
		}
	case "shell":
		if ok = !s.started; ok {
			start = func() { s.begin(ctx, s.screen) }
		}
	case "exec":
		var msg struct{ Line string }
		if ok = !s.started && ssh.Unmarshal(r.Payload, &msg) == nil; ok {
			start = func() { s.begin(ctx, func(ctx context.Context) int { return s.command(ctx, msg.Line) }) }
		}
	}
	if r.WantReply {
		_ = r.Reply(ok, nil) // whose failure ends the connection elsewhere
	}
	if start != nil {
		start()
	}
}

var termForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$`)

// terminal takes a pty-req (RFC 4254, 6.2).
func (s *session) terminal(payload []byte) bool {
	var msg struct {
		Term                      string
		Cols, Rows, Width, Height uint32
		Modes                     string
	}
	if ssh.Unmarshal(payload, &msg) != nil {
		return false
	}
	s.term = msg.Term
	if !termForm.MatchString(s.term) { // it may end in the name of a file
		s.term = "dumb"
	}
	s.size = clamp(msg.Cols, msg.Rows)
	return true
}

// resize takes a window-change (RFC 4254, 6.7). It never waits.
func (s *session) resize(payload []byte) bool {
	var msg struct{ Cols, Rows, Width, Height uint32 }
	if s.term == "" || ssh.Unmarshal(payload, &msg) != nil {
		return false
	}
	size := clamp(msg.Cols, msg.Rows)
	if !s.started {
		s.size = size
		return true
	}
	select {
	case <-s.sizes:
	default:
	}
	s.sizes <- size // nobody else sends
	return true
}

// clamp makes a size that can be drawn: 80×24 of one that is not known, and no
// more than there are screens for.
func clamp(cols, rows uint32) ui.Size {
	if cols == 0 || rows == 0 {
		return ui.Size{Width: 80, Height: 24}
	}
	return ui.Size{Width: int(min(cols, maxCols)), Height: int(min(rows, maxRows))}
}

// begin starts what the session is for.
func (s *session) begin(ctx context.Context, run func(context.Context) int) {
	s.started = true
	s.out, s.errOut = s.output(s.ch), s.output(s.ch.Stderr())
	if s.one || s.term != "" { // a terminal has one output
		s.errOut = s.out
	}
	s.running.Go(func() {
		code := s.run(ctx, run)
		s.out.end()
		s.errOut.end()
		_ = s.out.bounded(func() error { // who is gone can't be told
			_, err := s.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)}))
			return errors.Join(err, s.ch.CloseWrite(), s.ch.Close())
		})
	})
}

// seat is the operator's, for this session.
func (s *session) seat() *desk.Seat {
	who := s.who
	if s.look {
		who.Role = who.Role.AtMost(desk.Viewer)
	}
	return s.opt.Desk.Seat(who)
}

// output makes one of the session's two.
func (s *session) output(w io.Writer) *output {
	return &output{w: w, stalled: s.way.stalled, drop: func() { s.drop(errStalled) }, newline: s.term != ""}
}

// tell says why something is not, or ended.
func (s *session) tell(why error) {
	_, _ = fmt.Fprintf(s.errOut, "pilothouse: %v\n", why) // who is gone can't be told
}
