package sshd

import (
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// An operator gets in at once, whoever sits in the door.
func TestHalfOpen(t *testing.T) {
	b := newBed(t, nil)
	for range 200 {
		c, err := dialRaw(b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	began := time.Now()
	c := b.dial("oli")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := s.Output("status"); string(out) != "oli: status\n" {
		t.Errorf("got %q", out)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	d := b.ways[0].door
	d.mu.Lock()
	if n := d.oldest.Len(); n > b.limits.remote.door.each || len(d.each) != 1 {
		t.Errorf("%d are in the door, from %v", n, d.each)
	}
	d.mu.Unlock()
}

// Who proves nothing in time is out.
func TestHandshakeDeadline(t *testing.T) {
	b := newBed(t, func(_ *Options, l *limits) { l.handshake = time.Second })
	c, err := dialRaw(b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("it is not closed: %v", err)
	}
	// Who has proven a key has all the time there is.
	s, _ := b.terminal("vera", 80, 24)
	w := receive(t, "the screen", b.screens)
	time.Sleep(2 * b.limits.handshake)
	if w.ctx.Err() != nil {
		t.Error("the deadline holds on")
	}
	s.Close()
}

// Fifty operators at once, by OpenSSH's client, each with an own screen.
func TestManySessions(t *testing.T) {
	b := newBed(t, func(_ *Options, l *limits) { l.remote.sessions.each = 20 })
	const n = 50
	names := []string{"vera", "oli", "ada"}
	var cmds []*exec.Cmd
	var screens []*shown
	for i := range n {
		cmd := b.ssh(names[i%len(names)], "-tt")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
		if i%5 == 4 {
			for len(screens) <= i {
				screens = append(screens, receive(t, "a screen", b.screens))
			}
		}
	}
	for _, w := range screens {
		if _, err := io.WriteString(w.Out, "hello\n"); err != nil {
			t.Error(err)
		}
		close(w.quit)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all seats given back", func() bool {
		seats := b.ways[0].sessions
		seats.mu.Lock()
		defer seats.mu.Unlock()
		return seats.taken == 0 && len(seats.by) == 0
	})
}

func TestSessionLimits(t *testing.T) {
	b := newBed(t, func(_ *Options, l *limits) {
		l.remote.sessions, l.remote.conns, l.channels = bound{all: 4, each: 3}, bound{all: 10, each: 3}, 2
	})
	one, two := b.dial("vera"), b.dial("vera")
	open := func(c *ssh.Client, want string) {
		t.Helper()
		s, err := c.NewSession()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
		if s != nil {
			t.Cleanup(func() { s.Close() })
		}
	}
	open(one, "")
	open(one, "")
	open(one, "a connection has 2 sessions at most")
	open(two, "")
	open(two, "too many sessions")
	other := b.dial("oli")
	open(other, "")
	open(other, "too many sessions") // of all
	third := b.dial("vera")
	open(third, "too many sessions") // it has its place when it is answered
	if fourth, err := b.login(ssh.PublicKeys(b.people["vera"].signer)); err == nil {
		if _, err := fourth.NewSession(); err == nil || strings.Contains(err.Error(), "sessions") {
			t.Errorf("a fourth connection: %v", err)
		}
		fourth.Close()
	}
	one.Close()
	eventually(t, "a seat", func() bool {
		s, err := third.NewSession()
		if err == nil {
			s.Close()
		}
		return err == nil
	})
}

// A connection that nobody uses is closed.
func TestUnused(t *testing.T) {
	b := newBed(t, func(_ *Options, l *limits) { l.unused = time.Second })
	c := b.dial("vera")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * b.limits.unused)
	if out, _ := s.Output("status"); string(out) != "vera: status\n" {
		t.Errorf("got %q: a connection in use was closed", out)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	receive(t, "the end of an unused connection", done)
}

// from is a connection of an address that notes that it was closed.
type from struct {
	net.Conn
	addr   string
	closed bool
}

func (f *from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(f.addr), 1))
}

func (f *from) Close() error { f.closed = true; return nil }

// The oldest of an address that has its share gives way, or else the oldest of all.
func TestDoor(t *testing.T) {
	d := newDoor(bound{all: 4, each: 2})
	var in []*from
	var leave []func()
	enter := func(addr string, closed ...int) {
		t.Helper()
		c := &from{addr: addr}
		leave = append(leave, d.enter(c))
		in = append(in, c)
		for i, c := range in {
			if want := slices.Contains(closed, i); c.closed != want {
				t.Errorf("connection %d of %s: closed is %v", i, c.addr, c.closed)
			}
		}
	}
	enter("10.0.0.1")
	enter("10.0.0.2")
	enter("10.0.0.2")
	enter("::ffff:10.0.0.2", 1) // the same, whatever way it is written
	enter("2001:db8::1", 1)
	enter("2001:db8::2", 1, 0) // the oldest of all
	enter("2001:db8::3", 1, 0, 4)
	leave[2]()
	leave[2]() // twice is once
	leave[0]()
	enter("2001:db8:0:1::1", 1, 0, 4)
	for _, l := range leave {
		l()
	}
	if d.oldest.Len() != 0 || len(d.each) != 0 {
		t.Errorf("left: %d, %v", d.oldest.Len(), d.each)
	}
}

func TestSeldom(t *testing.T) {
	var s seldom
	now := time.Now()
	for i, want := range []bool{true, false, false} {
		if _, ok := s.now(now.Add(time.Duration(i) * time.Millisecond)); ok != want {
			t.Errorf("line %d: %v", i, ok)
		}
	}
	if left, ok := s.now(now.Add(time.Second)); !ok || left != 2 {
		t.Errorf("after a second: %d, %v", left, ok)
	}
}
