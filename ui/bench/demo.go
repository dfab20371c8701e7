package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// server is a pilothouse that serves.
type server struct {
	cmd    *exec.Cmd
	url    string
	socket string // through which operators attach; of the demo only
}

// start runs a command until it says where it listens.
func start(ctx context.Context, binary string, args ...string) (*server, error) {
	s := &server{cmd: exec.CommandContext(ctx, binary, args...)}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	last := ""
	for s.url == "" && lines.Scan() {
		var l struct{ Msg, URL, Clients, Socket string }
		last = lines.Text()
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue
		}
		switch demo := args[0] == "--demo"; {
		case demo && l.Msg == "demo":
			s.url, s.socket = l.URL, l.Socket
		case !demo && l.Msg == "listening":
			s.url = l.Clients
		}
	}
	if s.url == "" {
		s.stop()
		return nil, errors.Join(fmt.Errorf("start %s: it ended with %q", binary, last), lines.Err())
	}
	go func() {
		for lines.Scan() { // so that it is never held up
		}
	}()
	return s, nil
}

func startDemo(ctx context.Context, binary string) (*server, error) {
	s, err := start(ctx, binary, "--demo", "serve")
	if err == nil && s.socket == "" {
		s.stop()
		err = errors.New("the demo did not say where operators attach")
	}
	return s, err
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait() // which tells of the signal
}

// settle is how long the first picture and what comes with it are left out.
const settle = 5 * time.Second

// attached measures what each of n dashboards costs.
func (s *server) attached(ctx context.Context, w, h, n int, span time.Duration) (*measured, error) {
	idle, err := s.busy(ctx, span/2)
	if err != nil {
		return nil, err
	}
	var screens []*screen
	leave := func() {
		for _, sc := range screens {
			_ = sc.client.Close()
		}
		screens = nil
	}
	defer leave()
	for range n {
		sc, err := attach(s.socket, w, h)
		if err != nil {
			return nil, err
		}
		screens = append(screens, sc)
	}
	if err := pass(ctx, settle); err != nil {
		return nil, err
	}
	read := func() (drawn, line float64) {
		for _, sc := range screens {
			drawn, line = drawn+float64(sc.read.Load()), line+float64(sc.line.read.Load())
		}
		return drawn, line
	}
	drawn, line := read()
	began := time.Now()
	busy, err := s.busy(ctx, span)
	if err != nil {
		return nil, err
	}
	each := float64(n) * time.Since(began).Seconds()
	nowDrawn, nowLine := read()
	m := &measured{bytes: (nowDrawn - drawn) / each, wire: (nowLine - line) / each}
	if m.keys, err = screens[0].walk(ctx); err != nil {
		return nil, err
	}
	leave()
	if err := pass(ctx, time.Second); err != nil {
		return nil, err
	}
	after, err := s.busy(ctx, span/2)
	m.core = (busy - (idle+after)/2) / float64(n)
	return m, err
}

// walk goes to and fro between two views, and times each key.
func (s *screen) walk(ctx context.Context) (all []time.Duration, err error) {
	for i := range 40 {
		took, err := s.press([]string{"3", "1"}[i%2])
		if err != nil {
			return nil, err
		}
		all = append(all, took)
		if err := pass(ctx, 150*time.Millisecond); err != nil { // a screen is drawn ten times a second at most
			return nil, err
		}
	}
	return all, nil
}

// busy is what share of a core the server takes over a time, in %.
func (s *server) busy(ctx context.Context, span time.Duration) (float64, error) {
	done, err := stopwatch(s.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	if err := pass(ctx, span); err != nil {
		return 0, err
	}
	return done()
}

// stopwatch begins to count what share of a core some processes take; what it
// returns tells it, in %.
func stopwatch(pids ...int) (func() (float64, error), error) {
	sum := func() (all time.Duration, err error) {
		for _, pid := range pids {
			t, err := processor(pid)
			if err != nil {
				return 0, err
			}
			all += t
		}
		return all, nil
	}
	before, err := sum()
	began := time.Now()
	return func() (float64, error) {
		after, err := sum()
		return 100 * (after - before).Seconds() / time.Since(began).Seconds(), err
	}, err
}
