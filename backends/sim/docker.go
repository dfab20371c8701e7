package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Docker imitates a Docker engine: it speaks as much of the Engine API as
// Pilothouse asks of one, and what runs in its containers are simulated servers.
// Nothing is isolated, no image exists, and nothing outlives the process.
//
// A container prints what vLLM prints while it loads and while it serves, which it
// does when it has loaded. It can be started, stopped and restarted, inspected,
// followed and watched; it can't be made or removed. Its address is its own from
// NewDocker to Close: while nothing serves there, connections are refused.
type Docker struct {
	boxes []*box

	mu      sync.Mutex
	watched map[chan event]bool // those who are told events
	past    []event
}

// Program is what one of its containers runs.
type Program struct {
	Container string        // its name
	Image     string        // that it says it was made of
	GPU       string        // its index
	Server    Config        // of the simulated server; its Console is the container's log
	Load      time.Duration // from the container's start until the server serves; the first time it does at once
}

// apiVersion of the Engine API is spoken.
const apiVersion = "1.44"

// NewDocker makes an engine whose containers run once it serves. It is to be
// closed.
func NewDocker(programs ...Program) (*Docker, error) {
	d := &Docker{watched: make(map[chan event]bool)}
	for _, p := range programs {
		var at *port
		_, err := New(p.Server)
		if err == nil {
			at, err = newPort()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("container %q: %w", p.Container, err), d.Close())
		}
		sum := sha256.Sum256([]byte(p.Container))
		b := &box{docker: d, id: hex.EncodeToString(sum[:]), program: p, port: at, created: time.Now().UTC(), changed: make(chan struct{}), card: ofCard(p.Server.Faults)}
		b.program.Server.Console = b.print
		d.boxes = append(d.boxes, b)
	}
	return d, nil
}

// Close gives the containers' addresses up. It may be called twice, and by whoever
// called Serve after that.
func (d *Docker) Close() error {
	var errs []error
	for _, b := range d.boxes {
		errs = append(errs, b.port.close())
	}
	return errors.Join(errs...)
}

// Address is where a container's server listens while it serves; "": there is no
// such container.
func (d *Docker) Address(container string) string {
	for _, b := range d.boxes {
		if b.program.Container == container {
			return b.port.addr
		}
	}
	return ""
}

// Serve runs the containers and answers what comes to the listener until ctx
// ends, and closes it. It returns after the last of its goroutines.
func (d *Docker) Serve(ctx context.Context, l net.Listener) error {
	for _, b := range d.boxes {
		if err := b.start(0); err != nil {
			return errors.Join(err, l.Close(), d.stopAll())
		}
	}
	server := &http.Server{Handler: d.routes(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serve the simulated Docker engine: %w", err), d.stopAll())
	case <-ctx.Done():
	}
	err := server.Close()
	<-served
	return errors.Join(err, d.stopAll())
}

func (d *Docker) stopAll() error {
	for _, b := range d.boxes {
		b.stop()
	}
	return nil
}

// Work is what runs in a container, for a simulated GPU; nil: there is no such
// container.
func (d *Docker) Work(container string) *Work {
	for _, b := range d.boxes {
		if b.program.Container == container {
			return &Work{b}
		}
	}
	return nil
}

// Work is what runs in a container now.
type Work struct{ box *box }

// Busy is the server's; 0 while there is none.
func (w *Work) Busy() (prefill, decode float64) {
	if s := w.box.server(); s != nil {
		return s.Busy()
	}
	return 0, 0
}

// Memory is what the server holds, and before that what it has loaded.
func (w *Work) Memory() float64 {
	if s := w.box.server(); s != nil {
		if m := s.Memory(); m > 0 {
			return m
		}
	}
	return w.box.loaded()
}

// box is a container.
type box struct {
	docker  *Docker
	id      string
	program Program
	port    *port
	created time.Time

	life sync.Mutex // of start and stop, one at a time

	mu       sync.Mutex
	run      *turn // nil: it does not run
	started  time.Time
	finished time.Time
	code     int
	card     []Fault // that its GPU has, whatever runs
	log      []logLine
	changed  chan struct{} // closed, and made anew, when a line or state comes
}

// turn is a container from its start to its stop.
type turn struct {
	stop   context.CancelFunc
	ended  chan struct{}
	server *Server // nil: it loads
	load   time.Duration
}

// start starts it; one that runs stays as it is.
func (b *box) start(load time.Duration) error {
	b.life.Lock()
	defer b.life.Unlock()
	b.mu.Lock()
	running := b.run != nil
	b.mu.Unlock()
	if running {
		return nil
	}
	s, err := New(b.config())
	if err != nil {
		return err
	}
	var l net.Listener
	if load == 0 {
		if l, err = net.Listen("tcp", b.port.addr); err != nil {
			return fmt.Errorf("container %q: %w", b.program.Container, err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &turn{stop: stop, ended: make(chan struct{}), load: load}
	b.mu.Lock()
	b.run, b.started = r, time.Now().UTC()
	if l != nil {
		r.server = s
	}
	b.told()
	b.mu.Unlock()
	b.docker.tell(b, "start", 0)
	go func() {
		defer close(r.ended)
		if l == nil {
			l, err = b.loading(ctx, r)
		}
		if l != nil {
			b.mu.Lock()
			r.server = s
			b.mu.Unlock()
			b.print("INFO:     Application startup complete.")
			err = s.Serve(ctx, l)
			b.print("INFO:     Shutting down")
		}
		b.died(r, err)
	}()
	return nil
}

// config is that of the next server: a restart cures an engine, and not its GPU.
func (b *box) config() Config {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.program.Server
	c.Faults = append(slices.DeleteFunc(slices.Clone(c.Faults), Fault.card), b.card...)
	return c
}

// loading prints what vLLM does, and takes as long; no listener: it was stopped,
// or its address is taken.
func (b *box) loading(ctx context.Context, r *turn) (net.Listener, error) {
	const shards = 4
	b.info("INFO", "[api_server.py:1995] vLLM API server version 0.32.0 (simulated)")
	b.info("INFO", "[core.py:77] Initializing a V1 LLM engine with model='"+b.program.Server.Model+"'")
	for i := range shards + 1 {
		b.print(fmt.Sprintf("Loading safetensors checkpoint shards: %3d%% Completed | %d/%d", 100*i/shards, i, shards))
		t := time.NewTimer(r.load / (shards + 1))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, nil
		}
	}
	b.info("INFO", "[kv_cache_utils.py:868] GPU KV cache size: 96,768 tokens")
	return net.Listen("tcp", b.port.addr)
}

// died takes the end of a run in.
func (b *box) died(r *turn, err error) {
	code := 0
	if err != nil {
		code = 1
		b.info("ERROR", "[launcher.py:42] "+err.Error())
	}
	b.mu.Lock()
	if r.server != nil {
		b.card = ofCard(r.server.Faults())
	}
	if b.run == r {
		b.run = nil
	}
	b.finished, b.code = time.Now().UTC(), code
	b.told()
	b.mu.Unlock()
	b.docker.tell(b, "die", code)
}

// stop stops it, if it runs, and returns when it has ended.
func (b *box) stop() {
	b.life.Lock()
	defer b.life.Unlock()
	b.mu.Lock()
	r := b.run
	b.mu.Unlock()
	if r == nil {
		return
	}
	r.stop()
	<-r.ended
	b.docker.tell(b, "stop", 0)
}

// server is what serves in it; nil: nothing does.
func (b *box) server() *Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.run == nil {
		return nil
	}
	return b.run.server
}

// loaded is how many bytes of weights have been read by now.
func (b *box) loaded() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.run == nil || b.run.load == 0 {
		return 0
	}
	share := min(1, float64(time.Since(b.started))/float64(b.run.load))
	return share * b.program.Server.withDefaults().Timing.WeightBytes
}

// told wakes those who wait for news of it. The lock is held.
func (b *box) told() {
	close(b.changed)
	b.changed = make(chan struct{})
}
