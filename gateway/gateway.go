// Package gateway is the HTTP server that clients talk to, and its one
// pipeline:
//
//	accept → watch the connection → authenticate → address rate → inspect the body
//	  → reserve → wait for room at a replica → relay the answer → settle → log, metrics, history
//
// Each step is a method of request, in pipeline.go from top to bottom. A step
// that refuses returns an error; refusalOf is the one place that makes an
// answer of it. Whatever way a request ends (answered, refused, its client
// gone, its backend broken, too slow, cancelled, a panic), it is settled once,
// before its client can have the last byte, and gives back once what it held:
// its reservation, its place at a replica, its connection there.
//
// A request can be ended from outside at any moment: by its client, whose
// connection the listener watches; by the clock, which looks at every
// connection ten times a second instead of arming timers for each read; by an
// operator; by the gateway's stop. end notes the cause and closes what the request waits for.
//
// Operators ask the models in their own name: with Ask by this same pipeline, on
// connections that the gateway makes to itself, with AskReplica past it.
//
// What the gateway says of itself, it says through a Snapshot, made once a
// second. Reading it costs nothing and holds nothing up.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"pilothouse/backends"
	"pilothouse/backends/openai"
	"pilothouse/gateway/keys"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/queue"
	"pilothouse/gateway/quota"
)

// Keys finds the key that a client presented, and knows who has any;
// *keys.Store is one.
type Keys interface {
	Lookup(presented []byte) (*keys.Key, error)
	Orgs() []*keys.Org
}

// Options is what a Gateway is made of. All but Redis, AccessLog and Collectors are
// required.
type Options struct {
	Config    Config // filled and valid
	Pool      *backends.Pool
	Keys      Keys
	Ledger    *ledger.Ledger // open; the gateway runs it, and its owner closes it after Run
	Redis     *quota.Redis   // what it shares its quotas through; nil: it has them for itself
	Log       *slog.Logger
	AccessLog *slog.Logger // a line for each request; nil: none
	Version   string

	Collectors []prometheus.Collector // whose metrics are exported beside the gateway's own
}

// Gateway serves clients. Make it with New.
type Gateway struct {
	pool      *backends.Pool
	keys      Keys
	log       *slog.Logger
	accessLog *slog.Logger
	version   string
	others    []prometheus.Collector
	server    Server
	windows   *quota.Windows
	quota     Quota
	ledger    *ledger.Ledger
	redis     *quota.Redis // nil: none
	estimates estimates
	expected  expected
	lines     lines
	audit     *auditor
	clock     wallClock
	settings  atomic.Pointer[settings]
	stats     *stats
	buffers   openai.Buffers
	started   time.Time
	stopping  atomic.Bool
	snap      atomic.Pointer[Snapshot]

	ready    chan struct{} // closed when it listens
	listener *listener
	inside   *inside // of operators' own requests
	directs  directs // of those, the ones past the gateway
	url      string
	admin    string
}

// settings is what a reload may change, in one pointer.
type settings struct {
	limits    Limits
	org       OrgLimits
	addresses *quota.Addresses
	trusted   []netip.Prefix
	routes    map[string]*endpoint
	maxAnswer int
}

// New makes a gateway. It starts nothing.
func New(o Options) (*Gateway, error) {
	g := &Gateway{
		pool: o.Pool, keys: o.Keys, log: o.Log, accessLog: o.AccessLog, version: o.Version, others: o.Collectors, server: o.Config.Server,
		quota: o.Config.Quota, ledger: o.Ledger, redis: o.Redis,
		lines: lines{of: map[string]*queue.Queue{}}, expected: expected{all: map[expectedKey]*expectation{}},
		estimates: estimates{models: map[string]*estimate{}},
		inside:    newInside(), directs: directs{all: map[*direct]bool{}},
		stats: newStats(), started: time.Now(), ready: make(chan struct{}),
	}
	g.clock.set()
	if err := g.Apply(o.Config); err != nil {
		return nil, err
	}
	if err := g.openBooks(); err != nil {
		return nil, err
	}
	g.snap.Store(&Snapshot{At: g.started, Started: g.started})
	return g, nil
}

// Apply puts another configuration in force, as far as that can be done while
// the gateway serves; Restart tells what else differs. Apply the pool's first.
func (g *Gateway) Apply(c Config) error {
	trusted, err := c.Server.trusted()
	if err != nil {
		return err
	}
	s := &settings{limits: c.Limits, org: c.Limits.Org, trusted: trusted, routes: routes(g.pool.All()), maxAnswer: int(c.Server.MaxAnswer)}
	if old := g.settings.Load(); old != nil && old.limits.RequestsPerSecond == c.Limits.RequestsPerSecond && old.limits.Burst == c.Limits.Burst {
		s.addresses = old.addresses // what it has counted stays counted
	} else {
		s.addresses = quota.NewAddresses(c.Limits.RequestsPerSecond, c.Limits.Burst, func() time.Time { return epoch.Add(time.Duration(now())) })
	}
	g.settings.Store(s)
	return nil
}

// Restart names the settings of c that differ from those in force and take
// effect only with a new process.
func (g *Gateway) Restart(c Config) (names []string) {
	a, b := g.server, c.Server
	for _, d := range []struct {
		name string
		same bool
	}{
		{"server.listen", a.Listen == b.Listen}, {"server.admin_listen", a.AdminListen == b.AdminListen},
		{"server.state_dir", a.StateDir == b.StateDir}, {"server.keys_file", a.KeysFile == b.KeysFile},
		{"server.tls", a.TLS == b.TLS}, {"server.drain_timeout", a.DrainTimeout == b.DrainTimeout},
		{"server.max_body", a.MaxBody == b.MaxBody}, {"server.max_header", a.MaxHeader == b.MaxHeader},
		{"server.read_timeout", a.ReadTimeout == b.ReadTimeout}, {"server.write_timeout", a.WriteTimeout == b.WriteTimeout},
		{"server.idle_timeout", a.IdleTimeout == b.IdleTimeout},
		{"quota", g.quota == c.Quota},
	} {
		if !d.same {
			names = append(names, d.name)
		}
	}
	return names
}

// Snapshot is the gateway as it was within the last second.
func (g *Gateway) Snapshot() *Snapshot { return g.snap.Load() }

// Ready is closed once clients can connect; URL holds from then on.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// URL is the address that clients use.
func (g *Gateway) URL() string { return g.url }

// AdminURL is the address of metrics and profiling; "" where there is none.
func (g *Gateway) AdminURL() string { return g.admin }

// Run serves until ctx ends, then lets what is in flight end for as long as
// the drain time-out allows, ends the rest, and returns after its last
// goroutine has.
func (g *Gateway) Run(ctx context.Context) error {
	l, err := listen(g.server.Listen, g.log)
	if err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	g.listener = l
	var serving net.Listener = l
	var cert *certificate
	scheme := "http://"
	if files := g.server.TLS; files.CertFile != "" {
		if cert, err = loadCertificate(files, g.log); err != nil {
			l.discard()
			return err
		}
		serving, scheme = tls.NewListener(l, cert.config()), "https://"
	}
	g.url = scheme + l.Addr().String()

	work, stop := context.WithCancel(context.Background()) // ends after the drain
	defer stop()
	group, failed := errgroup.WithContext(work)
	side, err := g.sideServers(group, work)
	if err != nil {
		l.discard()
		group.Wait() // for those that sideServers had started and closed
		return err
	}
	server := g.newServer()
	group.Go(func() error { return server.Serve(serving) })
	group.Go(func() error { return server.Serve(g.inside) })
	group.Go(func() error { return l.watch(work.Done()) })
	group.Go(func() error { g.tick(work, cert); return nil })
	g.runBooks(group, work)
	close(g.ready)
	g.log.Info("listening", "clients", g.url, "admin", g.admin)

	select {
	case <-ctx.Done():
		g.drain()
	case <-failed.Done():
	}
	l.check(func(c *conn) { // those that wait for a request are not waited for
		if !c.busy.Load() && !c.refused.Load() {
			c.TCPConn.Close()
		}
	})
	bound, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	server.ShutdownWithContext(bound) // its error is that of the bound, met below
	l.Close()                         // it knows of no listener that Serve has not got to
	g.inside.Close()
	l.check(func(c *conn) { c.TCPConn.Close() })
	g.directs.end()
	for _, s := range side {
		s.Close()
	}
	stop()
	return group.Wait()
}

// drain refuses new requests and waits for those in flight, then ends them.
func (g *Gateway) drain() {
	g.stopping.Store(true)
	limit := time.Duration(g.server.DrainTimeout)
	g.log.Info("stopping: requests in flight may end", "in_flight", g.stats.inflight.Load(), "within", limit)
	if g.quiet(limit) {
		return
	}
	g.log.Warn("stopping: the drain time-out has passed; ending what is left", "in_flight", g.stats.inflight.Load())
	g.listener.check(func(c *conn) {
		if r := c.request.Load(); r != nil {
			r.end(errStopping)
		} else if c.busy.Load() { // its client takes too long over the answer
			c.TCPConn.Close()
		}
	})
	g.directs.end()
	g.quiet(2 * time.Second)
}

// quiet waits until nothing is in flight and every answer has been sent, or the
// time is up.
func (g *Gateway) quiet(limit time.Duration) bool {
	end := time.After(limit)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for g.stats.inflight.Load() > 0 || g.listener.busy() || g.directs.busy() {
		select {
		case <-end:
			return false
		case <-look.C:
		}
	}
	return true
}

// tick is the gateway's clock: it ends what has taken too long, and makes the
// snapshots.
func (g *Gateway) tick(ctx context.Context, cert *certificate) {
	tenth := time.NewTicker(100 * time.Millisecond)
	defer tenth.Stop()
	stall := int64(g.server.WriteTimeout)
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tenth.C:
		}
		t := now()
		g.clock.set()
		g.lines.wake(g.pool.All())
		g.listener.check(func(c *conn) {
			if r := c.request.Load(); r != nil {
				r.overdue(t)
				r.nudge(t)
			}
			if w := c.writing.Load(); w != 0 && t-w > stall {
				c.TCPConn.Close()
			}
		})
		if n%10 == 0 {
			g.publish()
			if cert != nil {
				cert.refresh()
			}
		}
	}
}

func (g *Gateway) publish() {
	s := g.stats.snapshot(time.Now())
	s.Started, s.Listen, s.Draining = g.started, g.url, g.stopping.Load()
	t := now()
	g.listener.check(func(c *conn) {
		if r := c.request.Load(); r != nil && len(s.Live) < maxLive && Phase(r.phase.Load()) != PhaseEnded {
			s.Live = append(s.Live, r.snapshot(t))
		}
	})
	sortByAge(s.Live)
	s.Queues = g.lines.status()
	s.Books = Books{Ledger: g.ledger.Status(), Pass: g.unbookedPass(), Shared: g.redis != nil, Fleet: g.windows.Fleet(), Audit: g.audit.drifts()}
	if old := g.snap.Load(); s.At.Unix()%tightEvery == 0 {
		s.Books.Tight = g.tight()
	} else {
		s.Books.Tight = old.Books.Tight
	}
	g.snap.Store(s)
}

// tightEvery is how often windows are looked through, in seconds: there may be a
// hundred thousand.
const tightEvery = 5

func (g *Gateway) newServer() *fasthttp.Server {
	s := g.server
	return &fasthttp.Server{
		Handler:                      g.serve,
		ErrorHandler:                 g.unreadable,
		HeaderReceived:               g.headerReceived,
		ExpectHandler:                g.expect,
		ReadBufferSize:               int(s.MaxHeader),
		MaxRequestBodySize:           int(s.MaxBody),
		ReadTimeout:                  time.Duration(s.ReadTimeout),
		IdleTimeout:                  time.Duration(s.IdleTimeout),
		NoDefaultServerHeader:        true,
		DisablePreParseMultipartForm: true,
		LazyRequestTime:              true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
		Logger:                       silent{},
	}
}

// silent drops fasthttp's own log: it is about single connections, and quotes
// what came over them.
type silent struct{}

func (silent) Printf(string, ...any) {}

// sideServers starts the admin listener and the redirecting one.
func (g *Gateway) sideServers(group *errgroup.Group, work context.Context) (side []*http.Server, err error) {
	start := func(what, addr string, s *http.Server) error {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			for _, s := range side {
				s.Close()
			}
			return fmt.Errorf("listen for %s: %w", what, err)
		}
		s.ErrorLog = slog.NewLogLogger(g.log.Handler(), slog.LevelWarn)
		side = append(side, s)
		group.Go(func() error {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		if what == "metrics" {
			g.admin = "http://" + l.Addr().String()
		}
		return nil
	}
	if a := g.server.AdminListen; a != "off" {
		if err := start("metrics", a, g.adminServer()); err != nil {
			return nil, err
		}
	}
	if a := g.server.TLS.RedirectListen; a != "" {
		if err := start("the redirect to https", a, redirect(g.listener.Addr().String())); err != nil {
			return nil, err
		}
	}
	return side, nil
}
