package gateway_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
)

// TestStopAtOnce tells a gateway to stop before it has begun to serve.
func TestStopAtOnce(t *testing.T) {
	t.Parallel()
	pool, err := backends.New([]backends.Config{testBackend("chat", testModel, deadURL(t))})
	if err != nil {
		t.Fatal(err)
	}
	set := newSetup()
	set.Config.Fill()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	books := openLedger(t, filepath.Join(t.TempDir(), "ledger"))
	for range 200 {
		g, err := gateway.New(gateway.Options{Config: set.Config, Pool: pool, Keys: new(keys.Store), Ledger: books, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("Run does not return")
		}
	}
}
