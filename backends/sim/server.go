package sim

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Version is what a server says it is, at /version and in every answer's
// system_fingerprint: a simulator, of the vLLM release it imitates.
const (
	Version     = "0.32.0-pilothouse-sim"
	fingerprint = "pilothouse-sim-0.32.0"
)

// keepAlive is how long uvicorn, under vLLM, keeps an idle connection.
const keepAlive = 5 * time.Second

// ErrServed is a second Serve of the same Server.
var ErrServed = errors.New("serve simulator: it has served before")

// Server is one simulated vLLM server. All methods may be called by many at
// once.
type Server struct {
	config  Config
	engine  *engine
	faults  *faults
	seen    seen
	created time.Time

	changing sync.Mutex // the faults, and the engine with them

	started  atomic.Bool
	serving  atomic.Bool
	handlers sync.WaitGroup
}

// New makes a server that doesn't run yet. What is wrong with the
// configuration comes as *ConfigError and *FaultError, joined.
func New(c Config) (*Server, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Server{
		config:  c,
		engine:  newEngine(c),
		faults:  newFaults(c.Faults, c.Seed),
		created: time.Now(),
	}
	s.engine.freeze(has(c.Faults, Freeze))
	return s, nil
}

// Serve answers what comes to the listener until the context ends, and closes
// it. Requests in flight then go on for ShutdownTimeout at most; what is left
// is cut off. It returns after its last goroutine: nil after the context's
// end, the listener's error when that came first. A Server serves once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if !s.started.CompareAndSwap(false, true) {
		return errors.Join(ErrServed, l.Close())
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var engine, conns sync.WaitGroup
	engine.Go(func() { s.engine.run(running) })
	if s.config.Console != nil {
		engine.Go(func() { s.report(running) })
	}

	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       keepAlive,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelWarn),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				conns.Done()
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.serving.Store(true)
	s.config.Log.Info("simulator serving", "model", s.config.Model, "listen", l.Addr().String())

	var failed error
	select {
	case err := <-served:
		failed = fmt.Errorf("serve simulator: %w", err)
		served <- err
	case <-ctx.Done():
		if s.config.ShutdownTimeout > 0 {
			drained, cancel := context.WithTimeout(running, s.config.ShutdownTimeout)
			_ = server.Shutdown(drained) // what is left after the time is cut off below
			cancel()
		}
	}
	stop() // handlers see the engine's end, and cut their connections
	engine.Wait()
	_ = server.Close()
	<-served
	conns.Wait()
	s.handlers.Wait()
	s.serving.Store(false)
	s.config.Log.Info("simulator stopped", "model", s.config.Model)
	return failed
}

// SetFaults replaces what it misbehaves in; none is good behaviour. Errors are
// of type *FaultError and change nothing.
func (s *Server) SetFaults(list ...Fault) error {
	for _, f := range list {
		if err := f.check(); err != nil {
			return err
		}
	}
	if err := s.config.checkCard(list); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	was, is := cardFault(s.faults.get()), cardFault(list)
	s.faults.set(list)
	s.engine.freeze(has(list, Freeze))
	if is != was {
		s.config.Card(is)
	}
	return nil
}

// Faults is what it misbehaves in now, with what is left of each Next.
func (s *Server) Faults() []Fault { return s.faults.get() }

// route is one thing that can be asked for.
type route struct {
	method, path string
	handle       http.HandlerFunc
}

func (s *Server) routes() []route {
	list := []route{
		{"POST", "/v1/chat/completions", s.chatCompletions},
		{"POST", "/v1/completions", s.completions},
		{"POST", "/v1/embeddings", s.embeddings},
		{"GET", "/v1/models", s.models},
		{"GET", "/health", s.health},
		{"GET", "/ping", s.health},
		{"POST", "/ping", s.health},
		{"GET", "/version", s.version},
		{"GET", "/metrics", s.metrics},
	}
	if s.config.Control {
		list = append(list,
			route{"GET", "/sim/faults", s.showFaults},
			route{"POST", "/sim/faults", s.changeFaults})
	}
	return list
}

// ServeHTTP answers one request. Serve's listener is the way to it; without
// Serve nothing would be generated.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handlers.Add(1)
	defer s.handlers.Done()
	w.Header().Set("Server", "pilothouse-sim")
	if s.config.Console != nil && !quiet(r.URL.Path) {
		w = &accessed{ResponseWriter: w, request: r, console: s.config.Console}
	}
	key, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	authorized := s.config.APIKey == "" || given && subtle.ConstantTimeCompare([]byte(key), []byte(s.config.APIKey)) == 1
	s.seen.add(Request{
		At: time.Now(), Method: r.Method, Path: r.URL.Path, RequestID: r.Header.Get("X-Request-Id"),
		Authorization: r.Header.Get("Authorization") != "", Authorized: authorized,
	})
	if s.faults.dead() && !survives(r.URL.Path) {
		reset(http.NewResponseController(w))
	}
	if strings.HasPrefix(r.URL.Path, "/v1") && !authorized {
		answerJSON(w, http.StatusUnauthorized, []byte(`{"error":"Unauthorized"}`))
		return
	}
	var allow []string
	for _, rt := range s.routes() {
		if rt.path != r.URL.Path {
			continue
		}
		if rt.method == r.Method {
			rt.handle(w, r)
			return
		}
		allow = append(allow, rt.method)
	}
	if allow != nil {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		answerJSON(w, http.StatusMethodNotAllowed, []byte(`{"detail":"Method Not Allowed"}`))
		return
	}
	answerJSON(w, http.StatusNotFound, []byte(`{"detail":"Not Found"}`))
}

// survives tells whether a path answers although the engine is dead: that it is,
// as vLLM says so while it goes down, and what brings it back.
func survives(path string) bool { return path == "/health" || path == "/ping" || path == "/sim/faults" }

// refuse answers with an error in vLLM's shape.
func (s *Server) refuse(w http.ResponseWriter, r *refusal) {
	answerJSON(w, r.status, r.body(s.config.FlatErrors))
}

// Request is one request that came in, without anything secret.
type Request struct {
	At            time.Time
	Method, Path  string
	RequestID     string // its X-Request-Id; "" for none
	Authorization bool   // it had such a header
	Authorized    bool   // with the right key, or none is asked for
}

// Requests are the newest requests of all kinds, oldest first, at most 1,000.
func (s *Server) Requests() []Request { return s.seen.list() }

const mostSeen = 1000

// seen remembers requests.
type seen struct {
	mu    sync.Mutex
	ring  []Request
	total uint64
}

func (s *seen) add(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) < mostSeen {
		s.ring = append(s.ring, r)
	} else {
		s.ring[s.total%mostSeen] = r
	}
	s.total++
}

func (s *seen) count() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *seen) list() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := 0
	if len(s.ring) == mostSeen {
		first = int(s.total % mostSeen)
	}
	return slices.Concat(s.ring[first:], s.ring[:first])
}
