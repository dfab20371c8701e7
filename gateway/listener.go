package gateway

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"pilothouse/gateway/keys"
)

// listener accepts clients' connections and keeps an eye on each of them, from
// accept to close: a client that goes away is noticed within a millisecond,
// whatever lies unread in its socket, and one that takes nothing is cut.
//
// It does so with an epoll instance of its own that waits for hang-ups alone
// (EPOLLRDHUP, edge-triggered). A connection is registered once and costs
// nothing after that; a background read would have to stop at the first
// pipelined byte, and one goroutine for each connection costs its stack.
type listener struct {
	*net.TCPListener
	log   *slog.Logger
	epoll int

	mu    sync.Mutex
	conns map[uint64]*conn
	next  uint64
}

// conn is a client's connection, below TLS where there is TLS. It embeds the
// concrete type: fasthttp asks it for what only that has.
type conn struct {
	*net.TCPConn
	owner   *listener
	id      uint64
	peer    netip.Addr
	caller  *keys.Key               // of an operator's own requests, see inside; nil: a client's connection
	gone    atomic.Bool             // the client closed it, or its end of it
	request atomic.Pointer[request] // under way on it
	busy    atomic.Bool             // a request is under way, or its answer is being sent
	writing atomic.Int64            // when a write began that has not ended, in clock time; 0: none
	refused atomic.Bool             // what it sent last may not have been read to its end
	late    atomic.Bool             // a read has timed out
}

func listen(addr string, log *slog.Logger) (*listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &listener{TCPListener: l.(*net.TCPListener), log: log, epoll: fd, conns: map[uint64]*conn{}}, nil
}

// Accept returns the next connection. Errors that pass, such as too many open
// files, are waited out here: fasthttp would stop serving.
func (l *listener) Accept() (net.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		t, err := l.TCPListener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err == nil {
			var c *conn
			if c, err = l.adopt(t, nil); err == nil {
				return c, nil
			}
			t.Close()
		}
		l.log.Warn("a connection could not be accepted; trying again", "error", err, "wait", wait)
		time.Sleep(wait)
	}
}

// adopt takes a connection: a client's, or one of that caller's, who has no address.
func (l *listener) adopt(t *net.TCPConn, caller *keys.Key) (*conn, error) {
	c := &conn{TCPConn: t, owner: l, caller: caller}
	if a, ok := t.RemoteAddr().(*net.TCPAddr); ok && caller == nil {
		c.peer = a.AddrPort().Addr().Unmap()
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.next++
	c.id = l.next
	l.conns[c.id] = c
	l.mu.Unlock()
	var ctl error
	err = raw.Control(func(fd uintptr) {
		// The event carries our number, not the descriptor, which may have been
		// given to another connection by the time the event is read.
		ev := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(c.id), Pad: int32(c.id >> 32)}
		ctl = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(fd), &ev)
	})
	if err = errors.Join(err, ctl); err != nil {
		l.forget(c)
		return nil, err
	}
	return c, nil
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	delete(l.conns, c.id)
	l.mu.Unlock()
}

// discard gives up a listener that never served.
func (l *listener) discard() {
	l.TCPListener.Close()
	unix.Close(l.epoll)
}

// watch reports hang-ups to the requests they concern until stop is closed.
func (l *listener) watch(stop <-chan struct{}) error {
	// A pipe wakes the wait at the end.
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, p[0], &ev); err != nil {
		return err
	}
	failed, woken := make(chan struct{}), make(chan struct{})
	go func() {
		select {
		case <-stop:
		case <-failed:
		}
		unix.Close(p[1])
		close(woken)
	}()
	defer func() {
		close(failed)
		<-woken
		unix.Close(p[0])
		unix.Close(l.epoll)
	}()
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			id := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
			if id == 0 {
				return nil
			}
			l.mu.Lock()
			c := l.conns[id]
			l.mu.Unlock()
			if c != nil {
				c.gone.Store(true)
				if r := c.request.Load(); r != nil {
					r.end(errClientLeft)
				}
			}
		}
	}
}

// check calls f for every connection that is open.
func (l *listener) check(f func(*conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		f(c)
	}
}

// busy tells whether any connection is.
func (l *listener) busy() (some bool) {
	l.check(func(c *conn) { some = some || c.busy.Load() })
	return some
}

// Read notes why it failed, which the error that becomes of it may hide. Whoever
// reads has sent the answer before.
func (c *conn) Read(p []byte) (int, error) {
	if c.busy.Load() {
		c.busy.Store(false)
	}
	n, err := c.TCPConn.Read(p)
	switch {
	case err == nil || errors.Is(err, net.ErrClosed):
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.late.Store(true)
	default:
		c.gone.Store(true)
	}
	return n, err
}

// piece is as much as a client must take within the write time-out.
const piece = 256 << 10

func (c *conn) Write(p []byte) (n int, err error) {
	for err == nil && len(p) > 0 {
		c.writing.Store(now())
		var took int
		took, err = c.TCPConn.Write(p[:min(piece, len(p))])
		n, p = n+took, p[took:]
	}
	c.writing.Store(0)
	return n, err
}

// How long and how much a connection that was refused is read on.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 64 << 20
)

// Close closes the connection. Were bytes of a refused request still unread,
// the kernel would reset it, and the client would lose the answer that says why.
func (c *conn) Close() error {
	c.busy.Store(false)
	if c.refused.Load() && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		io.CopyN(io.Discard, c.TCPConn, lingerBytes)
	}
	c.owner.forget(c)
	return c.TCPConn.Close()
}

// clientConn finds our connection below what fasthttp serves.
func clientConn(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	own, _ := c.(*conn)
	return own
}
