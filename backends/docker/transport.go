package docker

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/moby/moby/client"
)

// What the other side may send: for an answer in all, for one message of a
// stream, for its headers, and for an error.
const (
	mostAnswer  = 16 << 20
	mostMessage = 1 << 20
	mostHeaders = 64 << 10
	mostRefusal = 64 << 10
)

// transport carries calls to an engine, holds answers to their bounds, and says
// what went wrong in an *outcome, which the client's own code passes on.
type transport struct {
	base    *http.Transport
	scheme  string
	address string
}

// outcome is what a call came to. Its text is the same for all and nothing
// unwraps it: the client looks into errors, and makes others of those that it
// thinks it knows.
type outcome struct{ err error }

func (o *outcome) Error() string { return "no answer of use" }

func newTransport(h *Host, to target) (*transport, error) {
	timeout := time.Duration(h.Timeout)
	dialer := &net.Dialer{Timeout: timeout}
	t := &transport{scheme: "http", address: client.DummyHost, base: &http.Transport{
		DisableCompression: true, MaxIdleConns: 4, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: mostHeaders, TLSHandshakeTimeout: timeout,
		// A connection costs little, but for SSH's. One that is kept may be dead, and
		// what comes over it unasked net/http writes to standard error.
		DisableKeepAlives: to.scheme != "ssh",
	}}
	dial := func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, to.scheme, to.addr) }
	switch to.scheme {
	case "tcp":
		t.scheme, t.address = "https", to.addr
		var err error
		if t.base.TLSClientConfig, err = h.TLS.config(h.Name); err != nil {
			return nil, err
		}
	case "ssh":
		dial = func(context.Context) (net.Conn, error) { return dialSSH(to, timeout) }
	}
	t.base.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return newConn(c), nil
	}
	return t, nil
}

func (t *TLS) config(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	bad := func(key, file, want string) error {
		return &SettingError{"docker host", host, key, fmt.Sprintf("%q", file), want}
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		c.RootCAs = x509.NewCertPool()
		if err != nil || !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, bad("tls.ca_file", t.CAFile, "a readable file with certificates in PEM")
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, bad("tls.cert_file", t.CertFile, "a certificate in PEM, and its key in key_file, without a pass phrase")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// conn knows whether the other side has said anything, and has ended it: the
// errors that net/http makes of either don't all tell. It does not listen before
// it was written to, since net/http writes to standard error what comes unasked.
type conn struct {
	net.Conn
	asked  chan struct{} // closed with the first Write
	closed chan struct{}
	first  sync.Once
	last   sync.Once
	read   atomic.Int64 // bytes
	ended  atomic.Bool
}

func newConn(c net.Conn) *conn {
	return &conn{Conn: c, asked: make(chan struct{}), closed: make(chan struct{})}
}

func (c *conn) Read(p []byte) (int, error) {
	select {
	case <-c.asked:
	case <-c.closed:
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	if err == io.EOF {
		c.ended.Store(true)
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.first.Do(func() { close(c.asked) })
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	c.last.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// RoundTrip is http.RoundTripper's. It may be called at once.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	var used *conn
	var before int64
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		under := info.Conn
		if secure, ok := under.(*tls.Conn); ok {
			under = secure.NetConn()
		}
		used, _ = under.(*conn)
		before = used.read.Load()
	}}
	resp, err := t.base.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return nil, broken(ctx, err, used != nil && used.read.Load() > before && !used.ended.Load())
	}
	if err := refused(req, resp); err != nil {
		resp.Body.Close()
		return nil, &outcome{err}
	}
	most, each := int64(mostAnswer), false
	switch call := req.URL.Path; {
	case strings.HasSuffix(call, "/logs"):
		most = 0
	case strings.HasSuffix(call, "/events"), strings.HasSuffix(call, "/images/create"):
		most, each = mostMessage, true
	}
	resp.Body = &body{ReadCloser: resp.Body, ctx: ctx, most: most, left: most, each: each}
	return resp, nil
}

// refused looks at an answer's head: whether it is Docker's at all, and what it
// says where it is an error.
func refused(req *http.Request, resp *http.Response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	nonsense := &EngineError{Kind: Nonsense, Detail: fmt.Sprintf("status %d with %s", resp.StatusCode, quote(kind))}
	switch {
	case resp.StatusCode == http.StatusNotModified, resp.StatusCode == http.StatusNoContent:
		return nil
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		if kind == "text/html" || silent(req) {
			return nonsense
		}
		return nil
	case resp.StatusCode < 400 || kind != "application/json" && req.Method != http.MethodHead:
		return nonsense
	case req.Method == http.MethodHead:
		return &Refusal{Status: resp.StatusCode}
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostRefusal))
	var says struct{ Message string }
	if err != nil || json.Unmarshal(bytes.TrimSpace(text), &says) != nil || says.Message == "" {
		nonsense.Detail = fmt.Sprintf("status %d without Docker's message", resp.StatusCode)
		return nonsense
	}
	return &Refusal{Status: resp.StatusCode, Message: says.Message}
}

// silent tells whether a call has no answer but its status, 204: an engine that
// has more to say has not done it.
func silent(req *http.Request) bool {
	switch path.Base(req.URL.Path) {
	case "start", "stop", "restart":
		return req.Method == http.MethodPost
	}
	return req.Method == http.MethodDelete
}

// broken says what a failed exchange means. alive is whether the other side has
// said anything and has not ended the connection.
func broken(ctx context.Context, err error, alive bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	away := func(detail string) error { return &outcome{&EngineError{Kind: Away, Detail: detail}} }
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &outcome{&EngineError{Kind: Nonsense, Detail: "it does not speak TLS"}}
	}
	if e, ok := errors.AsType[*sshError](err); ok {
		return away(e.Error())
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return away("its certificate is not to be trusted: " + plain(e.Err.Error()))
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return away("the host's name is not known")
		}
		return away("the host's name can't be looked up")
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" { // an alert of TLS, whose text is Go's
		return away("it refuses the connection: " + plain(e.Err.Error()))
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return away(e.Error())
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return away("no connection in time")
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), !alive:
		return away("it ended the connection")
	}
	return &outcome{&EngineError{Kind: Nonsense, Detail: "no HTTP"}}
}

// body is an answer held to its bound: in all, or between two ends of lines.
type body struct {
	io.ReadCloser
	ctx  context.Context // of its request, to tell how it ended
	most int64           // 0: none
	left int64
	each bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.most > 0 {
		b.left -= int64(n)
		if b.each {
			if at := bytes.LastIndexByte(p[:n], '\n'); at >= 0 {
				b.left = b.most - int64(n-at-1)
			}
		}
		if b.left < 0 {
			return 0, &outcome{&EngineError{Kind: Nonsense, Detail: fmt.Sprintf("more than %d MiB at once", b.most>>20)}}
		}
	}
	if err != nil && err != io.EOF {
		return n, broken(b.ctx, err, true)
	}
	return n, err
}
