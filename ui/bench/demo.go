package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// server is a pilothouse that serves.
type server struct {
	cmd    *exec.Cmd
	url    string
	key    string // of the demo's gateway
	socket string // through which operators attach
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
	for lines.Scan() {
		var l struct{ Msg, URL, Key, Socket string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "demo" {
			s.url, s.key, s.socket = l.URL, l.Key, l.Socket
			break
		}
		if l.Msg == "listening" && len(args) > 0 && args[0] != "--demo" {
			break
		}
	}
	go func() {
		for lines.Scan() { // so that it is never held up
		}
	}()
	if lines.Err() != nil {
		return nil, lines.Err()
	}
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

// screen is one attached dashboard.
type screen struct {
	client *ssh.Client
	keys   func(string) error
	read   atomic.Int64
	news   chan time.Time // when something came, if anybody waits for it
}

// attach opens a dashboard over the socket, where the kernel says who comes.
func attach(socket string, w, h int) (*screen, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, socket, &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		return nil, err
	}
	s := &screen{client: ssh.NewClient(c, chans, reqs), news: make(chan time.Time, 1)}
	session, err := s.client.NewSession()
	if err != nil {
		return nil, err
	}
	if err := session.RequestPty("xterm-256color", h, w, nil); err != nil {
		return nil, err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.keys = func(k string) error { _, err := in.Write([]byte(k)); return err }
	session.Stdout = s
	return s, session.Shell()
}

// Write counts what the dashboard draws.
func (s *screen) Write(p []byte) (int, error) {
	s.read.Add(int64(len(p)))
	select {
	case s.news <- time.Now():
	default:
	}
	return len(p), nil
}

// press times a key, to the first bytes that come after it.
func (s *screen) press(k string) (time.Duration, error) {
	select {
	case <-s.news:
	default:
	}
	began := time.Now()
	if err := s.keys(k); err != nil {
		return 0, err
	}
	select {
	case at := <-s.news:
		return at.Sub(began), nil
	case <-time.After(5 * time.Second):
		return 0, fmt.Errorf("the key %s changed nothing", k)
	}
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
	defer func() {
		for _, sc := range screens {
			_ = sc.client.Close()
		}
	}()
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
	read := func() (sum int64) {
		for _, sc := range screens {
			sum += sc.read.Load()
		}
		return sum
	}
	before := read()
	busy, err := s.busy(ctx, span)
	if err != nil {
		return nil, err
	}
	m := &measured{bytes: float64(read()-before) / float64(n) / span.Seconds()}
	for i := range 40 {
		took, err := screens[0].press([]string{"3", "1"}[i%2])
		if err != nil {
			return nil, err
		}
		m.keys = append(m.keys, took)
		if err := pass(ctx, 150*time.Millisecond); err != nil { // a screen is drawn ten times a second at most
			return nil, err
		}
	}
	for _, sc := range screens {
		_ = sc.client.Close()
	}
	screens = nil
	if err := pass(ctx, time.Second); err != nil {
		return nil, err
	}
	after, err := s.busy(ctx, span/2)
	if err != nil {
		return nil, err
	}
	m.core = (busy - (idle+after)/2) / float64(n)
	return m, nil
}

// busy is what share of a core the server takes over a time, in %.
func (s *server) busy(ctx context.Context, span time.Duration) (float64, error) {
	before, err := processor(s.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := pass(ctx, span); err != nil {
		return 0, err
	}
	after, err := processor(s.cmd.Process.Pid)
	return 100 * (after - before).Seconds() / time.Since(began).Seconds(), err
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
