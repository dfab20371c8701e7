package backends

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is a connection to a replica, with one request on it at a time. Ask, Next
// and More are called by one goroutine, and so is what ends it: Release, after a
// whole answer, or Close. Others end a call that is under way with Abort.
type Conn struct {
	net.Conn
	Reused bool // it carried a request before

	replica *Replica
	raw     syscall.RawConn       // nil over TLS
	take    func(fd uintptr) bool // takeFrom
	pass    func(fd uintptr) bool // passFrom
	more    func() bool           // of the Stream under way
	socket  syscall.RawConn       // also below TLS
	request []byte                // that take is to send first; nil: none
	got     int                   // what take read
	failed  error
	buf     []byte // nil while nothing is in it
	r, w    int    // what was read and is not used yet
	read    bool   // a byte of the present answer was read
	head    Head
	body    body
	idle    time.Time // since when
	wait    wait
}

// ErrTruncated is an answer that ended before its end.
var ErrTruncated = errors.New("answer cut short")

const readSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// ErrStale is a kept-alive connection that can carry no request any more. None
// of the request was sent.
var ErrStale = errors.New("connection was given up by the backend")

// Ask sends a whole request and reads the head of its answer; interim answers
// (1xx) are passed over.
func (c *Conn) Ask(request []byte) (*Head, error) {
	c.read = false
	c.replica.asked(c, len(request))
	if c.raw != nil {
		c.request = request // the first fill sends it
	} else if c.Reused && c.spoiled() {
		return nil, ErrStale
	} else if _, err := c.Conn.Write(request); err != nil {
		return nil, err
	}
	return c.readHead()
}

// Answered tells whether any byte of an answer was read since Ask began.
func (c *Conn) Answered() bool { return c.read }

func (c *Conn) readHead() (*Head, error) {
	for {
		if c.r < c.w {
			n, err := parseHead(c.buf[c.r:c.w], &c.head)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				c.r += n
				if c.head.Status >= 200 {
					c.body = newBody(&c.head)
					return &c.head, nil
				}
				if c.head.Status == 101 {
					return nil, protocolError("101 to a request that did not ask for it")
				}
				continue
			}
			if c.w-c.r >= maxHead {
				return nil, protocolError("head too large")
			}
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// newConn makes a Conn of a connection that was just opened.
func newConn(c net.Conn, replica *Replica) *Conn {
	conn := &Conn{Conn: c, replica: replica}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			conn.socket = raw
			if c == conn.Conn {
				conn.raw, conn.take, conn.pass = raw, conn.takeFrom, conn.passFrom
			}
		}
	}
	return conn
}

// spoiled tells whether an idle connection can carry no request any more: it
// was closed, or something came that nobody asked for, as from proxies that
// say so when they give a connection up. The next request would get that for
// its answer.
func (c *Conn) spoiled() (spoiled bool) {
	if c.socket == nil {
		return false
	}
	err := c.socket.Read(func(fd uintptr) bool {
		spoiled = unasked(fd)
		return true
	})
	return spoiled || err != nil
}

// unasked tells whether there is something to read, be it the end.
func unasked(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err != syscall.EAGAIN
}

// fill reads more into the buffer, behind what is still unused. The end of the
// connection is io.ErrUnexpectedEOF.
func (c *Conn) fill() error {
	if err := c.makeRoom(); err != nil {
		return err
	}
	n, err := c.receive()
	return c.took(n, err)
}

// makeRoom has the next read find room behind what is still unused.
func (c *Conn) makeRoom() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.w == len(c.buf) {
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		} else { // a head beyond readSize, or a chunk line without end
			if len(c.buf) >= maxHead {
				return protocolError("line too long")
			}
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
	}
	return nil
}

// took books the outcome of a read.
func (c *Conn) took(n int, err error) error {
	if n > 0 {
		c.w += n
		c.read = true
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// receive reads once, and waits for something to read. A stream waits most of
// the time: meanwhile an empty buffer is given back, so that what many quiet
// streams hold is next to nothing.
func (c *Conn) receive() (int, error) {
	if c.raw == nil {
		c.needBuffer()
		return c.Conn.Read(c.buf[c.w:])
	}
	if err := c.await(c.take); err != nil {
		return 0, err
	}
	return c.got, c.failed
}

// await calls f until it returns true: now, and each time that something has
// come.
func (c *Conn) await(f func(fd uintptr) bool) error {
	for {
		err := c.raw.Read(f)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		c.Conn.SetReadDeadline(time.Time{}) // it was a Nudge
	}
}

// Abort breaks off what is under way on the connection: it returns an error,
// and its goroutine has the connection still to close. Any goroutine may call
// it, and it never waits, which Close does while a Stream is at work.
func (c *Conn) Abort() {
	if c.socket != nil {
		c.socket.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	}
}

// Nudge has a Stream that waits look whether something came. Any goroutine may
// call it.
func (c *Conn) Nudge() {
	if c.raw != nil {
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// Stream reads, and calls more each time that something has come, until that
// returns false; more takes it with More. Where the end of the connection is
// the body's clean end, the error is io.EOF.
//
// It saves the read that finds nothing: once a read has not filled the buffer
// it waits at once. What can be missed by that is the end of the connection, if
// it came together with the last bytes: whoever calls Stream must Nudge it when
// it has been quiet for a while.
func (c *Conn) Stream(more func() bool) (err error) {
	c.waits()
	if c.raw == nil {
		for err == nil {
			if err = c.fill(); err == nil && !c.handOn(more) {
				return nil
			}
		}
	} else {
		c.more, c.failed = more, nil
		if err = c.await(c.pass); err == nil {
			err = c.failed
		}
		c.more = nil
	}
	if err == io.ErrUnexpectedEOF {
		err = c.body.atEOF()
	}
	return err
}

// handOn has what came taken, and tells whether to wait for more. Meanwhile
// nobody waits for the engine.
func (c *Conn) handOn(more func() bool) bool {
	c.wait.since.Store(0)
	if !more() {
		return false
	}
	c.waits()
	return true
}

// passFrom is what Stream does when something may have come.
func (c *Conn) passFrom(fd uintptr) bool {
	for {
		if c.failed = c.makeRoom(); c.failed != nil {
			return true
		}
		if !c.takeFrom(fd) {
			return false
		}
		if c.failed = c.took(c.got, c.failed); c.failed != nil {
			return true
		}
		full := c.w == len(c.buf)
		if !c.handOn(c.more) {
			return true
		}
		if c.r == c.w {
			c.dropBuffer()
		}
		if !full {
			return false
		}
	}
}

// takeFrom reads what is there. It returns false where nothing is, to be
// called again when something has come.
//
// A request that is to be asked goes out from in here, because only here no
// event is lost between looking whether the connection is still clean, sending,
// and waiting. So there is no need to look for an answer right after sending,
// which would be in vain.
func (c *Conn) takeFrom(fd uintptr) bool {
	if request := c.request; request != nil {
		c.request, c.got = nil, 0
		if c.Reused && unasked(fd) {
			c.failed = ErrStale
			return true
		}
		if _, c.failed = c.Conn.Write(request); c.failed != nil {
			return true
		}
		if c.Reused { // a new connection may have spoken before it was looked at
			return false
		}
	}
	c.needBuffer()
	for {
		c.got, c.failed = syscall.Read(int(fd), c.buf[c.w:])
		switch c.failed {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			if c.w == 0 {
				c.dropBuffer()
			}
			return false
		}
		return true
	}
}

func (c *Conn) needBuffer() {
	if c.buf == nil {
		c.buf = buffers.Get().(*[readSize]byte)[:]
	}
}

// Next returns the next bytes of the body, as many as have come, and waits for
// some when none have. They alias the connection's buffer and hold until the
// next call. io.EOF is the body's clean end; an end before that is
// ErrTruncated, also between two chunks.
func (c *Conn) Next() ([]byte, error) {
	for {
		n, p, err := c.body.next(c.buf[c.r:c.w])
		c.r += n
		if len(p) > 0 || err != nil {
			c.wait.begun.Store(true)
			c.wait.since.Store(0)
			return p, err
		}
		if c.wait.begun.Load() {
			c.waits()
		}
		if err := c.fill(); err != nil {
			if err == io.ErrUnexpectedEOF {
				err = c.body.atEOF()
			}
			return nil, err
		}
	}
}

// More is Next for what has been read already: nil when that is used up. It
// never waits.
func (c *Conn) More() ([]byte, error) {
	n, p, err := c.body.next(c.buf[c.r:c.w])
	c.r += n
	return p, err
}

// Ahead is how many bytes of the chunk that the last ones belonged to are still
// to come; 0 where the body does not come in chunks.
func (c *Conn) Ahead() int64 {
	if !c.body.chunked || c.body.state != chunkData {
		return 0
	}
	return c.body.left
}

// Release gives the connection back after a whole answer: for the next request
// where it can carry one, else it is closed.
func (c *Conn) Release() {
	c.replica.ended(c)
	if !c.body.done || c.head.close || c.body.untilClose || c.r != c.w {
		c.Close()
		return
	}
	c.dropBuffer()
	c.replica.put(c)
}

// Close ends what is on the connection, and the connection.
func (c *Conn) Close() error {
	c.replica.ended(c)
	return c.Conn.Close()
}

func (c *Conn) dropBuffer() {
	if len(c.buf) == readSize {
		buffers.Put((*[readSize]byte)(c.buf))
	}
	c.buf, c.r, c.w = nil, 0, 0
}
