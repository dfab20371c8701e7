package gateway

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"pilothouse/gateway/keys"
)

// Operators is the organisation of operators' own requests. Its limits are those
// of every organisation, unless the keys file has one of this name: then that
// one's limits and weight. It needs no keys there; those that it has are
// clients' keys like any others, and share its limits.
const Operators = "operators"

// ErrNotServing is what asking ends with before the gateway serves and once it
// stops. Wrapped: test with errors.Is.
var ErrNotServing = errors.New("the gateway does not serve")

// Ask sends an operator's own request through the gateway: a POST of a JSON body
// to a path of its, as a client's request goes, through every step of the
// pipeline but the address rate, as a request of the organisation [Operators]
// and of a key that has the operator's name for its id. In names, what is no
// letter, digit, '-', '_', '.' or '@' becomes '_', and 64 bytes are kept.
//
// The answer is a client's, refusals included; its X-Request-Id tells which
// request it was. Its body arrives as it is made, and must be closed. The end of
// ctx ends the request as a client does who leaves: then ctx's error, or its
// cause, is what Ask or the body's Read returns. Any goroutine may ask, and close
// a body while another reads it. The error is ErrNotServing where nothing serves.
func (g *Gateway) Ask(ctx context.Context, operator, path string, body []byte) (*http.Response, error) {
	resp, err := g.ask(ctx, operator, path, body)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway: %w", err)
	}
	return resp, nil
}

func (g *Gateway) ask(ctx context.Context, operator, path string, body []byte) (*http.Response, error) {
	who, err := g.caller(operator)
	if err != nil {
		return nil, err
	}
	if !plainPath(path) {
		return nil, fmt.Errorf("path %q: it has to begin with '/' and have no blanks or control characters", path)
	}
	select {
	case <-g.ready:
	default:
		return nil, ErrNotServing
	}
	c, err := g.inside.dial(ctx, g.listener, who)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(body)+512)
	b = append(b, "POST "...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: pilothouse\r\nConnection: close\r\nAuthorization: Bearer "...)
	b = append(b, g.inside.secret...)
	b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(append(b, "\r\n\r\n"...), body...)
	return exchange(ctx, c, b)
}

// caller is the key of an operator's own requests.
func (g *Gateway) caller(operator string) (*keys.Key, error) {
	name := callerName(operator)
	if name == "" {
		return nil, errors.New("no operator's name")
	}
	return &keys.Key{ID: name, Name: name, Org: g.operators()}, nil
}

// operators is their organisation, as the keys file has it where it does.
func (g *Gateway) operators() *keys.Org {
	for _, o := range g.keys.Orgs() {
		if o.Name == Operators {
			return o
		}
	}
	return &keys.Org{Name: Operators, Weight: 1}
}

// maxCaller is the longest id of such a key, in bytes, as of any.
const maxCaller = 64

// callerName makes a key's id of an operator's name: a host's users may be called
// anything.
func callerName(operator string) string {
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_.@", r) {
			return r
		}
		return '_'
	}, operator)
	return name[:min(len(name), maxCaller)]
}

func plainPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// inside is the listener of operators' own requests. Nobody can connect to it:
// dial makes both ends of each connection and hands it one. The connections are
// the public listener's, so whatever goes through those goes through these too:
// hang-ups, cancelling, the drain. Each carries one request.
type inside struct {
	secret []byte // what requests on it show; made for this process, and kept nowhere else

	conns chan *conn
	done  chan struct{} // closed by Close
	mu    sync.Mutex    // no connection is taken once it is closed
	over  bool
}

func newInside() *inside {
	return &inside{secret: []byte(rand.Text() + rand.Text()), conns: make(chan *conn), done: make(chan struct{})}
}

// dial opens a connection of that caller's to the gateway.
func (i *inside) dial(ctx context.Context, l *listener, who *keys.Key) (net.Conn, error) {
	ours, theirs, err := pair(ctx)
	if err != nil {
		return nil, err
	}
	c, err := i.adopt(l, theirs, who)
	if err != nil {
		ours.Close()
		theirs.Close()
		return nil, err
	}
	select {
	case i.conns <- c:
		return ours, nil
	case <-i.done:
		err = ErrNotServing
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	ours.Close()
	c.Close()
	return nil, err
}

func (i *inside) adopt(l *listener, t *net.TCPConn, who *keys.Key) (*conn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return nil, ErrNotServing
	}
	return l.adopt(t, who)
}

// Accept returns the end of the next connection that the gateway serves.
func (i *inside) Accept() (net.Conn, error) {
	select {
	case c := <-i.conns:
		return c, nil
	case <-i.done:
		return nil, io.EOF // fasthttp's word for the end
	}
}

// Close ends Accept, and dial, whatever it is at. It may be called again.
func (i *inside) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.over {
		i.over = true
		close(i.done)
	}
	return nil
}

// Addr is no address: there is none.
func (i *inside) Addr() net.Addr { return &net.TCPAddr{} }

// knows tells whether a header shows the secret, to one that has not been told
// on which connection it came.
func (i *inside) knows(h *fasthttp.RequestHeader) bool { return i.is(bearer(h.Peek("Authorization"))) }

func (i *inside) is(presented []byte) bool {
	return subtle.ConstantTimeCompare(presented, i.secret) == 1
}

// pairTime bounds how long the two ends of a connection take to find each other.
const pairTime = 10 * time.Second

// pair makes both ends of a TCP connection, on loopback: what serves connections
// wants one of those. Nobody else can have either end, for only a connection from
// ours is taken.
func pair(ctx context.Context) (ours, theirs *net.TCPConn, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	ours = c.(*net.TCPConn)
	if err = l.SetDeadline(time.Now().Add(pairTime)); err == nil {
		for {
			if theirs, err = l.AcceptTCP(); err != nil {
				break
			}
			if theirs.RemoteAddr().String() == ours.LocalAddr().String() {
				return ours, theirs, nil
			}
			theirs.Close() // somebody tries ports
		}
	}
	ours.Close()
	return nil, nil, err
}

// errNotHTTP stands for errors that may quote what an engine sent.
var errNotHTTP = errors.New("the connection ended, or the answer was not HTTP")

// exchange sends a request on a connection of its own, and reads the head of the
// answer. The connection ends with the answer's body, or with ctx.
func exchange(ctx context.Context, c net.Conn, request []byte) (*http.Response, error) {
	a := &answerBody{ctx: ctx, conn: c}
	a.stop = context.AfterFunc(ctx, func() { c.Close() })
	_, _ = c.Write(request) // what refuses it early may have answered all the same
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: "POST"})
		switch {
		case err != nil:
			a.Close()
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, errNotHTTP
		case resp.StatusCode >= 200:
			a.body, resp.Body = resp.Body, a
			return resp, nil
		}
	}
}

// answerBody is the body of an answer, which its connection ends with.
type answerBody struct {
	ctx  context.Context
	conn net.Conn
	stop func() bool // of the connection's end at ctx's
	body io.Reader
}

func (a *answerBody) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if err != nil {
		if err != io.EOF && a.ctx.Err() != nil {
			err = context.Cause(a.ctx)
		}
		a.Close()
	}
	return n, err
}

// Close closes the connection. Nothing more is read: of a stream that may be much.
func (a *answerBody) Close() error {
	a.stop()
	_ = a.conn.Close() // it may be closed already
	return nil
}
