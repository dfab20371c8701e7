package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Front is one address behind which one server at a time answers, as a
// fail-over has it.
type Front struct {
	Addr string

	mu    sync.Mutex
	to    *Server
	conns map[net.Conn]bool
}

// NewFront makes an address for a server. It ends with the test.
func NewFront(t testing.TB, to *Server) *Front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Front{Addr: l.Addr().String(), to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); f.Switch(nil) })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(in)
		}
	}()
	return f
}

// URL is where it is.
func (f *Front) URL() string { return "redis://" + f.Addr }

// Switch has another server answer from now on, nil for none. Connections to
// the one before end.
func (f *Front) Switch(to *Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = to
	for c := range f.conns {
		c.Close()
	}
	clear(f.conns)
}

// serve carries a connection to the server of the moment.
func (f *Front) serve(in net.Conn) {
	defer in.Close()
	f.mu.Lock()
	if f.to == nil {
		f.mu.Unlock()
		return
	}
	out, err := net.Dial("tcp", f.to.Addr)
	if err == nil {
		f.conns[in], f.conns[out] = true, true
	}
	f.mu.Unlock()
	if err != nil {
		return
	}
	defer out.Close()
	go func() { io.Copy(out, in); out.Close() }()
	io.Copy(in, out)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, in)
	delete(f.conns, out)
}
