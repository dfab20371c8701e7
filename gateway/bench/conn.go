package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"time"

	"github.com/valyala/fasthttp"
)

// A conn is one client connection, kept alive between requests. It belongs to
// one goroutine.
type conn struct {
	net.Conn
	br    *bufio.Reader
	head  fasthttp.ResponseHeader
	piece []byte
	check checker
}

// dial connects; everything the connection does ends by the deadline.
func dial(addr string, deadline time.Time) (*conn, error) {
	nc, err := net.DialTimeout("tcp4", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if err := nc.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return &conn{Conn: nc, br: bufio.NewReaderSize(nc, 8<<10), piece: make([]byte, 8<<10)}, nil
}

// readHead reads an answer's head. An answer of another status than 200 is an
// error of type statusError, and its body is left unread.
func (c *conn) readHead() error {
	if err := c.head.Read(c.br); err != nil {
		return fmt.Errorf("read the head: %w", err)
	}
	if status := c.head.StatusCode(); status != fasthttp.StatusOK {
		return statusError(status)
	}
	return nil
}

// statusError is the status of an answer that should have been 200.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// body gives the body whose head was read. Its end must be told by length or
// by the last chunk: a body that ends with the connection can't be told from
// one cut short.
func (c *conn) body() (io.Reader, error) {
	switch n := c.head.ContentLength(); {
	case n >= 0:
		return &exactReader{c.br, n}, nil
	case n == -1:
		return httputil.NewChunkedReader(c.br), nil
	}
	return nil, errors.New("answer without a length")
}

// endBody reads what follows the last chunk.
func (c *conn) endBody() error {
	if c.head.ContentLength() >= 0 {
		return nil
	}
	for {
		line, err := c.br.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read the trailer: %w", err)
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil
		}
	}
}

// exactReader reads left bytes and takes an earlier end for an error.
type exactReader struct {
	r    io.Reader
	left int
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(len(p), e.left)])
	e.left -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// readUnary reads an answer and demands the body byte for byte.
func (c *conn) readUnary(want []byte) error {
	if err := c.readHead(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	for rest := want; ; {
		n, err := body.Read(c.piece)
		if n > len(rest) || !bytes.Equal(c.piece[:n], rest[:n]) {
			return errors.New("answer damaged")
		}
		rest = rest[n:]
		switch {
		case err == io.EOF && len(rest) == 0:
			return c.endBody()
		case err != nil:
			return fmt.Errorf("answer cut short: %w", err)
		}
	}
}

// readStream reads a stream, holds it against the transcript, and calls seen
// with the number of events that each read completed.
func (c *conn) readStream(want *transcript, seen func(events int)) error {
	if err := c.readHead(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	c.check.reset(want)
	for {
		n, err := body.Read(c.piece)
		events, wrong := c.check.add(c.piece[:n])
		if wrong != nil {
			return wrong
		}
		if events > 0 {
			seen(events)
		}
		if err == io.EOF {
			return errors.Join(c.check.end(), c.endBody())
		}
		if err != nil {
			return fmt.Errorf("stream broke after %d of %d events: %w", c.check.event, len(want.ends), err)
		}
	}
}
