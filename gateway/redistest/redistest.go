// Package redistest starts a real redis-server for tests, and has it fail in
// the ways in which servers do.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// Server is a real redis-server on a port of its own. What it is told
// is on its disk when it answers.
type Server struct {
	t    testing.TB
	dir  string
	Addr string   // where it listens
	Args []string // of the next start, besides those it always has
	cmd  *exec.Cmd
}

// Start starts a server, with these arguments besides, that ends with the
// test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	logging.Disable() // what matters comes back as errors
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: t.TempDir(), Addr: l.Addr().String(), Args: args}
	l.Close()
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// URL is where it is.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Host and Port are the parts of Addr.
func (s *Server) Host() string { host, _, _ := net.SplitHostPort(s.Addr); return host }
func (s *Server) Port() string { _, port, _ := net.SplitHostPort(s.Addr); return port }

// Synced tells whether it is a replica that has all that its master had.
func (s *Server) Synced() bool {
	c := s.Client()
	defer c.Close()
	info, err := c.Info(context.Background(), "replication").Result()
	return err == nil && strings.Contains(info, "master_link_status:up") && strings.Contains(info, "master_sync_in_progress:0")
}

// Start starts it again, with what it has on its disk.
func (s *Server) Start() {
	s.t.Helper()
	args := []string{"--port", s.Port(), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always"}
	s.cmd = exec.Command("redis-server", append(args, s.Args...)...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	c := s.Client()
	defer c.Close()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		err := c.Ping(context.Background()).Err()
		if err == nil || redis.HasErrorPrefix(err, "NOAUTH") {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("redis-server does not answer: %v", err)
		}
	}
}

// Client is a connection to it, to be closed.
func (s *Server) Client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DialerRetries: 1})
}

// Kill ends it at once.
func (s *Server) Kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

// Empty forgets what is on its disk.
func (s *Server) Empty() {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		if err := os.RemoveAll(f); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Signal sends it a signal.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}
