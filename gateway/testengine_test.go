package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// engine is a backend of nothing but sockets. It keeps every byte that it gets,
// and answers as the test says. Health checks it answers by itself, and it has
// neither metrics nor a list of models.
type engine struct {
	URL string

	t        testing.TB
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	answer   func(*engineConn, *engineRequest)
	sick     bool
	requests []*engineRequest
	stray    []byte // what was no request, or came where none was due
	conns    map[*engineConn]bool
	accepted int // connections that carried a request
}

// engineRequest is one request as it came.
type engineRequest struct {
	Line string // "POST /v1/chat/completions HTTP/1.1"
	Head string // all of it, with the empty line
	Body string
	Conn *engineConn
}

// Header is the value of the header of that name, "" where there is none. Two
// of a name are joined by " | ".
func (r *engineRequest) Header(name string) string {
	var values []string
	for line := range strings.SplitSeq(r.Head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return strings.Join(values, " | ")
}

// engineConn is a connection from the gateway. Its write errors are not for
// tests: whoever writes may be left alone at any moment.
type engineConn struct {
	net.Conn
	Gone   chan struct{} // closed when the gateway closed it
	GoneAt time.Time     // holds once Gone is closed
}

// Send writes one string at once.
func (c *engineConn) Send(s string) { io.WriteString(c.Conn, s) }

// Reset closes the connection with a TCP reset.
func (c *engineConn) Reset() {
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func newEngine(t testing.TB) *engine { return newEngineAt(t, "127.0.0.1:0") }

func newEngineAt(t testing.TB, addr string) *engine {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, listener: l, URL: "http://" + l.Addr().String(), answer: plainAnswer, conns: map[*engineConn]bool{}}
	e.wg.Go(e.accept)
	t.Cleanup(func() {
		l.Close()
		e.CloseConns()
		e.wg.Wait()
	})
	return e
}

// reserve is an address on loopback that nobody else is given until the test
// ends: a socket is bound to it, which refuses connections, and beside which one
// that names the address may listen.
func reserve(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
}

// Answer sets what happens to requests from now on. f may block; it runs in a
// goroutine of the connection's own, one request after the other.
func (e *engine) Answer(f func(*engineConn, *engineRequest)) {
	e.mu.Lock()
	e.answer = f
	e.mu.Unlock()
}

// Sick makes health checks fail from now on, or succeed again.
func (e *engine) Sick(sick bool) {
	e.mu.Lock()
	e.sick = sick
	e.mu.Unlock()
}

// Requests are those that came so far, but for health checks, scrapes of
// metrics and questions for its models. Bytes that were no request fail the test.
func (e *engine) Requests() []*engineRequest {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.stray) > 0 {
		e.t.Fatalf("the engine got bytes that are no request: %q", e.stray)
	}
	return append([]*engineRequest(nil), e.requests...)
}

// Conns counts the connections that are open, and all that ever carried a
// request.
func (e *engine) Conns() (open, ever int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.conns), e.accepted
}

// CloseConns closes all connections from the engine's side.
func (e *engine) CloseConns() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		c.Close()
	}
}

func (e *engine) accept() {
	for {
		nc, err := e.listener.Accept()
		if err != nil {
			return
		}
		c := &engineConn{Conn: nc, Gone: make(chan struct{})}
		e.mu.Lock()
		e.conns[c] = true
		e.mu.Unlock()
		e.wg.Go(func() { e.serve(c) })
	}
}

// serve reads on while an answer is made, so that it sees at once when the
// gateway closes.
func (e *engine) serve(c *engineConn) {
	due := make(chan *engineRequest, 16)
	var answering sync.WaitGroup
	answering.Go(func() {
		for r := range due {
			e.mu.Lock()
			f := e.answer
			e.mu.Unlock()
			f(c, r)
		}
	})
	br := bufio.NewReader(c)
	for n := 0; ; n++ {
		r, err := readEngineRequest(br)
		if err != nil {
			if len(r.Head)+len(r.Body) > 0 {
				e.mu.Lock()
				e.stray = append(e.stray, r.Head+r.Body...)
				e.mu.Unlock()
			}
			break
		}
		r.Conn = c
		if r.Line == "GET /metrics HTTP/1.1" || r.Line == "GET /v1/models HTTP/1.1" {
			c.Send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		if r.Line == "GET /health HTTP/1.1" {
			e.mu.Lock()
			sick := e.sick
			e.mu.Unlock()
			if sick {
				c.Send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
			} else {
				c.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
			continue
		}
		e.mu.Lock()
		if e.requests = append(e.requests, r); n == 0 {
			e.accepted++
		}
		e.mu.Unlock()
		due <- r
	}
	c.GoneAt = time.Now()
	close(c.Gone)
	close(due)
	answering.Wait()
	c.Close()
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
}

// readEngineRequest takes what the gateway may send and nothing else. With an
// error, r holds what was read.
func readEngineRequest(br *bufio.Reader) (r *engineRequest, err error) {
	r = &engineRequest{}
	for !strings.HasSuffix(r.Head, "\r\n\r\n") {
		line, err := br.ReadString('\n')
		r.Head += line
		if err != nil {
			return r, err
		}
	}
	r.Line, _, _ = strings.Cut(r.Head, "\r\n")
	if strings.HasPrefix(r.Line, "GET /health ") || strings.HasPrefix(r.Line, "GET /metrics ") || strings.HasPrefix(r.Line, "GET /v1/models ") {
		return r, nil
	}
	n, err := strconv.Atoi(r.Header("Content-Length"))
	if err != nil || r.Header("Transfer-Encoding") != "" {
		return r, fmt.Errorf("framing: %v", err)
	}
	var body bytes.Buffer
	_, err = io.CopyN(&body, br, int64(n))
	r.Body = body.String()
	return r, err
}

// plainAnswer answers as an engine does, streaming where that was asked for.
func plainAnswer(c *engineConn, r *engineRequest) {
	if strings.Contains(r.Body, `"stream":true`) {
		c.Send(streamHead)
		for _, word := range []string{"one", "two", "three"} {
			c.Send(chunk(event(word)))
		}
		c.Send(chunk("data: [DONE]\n\n") + "0\r\n\r\n")
		return
	}
	c.Send(unary(`{"id":"a","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"}}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}`))
}

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"

// unary is a whole answer with a JSON body.
func unary(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// event is one event of a stream, with a word of output.
func event(word string) string {
	return `data: {"id":"a","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":` + strconv.Quote(word) + `}}]}` + "\n\n"
}

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
