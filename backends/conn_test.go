package backends

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// peer is an engine's end of one connection at a time.
type peer struct {
	*Replica
	accepted chan net.Conn
}

func newPeer(t *testing.T, timeouts Timeouts) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	cfg := Config{Name: "b", Model: "m", URLs: []string{"http://" + l.Addr().String()}, Timeouts: timeouts}
	p := &peer{newPool(t, cfg).All()[0].replicas[0], make(chan net.Conn, 10)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			p.accepted <- c
		}
	}()
	return p
}

// open gives both ends of a new connection.
func (p *peer) open(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	c, err := p.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, <-p.accepted
}

// readBody reads an answer as the gateway does.
func readBody(c *Conn) (head *Head, body string, err error) {
	if head, err = c.Ask([]byte("POST / HTTP/1.1\r\n\r\n")); err != nil {
		return nil, "", err
	}
	for {
		p, err := c.Next()
		body += string(p)
		if err == io.EOF {
			return head, body, nil
		}
		if err != nil {
			return head, body, err
		}
	}
}

func TestConnAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name, answer string
		body         string
		err          error
		kept         bool // for the next request
	}{
		{"length", ok + "Content-Length: 5\r\n\r\nhello", "hello", nil, true},
		{"no body", ok + "Content-Length: 0\r\n\r\n", "", nil, true},
		{"chunks", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", nil, true},
		{"trailers", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", "hello", nil, true},
		{"until close", ok + "\r\nhello", "hello", nil, false},
		{"close", ok + "Content-Length: 5\r\nConnection: close\r\n\r\nhello", "hello", nil, false},
		{"close in a list", ok + "Content-Length: 5\r\nConnection: x, Close\r\n\r\nhello", "hello", nil, false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", nil, false},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", "", nil, true},
		{"more than its length", ok + "Content-Length: 5\r\n\r\nhelloX", "hello", nil, false},
		{"more than its chunks", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nX", "hello", nil, false},
		{"after interim ones", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", "hello", nil, true},
		{"a long head", ok + "X: " + strings.Repeat("x", 40<<10) + "\r\nContent-Length: 5\r\n\r\nhello", "hello", nil, true},
		{"long chunks", ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("8000\r\n"+strings.Repeat("x", 0x8000)+"\r\n", 9) + "0\r\n\r\n", strings.Repeat("x", 9*0x8000), nil, true},

		{"switching protocols", "HTTP/1.1 101 Switching\r\n\r\n", "", ErrProtocol, false},
		{"head beyond its bound", ok + "X: " + strings.Repeat("x", 70<<10) + "\r\n\r\n", "", ErrProtocol, false},
		{"chunk line without end", ok + "Transfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 70<<10), "", ErrProtocol, false},
		{"nothing", "", "", io.ErrUnexpectedEOF, false},
		{"half a head", ok + "Content-", "", io.ErrUnexpectedEOF, false},
		{"short of its length", ok + "Content-Length: 6\r\n\r\nhello", "hello", ErrTruncated, false},
		{"cut in a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "hel", ErrTruncated, false},
		{"cut between chunks", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello", ErrTruncated, false},
		{"cut before the last line", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "hello", ErrTruncated, false},
		{"cut in a trailer", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n", "hello", ErrTruncated, false},
		{"bad chunk size", ok + "Transfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n", "", ErrProtocol, false},
		{"chunk longer than its size", ok + "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", "hell", ErrProtocol, false},
		{"length and chunks", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "", ErrProtocol, false},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "", ErrProtocol, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeer(t, Timeouts{})
			conn, far := p.open(t)
			go func() {
				io.WriteString(far, c.answer)
				if !c.kept {
					far.(*net.TCPConn).CloseWrite()
				}
			}()
			_, body, err := readBody(conn)
			if body != c.body || !errors.Is(err, c.err) {
				t.Fatalf("%d bytes %.20q, %v; want %d bytes and %v", len(body), body, err, len(c.body), c.err)
			}
			if err != nil {
				return
			}
			conn.Release()
			again := p.Conn()
			if (again != nil) != c.kept {
				t.Errorf("kept for the next request: %v, want %v", again != nil, c.kept)
			}
			if again != nil && (again != conn || !again.Reused) {
				t.Error("it is not the same connection")
			}
		})
	}
}

// A connection that lies idle is given up before the engine's own limit.
func TestIdleLimit(t *testing.T) {
	p := newPeer(t, Timeouts{Idle: Duration(4 * time.Second)})
	idle := func(since ...time.Duration) (all []*Conn) {
		for _, d := range since {
			c, far := p.open(t)
			io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			if _, _, err := readBody(c); err != nil {
				t.Fatal(err)
			}
			c.Release()
			c.idle = time.Now().Add(-d)
			all = append(all, c)
		}
		return all
	}
	all := idle(6*time.Second, 5*time.Second, 1*time.Second)
	if c := p.Conn(); c != all[2] {
		t.Error("the youngest was not given")
	}
	if c := p.Conn(); c != nil {
		t.Errorf("one was given that had been idle for %v", time.Since(c.idle))
	}
	all = append(all, idle(2*time.Second)...)
	p.sweep(4 * time.Second)
	if n := p.status().Idle; n != 1 {
		t.Errorf("%d are left after the sweep", n)
	}
	for _, old := range all[:2] {
		if _, err := old.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("an old one was not closed: %v", err)
		}
	}
	p.close()
	if n := p.status().Idle; n != 0 {
		t.Errorf("%d are left after the close", n)
	}
	late := idle(0)[0]
	if c := p.Conn(); c != nil {
		t.Error("one that came back after the close was kept")
	}
	if _, err := late.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("one that came back after the close was not closed: %v", err)
	}
}

// A connection that the engine closed, or spoke on, while it lay idle is not
// asked.
func TestSpoiled(t *testing.T) {
	for name, spoil := range map[string]func(net.Conn){
		"closed":   func(c net.Conn) { c.Close() },
		"reset":    func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"spoke on": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 408 Too late\r\n\r\n") },
	} {
		p := newPeer(t, Timeouts{Idle: Duration(time.Hour)})
		c, far := p.open(t)
		io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if _, _, err := readBody(c); err != nil {
			t.Fatal(err)
		}
		c.Release()
		spoil(far)
		for end := time.Now().Add(patience); !c.spoiled(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: never noticed", name)
			}
		}
		if _, err := p.Conn().Ask([]byte("POST / HTTP/1.1\r\n\r\n")); err != ErrStale {
			t.Errorf("%s: asked all the same, %v", name, err)
		}
	}
}

func TestCloseEndsARead(t *testing.T) {
	p := newPeer(t, Timeouts{})
	c, far := p.open(t)
	io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
	ended := make(chan error)
	read := make(chan struct{})
	go func() {
		if _, err := c.Ask([]byte("POST / HTTP/1.1\r\n\r\n")); err != nil {
			t.Error(err)
		}
		c.Next()
		close(read)
		_, err := c.Next()
		ended <- err
	}()
	<-read
	c.Close()
	if err := <-ended; err == nil || err == io.EOF {
		t.Errorf("a read that was broken off ended with %v", err)
	}
}

func TestDialTimeout(t *testing.T) {
	p := newPeer(t, Timeouts{})
	p.settings.Load().timeouts.Connect = Duration(time.Nanosecond) // less than may be configured
	if c, err := p.Dial(t.Context()); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		t.Errorf("%v, %v", c, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p = newPeer(t, Timeouts{})
	if c, err := p.Dial(ctx); err == nil {
		c.Close()
		t.Error("a dial that was broken off succeeded")
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// Over TLS the engine's certificate is checked, and all else is the same.
func TestConnTLS(t *testing.T) {
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Host+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.StartTLS()
	defer h.Close()
	p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{h.URL + "/at/"}, APIKey: "made-for-this-test"})
	r := p.All()[0].replicas[0]
	if c, err := r.Dial(t.Context()); err == nil {
		c.Close()
		t.Fatal("a certificate that nobody vouches for was taken")
	}
	r.tls.RootCAs = x509.NewCertPool()
	r.tls.RootCAs.AddCert(h.Certificate())
	c, err := r.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Ask(append(r.AppendHead(nil, "/v1/x", "id", false, 2), "{}"...)); err != nil {
			t.Fatal(err)
		}
		p, err := c.Next()
		if want := strings.TrimPrefix(h.URL, "https://") + " /at/v1/x Bearer made-for-this-test"; string(p) != want || err != nil {
			t.Fatalf("%q, %v; want %q", p, err, want)
		}
		if _, err := c.Next(); err != io.EOF {
			t.Fatal(err)
		}
		c.Release()
		if again := r.Conn(); again != c {
			t.Fatal("it was not kept")
		}
	}
	if _, ok := c.Conn.(*tls.Conn); !ok {
		t.Errorf("the connection is a %T", c.Conn)
	}
	c.Close()
}

func TestAppendHead(t *testing.T) {
	p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{"http://engine:8000/prefix/"}, APIKey: "made-for-this-test"})
	b := p.All()[0].replicas[0].AppendHead(nil, "/v1/chat/completions", "an-id", true, 42)
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(b) + strings.Repeat("x", 42))))
	if err != nil {
		t.Fatal(err)
	}
	if req.Method != "POST" || req.RequestURI != "/prefix/v1/chat/completions" || req.Host != "engine:8000" || req.ContentLength != 42 {
		t.Errorf("%s %s %s %d", req.Method, req.RequestURI, req.Host, req.ContentLength)
	}
	for name, want := range map[string]string{"Authorization": "Bearer made-for-this-test", "X-Request-Id": "an-id", "Accept": "text/event-stream", "Content-Type": "application/json"} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(req.Header) != 5 {
		t.Errorf("the head has %v", req.Header)
	}
}
