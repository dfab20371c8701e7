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

// warm is how long a demo runs before what dashboards add to it is measured: until
// then its heap grows by itself.
const warm = 100 * time.Second

// views go to and fro between two views.
var views = toggle{keys: [2]string{"3", "1"}, text: "─ traffic ─"}

// attached measures what each of n dashboards costs. The first to which any attach:
// what they leave behind is no longer seen as what others add.
func (s *server) attached(ctx context.Context, w, h, n int, span, watch time.Duration) (*measured, error) {
	pid := s.cmd.Process.Pid
	idle, err := s.busy(ctx, span/2)
	if err != nil {
		return nil, err
	}
	without, err := taken(pid)
	if err != nil {
		return nil, err
	}
	var screens []*screen
	leave := func() {
		for _, sc := range screens {
			sc.close()
		}
		screens = nil
	}
	defer leave()
	for i := range n {
		sc, err := attach(s.socket, w, h, i == 0)
		if err != nil {
			return nil, err
		}
		screens = append(screens, sc)
	}
	if err := pass(ctx, settle); err != nil {
		return nil, err
	}
	m := &measured{}
	first, err := taken(pid)
	if err != nil {
		return nil, err
	}
	busy, err := m.watch(screens, func() (float64, error) { return s.busy(ctx, span) })
	if err != nil {
		return nil, err
	}
	last, err := taken(pid)
	if err != nil {
		return nil, err
	}
	m.first, m.last = first.each(n, without), last.each(n, without)
	if m.keys, err = screens[0].walk(ctx, views, presses); err != nil {
		return nil, err
	}
	if watch > 0 {
		each := func() (float64, error) { m, err := taken(pid); return m.each(n, without).resident, err }
		if m.grown, err = screens[0].grow(ctx, "dashboards", watch, views, part{"each", each}); err != nil {
			return nil, err
		}
	}
	leave()
	if err := pass(ctx, time.Second); err != nil {
		return nil, err
	}
	after, err := s.busy(ctx, span/2)
	m.core = (busy - (idle+after)/2) / float64(n)
	return m, err
}

// each is what each of n dashboards adds to a process which has so much without
// them. What Go's runtime has not yet collected, or not yet given back, is in it.
func (m memory) each(n int, without memory) held {
	return held{(m.resident - without.resident) / float64(n), (m.anonymous - without.anonymous) / float64(n)}
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
