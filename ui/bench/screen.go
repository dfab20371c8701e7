package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
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
	page   *page // what stands on it, once drawn; nil where keys are not timed

	mu   sync.Mutex
	came []arrival     // what is to be drawn on the page
	news chan struct{} // something came
}

// arrival is what came at once.
type arrival struct {
	at    time.Time
	bytes []byte
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
// size; "": what it starts by itself. Keys can be timed where it is asked for. The
// connection is closed with the screen.
func open(conn net.Conn, user string, w, h int, timed bool, command string, auth ...ssh.AuthMethod) (*screen, error) {
	s := &screen{line: &metered{Conn: conn}, news: make(chan struct{}, 1)}
	c, chans, reqs, err := ssh.NewClientConn(s.line, "", &ssh.ClientConfig{User: user, Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Config: ssh.Config{Ciphers: []string{"chacha20-poly1305@openssh.com"}}}) // what OpenSSH's client has long asked for first
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	s.client = ssh.NewClient(c, chans, reqs)
	if timed {
		s.page = newPage(w, h)
	}
	if err := s.start(w, h, command); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close ends the connection, and with it what it started.
func (s *screen) close() {
	_ = s.client.Close()
	if s.page != nil {
		_ = s.page.Close()
	}
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
func attach(socket string, w, h int, timed bool) (*screen, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return open(conn, "", w, h, timed, "")
}

// Write counts what is drawn, and keeps it where keys are timed.
func (s *screen) Write(p []byte) (int, error) {
	at := time.Now()
	s.read.Add(int64(len(p)))
	if s.page == nil {
		return len(p), nil
	}
	s.mu.Lock()
	s.came = append(s.came, arrival{at, bytes.Clone(p)})
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
	return len(p), nil
}

// draw puts the next of what came on the page, and returns when it came; false
// where nothing is left.
func (s *screen) draw() (time.Time, bool) {
	s.mu.Lock()
	if len(s.came) == 0 {
		s.mu.Unlock()
		return time.Time{}, false
	}
	a := s.came[0]
	s.came = s.came[1:]
	s.mu.Unlock()
	_, _ = s.page.Write(a.bytes)
	return a.at, true
}

// toggle is a pair of keys that change what stands on a screen, and change it back.
type toggle struct {
	keys [2]string
	text string // gone after the first, there after the second
}

// press times a key, to the first bytes with which its change stands on the screen.
// What the program draws meanwhile by itself is not taken for it.
func (s *screen) press(t toggle, i int) (time.Duration, error) {
	k, stands := t.keys[i%2], i%2 == 1
	for more := true; more; {
		_, more = s.draw()
	}
	if s.page.shows(t.text) == stands {
		return 0, fmt.Errorf("press %s: whether %q stands on the screen was %v before", k, t.text, stands)
	}
	began := time.Now()
	if err := s.keys(k); err != nil {
		return 0, err
	}
	late := time.After(5 * time.Second)
	for {
		if at, ok := s.draw(); !ok {
			select {
			case <-s.news:
			case <-late:
				return 0, fmt.Errorf("press %s: whether %q stands on the screen is not %v after 5 s", k, t.text, stands)
			}
		} else if s.page.shows(t.text) == stands {
			return at.Sub(began), nil
		}
	}
}

// walk goes to and fro with two keys, so many times, and times each. A screen may be
// drawn at certain moments only, once a second say: keys are pressed at all
// points between them, not at one.
func (s *screen) walk(ctx context.Context, t toggle, many int) (all []time.Duration, err error) {
	for i := range many {
		took, err := s.press(t, i)
		if err != nil {
			return nil, err
		}
		all = append(all, took)
		if err := pass(ctx, 100*time.Millisecond+time.Duration(i*61%100)*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return all, nil
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
