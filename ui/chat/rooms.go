package chat

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what Rooms are made of. Zero values stand for the defaults.
type Config struct {
	Dir string           // where conversations are kept; "": in memory alone
	Now func() time.Time // time.Now
	Log *slog.Logger     // none

	Conversations int           // of an operator, at most: 100
	Turns         int           // of a conversation, at most: 500
	Bytes         int           // of a conversation's texts, at most: 2 MiB
	Total         int           // of an operator's conversations, at most: 32 MiB
	Running       int           // answers of an operator under way at once, at most: 4
	Longest       time.Duration // that an answer may take: 30 minutes
	Save          time.Duration // from a change to its file, at most: 2 seconds
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.Conversations, 100)
	def(&c.Turns, 500)
	def(&c.Bytes, 2<<20)
	def(&c.Total, 32<<20)
	def(&c.Running, 4)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Longest <= 0 {
		c.Longest = 30 * time.Minute
	}
	if c.Save <= 0 {
		c.Save = 2 * time.Second
	}
	return c
}

// errClosed is what is refused once Close was called.
var errClosed = errors.New("the gateway is stopping")

// Rooms are the conversations of all operators.
type Rooms struct {
	config Config
	ctx    context.Context // ends all that is under way
	end    context.CancelFunc
	work   sync.WaitGroup // what asks and what bursts; it ends before the files are written
	files  sync.WaitGroup // what reads and writes them
	quiet  chan struct{}  // closed when work has ended
	answer atomic.Uint64  // the newest Answer.ID

	mu     sync.Mutex
	rooms  map[string]*room
	closed bool
	load   *load // the burst under way: there is one at a time, whoever asks
}

// New makes Rooms. It starts nothing and touches no file.
func New(c Config) *Rooms {
	r := &Rooms{config: c.withDefaults(), quiet: make(chan struct{}), rooms: map[string]*room{}}
	r.ctx, r.end = context.WithCancel(context.Background())
	return r
}

// Enter gives an operator's Room, who asks m in it. All Rooms of an operator show the
// same conversations; what each asks goes through the Models that it was given.
func (rs *Rooms) Enter(operator string, m Models) *Room {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.rooms[operator]
	if r == nil {
		r = newRoom(rs, operator)
		rs.rooms[operator] = r
		if rs.closed {
			r.loading = false
		} else {
			rs.files.Go(r.keep)
		}
	}
	return &Room{room: r, models: m}
}

// Close ends what is under way, writes what isn't written, and returns when that is
// done. It may be called twice.
func (rs *Rooms) Close() {
	rs.mu.Lock()
	first := !rs.closed
	rs.closed = true
	rs.mu.Unlock()
	rs.end()
	rs.work.Wait()
	if first {
		close(rs.quiet)
	}
	rs.files.Wait()
}

// begin starts work unless Close was called.
func (rs *Rooms) begin(work func()) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.closed {
		return errClosed
	}
	rs.work.Go(work)
	return nil
}
