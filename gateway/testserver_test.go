package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
)

// setup is what a service is made of. newSetup fills it; a test changes what it
// is about.
type setup struct {
	Config   gateway.Config
	Ledger   string            // its directory; "": a new one
	Redis    string            // the URL of what quotas are shared through; "": nothing
	Backends []backends.Config // none: one, "chat" of testModel, on a new engine
	Keys     []keys.Entry      // service.Key gives the secret by the entry's name
	KeysFile string            // a file that is there, and Secrets what it has, by name; "": a new one of Keys
	Secrets  map[string]string
}

const (
	testModel  = "test-model"
	backendKey = "backend-key-made-for-this-test"
)

func newSetup() *setup {
	s := &setup{Keys: []keys.Entry{
		{Org: "acme", Name: "acme"},
		{Org: "globex", Name: "globex"},
		{Org: "acme", Name: "embedder", Scopes: []keys.Scope{keys.Embeddings}},
	}}
	s.Config.Server.Listen = "127.0.0.1:0"
	s.Config.Server.AdminListen = "off"
	s.Config.Server.DrainTimeout = backends.Duration(5 * time.Second)
	return s
}

// testBackend is the configuration of one backend with the given replicas, which
// share the work whatever it is.
func testBackend(name, model string, urls ...string) backends.Config {
	return backends.Config{Name: name, Model: model, URLs: urls, APIKey: backendKey, Affinity: new(false)}
}

// service is a gateway that serves on loopback, with everything real but the
// engines.
type service struct {
	*gateway.Gateway
	Addr   string // of its listener
	Pool   *backends.Pool
	Engine *engine // of the one backend; nil where the test named its own
	Log    *output // its log and access log, as JSON lines
	Keys   *keys.Store
	File   string // the keys file
	Ledger *ledger.Ledger
	Dir    string // the ledger's directory

	t         testing.TB
	secrets   map[string]string
	stop      context.CancelFunc
	ended     chan struct{} // Run has returned err
	err       error
	stopPool  context.CancelFunc
	poolEnded chan struct{}
}

// serve starts a gateway and waits until it serves and each of its replicas has
// been probed. It ends with the test.
func serve(t testing.TB, change ...func(*setup)) *service {
	t.Helper()
	set := newSetup()
	for _, f := range change {
		f(set)
	}
	s := &service{t: t, Log: &output{}, secrets: map[string]string{}, ended: make(chan struct{}), poolEnded: make(chan struct{})}
	if len(set.Backends) == 0 {
		s.Engine = newEngine(t)
		set.Backends = []backends.Config{testBackend("chat", testModel, s.Engine.URL)}
	}
	if s.File = set.KeysFile; s.File != "" {
		s.secrets = set.Secrets
	} else {
		s.File = filepath.Join(t.TempDir(), "keys.toml")
		for _, e := range set.Keys {
			secret, _, err := keys.New(s.File, e)
			if err != nil {
				t.Fatal(err)
			}
			s.secrets[e.Name] = secret
		}
	}
	log := slog.New(slog.NewJSONHandler(s.Log, nil))
	var err error
	if s.Keys, err = keys.Open(s.File, keys.Options{Log: log}); err != nil {
		t.Fatal(err)
	}
	if s.Pool, err = backends.New(set.Backends); err != nil {
		t.Fatal(err)
	}
	set.Config.Fill()
	if s.Dir = set.Ledger; s.Dir == "" {
		s.Dir = filepath.Join(t.TempDir(), "ledger")
	}
	s.Ledger = openLedger(t, s.Dir)
	var shared *quota.Redis
	if set.Redis != "" {
		set.Config.Quota.Store = "redis"
		if shared, err = quota.NewRedis(quota.RedisOptions{URL: set.Redis, Gateway: s.Ledger.ID(), TTL: time.Duration(set.Config.Quota.LeaseTTL), Log: log}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shared.Close() })
	}
	s.Gateway, err = gateway.New(gateway.Options{Config: set.Config, Pool: s.Pool, Keys: s.Keys, Ledger: s.Ledger, Redis: shared, Log: log, AccessLog: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	var ctx, pool context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	pool, s.stopPool = context.WithCancel(context.Background())
	go func() { s.Pool.Run(pool); close(s.poolEnded) }()
	go func() { s.err = s.Gateway.Run(ctx); close(s.ended) }()
	t.Cleanup(func() {
		s.Stop()
		if s.err != nil {
			t.Errorf("Run: %v", s.err)
		}
	})
	select {
	case <-s.Ready():
	case <-s.ended:
		t.Fatalf("Run: %v", s.err)
	}
	_, s.Addr, _ = strings.Cut(s.URL(), "://")
	eventually(t, "all replicas probed", func() bool {
		for _, b := range s.Pool.Snapshot().Backends {
			for _, r := range b.Replicas {
				if r.State == backends.Unknown {
					return false
				}
			}
		}
		return true
	})
	return s
}

// openLedger opens a ledger until the test ends.
func openLedger(t testing.TB, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(ledger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the ledger: %v", err)
		}
	})
	return l
}

// Stop tells the gateway to stop, waits until Run has returned, and stops the
// pool as well. It returns how long the gateway took. Nothing may be left then of
// any request that the test has made.
func (s *service) Stop() time.Duration {
	s.t.Helper()
	start := time.Now()
	s.stop()
	<-s.ended
	took := time.Since(start)
	if s.err == nil {
		s.wantNothingLeft()
	}
	s.stopPool()
	<-s.poolEnded
	if err := s.Ledger.Close(); err != nil {
		s.t.Errorf("close the ledger: %v", err)
	}
	return took
}

// Key is the secret of the key of that name.
func (s *service) Key(name string) string {
	secret, ok := s.secrets[name]
	if !ok {
		s.t.Fatalf("no key %q", name)
	}
	return secret
}

// Do sends a request with a key ("" for none) on a connection of its own and
// returns the answer with its body read.
func (s *service) Do(method, path, key, body string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+s.Key(key))
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

// Usage is GET /v1/usage with a key, by window.
func (s *service) Usage(key string) map[string]gateway.UsageWindow {
	s.t.Helper()
	_, body := s.Do("GET", "/v1/usage", key, "")
	var u gateway.Usage
	if err := json.Unmarshal([]byte(body), &u); err != nil {
		s.t.Fatalf("usage %q: %v", body, err)
	}
	m := map[string]gateway.UsageWindow{}
	for _, w := range u.Windows {
		m[w.Name] = w
	}
	return m
}

// Accesses are the lines of the access log so far.
func (s *service) Accesses() (lines []map[string]any) {
	for line := range strings.Lines(s.Log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			s.t.Fatalf("log line %q: %v", line, err)
		}
		if m["msg"] == "request" {
			lines = append(lines, m)
		}
	}
	return lines
}

// Idle waits until nothing is left of any request: none in flight, here or at a
// replica, and nothing reserved. All are counted and in the log then, and in the
// snapshots.
func (s *service) Idle(key string) {
	s.t.Helper()
	eventually(s.t, "all are booked", s.Gateway.Quiet)
	since := time.Now()
	eventually(s.t, "nothing in flight", func() bool {
		g, p := s.Gateway.Snapshot(), s.Pool.Snapshot()
		for _, b := range p.Backends {
			for _, r := range b.Replicas {
				if r.InFlight != 0 {
					return false
				}
			}
		}
		return g.InFlight == 0 && len(g.Live) == 0 && g.At.After(since) && p.At.After(since)
	})
	for name, w := range s.Usage(key) {
		if w.Reserved != 0 {
			s.t.Errorf("%s: %d still reserved", name, w.Reserved)
		}
	}
}

// output is a log that a test reads while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// patience is how long eventually waits: longer than anything takes on a busy
// machine, for a test that passes never waits it out.
const patience = 20 * time.Second

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
