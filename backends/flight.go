package backends

import (
	"sync"
	"sync/atomic"
	"time"
)

// flight is the requests that are with a replica: a list of their connections,
// so that keeping it allocates nothing.
type flight struct {
	mu   sync.Mutex
	head *Conn
}

// wait is a connection's place in that list, and what its request waits for.
type wait struct {
	since atomic.Int64 // when it began to wait for the engine, in Unix nanoseconds by the coarse clock; 0: it does not, for others work on what came
	begun atomic.Bool  // bytes of the answer came

	size       int // of the request, in bytes; these four are the flight's, under its lock
	listed     bool
	prev, next *Conn
}

// asked notes that a request of so many bytes is sent on the connection.
func (r *Replica) asked(c *Conn, size int) {
	c.wait.begun.Store(false)
	c.waits()
	f := &r.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &c.wait
	w.size = size
	if w.listed {
		return
	}
	w.listed, w.prev, w.next = true, nil, f.head
	if f.head != nil {
		f.head.wait.prev = c
	}
	f.head = c
}

// ended notes that no request is on the connection any more.
func (r *Replica) ended(c *Conn) {
	f := &r.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &c.wait
	if !w.listed {
		return
	}
	if w.prev != nil {
		w.prev.wait.next = w.next
	} else {
		f.head = w.next
	}
	if w.next != nil {
		w.next.wait.prev = w.prev
	}
	w.listed, w.prev, w.next = false, nil, nil
}

// waits notes that the connection waits for the engine from now on.
func (c *Conn) waits() { c.wait.since.Store(c.replica.clock.Load()) }

// waits tells what the requests of the flight wait for.
func (f *flight) waits() (w waits) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.head; c != nil; c = c.wait.next {
		begun, since := c.wait.begun.Load(), c.wait.since.Load()
		if !begun {
			w.prompt = max(w.prompt, c.wait.size)
		}
		switch {
		case since == 0:
		case begun:
			w.more = earlier(w.more, time.Unix(0, since))
		default:
			w.first = earlier(w.first, time.Unix(0, since))
		}
	}
	return w
}
