package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
)

// A gateway that can't listen says so and leaves nothing open.
func TestRunFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	pool, err := backends.New([]backends.Config{testBackend("chat", testModel, "http://127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*setup){
		"clients' address taken": func(s *setup) { s.Config.Server.Listen = addr },
		"admin's address taken":  func(s *setup) { s.Config.Server.AdminListen = addr },
		"redirect's taken": func(s *setup) {
			s.withTLS(t)
			s.Config.Server.AdminListen = "127.0.0.1:0"
			s.Config.Server.TLS.RedirectListen = addr
		},
		"no certificate":          func(s *setup) { s.Config.Server.TLS = gateway.TLS{CertFile: "/nowhere", KeyFile: "/nowhere"} },
		"certificate of no use":   func(s *setup) { s.withTLS(t); write(t, s.Config.Server.TLS.CertFile, nil) },
		"clients' address absurd": func(s *setup) { s.Config.Server.Listen = "127.0.0.1:x" },
	} {
		t.Run(name, func(t *testing.T) {
			set := newSetup()
			change(set)
			set.Config.Fill()
			g, err := gateway.New(gateway.Options{Config: set.Config, Pool: pool, Keys: new(keys.Store), Ledger: openLedger(t, filepath.Join(t.TempDir(), "ledger")), Log: slog.New(slog.DiscardHandler), Version: "test"})
			if err != nil {
				t.Fatal(err)
			}
			before := openFiles()
			if err := g.Run(context.Background()); err == nil {
				t.Fatal("Run says that all was well")
			}
			select {
			case <-g.Ready():
				t.Error("it says that it is ready")
			default:
			}
			noGoroutines(t)
			if n := openFiles(); n > before {
				t.Errorf("%d files are left open", n-before)
			}
		})
	}
}

// So does one that served.
func TestRunLeavesNothingOpen(t *testing.T) {
	before := openFiles()
	s := serve(t, func(set *setup) { set.Config.Server.AdminListen = "127.0.0.1:0" })
	for range 3 {
		s.Do("POST", "/v1/chat/completions", "acme", chat(true, "hi"))
	}
	s.Dial().Close()
	s.Stop()
	s.Engine.listener.Close()
	s.Engine.CloseConns()
	eventually(t, "as many files are open as before", func() bool { return openFiles() <= before })
}
