// Pilothouse runs and watches a self-hosted LLM platform: an OpenAI-compatible
// gateway in front of vLLM servers on the company's own GPUs, and the terminal
// dashboard of the people on call for it.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
)

func main() {
	c, err := loadConfig(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	pool, err := backends.New(c.Backends)
	if err != nil {
		panic(err)
	}
	store, err := keys.Open(c.Server.KeysFile, keys.Options{Log: log})
	if err != nil {
		panic(err)
	}
	g, err := gateway.New(gateway.Options{Config: c.Config, Pool: pool, Keys: store, Log: log})
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return pool.Run(ctx) })
	group.Go(func() error { return g.Run(ctx) })
	if err := group.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
