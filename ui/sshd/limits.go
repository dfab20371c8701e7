package sshd

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// limits bound what clients may take. Those of a Server are defaultLimits; tests
// have others.
type limits struct {
	remote    crowd         // those who come over TCP
	local     crowd         // those who come through the socket: other ones, so that neither keeps the other out
	handshake time.Duration // to prove a key
	channels  int           // sessions of a connection
	alive     time.Duration // between two questions whether the client is there
	missed    int           // that may stay unanswered
	unused    time.Duration // that a connection may have no session
	farewell  time.Duration // that sessions have to end when the server does
}

// crowd bounds those who come by one way.
type crowd struct {
	door     bound         // connections that have not proven a key, of an address
	conns    bound         // those that have, of an operator
	sessions bound         // of an operator
	stalled  time.Duration // that output may wait for its client
}

// bound is how many there may be.
type bound struct{ all, each int }

func defaultLimits() limits {
	return limits{
		remote: crowd{
			door: bound{all: 128, each: 32}, conns: bound{all: 256, each: 32},
			sessions: bound{all: 128, each: 16}, stalled: 30 * time.Second,
		},
		// A user's scripts may run many commands at once, and somebody may read
		// what one has written before they turn the page.
		local: crowd{
			door: bound{all: 128, each: 128}, conns: bound{all: 256, each: 256},
			sessions: bound{all: 128, each: 128}, stalled: time.Minute,
		},
		handshake: 10 * time.Second,
		channels:  4,
		alive:     15 * time.Second,
		missed:    3,
		unused:    time.Minute,
		farewell:  5 * time.Second,
	}
}

// door holds the connections that have not proven a key. There is always room for
// one more: the oldest of the same address has to go, or else the oldest of all.
type door struct {
	bound
	mu     sync.Mutex
	oldest list.List // of *guest
	each   map[netip.Prefix]int
}

type guest struct {
	conn net.Conn
	from netip.Prefix
	left bool
}

func newDoor(b bound) *door { return &door{bound: b, each: make(map[netip.Prefix]int)} }

// enter lets a connection in and closes the one that has to go for it. Once it has
// proven a key, or failed to, leave is called.
func (d *door) enter(c net.Conn) (leave func()) {
	g := &guest{conn: c, from: origin(c.RemoteAddr())}
	d.mu.Lock()
	defer d.mu.Unlock()
	if full := d.each[g.from] >= d.bound.each; full || d.oldest.Len() >= d.all {
		for e := d.oldest.Front(); e != nil; e = e.Next() {
			if o := e.Value.(*guest); !full || o.from == g.from {
				d.remove(e)
				_ = o.conn.Close() // its handshake fails then
				break
			}
		}
	}
	d.each[g.from]++
	e := d.oldest.PushBack(g)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.remove(e)
	}
}

// remove takes a guest out, unless that was done.
func (d *door) remove(e *list.Element) {
	g := e.Value.(*guest)
	if g.left {
		return
	}
	g.left = true
	d.oldest.Remove(e)
	if d.each[g.from]--; d.each[g.from] == 0 {
		delete(d.each, g.from)
	}
}

// origin is what counts as one address: of IPv6 a network, since whoever has one
// address there has 2^64; of a unix socket this host.
func origin(a net.Addr) netip.Prefix {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := t.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // the bits are the address's own
	return p
}

// room counts what operators hold.
type room struct {
	bound
	mu    sync.Mutex
	taken int
	by    map[string]int
}

func newRoom(b bound) *room { return &room{bound: b, by: make(map[string]int)} }

// take returns false when there is none left.
func (r *room) take(operator string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken >= r.all || r.by[operator] >= r.each {
		return false
	}
	r.taken++
	r.by[operator]++
	return true
}

func (r *room) leave(operator string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken--
	if r.by[operator]--; r.by[operator] == 0 {
		delete(r.by, operator)
	}
}

// seldom keeps what strangers can bring about from filling the log: one line a
// second, which has the number of those left out before it.
type seldom struct {
	mu   sync.Mutex
	last time.Time
	left int
}

func (s *seldom) now(t time.Time) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Sub(s.last) < time.Second {
		s.left++
		return 0, false
	}
	left, s.left, s.last = s.left, 0, t
	return left, true
}
