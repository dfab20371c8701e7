package main

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// screen is a terminal at the end of an SSH connection.
type screen struct {
	client *ssh.Client
	keys   func(string) error
	read   atomic.Int64 // bytes for the terminal
	line   *metered
	news   chan time.Time // when something came, if anybody waits for it
}

// metered counts what a connection brings.
type metered struct {
	net.Conn
	read atomic.Int64
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.read.Add(int64(n))
	return n, err
}

// open has a server at the end of a connection start a command in a terminal of a
// size; "": what it starts by itself. The connection is closed with the screen.
func open(conn net.Conn, user string, w, h int, command string, auth ...ssh.AuthMethod) (*screen, error) {
	s := &screen{line: &metered{Conn: conn}, news: make(chan time.Time, 1)}
	c, chans, reqs, err := ssh.NewClientConn(s.line, "", &ssh.ClientConfig{User: user, Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Config: ssh.Config{Ciphers: []string{"chacha20-poly1305@openssh.com"}}}) // what OpenSSH's client has long asked for first
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	s.client = ssh.NewClient(c, chans, reqs)
	if err := s.start(w, h, command); err != nil {
		_ = s.client.Close()
		return nil, err
	}
	return s, nil
}

func (s *screen) start(w, h int, command string) error {
	session, err := s.client.NewSession()
	if err != nil {
		return err
	}
	if err := session.RequestPty("xterm-256color", h, w, nil); err != nil {
		return err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return err
	}
	s.keys = func(k string) error { _, err := in.Write([]byte(k)); return err }
	session.Stdout = s
	if command != "" {
		return session.Start(command)
	}
	return session.Shell()
}

// attach opens a dashboard over the socket, where the kernel says who comes.
func attach(socket string, w, h int) (*screen, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return open(conn, "", w, h, "")
}

// Write counts what is drawn.
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
