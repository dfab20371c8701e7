package sshd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"
)

// Exit codes of what was not run; the program's own have the same meaning.
const (
	exitFailed = 1
	exitUsage  = 2
	maxCode    = 255
)

// run calls what was asked for. What fails in it fails alone.
func (s *session) run(ctx context.Context, run func(context.Context) int) (code int) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("ssh session panicked", attrPanic, fmt.Sprint(p), attrStack, string(debug.Stack()))
			code = exitFailed
		}
	}()
	return min(max(run(ctx), 0), maxCode)
}

// screen shows the dashboard.
func (s *session) screen(ctx context.Context) int {
	if s.term == "" {
		s.tell(errors.New("the dashboard needs a terminal: ssh -t; commands do not: ssh HOST status"))
		return exitUsage
	}
	began := time.Now()
	s.log.Info("ssh screen began")
	idle := time.AfterFunc(s.idle, func() { s.stop(errIdle) })
	defer idle.Stop()
	shown, over := context.WithCancel(ctx)
	err := s.opt.Screen(shown, Session{
		Seat:    s.seat(),
		Environ: append([]string{"TERM=" + s.term}, s.env...),
		Size:    s.size, Sizes: s.sizes,
		In: &watched{s.ch, func([]byte) {
			if shown.Err() == nil {
				idle.Reset(s.idle)
			}
		}},
		Out: s.out,
	})
	over()
	why := context.Cause(ctx)
	if errors.Is(why, context.Canceled) {
		why = errEnding
	}
	s.log.Info("ssh screen ended", attrAfter, time.Since(began), attrCause, text(why), attrError, text(err))
	switch {
	case why != nil:
		s.tell(why)
		return exitFailed
	case err != nil:
		s.tell(errors.New("the dashboard failed; the gateway's log has more"))
		return exitFailed
	}
	return 0
}

// text is an error's, "" of none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// command runs a command line; what the operator may, the seat knows.
func (s *session) command(ctx context.Context, line string) int {
	if s.term != "" {
		// The client's terminal is raw: ctrl-c comes as a byte.
		s.reading.Go(func() {
			_, _ = io.Copy(io.Discard, &watched{s.ch, func(p []byte) {
				if bytes.IndexByte(p, 3) >= 0 {
					s.stop(errInterrupted)
				}
			}}) // it ends with the session, whichever way
		})
	}
	args, err := words(line)
	if err != nil {
		s.tell(err)
		return exitUsage
	}
	began := time.Now()
	name, code := s.opt.Command(ctx, s.seat(), args, s.out, s.errOut)
	s.log.Info("ssh command", attrCommand, name, attrCode, code, attrAfter, time.Since(began), attrCause, text(context.Cause(ctx)))
	return code
}

// watched tells of what is read.
type watched struct {
	r    io.Reader
	seen func([]byte)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.seen(p[:n])
	}
	return n, err
}
