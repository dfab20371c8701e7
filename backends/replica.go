package backends

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Replica is one engine behind one URL: its circuit, and its connections. All
// methods may be called at once.
type Replica struct {
	URL string

	host     string // as the Host header wants it
	prefix   string // the URL's path, without a slash at its end
	addr     string // to dial
	tls      *tls.Config
	settings atomic.Pointer[settings]
	circuit  circuit
	progress progress
	books    books
	flight   flight
	peers    atomic.Pointer[[]*Replica] // of the same backend, itself among them

	inflight  atomic.Int64
	requests  atomic.Uint64
	failures  atomic.Uint64
	engine    atomic.Pointer[EngineStatus]
	drained   atomic.Pointer[Drained]         // nil: it is not
	container atomic.Pointer[ContainerStatus] // nil: it has none, as far as is known
	clock     atomic.Int64                    // coarse, in Unix nanoseconds: as of the last look
	bytes     atomic.Int64                    // when some of an answer came last, by that clock; 0: never

	mu     sync.Mutex
	idle   []*Conn // the newest last: the rest grow old and are given up
	closed bool
}

// settings are what a reload may change.
type settings struct {
	timeouts Timeouts
	health   Health
	key      string
	model    string
	context  int   // tokens; 0: not known
	kvTokens int64 // that the KV cache holds, where the engine doesn't say; 0: not known
	estimate int64 // of that, where neither says; 0: none
}

func newReplica(raw string, s *settings, now func() time.Time, changed func()) *Replica {
	u, err := url.Parse(raw)
	if err != nil { // Validate has seen it
		panic(err)
	}
	r := &Replica{URL: raw, host: u.Host, prefix: strings.TrimRight(u.EscapedPath(), "/"), addr: u.Host}
	if u.Port() == "" {
		r.addr = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		r.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	}
	r.settings.Store(s)
	r.circuit = newCircuit(now, changed)
	r.circuit.alone = r.alone
	r.clock.Store(now().UnixNano())
	return r
}

// AppendHead appends the head of a POST with a JSON body of n bytes. path is
// one of the gateway's own, never a client's.
func (r *Replica) AppendHead(b []byte, path, requestID string, stream bool, n int) []byte {
	b = append(b, "POST "...)
	b = append(b, r.prefix...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.host...)
	if key := r.settings.Load().key; key != "" {
		b = append(b, "\r\nAuthorization: Bearer "...)
		b = append(b, key...)
	}
	b = append(b, "\r\nX-Request-Id: "...)
	b = append(b, requestID...)
	if stream {
		b = append(b, "\r\nAccept: text/event-stream"...)
	} else {
		b = append(b, "\r\nAccept: application/json"...)
	}
	b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = appendInt(b, n)
	return append(b, "\r\n\r\n"...)
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// Conn gives a connection that was kept alive, nil when there is none.
func (r *Replica) Conn() *Conn {
	limit := time.Duration(r.settings.Load().timeouts.Idle)
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.idle) - 1; n >= 0 {
		if c := r.idle[n]; time.Since(c.idle) < limit {
			r.idle[n] = nil
			r.idle = r.idle[:n]
			c.Reused = true
			return c
		}
	}
	return nil
}

// Dial opens a connection, within the connect time-out; the end of ctx breaks
// it off. It does so on a stack of its own: dialling goes deep, and a caller
// that streams for minutes afterwards would keep the stack that took.
func (r *Replica) Dial(ctx context.Context) (c *Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err = r.dial(ctx)
	}()
	<-done
	return c, err
}

func (r *Replica) dial(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.settings.Load().timeouts.Connect))
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return nil, err
	}
	if r.tls != nil {
		t := tls.Client(c, r.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		c = t
	}
	return newConn(c, r), nil
}

// maxIdle bounds the connections kept for later.
const maxIdle = 4096

func (r *Replica) put(c *Conn) {
	c.idle = time.Now()
	r.mu.Lock()
	keep := !r.closed && len(r.idle) < maxIdle
	if keep {
		r.idle = append(r.idle, c)
	}
	r.mu.Unlock()
	if !keep {
		c.Close()
	}
}

// sweep closes the connections that have been idle for too long.
func (r *Replica) sweep(limit time.Duration) {
	r.mu.Lock()
	n := 0
	for n < len(r.idle) && time.Since(r.idle[n].idle) >= limit {
		n++
	}
	old := append([]*Conn(nil), r.idle[:n]...)
	clear(r.idle[copy(r.idle, r.idle[n:]):])
	r.idle = r.idle[:len(r.idle)-n]
	r.mu.Unlock()
	for _, c := range old {
		c.Close()
	}
}

// close gives up all idle connections, and those that come back later.
func (r *Replica) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.sweep(0)
}

func (r *Replica) status() ReplicaStatus {
	capacity, from := r.capacity()
	s := ReplicaStatus{URL: r.URL, InFlight: int(r.inflight.Load()), Requests: r.requests.Load(), Failures: r.failures.Load(), Engine: r.Engine(), Share: r.Share(),
		Booked: r.books.booked.Load(), Live: r.books.live.Load(), Reading: r.books.reading.Load(), Sequences: r.books.sequences.held.Load(),
		Capacity: capacity, CapacityFrom: from, Bound: r.books.sequences.bound.Load(),
		Drained: r.drained.Load(), Container: r.container.Load()}
	r.mu.Lock()
	s.Idle = len(r.idle)
	r.mu.Unlock()
	r.circuit.status(&s)
	return s
}
